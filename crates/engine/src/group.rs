//! Promotions that belong together become one change.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use towpath_domain::{ChangeId, TargetId};

use crate::change::ChangeIndex;
use crate::event::{ChangeKind, ChangeSpec, ConfigEdit, RunSpec};
use crate::ids;
use crate::moved;
use crate::promotion::Note;
use crate::split::Company;
use crate::verdict::Action;

/// One target of a promotion.
#[derive(Clone, Copy)]
pub(crate) struct Member<'a> {
    pub(crate) target: &'a TargetId,
    pub(crate) note: &'a Note,
}

/// What those share that go in one change.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Bundle<'a> {
    /// Channels, repository and commit.
    Alike(&'a str),
    /// An earlier change, which is to be merged or tried again.
    Again(&'a ChangeId),
    /// A half of a batch that was refused.
    Half(&'a ChangeId, bool),
    /// A batch, by its policy and its number there.
    Batch(&'a Arc<str>, u32),
}

/// The run that carries the promotions of `members` out in one change; `None` without any.
pub(crate) fn run(members: Vec<Member<'_>>, changes: &ChangeIndex, config: &str) -> Option<Action> {
    let mut change = change(&members)?;
    change.replaces = changes.replaced_by(&change);
    let why = match members.first().map(|member| &member.note.company) {
        Some(Company::Half { of, why, .. }) => format!("the batch {of} did not pass and goes in parts: {why}"),
        _ => format!("all channels vouch for it: {}", change.title),
    };
    let spec: RunSpec = changes.run(change, config, why);
    Some(Action::Run { spec: Box::new(spec) })
}

/// The change that moves `members`; `None` without any.
pub(crate) fn change(members: &[Member<'_>]) -> Option<ChangeSpec> {
    let parts = parts(members);
    let first = parts.first()?.first()?.note;
    let of_all = || parts.iter().flatten();
    let edits: Vec<ConfigEdit> = of_all()
        .map(|member| ConfigEdit::SetRef { target: member.target.clone(), from: member.note.from.clone(), to: member.note.to })
        .collect();
    let listed = |of: fn(&Note) -> &str| {
        let names: BTreeSet<&str> = of_all().map(|member| of(member.note)).collect();
        list(&names.into_iter().collect::<Vec<_>>())
    };
    let (files, to) = (listed(|note| &note.saas_file), ids::short(first.to));
    let environments = listed(|note| &note.environment);
    let (title, readable) = match parts.len() {
        1 => (format!("Promote {files} to {to} in {environments}"), format!("{}-{to}", first.saas_file)),
        more => (format!("Promote {files} in {environments}"), format!("{}-and-{}-more", first.saas_file, more - 1)),
    };
    let moved = moved::moved(&parts.iter().flatten().copied().collect::<Vec<_>>());
    let mut change = ids::change_spec(ChangeKind::Promotion, &readable, edits, title, moved::text(&moved), "towpath".to_owned());
    change.moved = moved;
    if parts.len() > 1 {
        change.parts = parts.iter().map(|part| part.iter().map(|member| member.target.clone()).collect()).collect();
    }
    Some(change)
}

/// Those that must move together, in the order of their first targets.
fn parts<'a>(members: &[Member<'a>]) -> Vec<Vec<Member<'a>>> {
    let mut together: BTreeMap<&str, Vec<Member<'a>>> = BTreeMap::new();
    for member in members {
        together.entry(&member.note.together).or_default().push(*member);
    }
    let mut parts: Vec<Vec<Member<'a>>> = together.into_values().collect();
    parts.iter_mut().for_each(|part| part.sort_by(|a, b| a.target.cmp(b.target)));
    parts.sort_by(|a, b| a.first().map(|member| member.target).cmp(&b.first().map(|member| member.target)));
    parts
}

/// So many names are told in a title.
const NAMED: usize = 5;

fn list(names: &[&str]) -> String {
    match names.len().saturating_sub(NAMED) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ")),
    }
}
