//! Free ports of this machine.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;

use crate::pod::{PortPlan, PortStatus};

/// Where pods' ports are looked for: below the range from which Linux takes the ports of outgoing connections (32768 on),
/// so that nobody is given one by chance before the pod listens on it, and apart from that of services.
const POD_PORTS: Range<u16> = 10_000..20_000;

/// Whether a process of this machine could listen on `port` now.
pub(crate) fn is_free(port: u16) -> bool {
    // Both: a listener on all addresses and one on loopback alone exclude each other only in one direction.
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok() && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// A port for each that is asked for: the one it had before if that is free, else another.
pub(super) fn allot(wanted: &[PortPlan], before: &[PortStatus]) -> Option<Vec<PortStatus>> {
    let mut given: Vec<PortStatus> = Vec::new();
    for plan in wanted {
        let taken = |port: u16| given.iter().any(|other| other.host_port == port);
        let kept = before.iter().find(|old| old.container_port == plan.container_port).map(|old| old.host_port);
        let host_port =
            kept.filter(|port| !taken(*port) && is_free(*port)).or_else(|| candidates().find(|port| !taken(*port) && is_free(*port)))?;
        given.push(PortStatus { name: plan.name.clone(), container_port: plan.container_port, host_port });
    }
    Some(given)
}

/// All ports of the range, from a random one on: shims that start together look in different places.
fn candidates() -> impl Iterator<Item = u16> {
    let len = POD_PORTS.end - POD_PORTS.start;
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u32(std::process::id());
    let first = (hasher.finish() % u64::from(len)) as u16;
    (0..len).map(move |at| POD_PORTS.start + (first + at) % len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_kept_while_it_is_free_and_replaced_when_it_is_taken() {
        let plan = [PortPlan { name: None, container_port: 8080 }, PortPlan { name: Some("admin".into()), container_port: 9000 }];
        let first = allot(&plan, &[]).unwrap();
        assert_ne!(first[0].host_port, first[1].host_port);
        assert_eq!(allot(&plan, &first).unwrap(), first);
        let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, first[0].host_port)).unwrap();
        let second = allot(&plan, &first).unwrap();
        assert_ne!(second[0].host_port, first[0].host_port);
        assert_eq!(second[1], first[1]);
    }
}
