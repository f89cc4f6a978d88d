//! A release as it moves: one source commit, and how far it has come. Pure.

use serde::{Deserialize, Serialize};
use towpath_domain::{Span, Timestamp};

use crate::about::ReleaseId;

/// Stages kept of one release; of what comes after only its being there is known.
const STAGES_MAX: usize = 200;

/// How far a release has come. What a sink keeps in the ledger, so that each further event costs no search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Release {
    /// Which.
    pub id: ReleaseId,
    /// When the first of its runs that was heard of began.
    pub begun: Timestamp,
    /// When something last happened.
    pub at: Timestamp,
    /// Its stages in the order in which they began.
    pub stages: Vec<Stage>,
    /// There are stages beyond those.
    #[serde(default)]
    pub more: bool,
    /// It runs where nothing further waits for it.
    #[serde(default)]
    pub live: bool,
}

/// One stage of a release: a build, a deploy, a test, a promotion. Tried again, it is still the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// The same for each attempt.
    pub key: String,
    /// What is done.
    pub kind: StageKind,
    /// What it is done to, for people.
    pub title: String,
    /// How far it is.
    pub state: StageState,
    /// When this attempt began.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub finished: Option<Timestamp>,
    /// The run's id.
    pub run: String,
    /// Where the run's page is.
    pub link: Option<String>,
    /// Which attempt.
    pub attempt: u32,
    /// A success here ends the release's way.
    #[serde(default)]
    pub last: bool,
}

/// What a stage does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StageKind {
    /// Makes the image.
    Build,
    /// Deploys a target.
    Deploy,
    /// Runs post-deploy tests.
    Test,
    /// Moves targets by a change.
    Promotion,
}

/// How far a stage is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StageState {
    /// Under way.
    Running,
    /// Went well.
    Done,
    /// Failed.
    Failed,
    /// A person or a newer decision stopped it.
    Stopped,
}

/// Where a release stands as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// On its way.
    Moving,
    /// Something failed and has not been made good.
    Failed,
    /// It runs where nothing further waits for it.
    Live,
}

impl Release {
    /// A release of which nothing happened yet.
    #[must_use]
    pub fn new(id: ReleaseId, at: Timestamp) -> Self {
        Self { id, begun: at, at, stages: Vec::new(), more: false, live: false }
    }

    /// The same after `stage` came to where it is. The same stage twice changes nothing the second time.
    pub fn apply(&mut self, stage: &Stage, at: Timestamp) {
        self.at = self.at.max(at);
        self.begun = self.begun.min(stage.started.unwrap_or(at));
        let full = self.stages.len() >= STAGES_MAX;
        match self.stages.iter_mut().find(|known| known.key == stage.key) {
            // Word of an earlier attempt does not undo what is known of a later one.
            Some(known) if known.attempt > stage.attempt && known.run != stage.run => {}
            Some(known) => *known = Stage { started: stage.started.or(known.started.filter(|_| known.run == stage.run)), ..stage.clone() },
            None if full => self.more = true,
            None => self.stages.push(stage.clone()),
        }
        let ends: Vec<&Stage> = self.stages.iter().filter(|stage| stage.last).collect();
        self.live = !ends.is_empty() && ends.iter().all(|stage| stage.state == StageState::Done);
    }

    /// Where it stands as a whole.
    #[must_use]
    pub fn standing(&self) -> Standing {
        if self.stages.iter().any(|stage| stage.state == StageState::Failed) {
            Standing::Failed
        } else if self.live {
            Standing::Live
        } else {
            Standing::Moving
        }
    }

    /// From its first run to its last news.
    #[must_use]
    pub fn took(&self) -> Span {
        self.at.since(self.begun)
    }
}

impl Stage {
    /// How long it took, once it has ended.
    #[must_use]
    pub fn took(&self) -> Option<Span> {
        Some(self.finished?.since(self.started?))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn stage(key: &str, state: StageState, attempt: u32) -> Stage {
        Stage {
            key: key.into(),
            kind: StageKind::Deploy,
            title: key.into(),
            state,
            started: Some(at(10)),
            finished: (state != StageState::Running).then(|| at(25)),
            run: format!("{key}-{attempt}"),
            link: None,
            attempt,
            last: key == "production",
        }
    }

    fn release() -> Release {
        let commit = "5f8f0e1d2c3b4a5968778695a4b3c2d1e0f9a8b7".parse().unwrap();
        Release::new(ReleaseId { name: "api".into(), repository: "r".into(), commit, subject: None, author: None }, at(10))
    }

    #[test]
    fn a_release_is_live_only_where_nothing_waits_for_it_and_nothing_of_it_failed() {
        let mut release = release();
        release.apply(&stage("stage", StageState::Done, 1), at(25));
        assert_eq!(release.standing(), Standing::Moving);
        release.apply(&stage("production", StageState::Failed, 1), at(30));
        assert_eq!(release.standing(), Standing::Failed);
        release.apply(&stage("production", StageState::Running, 2), at(31));
        assert_eq!(release.standing(), Standing::Moving);
        release.apply(&stage("production", StageState::Failed, 1), at(32));
        assert_eq!(release.standing(), Standing::Moving, "word of the first attempt that comes late");
        release.apply(&stage("production", StageState::Done, 2), at(40));
        assert_eq!((release.standing(), release.stages.len()), (Standing::Live, 2));
        assert_eq!(release.took().to_string(), "30s");
    }

    proptest! {
        #[test]
        fn hearing_of_the_same_twice_changes_nothing(events in prop::collection::vec((0..4usize, 0..4usize, 1..4u32), 1..40)) {
            const STATES: [StageState; 4] = [StageState::Running, StageState::Done, StageState::Failed, StageState::Stopped];
            const KEYS: [&str; 4] = ["build", "stage", "test", "production"];
            let mut release = release();
            for (key, state, attempt) in events {
                let stage = stage(KEYS[key], STATES[state], attempt);
                release.apply(&stage, at(30));
                let once = release.clone();
                release.apply(&stage, at(30));
                prop_assert_eq!(&release, &once);
            }
        }

        #[test]
        fn a_release_of_thousands_of_targets_stays_small(count in 0..1000usize) {
            let mut release = release();
            for number in 0..count {
                release.apply(&stage(&format!("t{number}"), StageState::Done, 1), at(30));
            }
            prop_assert!(release.stages.len() <= STAGES_MAX);
            prop_assert_eq!(release.more, count > STAGES_MAX);
        }
    }
}
