//! What the catalog knows of the things that messages are about.

use serde::{Deserialize, Serialize};
use towpath_domain::{CommitId, ReservationId};
use towpath_engine::{Subject, Work};

/// How people call things that the ledger knows only by their ids, and who hears of them.
pub trait Names: Send + Sync {
    /// A subject's title.
    fn title(&self, subject: &Subject) -> Option<String>;

    /// The environment that a target is in.
    fn environment(&self, subject: &Subject) -> Option<String>;

    /// Whether names are known yet. Until then nobody is told anything: whom a message concerns would be unknown.
    fn ready(&self) -> bool {
        true
    }

    /// What a run is about, and who hears of it.
    fn about(&self, _work: &Work) -> About {
        About::default()
    }

    /// A person's lease on a namespace that is not over.
    fn lease(&self, _reservation: &ReservationId) -> Option<Lease> {
        None
    }

    /// The last lines that were said in a run's step, secrets masked; at most `count`.
    fn last_lines(&self, _run: &towpath_domain::RunId, _step: &str, _count: usize) -> Vec<String> {
        Vec::new()
    }

    /// Where the results of a run's tests are shown outside of Towpath, where it left any.
    fn results(&self, _run: &towpath_domain::RunId) -> Option<String> {
        None
    }
}

/// Knows no names: ids are shown.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoNames;

impl Names for NoNames {
    fn title(&self, _: &Subject) -> Option<String> {
        None
    }

    fn environment(&self, _: &Subject) -> Option<String> {
        None
    }
}

/// A person's lease on an ephemeral namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lease {
    /// The namespace.
    pub namespace: String,
    /// Its pool.
    pub pool: String,
    /// Who has it.
    pub requester: String,
    /// What for; may be empty.
    pub purpose: String,
    /// Whom it concerns beside them.
    #[serde(skip)]
    pub about: About,
}

/// What a run is about, in names of the config repository.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct About {
    /// The release that it moves.
    pub release: Option<ReleaseId>,
    /// Apps.
    pub apps: Vec<String>,
    /// Saas files.
    pub saas_files: Vec<String>,
    /// Environments.
    pub environments: Vec<String>,
    /// Nothing further waits for this: a success here ends the release's way.
    pub last: bool,
    /// Where the saas files want it told.
    pub rooms: Vec<Room>,
}

/// A release: one source commit on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseId {
    /// How people call it: the source's name.
    pub name: String,
    /// The repository, without credentials.
    pub repository: String,
    /// The commit.
    pub commit: CommitId,
    /// The first line of its message, where known.
    pub subject: Option<String>,
    /// Its author, where known.
    pub author: Option<String>,
}

impl ReleaseId {
    /// The same for all that moves this release.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}@{}", self.repository, self.commit)
    }
}

/// Where a saas file wants its deploys told, and how: its `slack`, and `skipSuccessfulDeployNotifications`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Room {
    /// The Slack workspace's name.
    pub workspace: String,
    /// The channel, with or without `#`.
    pub channel: String,
    /// `notifications.start`: that something begins is told, too.
    pub start: bool,
    /// Successes are told: not `skipSuccessfulDeployNotifications`.
    pub successes: bool,
    /// `output: events`: each thing that happens gets a message of its own, rather than one message that grows.
    pub each: bool,
}

impl Room {
    /// What is told when several saas files want the same told in one channel: whatever any of them wants.
    #[must_use]
    pub fn together(rooms: impl IntoIterator<Item = Self>) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for room in rooms {
            match all.iter_mut().find(|known| (&known.workspace, &known.channel) == (&room.workspace, &room.channel)) {
                Some(known) => {
                    known.start |= room.start;
                    known.successes |= room.successes;
                    known.each &= room.each;
                }
                None => all.push(room),
            }
        }
        all.sort();
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_saas_files_of_one_channel_are_told_there_once_with_all_that_either_wants() {
        let room = |start, successes, each| Room { workspace: "w".into(), channel: "c".into(), start, successes, each };
        let other = Room { channel: "d".into(), ..room(false, true, true) };
        assert_eq!(Room::together([room(false, true, true), other.clone(), room(true, false, false)]), [room(true, true, false), other]);
    }
}
