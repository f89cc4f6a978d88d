//! Who hears what. Pure.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use towpath_domain::Span;

use crate::about::Room;
use crate::message::{Kind, Message, Weight};
use crate::sink::Sink;

/// A kind of news that a sink can be asked to tell, as `towpath.toml` writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Topic {
    /// A build, deploy, test or change began.
    Started,
    /// A build made its image.
    Built,
    /// A deploy that no promotion led to, or a test, went well.
    Deployed,
    /// A change was merged.
    Merged,
    /// A promotion arrived.
    Promoted,
    /// Something failed.
    Failed,
    /// Something was stopped, or made room.
    Stopped,
    /// Somebody's lease on a namespace ends soon.
    Leases,
}

impl Topic {
    /// All that asks for nobody's attention is left out: what a sink is told when nothing is said.
    pub const USUAL: [Self; 5] = [Self::Deployed, Self::Merged, Self::Promoted, Self::Failed, Self::Leases];

    fn of(kind: Kind) -> Option<Self> {
        Some(match kind {
            Kind::BuildStarted | Kind::DeployStarted | Kind::ChangeStarted => Self::Started,
            Kind::Built => Self::Built,
            Kind::Stopped => Self::Stopped,
            Kind::BuildFailed | Kind::RunFailed | Kind::Incident => Self::Failed,
            Kind::Deployed => Self::Deployed,
            Kind::Reached => Self::Promoted,
            Kind::Merged => Self::Merged,
            Kind::LeaseEnds => Self::Leases,
            Kind::Digest | Kind::Seen | Kind::Mended => return None,
        })
    }
}

/// What a sink is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Of what.
    pub topics: BTreeSet<Topic>,
    /// Of these apps; of all when none is named.
    pub apps: BTreeSet<String>,
    /// Of these saas files; of all when none is named.
    pub saas_files: BTreeSet<String>,
    /// Of these environments; of all when none is named. What has no environment yet, such as a build, is told too.
    pub environments: BTreeSet<String>,
    /// All that happened in so long is told together, rather than each thing when it happens.
    pub digest: Option<Span>,
}

impl Default for Route {
    fn default() -> Self {
        let empty = BTreeSet::new;
        Self { topics: Topic::USUAL.into(), apps: empty(), saas_files: empty(), environments: empty(), digest: None }
    }
}

impl Route {
    /// Whether the message is about something that the sink is to hear of.
    #[must_use]
    pub fn concerns(&self, message: &Message) -> bool {
        let about = &message.about;
        let any = |wanted: &BTreeSet<String>, there: &[String]| wanted.is_empty() || there.iter().any(|name| wanted.contains(name));
        any(&self.apps, &about.apps)
            && any(&self.saas_files, &about.saas_files)
            && (about.environments.is_empty() || any(&self.environments, &about.environments))
    }

    /// Whether it is to hear of anything before its end.
    #[must_use]
    pub fn hears_of_progress(&self) -> bool {
        [Topic::Started, Topic::Built, Topic::Stopped].iter().any(|topic| self.topics.contains(topic))
    }

    /// Whether the sink is to hear of this kind of news.
    #[must_use]
    pub fn wants(&self, kind: Kind) -> bool {
        Topic::of(kind).is_none_or(|topic| self.topics.contains(&topic))
    }
}

/// A sink, and what it is told.
#[derive(Clone)]
pub struct Listener {
    /// The sink.
    pub sink: Arc<dyn Sink>,
    /// What it is told.
    pub route: Route,
}

impl From<Arc<dyn Sink>> for Listener {
    fn from(sink: Arc<dyn Sink>) -> Self {
        Self { sink, route: Route::default() }
    }
}

/// How a message is told in one room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Not at all; it is only remembered, for the message that comes later.
    Remember,
    /// By what the release's message shows.
    Show,
    /// By what the release's message shows, and by an answer below it.
    Answer,
}

/// How a message is told in a room, where the release's message is `posted` already or not, and the sink `wants` this kind of news
/// or not. Changing a message makes no noise, so what is posted is always kept true.
#[must_use]
pub fn manner(room: &Room, message: &Message, posted: bool, wants: bool) -> Manner {
    let silent = if posted { Manner::Show } else { Manner::Remember };
    match message.kind.weight() {
        _ if !wants && message.kind.weight() > Weight::Progress => silent,
        Weight::Failure => Manner::Answer,
        Weight::News if !room.successes => silent,
        // A message that is new says it all.
        Weight::News if posted => Manner::Answer,
        Weight::News => Manner::Show,
        Weight::Progress if room.start && wants => Manner::Show,
        Weight::Progress => silent,
    }
}
