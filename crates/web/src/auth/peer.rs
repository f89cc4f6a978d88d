//! Where a request comes from.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::http::HeaderMap;

use super::settings::Network;

/// The other end of a connection; none for a Unix socket. The server puts it into each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Peer(pub(crate) Option<IpAddr>);

/// What tells the other end of a connection.
pub(crate) trait Other {
    /// Its address, where it has one.
    fn peer(&self) -> Peer;
}

impl Other for SocketAddr {
    fn peer(&self) -> Peer {
        Peer(Some(self.ip().to_canonical()))
    }
}

impl Other for tokio::net::unix::SocketAddr {
    fn peer(&self) -> Peer {
        Peer(None)
    }
}

const FORWARDED_FOR: &str = "x-forwarded-for";

/// Whose attempts are counted together: an address, and of IPv6 the network of 64 bits that one customer is given.
///
/// `X-Forwarded-For` counts only where the connection comes from a trusted proxy (whoever connects to a Unix socket is its owner), and only as far
/// back as each hop is one: what a stranger wrote before it is theirs to invent.
pub(crate) fn counted_as(peer: Peer, headers: &HeaderMap, trusted: &[Network]) -> Option<IpAddr> {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut from = peer.0;
    if from.is_none_or(is_trusted) {
        let all = headers.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
        let hops: Vec<&str> = all.flat_map(|text| text.split(',')).collect();
        for hop in hops.into_iter().rev() {
            let Some(address) = address(hop.trim()) else { break };
            from = Some(address);
            if !is_trusted(address) {
                break;
            }
        }
    }
    from.map(|address| match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from(u128::from(v6) & (u128::MAX << 64))),
    })
}

/// Whether a proxy seems to stand before this server of which it was not told: all who come through it are counted as one.
pub(crate) fn seems_unknown_proxy(peer: Peer, headers: &HeaderMap, trusted: &[Network]) -> bool {
    headers.contains_key(FORWARDED_FOR) && peer.0.is_some_and(|address| !trusted.iter().any(|network| network.contains(address)))
}

/// The address of a hop: some proxies write a port behind it, or brackets around it.
fn address(hop: &str) -> Option<IpAddr> {
    let bare = hop.strip_prefix('[').and_then(|hop| hop.strip_suffix(']')).unwrap_or(hop);
    let parsed = bare.parse::<IpAddr>().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|address| address.ip()));
    parsed.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(peer: Option<&str>, forwarded: &[&'static str], trusted: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED_FOR, value.parse().unwrap());
        }
        let trusted: Vec<Network> = trusted.iter().map(|network| network.parse().unwrap()).collect();
        counted_as(Peer(peer.map(|peer| peer.parse().unwrap())), &headers, &trusted).map(|address| address.to_string())
    }

    #[test]
    fn what_a_stranger_writes_of_where_they_come_from_counts_for_nothing() {
        let proxies = ["10.0.0.0/8"];
        for (peer, forwarded, told) in [
            (Some("192.0.2.1"), &["198.51.100.1"][..], Some("192.0.2.1")),
            (Some("10.0.0.1"), &["198.51.100.1"], Some("198.51.100.1")),
            (Some("10.0.0.1"), &["203.0.113.9, 198.51.100.1"], Some("198.51.100.1")),
            (Some("10.0.0.1"), &["203.0.113.9, 198.51.100.1, 10.2.2.2"], Some("198.51.100.1")),
            (Some("10.0.0.1"), &["203.0.113.9", "198.51.100.1:5123"], Some("198.51.100.1")),
            (Some("10.0.0.1"), &["203.0.113.9, nonsense"], Some("10.0.0.1")),
            (Some("10.0.0.1"), &["203.0.113.9, nonsense, 10.2.2.2"], Some("10.2.2.2")),
            (Some("10.0.0.1"), &[], Some("10.0.0.1")),
            (Some("10.0.0.1"), &["[2001:db8:1:2:3::1]:443"], Some("2001:db8:1:2::")),
            (None, &["198.51.100.1"], Some("198.51.100.1")),
            (None, &[], None),
        ] {
            assert_eq!(counted(peer, forwarded, &proxies).as_deref(), told, "{peer:?} {forwarded:?}");
        }
    }

    #[test]
    fn one_who_has_a_whole_network_of_ipv6_is_one() {
        assert_eq!(counted(Some("2001:db8:1:2:3:4:5:6"), &[], &[]), counted(Some("2001:db8:1:2:ffff::1"), &[], &[]));
        assert_ne!(counted(Some("2001:db8:1:2::1"), &[], &[]), counted(Some("2001:db8:1:3::1"), &[], &[]));
        assert_eq!(counted(Some("::ffff:192.0.2.1"), &[], &[]).as_deref(), Some("::"), "the server hands it over as IPv4");
        let other: SocketAddr = "[::ffff:192.0.2.1]:80".parse().unwrap();
        assert_eq!(other.peer(), Peer(Some("192.0.2.1".parse().unwrap())));
    }
}
