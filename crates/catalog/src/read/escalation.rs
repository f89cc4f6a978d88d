//! Escalation policies and the user groups that they call. A slip here is told, and holds no deploy.

use super::Ref;
use super::fields::Reader;
use crate::yaml::Node;

/// An escalation policy as it is written.
#[derive(Debug)]
pub(crate) struct RawEscalation {
    pub name: String,
    pub user_groups: Vec<Ref>,
    pub emails: Vec<String>,
    pub pagerduty: Vec<Ref>,
    pub next: Option<Ref>,
}

/// A Slack user group as it is written.
#[derive(Debug)]
pub(crate) struct RawUserGroup {
    pub handle: String,
    pub workspace: Ref,
    pub channels: Vec<String>,
}

/// A text that is not empty.
fn text(node: Node<'_, '_>, field: &str) -> Option<String> {
    node.get(field).and_then(|node| node.scalar()).map(|(text, _)| text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// A reference, if it is one.
fn reference(node: Node<'_, '_>) -> Option<Ref> {
    let to = node.get("$ref")?;
    let (path, _) = to.scalar().filter(|(path, _)| path.starts_with('/'))?;
    Some(Ref { path: path.into(), spot: to.spot() })
}

pub(super) fn read_policy(reader: &mut Reader, root: Node<'_, '_>) -> Option<RawEscalation> {
    let slip = |reader: &mut Reader, node: Node<'_, '_>, what: &str| {
        reader.warn(
            "no-notices",
            node.spot(),
            format!("`{what}` cannot be used: nobody is called by it"),
            "Write it as app-interface does.",
        );
    };
    let channels = root.get("channels");
    let refs = |reader: &mut Reader, field: &str| {
        let items = channels.and_then(|channels| channels.get(field)).into_iter().flat_map(|list| list.items().collect::<Vec<_>>());
        let mut all = Vec::new();
        for item in items {
            match reference(item) {
                Some(to) => all.push(to),
                None => slip(reader, item, field),
            }
        }
        all
    };
    let (user_groups, pagerduty) = (refs(reader, "slackUserGroup"), refs(reader, "pagerduty"));
    let mut emails = Vec::new();
    for item in channels.and_then(|channels| channels.get("email")).into_iter().flat_map(|list| list.items().collect::<Vec<_>>()) {
        match item.scalar().filter(|(text, _)| text.contains('@')) {
            Some((address, _)) => emails.push(address.trim().to_owned()),
            None => slip(reader, item, "email"),
        }
    }
    let next = channels.and_then(|channels| channels.get("nextEscalationPolicy")).or_else(|| root.get("nextEscalationPolicy"));
    Some(RawEscalation { name: text(root, "name")?, user_groups, emails, pagerduty, next: next.and_then(reference) })
}

/// A user group; permissions of other services are not read.
pub(super) fn read_group(root: Node<'_, '_>) -> Option<RawUserGroup> {
    text(root, "service").filter(|service| service == "slack-usergroup")?;
    let channels = root.get("channels").into_iter().flat_map(|list| list.items().collect::<Vec<_>>());
    let channels = channels.filter_map(|item| item.scalar().map(|(text, _)| text.trim().to_owned())).collect();
    Some(RawUserGroup { handle: text(root, "handle")?, workspace: root.get("workspace").and_then(reference)?, channels })
}
