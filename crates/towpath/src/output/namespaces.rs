//! Pools, their namespaces, and who waits for one.

use towpath_control::view::{NamespaceView, PoolView, ReservationView};
use towpath_domain::Timestamp;

use super::table::Table;
use super::{Look, words};

/// Pools as a table.
pub fn pools(pools: &[PoolView], look: &Look) -> String {
    if pools.is_empty() {
        return "No pools. A pool is a file with `$schema: /towpath/pool-1.yml` in the config repository.\n".to_owned();
    }
    let mut table = Table::new(&["POOL", "CLUSTER", "SIZE", "READY", "MAKING", "RESERVED", "ENDING", "LIMIT", "WAITING", "TROUBLE"]);
    for pool in pools {
        table.row([
            pool.name.clone(),
            pool.cluster.clone(),
            pool.size.to_string(),
            pool.ready.to_string(),
            pool.making.to_string(),
            pool.reserved.to_string(),
            pool.ending.to_string(),
            pool.limit.to_string(),
            pool.waiting.to_string(),
            pool.trouble.clone().unwrap_or_default(),
        ]);
    }
    table.render(look.width)
}

/// Namespaces as a table, and below it those who wait.
pub fn list(all: &[NamespaceView], waiting: &[ReservationView], look: &Look) -> String {
    let mut text = if all.is_empty() { "No namespaces.\n".to_owned() } else { table(all, look) };
    if !waiting.is_empty() {
        let mut queue = Table::new(&["WAITING", "POOL", "REQUESTER", "SINCE", "FOR"]);
        for lease in waiting {
            queue.row([
                format!("{}/{}", lease.position, lease.of),
                lease.pool.clone(),
                lease.requester.clone(),
                words::ago(lease.requested_at, look.now),
                lease.waits.clone(),
            ]);
        }
        text.push('\n');
        text.push_str(&queue.render(look.width));
    }
    text
}

fn table(all: &[NamespaceView], look: &Look) -> String {
    let mut table = Table::new(&["NAME", "RESERVED", "STATUS", "APPS", "REQUESTER", "POOL", "EXPIRES IN", "WHAT"]);
    for one in all {
        let reserved = one.reservation.is_some();
        let expires = match (reserved, one.until) {
            (false, _) => String::new(),
            (true, Some(until)) => left(until, look.now),
            (true, None) if one.state == "reserved" => "with its run".to_owned(),
            (true, None) => "TBD".to_owned(),
        };
        let what = match &one.run {
            Some(run) => format!("run {run}"),
            None if !one.purpose.is_empty() => one.purpose.clone(),
            None => one.waits.clone(),
        };
        table.row([
            one.name.clone(),
            reserved.to_string(),
            one.state.clone(),
            one.apps.map(|apps| format!("{}/{}", apps.ready, apps.total)).unwrap_or_default(),
            one.requester.clone().unwrap_or_default(),
            one.pool.clone(),
            expires,
            what,
        ]);
    }
    table.render(look.width)
}

fn left(until: Timestamp, now: Timestamp) -> String {
    if until <= now {
        return "expired".to_owned();
    }
    let seconds = until.since(now).as_millis() / 1000;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s}s"),
        (0, m, s) => format!("{m}m{s}s"),
        (h, m, s) => format!("{h}h{m}m{s}s"),
    }
}

/// One reservation in lines.
pub fn one(lease: &ReservationView, look: &Look) -> String {
    let mut lines: Vec<(&str, String)> = vec![("reservation", lease.id.to_string())];
    if let Some(namespace) = &lease.namespace {
        lines.push(("namespace", namespace.clone()));
    }
    lines.push(("pool", lease.pool.clone()));
    lines.push(("state", lease.state.clone()));
    lines.push(("requester", lease.requester.clone()));
    if let Some(run) = &lease.run {
        lines.push(("run", run.to_string()));
    }
    if !lease.purpose.is_empty() {
        lines.push(("for", lease.purpose.clone()));
    }
    lines.push(("requested", words::ago(lease.requested_at, look.now)));
    if lease.position > 0 {
        lines.push(("place", format!("{} of {}", lease.position, lease.of)));
    }
    if !lease.waits.is_empty() {
        lines.push(("waits", lease.waits.clone()));
    }
    if let Some(until) = lease.until {
        lines.push(("expires in", format!("{} ({until})", left(until, look.now))));
    }
    if let Some(ended) = &lease.ended {
        lines.push(("ended", ended.clone()));
    }
    lines.into_iter().map(|(name, value)| format!("{name:<12} {}\n", words::line(&value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_of_a_lease_is_told_as_people_say_it() {
        let at = Timestamp::from_millis;
        for (millis, text) in [(59_999, "59s"), (60_000, "1m0s"), (3_723_000, "1h2m3s"), (0, "expired"), (-5, "expired")] {
            assert_eq!(left(at(1_000_000 + millis), at(1_000_000)), text);
        }
    }
}
