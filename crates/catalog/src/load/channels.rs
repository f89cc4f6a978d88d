//! Channels: who publishes, who subscribes, and whether that can work.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use towpath_domain::{Channel, RepoUrl};

use super::cycles;
use super::findings::Findings;
use super::saas::Whole;
use crate::diagnostic::Place;
use crate::model::ChannelUse;
use crate::suggest;

/// Numbers of the targets that use a channel.
#[derive(Debug, Default)]
pub(super) struct Use {
    /// `delete`d ones are left out.
    pub publishers: Vec<usize>,
    pub subscribers: Vec<usize>,
}

/// All channels.
pub(super) type Channels = BTreeMap<Channel, Use>;

/// Collects the channels of all targets.
pub(super) fn collect(targets: &[Whole<'_>]) -> Channels {
    let mut channels = Channels::new();
    for (at, whole) in targets.iter().enumerate() {
        let promotion = &whole.target.promotion;
        if !whole.target.delete {
            for channel in &promotion.publish {
                channels.entry(channel.clone()).or_default().publishers.push(at);
            }
        }
        for channel in &promotion.subscribe {
            channels.entry(channel.clone()).or_default().subscribers.push(at);
        }
    }
    channels
}

/// The channels as the catalog shows them.
pub(super) fn uses(channels: &Channels, targets: &[Whole<'_>]) -> BTreeMap<Channel, ChannelUse> {
    let ids = |numbers: &[usize]| {
        let mut ids: Vec<_> = numbers.iter().filter_map(|at| targets.get(*at)).map(|whole| whole.target.id.clone()).collect();
        ids.sort_unstable();
        ids
    };
    channels
        .iter()
        .map(|(channel, used)| (channel.clone(), ChannelUse { publishers: ids(&used.publishers), subscribers: ids(&used.subscribers) }))
        .collect()
}

/// Judges all channels. What a channel is wrong with holds its subscribers.
///
/// `lost` names channels that some lost target may publish to, with the file it was lost in: nobody knows what else
/// should vouch for a ref there, so the channel vouches for nothing.
pub(super) fn check(channels: &Channels, lost: &HashMap<&str, &Arc<str>>, targets: &mut [Whole<'_>], findings: &mut Findings) {
    for (channel, used) in channels {
        if used.subscribers.is_empty() {
            continue;
        }
        if let Some(file) = lost.get(channel.as_str()) {
            let reason = format!("broken-publisher: `{file}` is broken and may publish to the channel `{channel}`");
            hold(targets, &used.subscribers, &reason);
            continue;
        }
        if used.publishers.is_empty() {
            check_dangling(channel, used, channels, targets, findings);
            continue;
        }
        let disabled = used.publishers.iter().filter_map(|at| targets.get(*at)).all(|whole| whole.target.disable);
        if disabled {
            for at in &used.subscribers {
                if let Some(whole) = targets.get(*at) {
                    let message = format!("all publishers of the channel `{channel}` are disabled: nothing new will come by it");
                    findings.warn("disabled-publisher", subscribe_place(whole, channel), message, "Enable a publisher, or unsubscribe.");
                }
            }
        }
        check_repositories(channel, used, targets, findings);
    }
    cycles::check(channels, targets, findings);
}

/// Holds the targets `numbers` for `reason`.
pub(super) fn hold(targets: &mut [Whole<'_>], numbers: &[usize], reason: &str) {
    for at in numbers {
        if let Some(whole) = targets.get_mut(*at) {
            whole.holds.push(reason.to_owned());
        }
    }
}

/// B14.
fn check_dangling(channel: &Channel, used: &Use, channels: &Channels, targets: &mut [Whole<'_>], findings: &mut Findings) {
    let published = channels.iter().filter(|(_, used)| !used.publishers.is_empty()).map(|(channel, _)| channel.as_str());
    let mend = suggest::mend(channel.as_str(), published, "Let a target publish to it, or unsubscribe.");
    let message = format!("no target publishes to the channel `{channel}`");
    for at in &used.subscribers {
        if let Some(whole) = targets.get(*at) {
            findings.error("dangling-channel", subscribe_place(whole, channel), message.as_str(), mend.as_str());
        }
    }
    hold(targets, &used.subscribers, &format!("dangling-channel: {message}"));
}

/// B15: a ref means something in one repository only.
fn check_repositories(channel: &Channel, used: &Use, targets: &mut [Whole<'_>], findings: &mut Findings) {
    // Most channels have publishers of one repository, and many have thousands of subscribers.
    let mut urls: Vec<(&RepoUrl, usize)> = Vec::new();
    for at in &used.publishers {
        if let Some(whole) = targets.get(*at)
            && urls.iter().all(|(url, _)| **url != whole.target.url)
        {
            urls.push((&whole.target.url, *at));
        }
    }
    let mut held = Vec::new();
    for at in &used.subscribers {
        let Some(whole) = targets.get(*at) else { continue };
        let Some((url, publisher)) = urls.iter().find(|(url, _)| **url != whole.target.url) else { continue };
        let message = format!("the channel `{channel}` is published from another repository: {url}, and not {}", whole.target.url);
        let found = findings.error(
            "other-repository",
            subscribe_place(whole, channel),
            message.as_str(),
            "Subscribe to a channel of the same repository.",
        );
        if let Some(other) = targets.get(*publisher) {
            found.related.push((other.template.url.spot.place(other.file), "its publisher's repository".to_owned()));
        }
        held.push((*at, format!("other-repository: {message}")));
    }
    for (at, reason) in held {
        hold(targets, &[at], &reason);
    }
}

/// Where a target names a channel under `subscribe`.
pub(super) fn subscribe_place(whole: &Whole<'_>, channel: &Channel) -> Place {
    let promotion = whole.raw.promotion.as_ref();
    let named = promotion.and_then(|promotion| promotion.subscribe.iter().flatten().find(|at| at.value == *channel));
    named.map_or(whole.raw.spot, |at| at.spot).place(whole.raw_file)
}
