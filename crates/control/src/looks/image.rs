//! Images that were built.

use std::collections::BTreeMap;

use towpath_engine::Outcome;
use towpath_ledger::{EventId, RunFilter};

use super::{PAGE, PAGE_MAX};
use crate::commits::Commits;
use crate::places::{Places, seen, sees_target};
use crate::runs::{ROWS_MAX, before};
use crate::sight::Sight;
use crate::status::ledger_problem;
use crate::steer::Control;
use crate::view::{ImageFilter, ImageView, PageView, Problem};

impl Control {
    /// Images that were built, newest first.
    ///
    /// # Errors
    /// [`Problem`] when `cursor` is no page's, or the ledger cannot be read.
    pub async fn images(&self, sight: Sight, filter: ImageFilter) -> Result<PageView<ImageView>, Problem> {
        let limit = filter.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX) as usize;
        let mut asked = RunFilter {
            outcome: Some("built".to_owned()),
            before: filter.cursor.as_deref().map(before).transpose()?,
            ..RunFilter::default()
        };
        let source = filter.source.as_deref().filter(|source| !source.is_empty());
        let running = self.running(&sight);
        let (mut items, mut looked_at) = (Vec::new(), 0);
        loop {
            let page = self.world.ledger.runs(&asked, PAGE_MAX.min(200)).await.map_err(ledger_problem)?;
            looked_at += page.rows.len();
            let snapshot = self.world.current();
            let facts = self.world.ledger.facts();
            let (places, commits) = (Places::new(&snapshot.catalog, &facts), Commits::new(&facts));
            for run in &page.rows {
                let towpath_engine::Work::Build { source: of, commit, .. } = &run.spec.work else { continue };
                let Some(Outcome::Built { image, digest }) = &run.outcome else { continue };
                asked.before = Some(run.queued);
                let digest = digest.to_string();
                let runs_in = running.get(&digest).cloned().unwrap_or_default();
                let wanted = source.is_none_or(|source| of.as_str() == source) && (filter.running != Some(true) || !runs_in.is_empty());
                if !wanted || !seen(&sight, &places.of_work(&run.spec.work)) {
                    continue;
                }
                items.push(ImageView {
                    source: of.to_string(),
                    image: image.to_string(),
                    digest,
                    commit: commits.view(snapshot.catalog.sources.get(of).map(|source| &source.url), *commit),
                    built_at: run.finished_at.unwrap_or(run.queued_at),
                    run: run.spec.id.clone(),
                    runs_in,
                });
                if items.len() == limit {
                    return Ok(PageView { items, next: asked.before.map(|event: EventId| event.get().to_string()) });
                }
            }
            asked.before = page.rows.last().map(|run| run.queued);
            if !page.more || looked_at >= ROWS_MAX {
                let next = asked.before.filter(|_| page.more).map(|event| event.get().to_string());
                return Ok(PageView { items, next });
            }
        }
    }

    /// Targets that may be seen, by the digests that run there.
    fn running(&self, sight: &Sight) -> BTreeMap<String, Vec<String>> {
        let picture = self.picture();
        let facts = self.world.ledger.facts();
        let mut running: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for piece in picture.pieces.iter().filter(|piece| sees_target(sight, &piece.target)) {
            let current = facts.targets.get(&piece.target.id).and_then(|fact| fact.current.as_ref());
            for digest in current.into_iter().flat_map(|current| current.digests.values()) {
                let names = running.entry(digest.to_string()).or_default();
                if !names.contains(&piece.cell.name) {
                    names.push(piece.cell.name.clone());
                }
            }
        }
        running
    }
}
