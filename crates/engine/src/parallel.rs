//! Sharing work among threads: the outcome is the same as with one.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::Builder;

/// Items that a thread takes at once: few enough that threads end at about the same time, many enough that taking costs nothing.
const BATCH: usize = 512;
/// Below this many items, starting a thread costs more than it saves.
const WORTH_A_THREAD: usize = 2 * BATCH;
/// Threads at most, the caller's included: planning waits for memory more than it computes, so that more gain little.
const THREADS: usize = 4;

/// What `work` makes of `items`, batch by batch, in the order of the items.
pub(crate) fn batches<T: Sync, R: Send>(items: &[T], work: impl Fn(&[T]) -> Vec<R> + Sync) -> Vec<R> {
    let threads = (items.len() / WORTH_A_THREAD).clamp(1, THREADS);
    if threads == 1 {
        return work(items);
    }
    let batches: Vec<&[T]> = items.chunks(BATCH).collect();
    let next = AtomicUsize::new(0);
    let take = || {
        let mut done = Vec::with_capacity(batches.len());
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(batch) = batches.get(at) else { return done };
            done.push((at, work(batch)));
        }
    };
    let mut done = std::thread::scope(|scope| {
        // Where no more threads can be had, the others do it all.
        let others: Vec<_> = (1..threads).filter_map(|_| Builder::new().spawn_scoped(scope, take).ok()).collect();
        let mut done = take();
        for other in others {
            match other.join() {
                Ok(more) => done.extend(more),
                Err(panic) => resume_unwind(panic),
            }
        }
        done
    });
    done.sort_unstable_by_key(|(at, _)| *at);
    let mut all = Vec::with_capacity(items.len());
    done.into_iter().for_each(|(_, some)| all.extend(some));
    all
}

#[cfg(test)]
mod tests {
    use super::batches;

    #[test]
    fn the_order_is_that_of_the_items_however_many_they_are() {
        for count in [0_usize, 1, 511, 2_048, 9_999] {
            let items: Vec<usize> = (0..count).collect();
            let doubled = batches(&items, |some| some.iter().map(|item| item * 2).collect());
            assert_eq!(doubled, items.iter().map(|item| item * 2).collect::<Vec<_>>(), "{count} items");
        }
    }
}
