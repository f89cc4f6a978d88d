//! What a saas file says of who is told: `slack` and `skipSuccessfulDeployNotifications`. A slip here is told, and holds no deploy.

use super::Ref;
use super::fields::Reader;
use crate::yaml::Node;

/// A saas file's `slack` as it is written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RawSlack {
    pub workspace: Ref,
    pub channel: String,
    /// `output: events`.
    pub each: bool,
    /// `notifications.start`.
    pub start: bool,
}

/// `skipSuccessfulDeployNotifications`.
pub(super) fn skips_successes(reader: &mut Reader, root: Node<'_, '_>) -> bool {
    yes(reader, root, "skipSuccessfulDeployNotifications")
}

fn yes(reader: &mut Reader, map: Node<'_, '_>, field: &str) -> bool {
    match map.get(field).map(|node| (node, node.scalar().map(|(text, _)| text))) {
        None | Some((_, Some("false"))) => false,
        Some((_, Some("true"))) => true,
        Some((node, _)) => {
            let message = format!("`{field}` is neither true nor false: it is taken for false");
            reader.warn("no-notices", node.spot(), message, "Write one of the two.");
            false
        }
    }
}

pub(super) fn read(reader: &mut Reader, root: Node<'_, '_>) -> Option<RawSlack> {
    let slack = root.get("slack")?;
    let slip = |reader: &mut Reader, node: Node<'_, '_>, message: &str, mend: &str| {
        reader.warn("no-notices", node.spot(), message, mend);
        None
    };
    let Some(workspace) = slack.get("workspace").and_then(|node| node.get("$ref")) else {
        let message = "`slack` names no workspace by `$ref`: nobody is told there of this saas file";
        return slip(reader, slack, message, "Write `workspace:` with `$ref: /path/of/the/workspace.yml` below it.");
    };
    let Some((path, _)) = workspace.scalar().filter(|(path, _)| path.starts_with('/')) else {
        return slip(reader, workspace, "the workspace is no path below data/", "Begin it with `/`.");
    };
    let channel = slack.get("channel").and_then(|node| node.scalar()).map(|(text, _)| text.trim());
    let Some(channel) = channel.filter(|text| !text.trim_start_matches('#').is_empty()) else {
        return slip(reader, slack, "`slack` names no channel: nobody is told there of this saas file", "Add `channel:`.");
    };
    let each = match slack.get("output").and_then(|node| Some((node, node.scalar()?.0))) {
        None | Some((_, "publish")) => false,
        Some((_, "events")) => true,
        Some((node, _)) => {
            reader.warn(
                "no-notices",
                node.spot(),
                "`output` is neither `events` nor `publish`: it is taken for `publish`",
                "Write one of the two.",
            );
            false
        }
    };
    let start = slack.get("notifications").is_some_and(|notifications| yes(reader, notifications, "start"));
    let workspace = Ref { path: path.into(), spot: workspace.spot() };
    Some(RawSlack { workspace, channel: channel.to_owned(), each, start })
}
