//! Policies: selectors looked up, broken ones turned into holds.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::Arc;

use towpath_domain::TargetId;

use super::findings::Findings;
use super::index::Index;
use super::linked::Inventory;
use super::saas::Whole;
use crate::access::Approvals;
use crate::diagnostic::{Place, Severity};
use crate::model::{Freeze, Policy, Selector};
use crate::quarantine::TestPolicy;
use crate::read::{At, Content, Parsed, RawApprovals, RawCluster, RawPolicy, RawRole, schema};
use crate::suggest;
use crate::yaml::Spot;

/// All policies, in the order of their names.
///
/// A policy with an error still holds: it freezes what it selects, or everything if that cannot be told. A slip of the pen
/// in a freeze must not lift it.
pub(super) fn link(index: &Index<'_>, inventory: &Inventory<'_>, targets: &[Whole<'_>], findings: &mut Findings) -> Vec<Arc<Policy>> {
    let files = index.files;
    let known = Known::new(files, inventory, targets);
    let mut policies: Vec<_> = files
        .iter()
        .filter_map(|file| match &file.content {
            Content::Policy(raw) => Some(policy(&file.path, raw, index, &known, findings)),
            Content::Broken if file.schema.as_deref() == Some(schema::POLICY) => Some(broken(file)),
            _ => None,
        })
        .map(Arc::new)
        .collect();
    policies.sort_by(|a, b| (&a.name, &a.place.file).cmp(&(&b.name, &b.place.file)));
    policies
}

fn policy(file: &Arc<str>, raw: &RawPolicy, index: &Index<'_>, known: &Known<'_>, findings: &mut Findings) -> Policy {
    let place = raw.name.spot.place(file);
    let mut select = if raw.select_broken { Selector::default() } else { selector(file, raw, known, findings) };
    let mut freezes = raw.freezes.clone();
    if let Some(error) = &raw.broken {
        freezes.push(freeze_of(&place, error));
    }
    select.targets.sort_unstable();
    let name = if raw.name.value.is_empty() { Arc::clone(file) } else { raw.name.value.as_str().into() };
    Policy {
        name,
        select,
        freezes,
        windows: raw.windows.clone(),
        queue: raw.queue,
        retries: raw.retries,
        batching: raw.batching.clone(),
        tests: raw.tests.clone(),
        automatic_rollback: raw.automatic_rollback,
        blocks: raw.blocks.clone(),
        require_signed: raw.require_signed.clone(),
        approvals: raw.approvals.as_ref().map(|raw| approvals(file, raw, index, findings)),
        broken: raw.broken.as_deref().map(Arc::from),
        place,
    }
}

/// A policy whose file is no YAML.
fn broken(file: &Parsed) -> Policy {
    let place = Spot::top().place(&file.path);
    let error = file.diagnostics.iter().find(|found| found.severity == Severity::Error).map_or("it cannot be read", |found| &found.message);
    Policy {
        name: file.broken_name.as_deref().map_or_else(|| Arc::clone(&file.path), Arc::from),
        select: Selector::default(),
        freezes: vec![freeze_of(&place, error)],
        broken: Some(Arc::from(error)),
        approvals: None,
        windows: Vec::new(),
        queue: None,
        retries: None,
        batching: None,
        tests: TestPolicy::default(),
        automatic_rollback: None,
        blocks: Vec::new(),
        require_signed: None,
        place,
    }
}

/// A role that is not there is told and kept: it has no members, so that a slip of the pen asks for more and not for less.
fn approvals(file: &Arc<str>, raw: &RawApprovals, index: &Index<'_>, findings: &mut Findings) -> Approvals {
    for role in &raw.roles {
        index.find::<RawRole>(file, role, findings);
    }
    let roles = raw.roles.iter().map(|role| Arc::from(format!("data{}", role.path))).collect();
    Approvals { count: raw.count, roles, promotions: raw.promotions, place: raw.place.clone() }
}

fn freeze_of(place: &Place, error: &str) -> Freeze {
    let reason = format!("the policy in {} has an error ({error}), so that nothing it may be about moves until it is mended", place.file);
    Freeze { from: None, until: None, reason: reason.into(), by: None, place: place.clone() }
}

/// What selectors may name.
struct Known<'a> {
    inventory: &'a Inventory<'a>,
    clusters: Vec<&'a str>,
    titles: HashMap<String, Vec<&'a TargetId>>,
}

impl<'a> Known<'a> {
    fn new(files: &'a [Arc<Parsed>], inventory: &'a Inventory<'a>, targets: &'a [Whole<'a>]) -> Self {
        let raw = |file: &'a Arc<Parsed>| if let Content::Cluster(raw) = &file.content { Some::<&RawCluster>(raw) } else { None };
        let clusters = files.iter().filter_map(raw).map(|cluster| cluster.name.value.as_str()).collect();
        // Titles are only made when some policy names targets.
        let named = files.iter().any(|file| matches!(&file.content, Content::Policy(raw) if !raw.select.targets.is_empty()));
        let mut titles: HashMap<String, Vec<&TargetId>> = HashMap::new();
        for whole in targets.iter().filter(|_| named) {
            titles.entry(whole.target.title()).or_default().push(&whole.target.id);
        }
        Self { inventory, clusters, titles }
    }
}

fn selector(file: &Arc<str>, raw: &RawPolicy, known: &Known<'_>, findings: &mut Findings) -> Selector {
    let select = &raw.select;
    let inventory = known.inventory;
    check(
        file,
        "app",
        &select.apps,
        |name| inventory.apps.contains_key(name),
        || inventory.apps.keys().map(|name| name.as_str()).collect(),
        findings,
    );
    let environments = || inventory.environments.keys().map(|name| name.as_str()).collect();
    check(file, "environment", &select.environments, |name| inventory.environments.contains_key(name), environments, findings);
    check(file, "cluster", &select.clusters, |name| known.clusters.contains(&name.as_str()), || known.clusters.clone(), findings);
    let mut targets = Vec::new();
    for at in &select.targets {
        if let Some(ids) = known.titles.get(&at.value) {
            targets.extend(ids.iter().map(|id| (*id).clone()));
            continue;
        }
        let is_id = at.value.len() == 40 && at.value.bytes().all(|b| b.is_ascii_hexdigit());
        // An id of no target is kept: a policy may outlive its target, and then it must not select everything.
        if let (false, Ok(id)) = (known.titles.values().flatten().any(|id| id.as_str() == at.value), TargetId::new(&at.value)) {
            let mut titles: Vec<&str> = known.titles.keys().map(String::as_str).collect();
            titles.sort_unstable();
            let mend = if is_id {
                "Remove it.".to_owned()
            } else {
                suggest::mend(&at.value, titles, "Write `saas file/resource template/environment/namespace`.")
            };
            findings.warn("unknown-selection", at.spot.place(file), format!("there is no target `{}`", at.value.escape_debug()), mend);
            targets.push(id);
        } else if let Ok(id) = TargetId::new(&at.value) {
            targets.push(id);
        }
    }
    Selector {
        apps: select.apps.iter().map(|at| at.value.clone()).collect(),
        environments: select.environments.iter().map(|at| at.value.clone()).collect(),
        clusters: select.clusters.iter().map(|at| at.value.clone()).collect(),
        targets,
        labels: select.labels.clone(),
    }
}

/// A name that selects nothing is told as an error: a freeze of `prodution` freezes nothing.
fn check<'a, T: Display>(
    file: &Arc<str>,
    what: &str,
    selected: &[At<T>],
    is_known: impl Fn(&T) -> bool,
    all: impl Fn() -> Vec<&'a str>,
    findings: &mut Findings,
) {
    for at in selected.iter().filter(|at| !is_known(&at.value)) {
        let name = at.value.to_string();
        let mend = suggest::mend(&name, all(), &format!("Write the name of {what}s that there are."));
        findings.error("unknown-selection", at.spot.place(file), format!("there is no {what} `{}`", name.escape_debug()), mend);
    }
}
