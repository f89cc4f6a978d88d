//! What follows when a run was killed since it needed more memory than it was given: the next attempt is given twice as much, up to a bound.

use std::fmt::Display;

use towpath_domain::FailureClass;
use towpath_engine::{Event, Subject};

use crate::journal::{Journal, Stop};
use crate::world::World;

/// How often more the next attempt is given.
const TIMES: u64 = 2;

/// The end of a run one of whose containers ran out of `limit` bytes. What the next attempt gets is written down before anybody is told.
///
/// `what` ran out of it.
pub(super) async fn ran_out(world: &World, journal: &Journal, subject: Subject, limit: u64, what: impl Display) -> Stop {
    let Some(next) = next(limit, world.memory_max) else {
        return Stop::own(format!(
            "{what} ran out of {}, and no attempt is given more than {}; have it need less, or raise `memory_max` of [runs] in towpath.toml",
            amount(limit),
            amount(world.memory_max)
        ));
    };
    let known = world.ledger.facts().memory.get(&subject).copied();
    if known.is_none_or(|known| known < next)
        && let Err(error) = journal.write(Event::MemoryRaised { subject, bytes: next, run: journal.run().clone() }).await
    {
        return Stop::Ledger(error);
    }
    Stop::failed(FailureClass::Environment, format!("{what} ran out of {}; the next attempt gets {}", amount(limit), amount(next)))
}

/// What comes after `limit` bytes; none when that was the most already.
fn next(limit: u64, most: u64) -> Option<u64> {
    (limit < most).then(|| limit.saturating_mul(TIMES).min(most))
}

/// Bytes for people, as memory is written: `256 MiB`.
pub(super) fn amount(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    match units.into_iter().find(|(bits, _)| bytes >= 1 << bits && bytes.is_multiple_of(1 << bits)) {
        Some((bits, unit)) => format!("{} {unit}", bytes >> bits),
        None if bytes >= 1 << 20 => format!("{} MiB", bytes.div_ceil(1 << 20)),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn the_next_attempt_is_given_twice_as_much_up_to_the_bound_and_then_none_is_made() {
        assert_eq!(next(256 * MIB, 1024 * MIB), Some(512 * MIB));
        assert_eq!(next(700 * MIB, 1024 * MIB), Some(1024 * MIB));
        assert_eq!(next(1024 * MIB, 1024 * MIB), None);
        assert_eq!(next(2048 * MIB, 1024 * MIB), None);
        assert_eq!(next(u64::MAX - 1, u64::MAX), Some(u64::MAX));
    }

    #[test]
    fn amounts_read_as_people_write_them() {
        for (bytes, text) in
            [(256 * MIB, "256 MiB"), (4096 * MIB, "4 GiB"), (1536 * MIB, "1536 MiB"), (100_000_000, "96 MiB"), (512 << 10, "512 KiB")]
        {
            assert_eq!(amount(bytes), text);
        }
    }
}
