//! Promotions that belong together become one change.

use std::collections::{BTreeMap, BTreeSet};

use towpath_domain::{CommitId, TargetId};

use crate::change::ChangeIndex;
use crate::event::{ChangeKind, ChangeSpec, ConfigEdit, RunSpec};
use crate::ids;
use crate::moved;
use crate::promotion::Note;
use crate::verdict::Action;

/// One target of a promotion.
pub(crate) struct Member<'a> {
    pub(crate) target: &'a TargetId,
    pub(crate) to: CommitId,
    pub(crate) together: &'a str,
    pub(crate) note: &'a Note,
}

/// The runs that carry the promotions of `members` out, one per group of those that share channels, repository and commit.
pub(crate) fn runs(members: Vec<Member<'_>>, changes: &ChangeIndex, config: &str) -> Vec<Action> {
    let mut groups: BTreeMap<&str, Vec<Member<'_>>> = BTreeMap::new();
    for member in members {
        groups.entry(member.together).or_default().push(member);
    }
    let mut actions = Vec::with_capacity(groups.len());
    for (_, mut group) in groups {
        group.sort_by(|a, b| a.target.cmp(b.target));
        let Some(mut change) = change(&group) else { continue };
        change.replaces = changes.replaced_by(&change);
        let why = format!("all channels vouch for it: {}", change.title);
        let spec: RunSpec = changes.run(change, config, why);
        actions.push(Action::Run { spec: Box::new(spec) });
    }
    actions
}

fn change(group: &[Member<'_>]) -> Option<ChangeSpec> {
    let to = group.first()?.to;
    let edits: Vec<ConfigEdit> = group
        .iter()
        .map(|member| ConfigEdit::SetRef { target: member.target.clone(), from: member.note.from.clone(), to: member.to })
        .collect();
    let listed = |of: fn(&Note) -> &str| {
        let names: BTreeSet<&str> = group.iter().map(|member| of(member.note)).collect();
        names.into_iter().collect::<Vec<_>>().join(", ")
    };
    let files = listed(|note| &note.saas_file);
    let title = format!("Promote {files} to {} in {}", ids::short(to), listed(|note| &note.environment));
    let readable = format!("{}-{}", group.first()?.note.saas_file, ids::short(to));
    let moved = moved::moved(group);
    let spec = ids::change_spec(ChangeKind::Promotion, &readable, edits, title, moved::text(&moved), "towpath".to_owned());
    Some(ChangeSpec { moved, ..spec })
}
