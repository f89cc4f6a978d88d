//! All outcomes of a run in few bytes: by rising number of the test, each as the step from the number before, how it ended, how often it was
//! tried, and how long it took. Numbers have seven bits a byte, the lowest first; all but the last byte of one have the eighth bit set.

use super::TestOutcome;

/// One test's outcome in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    /// The test's number.
    pub(super) test: i64,
    pub(super) outcome: TestOutcome,
    pub(super) flaky: bool,
    pub(super) attempts: u32,
    pub(super) took_ms: Option<u64>,
}

const FLAKY: u64 = 4;

/// Entries as bytes; sorted by their tests, each test once.
pub(super) fn encode(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(entries.len() * 5);
    let mut before = 0;
    for entry in entries {
        put(&mut bytes, u64::try_from(entry.test - before).unwrap_or(0));
        before = entry.test;
        let outcome = u64::try_from(entry.outcome.number()).unwrap_or(0);
        put(&mut bytes, outcome | if entry.flaky { FLAKY } else { 0 });
        put(&mut bytes, u64::from(entry.attempts.saturating_sub(1)));
        put(&mut bytes, entry.took_ms.map_or(0, |ms| ms.saturating_add(1)));
    }
    bytes
}

/// What was encoded; none where the bytes are no such thing.
pub(super) fn decode(mut bytes: &[u8]) -> Option<Vec<Entry>> {
    let mut entries = Vec::with_capacity(bytes.len() / 5);
    let mut test = 0_i64;
    while !bytes.is_empty() {
        test = test.checked_add(i64::try_from(take(&mut bytes)?).ok()?)?;
        let how = take(&mut bytes)?;
        let attempts = take(&mut bytes)?;
        let took = take(&mut bytes)?;
        entries.push(Entry {
            test,
            outcome: TestOutcome::from_number(i64::try_from(how & 3).ok()?)?,
            flaky: how & FLAKY != 0,
            attempts: u32::try_from(attempts).ok()?.saturating_add(1),
            took_ms: took.checked_sub(1),
        });
    }
    Some(entries)
}

fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entries() -> impl Strategy<Value = Vec<Entry>> {
        let entry = (1_i64..1_000_000, 0_i64..4, any::<bool>(), 1_u32.., prop::option::of(0_u64..u64::MAX - 1));
        prop::collection::vec(entry, 0..40).prop_map(|all| {
            let mut test = 0;
            let entry = |(step, outcome, flaky, attempts, took_ms)| {
                test += step;
                Entry { test, outcome: TestOutcome::from_number(outcome).unwrap(), flaky, attempts, took_ms }
            };
            all.into_iter().map(entry).collect()
        })
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(entries in entries()) {
            prop_assert_eq!(decode(&encode(&entries)), Some(entries));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = decode(&bytes);
        }
    }
}
