//! Promotions that belong together become one change.

use std::collections::{BTreeMap, BTreeSet};

use towpath_domain::{CommitId, GitRef, TargetId};

use crate::change::ChangeIndex;
use crate::event::{ChangeKind, ChangeSpec, ConfigEdit, RunSpec};
use crate::ids;
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
    Some(ids::change_spec(ChangeKind::Promotion, &readable, edits, title, description(group), "towpath".to_owned()))
}

fn description(group: &[Member<'_>]) -> String {
    let mut text = String::from("Targets:\n");
    for member in group {
        let from = match &member.note.from {
            GitRef::Commit(commit) => ids::short(*commit),
            GitRef::Branch(branch) => branch.to_string(),
        };
        text.push_str(&format!("- {}: {from} to {}\n", member.note.title, ids::short(member.to)));
    }
    let mut section = |heading: &str, lines: BTreeSet<&String>| {
        if !lines.is_empty() {
            text.push_str(&format!("\n{heading}:\n"));
            lines.into_iter().for_each(|line| text.push_str(&format!("- {line}\n")));
        }
    };
    section("Vouched for by", group.iter().flat_map(|member| &member.note.vouchers).collect());
    // Targets of one group may come from different commits; the longest list holds all the others.
    let longest = group.iter().map(|member| &member.note.commits).max_by_key(|commits| commits.len());
    let commits = longest.into_iter().flatten().map(|line| format!("- {line}\n")).collect::<String>();
    if !commits.is_empty() {
        text.push_str(&format!("\nCommits, newest first:\n{commits}"));
    }
    text
}
