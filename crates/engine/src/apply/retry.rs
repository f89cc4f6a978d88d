//! What a person's wish to try again makes of the facts: what failed is forgotten, and what is waited for is looked at at once.

use towpath_domain::Timestamp;

use crate::check::{Ask, Asked, CheckEvent};
use crate::event::{RenderOutcome, Subject};
use crate::facts::{ChangeFact, FactKey, Facts};

use super::moves;

impl Facts {
    pub(super) fn retry(&mut self, at: Timestamp, subject: &Subject, by: &str) -> Vec<FactKey> {
        let mut touched = Vec::new();
        match subject {
            Subject::Source(source) => {
                for (commit, fact) in self.builds.get_mut(source).into_iter().flatten() {
                    if fact.failure.take().is_some() {
                        touched.push(FactKey::Build(source.clone(), *commit));
                    }
                }
            }
            Subject::Target(target) => {
                if let Some(fact) = self.targets.get_mut(target) {
                    let (failure, tries) = (fact.failure.take(), fact.render_tries.take());
                    if failure.is_some() || tries.is_some() {
                        touched.push(FactKey::Target(target.clone()));
                    }
                }
                if let Some(renders) = self.renders.get_mut(target) {
                    let before = renders.len();
                    renders.retain(|render| !matches!(render.outcome, RenderOutcome::Failed { .. }));
                    if renders.len() != before {
                        touched.push(FactKey::Renders(target.clone()));
                    }
                }
                // Whoever retries has mended what it waits for.
                let rendered = self.renders.get(target).into_iter().flatten();
                let images: Vec<_> = rendered.flat_map(|render| render.images().iter().cloned()).collect();
                touched.extend(images.iter().flat_map(|image| self.image_announced(image)).collect::<Vec<_>>());
                for (id, fact) in &mut self.changes {
                    if fact.merged.is_none() && moves(&fact.spec, target) && renew(fact) {
                        touched.push(FactKey::Change(id.clone()));
                    }
                }
            }
            Subject::Check(id) => {
                let ask = Ask { what: Asked::Retest { tests: Vec::new() }, by: by.to_owned(), why: String::new(), comment: None };
                touched.extend(self.check_event(at, &CheckEvent::Asked { check: id.clone(), ask }));
            }
            Subject::Change(id) => {
                if self.changes.get_mut(id).is_some_and(renew) {
                    touched.push(FactKey::Change(id.clone()));
                }
            }
        }
        touched
    }
}

/// Forgets how the change ended short of merging. Returns whether there was something to forget.
fn renew(fact: &mut ChangeFact) -> bool {
    let (failure, superseded) = (fact.failure.take(), fact.superseded.take());
    let closed = std::mem::take(&mut fact.closed);
    let refused = fact.refused.take();
    let again = fact.open.as_mut().filter(|open| open.thrown_out && !open.again);
    let thrown_out = again.map(|open| open.again = true).is_some();
    failure.is_some() || superseded.is_some() || closed || refused.is_some() || thrown_out
}
