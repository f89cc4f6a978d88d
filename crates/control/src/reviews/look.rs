//! One look at one open change: what it would make of the config repository, what everybody says of it, and what follows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::OnceCell;
use tokio::time::Instant;
use towpath_catalog::{Account, ForgeKind, InputFile, Target};
use towpath_domain::{ChangeId, CommitId};
use towpath_engine::review::{self, Check, CheckState, Kind, Touched, UnderReview};
use towpath_engine::{ChangeKind, ChangeSpec, Event, OpenChange, PullRef, is_urgent};
use towpath_forge::{MergeResult, Pull, Queued, Status, StatusState};
use towpath_git::Mirror;
use towpath_runs::World;
use towpath_runs::checks as found;
use towpath_runs::world::Snapshot;

use super::checks::{self, GATE, PLAN, VALIDATION};
use super::plan::{self, Difference};
use super::said::Stands;
use super::{PLAN_IS_GOOD_FOR, ReviewError, Reviews, Shown, said};
use crate::view::PlanLine;

/// How many files of a change are looked into; one that touches more is looked at as if it decided who may approve what.
const TOUCHED_MAX: usize = 500;

/// What all changes of one look share.
pub(super) struct Look {
    mirror: Mirror,
    base: CommitId,
    before: Arc<Snapshot>,
    own: Account,
    kind: ForgeKind,
    required: BTreeSet<String>,
    /// Everything goes through the forge's own queue.
    queue: bool,
    /// The plan without any of the changes; made when the first change needs it.
    plan: OnceCell<Vec<PlanLine>>,
}

impl Look {
    pub(super) async fn begin(world: &World) -> Result<Self, ReviewError> {
        let config = &world.config;
        let failed = |error: &dyn std::fmt::Display| ReviewError::Config(error.to_string());
        let mirror = world.mirrors.get(&config.url).await.map_err(|e| failed(&e))?;
        mirror.fetch().await?;
        let base = mirror.resolve(&config.branch).await?;
        let base = base.ok_or_else(|| ReviewError::Config(format!("{} has no branch {}", config.url, config.branch)))?;
        let before = world.catalogs.at(&mirror, base).await.map_err(|e| failed(&e))?;
        let own = Account::new(config.forge.account().await?);
        let kind = config.kind.unwrap_or(ForgeKind::GitHub);
        // What Towpath checks is demanded in any case; the branch may demand more.
        let mut required: BTreeSet<String> = [VALIDATION, GATE, PLAN].map(str::to_owned).into();
        let mut queue = false;
        if config.forge.abilities().protection {
            let demanded = config.forge.protection().await?;
            queue = demanded.queue;
            required.extend(demanded.required_statuses);
        }
        Ok(Self { mirror: (*mirror).clone(), base, before, own, kind, required, queue, plan: OnceCell::new() })
    }

    /// What the change is: Towpath's own as the ledger knows it, else its author's.
    async fn spec(&self, world: &World, pull: &Pull) -> Result<(ChangeSpec, Kind), ReviewError> {
        if let Some(id) = pull.branch.strip_prefix("towpath/").filter(|_| !pull.from_fork).and_then(|id| ChangeId::new(id).ok()) {
            let known = world.ledger.facts().changes.get(&id).map(|fact| fact.spec.clone());
            if let Some(spec) = known
                && spec.kind != ChangeKind::Edit
                && world.config.forge.find(&id).await?.is_some_and(|there| there.by_towpath && there.head == pull.head)
            {
                let kind = spec.kind;
                return Ok((spec, Kind::Own(kind)));
            }
        }
        let id = ChangeId::new(format!("pull-{}", pull.number.0)).map_err(|error| ReviewError::Config(error.to_string()))?;
        let spec = ChangeSpec {
            id,
            kind: ChangeKind::Edit,
            edits: Vec::new(),
            title: pull.title.clone(),
            description: String::new(),
            by: pull.author.clone(),
            pull: Some(PullRef { number: pull.number.0, head: pull.head }),
            replaces: Vec::new(),
            parts: Vec::new(),
            moved: Vec::new(),
        };
        Ok((spec, Kind::Person))
    }
}

/// What a change would make of the config repository.
struct Merged {
    commit: CommitId,
    after: Arc<Snapshot>,
    statuses: Vec<Status>,
    plan: Difference,
}

impl Reviews {
    /// Looks at one change: says of it what the checks found, and records how it stands where that is new.
    pub(super) async fn one(&mut self, around: &Look, pull: &Pull) -> Result<(), ReviewError> {
        let control = Arc::clone(&self.control);
        let (world, forge) = (&control.world, &control.world.config.forge);
        let (spec, kind) = around.spec(world, pull).await?;
        let merged = self.merged(around, pull, kind).await?;
        let page = world.pages.as_ref().map(|pages| pages.change(&spec.id));
        let mut statuses = match &merged {
            Some(merged) => merged.statuses.clone(),
            None => [VALIDATION, GATE, PLAN].map(checks::conflict).into(),
        };
        statuses.iter_mut().for_each(|status| status.url.clone_from(&page));
        for status in &statuses {
            forge.set_status(pull.head, status).await?;
        }
        if let Some(merged) = &merged {
            forge.comment(pull.number, "plan", &said::plan(&merged.plan, around.base, &statuses, page)).await?;
        }
        let under = self.under_review(around, pull, &spec, kind, merged.as_ref(), &statuses).await?;
        let verdict = review::judge(&around.before.catalog, world.clock.now(), &under);
        let known = world.ledger.facts().changes.get(&spec.id).and_then(|fact| fact.open.clone());
        let labels = said::label(world, pull, &verdict, known.as_ref()).await?;
        // What is neither there nor may go there need not be looked for, unless it was thrown out and may be asked for again meanwhile.
        let was_out = known.as_ref().is_some_and(|known| known.thrown_out && known.head == pull.head);
        let queued = match around.queue && (verdict.may_merge() || was_out) {
            true => forge.queued(pull.number, pull.head).await?,
            false => Queued::Outside,
        };
        let asked = said::answer(world, pull, &verdict, (&spec.id, kind), &queued).await?;
        said::thrown_out(world, pull, &spec.id, &queued).await?;
        let asked = asked.or_before(known.as_ref(), pull.head);
        let rebase = asked.rebase || (merged.is_none() && matches!(kind, Kind::Own(_)));
        let stands = Stands { labels, rebase, again: asked.retest, queued, base: around.base };
        let open = said::open(pull, &verdict, &under, &spec.id, stands);
        let moved_on = |known: &OpenChange| known.stamp != open.stamp || (!open.ready && known.waits != open.waits);
        if known.as_ref().is_none_or(moved_on) {
            let seen = Event::ChangeSeen { spec, open };
            world.ledger.append(None, "towpath", world.clock.now(), vec![seen]).await?;
        }
        Ok(())
    }

    /// Merges it in memory, and checks what comes of it; nothing when it conflicts.
    async fn merged(&mut self, around: &Look, pull: &Pull, kind: Kind) -> Result<Option<Merged>, ReviewError> {
        let control = Arc::clone(&self.control);
        let world = &control.world;
        let commit = match world.config.forge.merged_pull(pull.number, pull.head, Some(around.base)).await? {
            MergeResult::Clean { commit, .. } => commit,
            MergeResult::Conflict { .. } => return Ok(None),
            MergeResult::Merged { base } => base,
            MergeResult::HeadMoved { .. } => return Err(ReviewError::Config("it moved while it was looked at".to_owned())),
        };
        let after = world.catalogs.at(&around.mirror, commit).await.map_err(|e| ReviewError::Config(e.to_string()))?;
        let errors = found::validation(&around.before, &after);
        let gate = match kind {
            // A rollback leads to what ran well before.
            Kind::Own(ChangeKind::Rollback) => found::Gate::default(),
            _ => found::gate(&world.ledger.facts(), world.clock.now(), &around.before.catalog, &after.catalog),
        };
        let plan = self.plan(around, pull, &after).await;
        let statuses = vec![checks::validation(&errors), checks::gate(&gate), checks::plan(&plan)];
        Ok(Some(Merged { commit, after, statuses, plan }))
    }

    async fn plan(&mut self, around: &Look, pull: &Pull, after: &Snapshot) -> Difference {
        let of = (pull.head, around.base);
        if let Some(shown) = self.plans.get(&pull.number)
            && shown.of == of
            && shown.since.elapsed() < PLAN_IS_GOOD_FOR
        {
            return shown.plan.clone();
        }
        let before = around.plan.get_or_init(|| self.control.plan_of(&around.before)).await;
        let plan = plan::difference(before, &self.control.plan_of(after).await, self.control.world.pages.as_ref());
        self.plans.insert(pull.number, Shown { of, since: Instant::now(), plan: plan.clone() });
        plan
    }

    async fn under_review(
        &self,
        around: &Look,
        pull: &Pull,
        spec: &ChangeSpec,
        kind: Kind,
        merged: Option<&Merged>,
        statuses: &[Status],
    ) -> Result<UnderReview, ReviewError> {
        let (world, forge) = (&self.control.world, &self.control.world.config.forge);
        let (comments, answered) = said::comments(&around.own, forge.comments(pull.number).await?);
        let reviews = if forge.abilities().reviews { forge.reviews(pull.number).await? } else { Vec::new() };
        let mut checks: BTreeMap<String, Check> = BTreeMap::new();
        if forge.abilities().statuses {
            for status in forge.statuses(pull.head).await? {
                checks.insert(status.context.clone(), Check { commit: pull.head, state: state(status.state) });
            }
        }
        // Anybody who may write may set a status by Towpath's name: what it found itself is what counts.
        for status in statuses {
            checks.insert(status.context.clone(), Check { commit: pull.head, state: state(status.state) });
        }
        let known = world.ledger.facts().changes.get(&spec.id).and_then(|fact| fact.open.clone());
        let seen = known.as_ref().filter(|open| open.head == pull.head && !open.stamp.is_empty()).map(|open| open.head_since);
        // Nobody else pushed to Towpath's own, so what was said since it was opened was said of this; else it is new as of now.
        let first = if matches!(kind, Kind::Own(_)) && known.as_ref().is_none_or(|open| open.stamp.is_empty()) {
            pull.opened_at
        } else {
            world.clock.now()
        };
        let head_since = seen.unwrap_or(first);
        let given = known.map(|open| open.labels).unwrap_or_default();
        let (touched, targets) = match merged {
            Some(merged) => (touched(around, merged.commit).await?, changed(&around.before, &merged.after)),
            None => (Vec::new(), Vec::new()),
        };
        let asked_by = (spec.by != "towpath" && matches!(kind, Kind::Own(_))).then(|| account_of(around, &spec.by));
        Ok(UnderReview {
            forge: around.kind,
            own: around.own.clone(),
            number: pull.number.0,
            kind,
            authors: BTreeSet::from([Account::new(&pull.author)]),
            asked_by,
            opened: pull.opened_at,
            head: pull.head,
            head_since: head_since.max(pull.opened_at),
            draft: pull.draft,
            conflict: merged.is_none(),
            hotfix: matches!(kind, Kind::Own(_)) && is_urgent(&around.before.catalog, spec),
            labels: said::labels(pull, &given, &around.own),
            touched,
            targets,
            comments,
            reviews: said::reviews(reviews, world.clock.now()),
            checks,
            required: around.required.clone(),
            answered,
        })
    }
}

fn state(state: StatusState) -> CheckState {
    match state {
        StatusState::Pending => CheckState::Running,
        StatusState::Success => CheckState::Passed,
        StatusState::Failure | StatusState::Error => CheckState::Failed,
    }
}

/// The account of whoever asked Towpath for a change: of the person of that name in the config repository, else the one that is called so.
fn account_of(around: &Look, by: &str) -> Account {
    let people = around.before.catalog.access.people.values();
    let known = people.into_iter().find(|person| *person.name == *by || *person.org_username == *by);
    known.and_then(|person| person.accounts.get(&around.kind).cloned()).unwrap_or_else(|| Account::new(by))
}

/// The files that differ between the config repository and what it would be.
async fn touched(around: &Look, commit: CommitId) -> Result<Vec<Touched>, ReviewError> {
    let paths = around.mirror.diff_names(around.base, commit).await?;
    let many = paths.len() > TOUCHED_MAX;
    let mut touched = Vec::with_capacity(paths.len());
    for path in paths {
        let mut decides = many;
        for at in [around.base, commit] {
            if !decides && let Some(bytes) = around.mirror.read_file(at, &path).await? {
                decides |= InputFile::new(path.as_str(), bytes).says_who_approves();
            }
        }
        touched.push(Touched { path, decides });
    }
    Ok(touched)
}

/// The targets of which the two say something else, each as both have it.
fn changed(before: &Snapshot, after: &Snapshot) -> Vec<Arc<Target>> {
    let (old, new) = (&before.catalog.targets, &after.catalog.targets);
    let mut changed = Vec::new();
    for (id, target) in old {
        match new.get(id) {
            Some(other) if Arc::ptr_eq(target, other) || target == other => {}
            other => changed.extend(std::iter::once(target).chain(other).cloned()),
        }
    }
    changed.extend(new.iter().filter(|(id, _)| !old.contains_key(*id)).map(|(_, target)| Arc::clone(target)));
    changed
}
