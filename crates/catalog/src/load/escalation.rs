//! Whom an app calls when nobody sees to a failure: its escalation policy, and those after it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::findings::Findings;
use super::index::Index;
use crate::model::{EscalationLevel, UserGroup};
use crate::read::{Content, Ref, schema};

/// The levels that begin with the policy at `first`. What cannot be used is told, and left out.
pub(super) fn levels(file: &Arc<str>, first: Option<&Ref>, index: &Index<'_>, findings: &mut Findings) -> Vec<EscalationLevel> {
    let (mut levels, mut seen) = (Vec::new(), BTreeSet::new());
    let mut next = first.map(|to| (Arc::clone(file), to));
    while let Some((from, to)) = next {
        let found = index.get(to);
        let Some((at, Content::Escalation(raw))) = found.map(|found| (found, &found.content)) else {
            slip(&from, to, &format!("`data{}` is no escalation policy that can be used: nobody is called by it", to.path), findings);
            break;
        };
        if !seen.insert(to.path.clone()) {
            slip(&from, to, "this leads back to an escalation policy before it: the climb ends here", findings);
            break;
        }
        let mut user_groups = Vec::new();
        for group in &raw.user_groups {
            let named = index.get(group).and_then(|found| if let Content::UserGroup(group) = &found.content { Some(group) } else { None });
            let workspace = named.and_then(|named| index.get(&named.workspace));
            let workspace = workspace.filter(|found| found.schema.as_deref() == Some(schema::SLACK_WORKSPACE));
            match (named, workspace.and_then(|found| found.broken_name.as_deref())) {
                (Some(named), Some(workspace)) => user_groups.push(UserGroup {
                    workspace: workspace.to_owned(),
                    handle: named.handle.clone(),
                    channels: named.channels.clone(),
                }),
                _ => slip(&at.path, group, &format!("`data{}` is no Slack user group that can be called", group.path), findings),
            }
        }
        let mut pagerduty = Vec::new();
        for target in &raw.pagerduty {
            match index.get(target).and_then(|found| found.broken_name.as_deref()) {
                Some(name) => pagerduty.push(name.to_owned()),
                None => slip(&at.path, target, &format!("`data{}` names no PagerDuty target", target.path), findings),
            }
        }
        levels.push(EscalationLevel { name: raw.name.clone(), user_groups, emails: raw.emails.clone(), pagerduty });
        next = raw.next.as_ref().map(|to| (Arc::clone(&at.path), to));
    }
    levels
}

fn slip(file: &Arc<str>, to: &Ref, message: &str, findings: &mut Findings) {
    findings.warn("no-notices", to.spot.place(file), message, "Refer to a file of app-interface's type, or take the reference away.");
}
