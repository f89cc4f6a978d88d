//! Figures for gauges and counters.

use std::collections::BTreeMap;

use super::standing::Standing;
use crate::status::ledger_problem;
use crate::steer::Control;
use crate::view::{Problem, PulseView};
use crate::words;

impl Control {
    /// How the loop is: queue, holds, incidents, messages.
    ///
    /// # Errors
    /// [`Problem`] when the ledger cannot be read.
    pub async fn pulse(&self) -> Result<PulseView, Problem> {
        let picture = self.picture();
        let sinks = self.world.ledger.sinks().await.map_err(ledger_problem)?;
        let dead = self.world.ledger.dead_letter_counts().await.map_err(ledger_problem)?;
        let finished = {
            let mut past = self.pictures.past.lock().await;
            past.catch_up(&self.world.ledger).await.map_err(ledger_problem)?;
            past.counts.iter().map(|((kind, outcome), count)| ((*kind).to_owned(), (*outcome).to_owned(), *count)).collect()
        };
        let seen_to = self.seen_to().await?;
        let now = self.world.clock.now();
        let mut outbox = Vec::new();
        for sink in &sinks {
            let oldest = self.world.ledger.outbox_waiting(&sink.name, 1).await.map_err(ledger_problem)?;
            let age = oldest.first().map_or(0, |oldest| now.since(oldest.at).as_millis());
            outbox.push((sink.name.clone(), sink.waiting, age));
        }
        let stuck = self.stuck();
        let facts = self.world.ledger.facts();
        let mut queued: BTreeMap<&str, u64> = BTreeMap::new();
        let mut running: BTreeMap<&str, u64> = BTreeMap::new();
        let mut oldest = None;
        for open in facts.open_runs.values() {
            let kind = words::work_kind(&open.spec.work);
            if open.started {
                *running.entry(kind).or_default() += 1;
            } else {
                *queued.entry(kind).or_default() += 1;
                oldest = Some(oldest.map_or(open.queued_at, |oldest: towpath_domain::Timestamp| oldest.min(open.queued_at)));
            }
        }
        let mut holds: BTreeMap<&str, u64> = BTreeMap::new();
        for name in picture.pieces.iter().flat_map(|piece| &piece.holds) {
            *holds.entry(name).or_default() += 1;
        }
        let mut letters: BTreeMap<String, u64> = sinks.iter().map(|sink| (sink.name.clone(), 0)).collect();
        letters.extend(dead);
        let owned = |counts: BTreeMap<&str, u64>| counts.into_iter().map(|(name, count)| (name.to_owned(), count)).collect();
        let seen_to = stuck.iter().filter(|stuck| seen_to.contains_key(&stuck.subject)).count() as u64;
        let config = (self.world.config.url.clone(), self.world.config.branch.clone());
        Ok(PulseView {
            now,
            config_commit: picture.snapshot().commit,
            event: picture.event.get(),
            queued: owned(queued),
            running: owned(running),
            oldest_queued_at: oldest,
            targets: Standing::ALL
                .iter()
                .map(|standing| {
                    let count = picture.pieces.iter().filter(|piece| piece.standing == *standing).count();
                    (standing.word().to_owned(), count as u64)
                })
                .collect(),
            holds: owned(holds),
            incidents: (stuck.len() as u64 - seen_to, seen_to),
            outbox,
            dead_letters: letters.into_iter().collect(),
            finished,
            config_unreachable_since: facts.branches.get(&config).and_then(|branch| branch.unreachable.as_ref()).map(|(since, _)| *since),
            config_errors: picture.snapshot().errors() as u64,
        })
    }
}
