//! Two refs of a target beside each other.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use towpath_catalog::Target;
use towpath_domain::{CommitId, ImageRef};
use towpath_engine::{Facts, secret_versions};
use towpath_runs::render::{self, Rendered, Secrets};
use towpath_template::Placeholder;

use crate::commits::Commits;
use crate::find::{self, problem};
use crate::places::Places;
use crate::sight::Sight;
use crate::steer::Control;
use crate::view::{CommitView, CompareRequest, CompareView, DiffView, ImageMove, ObjectDiffView, Problem};

impl Control {
    /// Commits, rendered objects and images of a target at two refs.
    ///
    /// # Errors
    /// [`Problem`] when the target or a commit is not known, or the template comes to no objects at one of them.
    pub async fn compare(&self, sight: Sight, request: CompareRequest) -> Result<CompareView, Problem> {
        let (target, from, to) = {
            let snapshot = self.world.current();
            let catalog = &snapshot.catalog;
            let facts = self.world.ledger.facts();
            let target = find::target_seen(catalog, &sight, &request.target)?;
            let runs = |target: &Target| facts.targets.get(&target.id).and_then(|fact| fact.current.as_ref()).map(|current| current.commit);
            let named = |text: &str| -> Result<CommitId, Problem> {
                if let Some(commit) = find::commit_seen(&Places::new(catalog, &facts), &sight, text)? {
                    return Ok(commit);
                }
                let other = find::target_seen(catalog, &sight, text)?;
                runs(&other).ok_or_else(|| nothing(&format!("nothing runs in {}", other.title())))
            };
            let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
            let from = match given(&request.from) {
                Some(text) => named(&text)?,
                None => runs(&target).ok_or_else(|| nothing(&format!("nothing runs in {} yet", target.title())))?,
            };
            let to = match given(&request.to) {
                Some(text) => named(&text)?,
                None => head(catalog, &facts, &target).ok_or_else(|| nothing("the newest commit of its branch is not known"))?,
            };
            (target, from, to)
        };
        let (before, after) = (self.rendered(&target, from).await, self.rendered(&target, to).await);
        let facts = self.world.ledger.facts();
        let commits = Commits::new(&facts);
        let (objects, images) = match (&before, &after) {
            (Ok(before), Ok(after)) => (
                DiffView {
                    commit: Some(commits.view(Some(&target.url), to)),
                    objects: objects(&before.objects, &after.objects),
                    error: None,
                },
                images(&before.images, &after.images),
            ),
            (Err(error), _) | (_, Err(error)) => (DiffView { commit: None, objects: Vec::new(), error: Some(error.clone()) }, Vec::new()),
        };
        let (ahead, behind) = between(&facts, &target, from, to);
        Ok(CompareView {
            title: target.title(),
            from: commits.view(Some(&target.url), from),
            to: commits.view(Some(&target.url), to),
            ahead,
            behind,
            objects,
            images,
        })
    }

    async fn rendered(&self, target: &Arc<Target>, commit: CommitId) -> Result<Rendered, String> {
        let versions = secret_versions(target, &self.world.ledger.facts());
        let around = self.world.rendering(Secrets::Marked(&versions));
        render::render(around, target, commit, &mut Placeholder).await.map_err(|error| error.message)
    }
}

fn nothing(detail: &str) -> Problem {
    problem("nothing-to-compare", 422, "There is nothing to compare with", detail, "name both refs")
}

fn head(catalog: &towpath_catalog::Catalog, facts: &Facts, target: &Target) -> Option<CommitId> {
    let source = catalog.sources.values().find(|source| source.url == target.url).map(|source| source.branch.clone());
    let branch = source.or_else(|| target.branch.clone())?;
    facts.branches.get(&(target.url.clone(), branch))?.commits.first().map(|commit| commit.id)
}

/// The commits that the one has and the other has not, newest first, as far as their branch is remembered.
fn between(facts: &Facts, target: &Target, from: CommitId, to: CommitId) -> (Vec<CommitView>, Vec<CommitView>) {
    let branches = facts.branches.iter().filter(|((url, _), _)| *url == target.url).map(|(_, branch)| branch);
    for branch in branches {
        let place = |commit| branch.commits.iter().position(|known| known.id == commit);
        let (Some(from), Some(to)) = (place(from), place(to)) else { continue };
        let views = |range: std::ops::Range<usize>| -> Vec<CommitView> {
            let known = branch.commits.get(range).unwrap_or_default().iter();
            known
                .map(|c| CommitView { id: c.id, subject: Some(c.subject.clone()), author: Some(c.author.clone()), at: Some(c.at) })
                .collect()
        };
        return if to <= from { (views(to..from), Vec::new()) } else { (Vec::new(), views(from..to)) };
    }
    (Vec::new(), Vec::new())
}

/// What an object is called: its kind, its group and its name.
fn name(object: &Value) -> String {
    let text = |at: &str| object.pointer(at).and_then(Value::as_str).unwrap_or_default();
    let group = text("/apiVersion").split_once('/').map_or(String::new(), |(group, _)| format!(".{group}"));
    format!("{}{group}/{}", text("/kind"), text("/metadata/name"))
}

fn objects(before: &[Value], after: &[Value]) -> Vec<ObjectDiffView> {
    let mut all: BTreeMap<String, (Option<&Value>, Option<&Value>)> = BTreeMap::new();
    before.iter().for_each(|object| all.entry(name(object)).or_default().0 = Some(object));
    after.iter().for_each(|object| all.entry(name(object)).or_default().1 = Some(object));
    let changed = all.into_iter().filter(|(_, (before, after))| before != after);
    changed
        .map(|(object, (before, after))| ObjectDiffView {
            object,
            change: match (before, after) {
                (None, _) => "created",
                (_, None) => "deleted",
                _ => "changed",
            }
            .to_owned(),
            lines: towpath_cluster::unified(before, after),
        })
        .collect()
}

fn images(before: &[ImageRef], after: &[ImageRef]) -> Vec<ImageMove> {
    let split = |image: &ImageRef| {
        let text = image.to_string();
        let at = text.rfind('@').or_else(|| text.rfind(':').filter(|at| !text.get(*at..).unwrap_or_default().contains('/')));
        match at.and_then(|at| Some((text.get(..at)?.to_owned(), text.get(at + 1..)?.to_owned()))) {
            Some((name, version)) => (name, version),
            None => (text, String::new()),
        }
    };
    let mut all: BTreeMap<String, (Option<String>, Option<String>)> = BTreeMap::new();
    before.iter().map(split).for_each(|(name, version)| all.entry(name).or_default().0 = Some(version));
    after.iter().map(split).for_each(|(name, version)| all.entry(name).or_default().1 = Some(version));
    let moved = all.into_iter().filter(|(_, (from, to))| from != to);
    moved.map(|(image, (from, to))| ImageMove { image, from, to }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_that_moved_are_told_by_name_and_tag() {
        let image = |text: &str| text.parse::<ImageRef>().unwrap();
        let before = [image("registry.example:5000/a/web:1111111"), image("registry.example/a/same:1")];
        let after = [image("registry.example:5000/a/web:2222222"), image("registry.example/a/same:1"), image("registry.example/a/new:3")];
        let moved = images(&before, &after);
        assert_eq!(moved.len(), 2);
        assert_eq!(
            (moved[0].image.as_str(), moved[0].from.as_deref(), moved[0].to.as_deref()),
            ("registry.example/a/new", None, Some("3"))
        );
        assert_eq!((moved[1].from.as_deref(), moved[1].to.as_deref()), (Some("1111111"), Some("2222222")));
    }

    #[test]
    fn objects_that_came_went_or_changed_are_told_and_no_others() {
        let object = |name: &str, value: &str| serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"k": value}});
        let found =
            objects(&[object("a", "1"), object("b", "1"), object("c", "1")], &[object("a", "1"), object("b", "2"), object("d", "1")]);
        let told: Vec<_> = found.iter().map(|diff| (diff.object.as_str(), diff.change.as_str())).collect();
        assert_eq!(told, [("ConfigMap/b", "changed"), ("ConfigMap/c", "deleted"), ("ConfigMap/d", "created")]);
    }
}
