//! Runs as workers would have carried them out: queued, taken up, step by step, ended.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use towpath_domain::{CommitId, Digest, ImageRef, RunId, Timestamp};
use towpath_engine::{Event, Outcome, RunSpec, Work};

use super::dice::Dice;
use super::history::Out;
use super::nothing;
use super::words::Trouble;

/// A step, how long it usually takes in milliseconds, and what it finds.
type Steps = Vec<(&'static str, i64, Value)>;

/// How a run came out.
pub(super) struct Done {
    pub(super) run: RunId,
    /// When it ended.
    pub(super) at: Timestamp,
    /// The event of its end.
    pub(super) event: usize,
}

/// What a run is to be.
pub(super) struct Order<'a> {
    /// What its name begins with.
    pub(super) readable: &'a str,
    pub(super) work: Work,
    pub(super) why: String,
    pub(super) attempt: u32,
    /// How it fails, if it does.
    pub(super) trouble: Option<&'a Trouble>,
    /// How it ends otherwise.
    pub(super) success: Outcome,
    /// What its tests report, where it has some.
    pub(super) reports: Option<Value>,
}

/// Takes a run down.
pub(super) fn run(out: &mut Out, dice: &mut Dice, at: Timestamp, cause: Option<usize>, order: Order<'_>) -> Done {
    let hash = dice.hex(10);
    let mut name = order.readable.to_owned();
    name.truncate(52);
    let run = RunId::new(format!("{}-{hash}", name.trim_end_matches('-'))).expect("names are sound");
    let steps = steps(&order);
    let spec = RunSpec { id: run.clone(), attempt: order.attempt, work: order.work, why: order.why, after: None };
    let queued = out.event(at, cause, "planner", Event::RunQueued(spec));
    let mut now = later(at, dice.around(120));
    let started = out.event(now, Some(queued), "worker-1", Event::RunStarted { run: run.clone() });
    let mut outcome = order.success;
    for (step, usual, output) in steps {
        out.event(now, Some(started), "worker-1", Event::StepStarted { run: run.clone(), step: step.to_owned() });
        now = later(now, dice.around(usual).max(1));
        if let Some(output) = order.reports.as_ref().filter(|_| step == "wait") {
            let (run, step, output) = (run.clone(), "reports".to_owned(), output.clone());
            out.event(now, Some(started), "worker-1", Event::StepStarted { run: run.clone(), step: step.clone() });
            out.event(now, Some(started), "worker-1", Event::StepDone { run, step, output });
        }
        if let Some(trouble) = order.trouble.filter(|trouble| trouble.step == step) {
            outcome = Outcome::Failed {
                class: trouble.class,
                step: step.to_owned(),
                message: trouble.message.clone(),
                refused: false,
                blame: None,
            };
            break;
        }
        out.event(now, Some(started), "worker-1", Event::StepDone { run: run.clone(), step: step.to_owned(), output });
    }
    let event = out.event(now, Some(started), "worker-1", Event::RunFinished { run: run.clone(), outcome });
    Done { run, at: now, event }
}

pub(super) fn later(at: Timestamp, ms: i64) -> Timestamp {
    Timestamp::from_millis(at.as_millis() + ms)
}

/// What a worker does, with what each step finds in the workers' own words.
fn steps(order: &Order<'_>) -> Steps {
    let digests = || match &order.success {
        Outcome::Deployed { digests } => json!(digests),
        _ => Value::Null,
    };
    match &order.work {
        Work::Build { .. } => {
            let digest = match &order.success {
                Outcome::Built { digest, .. } => json!({ "digest": digest }),
                _ => Value::Null,
            };
            vec![("checkout", 900, json!(0)), ("build", 190_000, Value::Null), ("push", 7_000, digest)]
        }
        Work::Deploy(work) => {
            let wait = if work.only_jobs { 240_000 } else { 45_000 };
            vec![
                ("render", 300, json!({"generated": {}})),
                ("images", 150, digests()),
                ("gate", 2, Value::Null),
                ("apply", 1_200, json!({"at": 0, "memory": null})),
                ("wait", wait, digests()),
                ("prune", 200, Value::Null),
            ]
        }
        Work::Change(_) => {
            let at = |commit: &CommitId| json!({ "Merged": commit });
            let merged = match &order.success {
                Outcome::Merged { commit } => at(commit),
                _ => Value::Null,
            };
            let passed = json!({"Passed": {"base": nothing(), "merge": nothing()}});
            vec![("propose", 900, json!({"Open": nothing()})), ("check", 2_500, passed), ("merge", 700, merged)]
        }
        Work::Check(_) => vec![("build", 40_000, Value::Null), ("deploy", 30_000, Value::Null), ("test", 120_000, Value::Null)],
        Work::Delete { .. } => vec![("delete", 2_000, Value::Null)],
    }
}

/// The digests of one image.
pub(super) fn bits(image: &ImageRef, digest: Digest) -> BTreeMap<ImageRef, Digest> {
    BTreeMap::from([(image.clone(), digest)])
}
