//! How messages look in each place where people read them. Pure: from a message or release to JSON or text, within the limits that the
//! other end publishes.

pub mod mail;
pub mod mattermost;
pub mod slack;
pub mod teams;

use crate::message::rough;
use crate::release::{Release, Stage, StageKind, StageState, Standing};

/// Stages shown in one message: beyond that nobody reads them.
const STAGES_SHOWN: usize = 40;

/// What a stage is at, as the word before its title.
fn stage_word(stage: &Stage) -> &'static str {
    match (stage.kind, stage.state) {
        (StageKind::Build, StageState::Running) => "building",
        (StageKind::Build, StageState::Done) => "built",
        (StageKind::Build, StageState::Failed) => "build failed:",
        (StageKind::Deploy, StageState::Running) => "deploying",
        (StageKind::Deploy, StageState::Done) if stage.last => "live:",
        (StageKind::Deploy, StageState::Done) => "deployed",
        (StageKind::Deploy, StageState::Failed) => "deploy failed:",
        (StageKind::Test, StageState::Running) => "testing",
        (StageKind::Test, StageState::Done) => "tested",
        (StageKind::Test, StageState::Failed) => "test failed:",
        (StageKind::Promotion, StageState::Running) => "promoting:",
        (StageKind::Promotion, StageState::Done) => "promoted:",
        (StageKind::Promotion, StageState::Failed) => "promotion failed:",
        (_, StageState::Stopped) => "stopped:",
    }
}

/// How long it took and which attempt it is, where there is something to say.
fn stage_rest(stage: &Stage) -> String {
    let took = stage.took().map(|span| format!(" · {}", rough(span))).unwrap_or_default();
    let attempt = if stage.attempt > 1 { format!(" · attempt {}", stage.attempt) } else { String::new() };
    format!("{took}{attempt}")
}

/// Where the release stands, in a few words.
fn standing(release: &Release) -> String {
    let took = rough(release.took());
    match release.standing() {
        Standing::Moving => format!("on its way for {took}"),
        Standing::Failed => format!("stopped by a failure after {took}"),
        Standing::Live => format!("live after {took}"),
    }
}

/// The stages that are shown, and whether there are more.
fn shown(release: &Release) -> (impl Iterator<Item = &Stage>, bool) {
    (release.stages.iter().take(STAGES_SHOWN), release.more || release.stages.len() > STAGES_SHOWN)
}
