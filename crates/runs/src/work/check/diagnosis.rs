//! What the cluster tells of a namespace in which a check failed, for the run's log: soon, nothing of it is there any more.

use std::collections::VecDeque;
use std::time::Duration;

use towpath_cluster::{Cluster, LogRequest, LogSource, ObjectStatus, PodStatus};

use super::Check;
use super::place::Place;

/// How long all of it may take: a cluster that does not answer is often why the check failed.
const WITHIN: Duration = Duration::from_secs(20);

/// The most objects, pods, last lines of each pod, and events that are told.
const OBJECTS: usize = 10;
const PODS: usize = 3;
const LINES: usize = 30;
const EVENTS: usize = 20;

/// The most of a pod's log that is kept while it is read, in bytes.
const TAIL_BYTES: usize = 64 << 10;

/// Tells what is not well in the namespace.
pub(super) async fn tell(check: &Check<'_>, place: &Place) {
    let cluster = check.world.clusters.get(&place.cluster);
    if tokio::time::timeout(WITHIN, told(check, place, &*cluster)).await.is_err() {
        check.journal.note(format!("{} did not tell all of {} within {} s", place.cluster, place.namespace, WITHIN.as_secs()));
    }
}

async fn told(check: &Check<'_>, place: &Place, cluster: &dyn Cluster) {
    let journal = check.journal;
    match cluster.list(Some(&place.namespace)).await {
        Ok(there) => {
            let unwell: Vec<&ObjectStatus> = there.iter().filter(|object| !object.ready).collect();
            journal.note(format!("in {}: {} objects, {} of them not well", place.namespace, there.len(), unwell.len()));
            for object in unwell.iter().take(OBJECTS) {
                journal.note(format!("{}: {}", object.key.title(), object.message));
                for pod in object.pods.iter().filter(|pod| is_unwell(pod)).take(PODS) {
                    of_pod(check, place, cluster, pod).await;
                }
            }
        }
        Err(error) => journal.note(format!("what is in {} cannot be told: {error}", place.namespace)),
    }
    let events = cluster.events(&place.namespace, 0).await;
    let mut warnings: Vec<_> = events.iter().rev().filter(|event| event.warning).take(EVENTS).collect();
    warnings.reverse();
    for event in warnings {
        journal.note(format!("event: {}: {}", event.object.title(), event.message));
    }
}

fn is_unwell(pod: &PodStatus) -> bool {
    !pod.ready && pod.phase != "succeeded"
}

async fn of_pod(check: &Check<'_>, place: &Place, cluster: &dyn Cluster, pod: &PodStatus) {
    let journal = check.journal;
    let why = if pod.message.is_empty() { String::new() } else { format!(": {}", pod.message) };
    journal.note(format!("pod {} is {}, restarted {} times{why}", pod.name, pod.phase, pod.restarts));
    let source = LogSource::Pod(pod.name.clone());
    let request = LogRequest { namespace: place.namespace.clone(), source, container: None, from: 0, follow: false };
    let mut chunks = match cluster.logs(request).await {
        Ok(chunks) => chunks,
        Err(error) => {
            journal.note(format!("the log of pod {} cannot be read: {error}", pod.name));
            return;
        }
    };
    let mut tails: Vec<(String, Tail)> = Vec::new();
    while let Some(chunk) = chunks.recv().await {
        match tails.iter_mut().find(|(container, _)| *container == chunk.container) {
            Some((_, tail)) => tail.push(&chunk.bytes),
            None => {
                let mut tail = Tail::default();
                tail.push(&chunk.bytes);
                tails.push((chunk.container, tail));
            }
        }
    }
    for (container, tail) in tails {
        for line in tail.lines() {
            journal.output(&format!("{}/{container}", pod.name), &line);
        }
    }
}

/// The end of something long.
#[derive(Default)]
struct Tail(VecDeque<u8>);

impl Tail {
    fn push(&mut self, bytes: &[u8]) {
        let kept = bytes.get(bytes.len().saturating_sub(TAIL_BYTES)..).unwrap_or_default();
        self.0.extend(kept);
        let over = self.0.len().saturating_sub(TAIL_BYTES);
        self.0.drain(..over);
    }

    fn lines(mut self) -> Vec<String> {
        let text = String::from_utf8_lossy(self.0.make_contiguous()).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        lines.get(lines.len().saturating_sub(LINES)..).unwrap_or_default().iter().map(|line| (*line).to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_log_the_last_lines_are_told() {
        let mut tail = Tail::default();
        for n in 0..50_000 {
            tail.push(format!("line {n}\n").as_bytes());
        }
        let lines = tail.lines();
        assert_eq!(
            (lines.len(), lines.first().map(String::as_str), lines.last().map(String::as_str)),
            (LINES, Some("line 49970"), Some("line 49999"))
        );
        let mut tail = Tail::default();
        tail.push(&vec![b'x'; TAIL_BYTES * 3]);
        assert_eq!(tail.lines()[0].len(), TAIL_BYTES);
    }
}
