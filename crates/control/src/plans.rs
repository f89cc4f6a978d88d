//! What would happen: now, if a branch were merged, or in a plain folder. The same engine, the same words.

use std::collections::BTreeMap;
use std::sync::Arc;

use towpath_catalog::{Catalog, InputFile};
use towpath_domain::{BranchName, CommitId, Digest, GitRef, ImageRef, RepoUrl, Timestamp};
use towpath_engine::{Action, CommitInfo, Event, Facts, State, Subject, Verdict, plan, secret_versions};
use towpath_git::{MergeRequest, Merged};
use towpath_runs::Knowing;
use towpath_runs::render::{self, Secrets, Surroundings};
use towpath_runs::world::{Mirrors, Snapshot};

use crate::commits::Commits;
use crate::find::{problem, target_seen};
use crate::observe::DEPTH;
use crate::places::{Places, seen};
use crate::request::PlanRequest;
use crate::sight::Sight;
use crate::status::{diagnostic_lines, subject_url, verdict_in};
use crate::steer::Control;
use crate::titles::in_order;
use crate::view::{PlanLine, PlanView, Problem};
use crate::{deletions, differences, words};

/// How often planning is repeated so that what it asks for is known; each round asks for what the one before led to: a rendering,
/// or one image of a target.
const ROUNDS: usize = 32;

impl Control {
    /// What would happen now, or if a branch of the config repository were merged; with what would change in the clusters, if asked for.
    ///
    /// # Errors
    /// [`Problem`] when the branch is not there, or does not merge, or no target that may be seen has the name.
    pub async fn plan(&self, sight: &Sight, asked: &PlanRequest) -> Result<PlanView, Problem> {
        let (of, snapshot) = match &asked.branch {
            None => {
                let now = self.world.current();
                (now.commit.map_or_else(|| "nothing read yet".to_owned(), words::short), now)
            }
            Some(branch) => self.merged(branch).await?,
        };
        let catalog = &snapshot.catalog;
        // Which app a file is of, nobody can tell.
        let diagnostics = if *sight == Sight::Everything { self.diagnostics_now(&snapshot) } else { Vec::new() };
        let named = asked.diff.as_deref().filter(|name| !name.is_empty()).map(|name| target_seen(catalog, sight, name)).transpose()?;
        let (facts, mut verdicts) = self.planned(&snapshot).await;
        if *sight != Sight::Everything {
            let places = Places::new(catalog, &facts);
            verdicts.retain(|subject, _| seen(sight, &places.of_subject(subject)));
        }
        let mut lines = lines(catalog, &facts, &verdicts);
        if let Some(named) = &named {
            lines.retain(|line| line.title == named.title());
        }
        deletions::add(&self.world, catalog, &verdicts, &mut lines).await;
        if asked.diff.is_some() {
            let wanted = match named {
                Some(named) => vec![differences::of_one(&named, &facts, &verdicts)],
                None => differences::of_deploys(catalog, &verdicts),
            };
            let knowing = if asked.branch.is_some() { Knowing::Names } else { Knowing::Values };
            differences::add(&self.world, &snapshot, knowing, &facts, wanted, &mut lines).await;
        }
        Ok(PlanView { of, diagnostics, lines })
    }

    /// What would happen now with this catalog, whether it counts or not.
    async fn planned(&self, snapshot: &Snapshot) -> (Facts, BTreeMap<Subject, Verdict>) {
        let (mut facts, now) = (self.world.ledger.facts().clone(), self.world.clock.now());
        if let Some(commit) = snapshot.commit.filter(|commit| facts.config != Some(*commit)) {
            // What did not fit onto the config repository as it is may fit onto what it would be.
            facts.apply(now, &Event::ConfigSeen { commit, errors: 0 });
        }
        settle(self.world.rendering(Secrets::Unknown), &snapshot.catalog, facts, now).await
    }

    /// The same as lines, with what would be deleted.
    pub(crate) async fn plan_of(&self, snapshot: &Snapshot) -> Vec<PlanLine> {
        let (facts, verdicts) = self.planned(snapshot).await;
        let mut lines = lines(&snapshot.catalog, &facts, &verdicts);
        deletions::add(&self.world, &snapshot.catalog, &verdicts, &mut lines).await;
        lines
    }

    /// The config repository as it would be if the branch were merged.
    async fn merged(&self, branch: &str) -> Result<(String, Arc<Snapshot>), Problem> {
        let not_there =
            |detail: String| problem("unknown-branch", 404, "There is no such branch", detail, "push it to the config repository first");
        let failed = |e: towpath_git::GitError| {
            problem("git", 502, "The config repository cannot be read", e.to_string(), "`towpath doctor` looks at it")
        };
        let Ok(GitRef::Branch(name)) = branch.parse::<GitRef>() else {
            return Err(not_there(format!("{branch:?} is no branch name")));
        };
        let config = &self.world.config;
        let mirror = self.world.mirrors.get(&config.url).await.map_err(failed)?;
        mirror.fetch().await.map_err(failed)?;
        let head = mirror.resolve(&name).await.map_err(failed)?.ok_or_else(|| not_there(format!("{} has no branch {name}", config.url)))?;
        let base = mirror.resolve(&config.branch).await.map_err(failed)?;
        let base = base.ok_or_else(|| not_there(format!("{} has no branch {}", config.url, config.branch)))?;
        let request = MergeRequest {
            base,
            head,
            message: format!("What merging {name} would make"),
            who: self.world.mirrors.git().settings().identity.clone(),
            at: Timestamp::default(),
        };
        let commit = match mirror.merge_commit(&request).await.map_err(failed)? {
            Merged::Commit(commit) => commit,
            Merged::Conflict { paths } => {
                return Err(problem(
                    "conflict",
                    409,
                    "The branch does not merge",
                    format!("{name} and {} both changed {}", config.branch, paths.join(", ")),
                    format!("rebase {name} onto {}", config.branch),
                ));
            }
        };
        let snapshot = self.world.catalogs.at(&mirror, commit).await.map_err(|e| failed(e.source))?;
        let of = format!("{} with {name} ({}) merged", words::short(base), words::short(head));
        Ok((of, snapshot))
    }
}

/// What would happen in a plain folder of config files, with nothing known but what the repositories say now. `environment` is where programs
/// that render are looked for.
pub async fn plan_folder(
    files: Vec<InputFile>,
    of: String,
    mirrors: &Mirrors,
    environment: &[(String, String)],
    now: Timestamp,
) -> PlanView {
    let loaded = towpath_catalog::load(files);
    let catalog = Arc::new(loaded.catalog);
    let mut facts = Facts::default();
    let mut wanted: BTreeMap<(RepoUrl, BranchName), ()> = BTreeMap::new();
    for source in catalog.sources.values() {
        wanted.insert((source.url.clone(), source.branch.clone()), ());
    }
    for target in catalog.targets.values() {
        if let Some(branch) = &target.branch {
            wanted.insert((target.url.clone(), branch.clone()), ());
        }
    }
    for (url, branch) in wanted.into_keys() {
        let event = match look(mirrors, &url, &branch).await {
            Ok(commits) if !commits.is_empty() => Event::BranchSeen { url, branch, commits },
            Ok(_) => Event::BranchUnreachable { error: format!("it has no branch {branch}"), url, branch },
            Err(error) => Event::BranchUnreachable { url, branch, error: error.to_string() },
        };
        facts.apply(now, &event);
    }
    let (facts, verdicts) = settle(Surroundings { environment, ..Surroundings::from(mirrors) }, &catalog, facts, now).await;
    PlanView { of, diagnostics: diagnostic_lines(&loaded.diagnostics), lines: lines(&catalog, &facts, &verdicts) }
}

async fn look(mirrors: &Mirrors, url: &RepoUrl, branch: &BranchName) -> Result<Vec<CommitInfo>, towpath_git::GitError> {
    let Some(head) = mirrors.head(url, branch).await? else { return Ok(Vec::new()) };
    let commits = mirrors.get(url).await?.first_parent(head, DEPTH).await?;
    Ok(commits.into_iter().map(|c| CommitInfo { id: c.id, subject: c.subject, author: c.author_name, at: c.committed_at }).collect())
}

/// Plans until nothing more is asked for. Nothing but renderings is done.
async fn settle(around: Surroundings<'_>, catalog: &Arc<Catalog>, mut facts: Facts, now: Timestamp) -> (Facts, BTreeMap<Subject, Verdict>) {
    let mut verdicts = plan(catalog, &facts, now).verdicts;
    for _ in 0..ROUNDS {
        let asked: Vec<(Arc<towpath_catalog::Target>, CommitId)> = verdicts
            .values()
            .filter_map(|verdict| match &verdict.state {
                State::Act { action: Action::Render { target, commit } } => Some((catalog.targets.get(target)?.clone(), *commit)),
                _ => None,
            })
            .collect();
        let unseen: Vec<Event> = verdicts.values().filter_map(as_if_there).collect();
        if asked.is_empty() && unseen.is_empty() {
            break;
        }
        for event in unseen {
            facts.apply(now, &event);
        }
        for (target, commit) in asked {
            let versions = secret_versions(&target, &facts);
            let around = Surroundings { secrets: Secrets::Marked(&versions), ..around };
            let event = match render::fact(around, &target, commit).await {
                Ok(render) => Event::Rendered(render),
                Err(error) => match &target.branch {
                    Some(branch) => Event::BranchUnreachable { url: target.url.clone(), branch: branch.clone(), error: error.message },
                    None => continue,
                },
            };
            facts.apply(now, &event);
        }
        verdicts = plan(catalog, &facts, now).verdicts;
    }
    (facts, verdicts)
}

/// A plan asks no registry: what nobody looked at yet is taken to be there and signed.
fn as_if_there(verdict: &Verdict) -> Option<Event> {
    let State::Act { action: Action::LookAtImage { image, requirements, .. } } = &verdict.state else { return None };
    let digest = image.digest().unwrap_or(Digest::from_bytes([0; 32]));
    let signed = requirements.iter().map(|required| (required.hash.to_string(), None)).collect();
    Some(Event::ImageLooked { image: ImageRef::clone(image), digest: Some(digest), signed, error: None })
}

fn lines(catalog: &Catalog, facts: &Facts, verdicts: &BTreeMap<Subject, Verdict>) -> Vec<PlanLine> {
    let commits = Commits::new(facts);
    let mut lines: Vec<PlanLine> = verdicts
        .iter()
        .map(|(subject, verdict)| {
            let url = subject_url(catalog, subject);
            let (kind, current) = match subject {
                Subject::Source(_) => ("source", None),
                Subject::Change(_) => ("change", None),
                Subject::Check(_) => ("check", None),
                Subject::Target(id) => {
                    let current = facts.targets.get(id).and_then(|t| t.current.as_ref());
                    ("target", current.map(|deployed| commits.view(url, deployed.commit)))
                }
            };
            PlanLine {
                title: words::subject_title(catalog, subject),
                kind: kind.to_owned(),
                target: if let Subject::Target(id) = subject { Some(id.clone()) } else { None },
                verdict: verdict_in(catalog, &commits, url, &words::typed(catalog, subject), verdict),
                current,
                deletes: Vec::new(),
                diff: None,
            }
        })
        .collect();
    let order: BTreeMap<String, usize> = in_order(catalog).into_iter().enumerate().map(|(at, target)| (target.title(), at)).collect();
    let rank = |kind: &str| ["source", "target", "change"].iter().position(|k| *k == kind);
    lines.sort_by_cached_key(|line| (rank(&line.kind), order.get(&line.title).copied(), line.title.clone()));
    lines
}
