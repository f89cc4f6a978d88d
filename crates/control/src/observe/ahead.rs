//! Looks at sources before a catalog counts whose refs are ahead of what is known of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use towpath_catalog::Catalog;
use towpath_domain::{BranchName, RepoUrl};
use towpath_engine::Facts;
use towpath_runs::World;

use super::look;
use super::schedule::Look;

/// How long one repository is waited for. One that takes longer counts as away, so that nothing is promoted there.
const PATIENCE: Duration = Duration::from_secs(10);

/// Looks at every branch that a target of `next` is pinned outside of, unless it was so before: the commit may be newer than the last look,
/// and a commit that is not known counts as older than all.
pub(crate) async fn catch_up(world: &Arc<World>, before: &Catalog, next: &Catalog) {
    let ahead = ahead(&world.ledger.facts(), before, next);
    let mut looking = JoinSet::new();
    for (url, branches) in ahead {
        let world = Arc::clone(world);
        looking.spawn(async move {
            let look = Look { url, branches, local: true };
            if tokio::time::timeout(PATIENCE, look::look_at(&world, &look)).await.is_err() {
                look::away(&world, &look, &format!("it does not answer within {}s", PATIENCE.as_secs())).await;
            }
        });
    }
    while looking.join_next().await.is_some() {}
}

/// The branches that a target is pinned outside of, by repository.
fn ahead(facts: &Facts, before: &Catalog, next: &Catalog) -> BTreeMap<RepoUrl, BTreeSet<BranchName>> {
    let mut ahead: BTreeMap<RepoUrl, BTreeSet<BranchName>> = BTreeMap::new();
    for target in next.targets.values().filter(|target| !target.disable && !target.delete) {
        let (Some(pinned), Some(branch)) = (target.git_ref.commit().filter(|pinned| !pinned.is_null()), &target.branch) else { continue };
        if before.targets.get(&target.id).is_some_and(|known| known.git_ref == target.git_ref) {
            continue;
        }
        let known = facts.branches.get(&(target.url.clone(), branch.clone()));
        if known.is_some_and(|fact| fact.commits.iter().all(|commit| commit.id != pinned)) {
            ahead.entry(target.url.clone()).or_default().insert(branch.clone());
        }
    }
    ahead
}

#[cfg(test)]
mod tests {
    use towpath_catalog::InputFile;
    use towpath_domain::Timestamp;
    use towpath_engine::{CommitInfo, Event};

    use super::*;

    const URL: &str = "https://git.example.com/web";

    fn catalog(git_ref: &str) -> Catalog {
        let file = |path: &str, text: &str| InputFile::new(format!("data/{path}.yml"), text.as_bytes().to_vec());
        towpath_catalog::load(vec![
            file("app", "$schema: /app-sre/app-1.yml\nname: web\n"),
            file("cluster", "$schema: /openshift/cluster-1.yml\nname: c\n"),
            file("environment", "$schema: /app-sre/environment-1.yml\nname: production\n"),
            file(
                "namespace",
                "$schema: /openshift/namespace-1.yml\nname: web\ncluster: {$ref: /cluster.yml}\napp: {$ref: /app.yml}\nenvironment: {$ref: /environment.yml}\n",
            ),
            file(
                "source",
                &format!("$schema: /towpath/source-1.yml\nname: web\napp: {{$ref: /app.yml}}\nurl: {URL}\nimage: localhost/web\nbuild: {{command: make}}\n"),
            ),
            file(
                "saas",
                &format!("$schema: /app-sre/saas-file-2.yml\nname: web\napp: {{$ref: /app.yml}}\nmanagedResourceTypes: [Job]\nresourceTemplates:\n- name: t\n  url: {URL}\n  path: /t.yml\n  targets:\n  - namespace: {{$ref: /namespace.yml}}\n    ref: '{git_ref}'\n"),
            ),
        ])
        .catalog
    }

    fn facts(commit: &str) -> Facts {
        let mut facts = Facts::default();
        let known = CommitInfo { id: commit.parse().unwrap(), subject: String::new(), author: String::new(), at: Timestamp::default() };
        let event = Event::BranchSeen { url: RepoUrl::new(URL).unwrap(), branch: BranchName::new("main").unwrap(), commits: vec![known] };
        facts.apply(Timestamp::default(), &event);
        facts
    }

    #[test]
    fn only_a_new_ref_to_a_commit_that_is_not_known_is_looked_after() {
        let (old, new) = ("a".repeat(40), "b".repeat(40));
        let looked = |before: &Catalog, next: &Catalog| ahead(&facts(&old), before, next).len();
        assert_eq!(catalog(&new).targets.len(), 1);
        assert_eq!(looked(&catalog(&old), &catalog(&new)), 1);
        assert_eq!(looked(&Catalog::default(), &catalog(&new)), 1);
        assert_eq!(looked(&catalog(&new), &catalog(&new)), 0, "it was so before");
        assert_eq!(looked(&catalog(&new), &catalog(&old)), 0, "that commit is known");
        assert_eq!(looked(&catalog(&old), &catalog(&"0".repeat(40))), 0, "nothing was promoted yet");
    }
}
