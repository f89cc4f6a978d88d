//! The screens as reviewed: whoever changes one sees the difference in its snapshot.

use std::collections::BTreeMap;

use towpath_control::view::{
    BuiltView, ChangeView, CommitView, DeployedView, DiffView, ExplainView, Finding, HistoryLine, HoldView, ObjectDiffView, PassedOverView,
    PlanLine, PlanView, RunView, SourceView, StandView, StatusView, StoryLine, TargetView, VerdictView,
};
use towpath_domain::{ChangeId, CommitId, FailureClass, RunId, TargetId, Timestamp};
use towpath_web::LogLine;
use towpath_web::fake::Shown;

use super::*;

const NOW: i64 = 1_795_000_000_000;

fn look(width: Option<u16>) -> Look {
    Look { width, now: at(0) }
}

/// So many seconds before now.
fn at(seconds_ago: i64) -> Timestamp {
    Timestamp::from_millis(NOW - seconds_ago * 1000)
}

fn commit(digit: &str, subject: &str) -> CommitView {
    let id: CommitId = digit.repeat(40).parse().unwrap();
    CommitView { id, subject: Some(subject.into()), author: Some("Ada".into()), at: Some(at(600)) }
}

fn hold(reason: &str, text: &str, lift: &str) -> HoldView {
    HoldView { reason: reason.into(), text: text.into(), lift: lift.into() }
}

fn verdict(state: &str, summary: &str, holds: Vec<HoldView>) -> VerdictView {
    VerdictView { state: state.into(), summary: summary.into(), wanted: Some(commit("b", "Mend the page")), holds, passed_over: Vec::new() }
}

fn target(title: &str, current: Option<CommitView>, verdict: VerdictView) -> TargetView {
    let current =
        current.map(|commit| DeployedView { commit, at: at(200), run: RunId::new("deploy-1").unwrap(), digests: BTreeMap::new() });
    TargetView {
        id: TargetId::new(title).unwrap(),
        title: title.into(),
        name: title.rsplit_once('/').map_or(title, |(name, _)| name).into(),
        app: "web".into(),
        environment: "stage".into(),
        cluster: "local".into(),
        namespace: "web-stage".into(),
        git_ref: "main".into(),
        is_test: false,
        current,
        verdict,
        endpoints: BTreeMap::new(),
    }
}

fn run(state: &str, message: Option<&str>) -> RunView {
    RunView {
        id: RunId::new("deploy-8a1c").unwrap(),
        kind: "deploy".into(),
        subject: "web/web/stage/web-stage".into(),
        commit: Some(commit("b", "Mend the page")),
        attempt: if state == "failed" { 2 } else { 1 },
        state: state.into(),
        why: "the branch moved to bbbbbbb".into(),
        queued_at: at(90),
        started_at: (state != "queued").then(|| at(89)),
        finished_at: (state == "failed").then(|| at(40)),
        class: (state == "failed").then_some(FailureClass::Own),
        retried: false,
        message: message.map(Into::into),
        steps: Vec::new(),
    }
}

/// A merge on its way: stage has it, its tests failed with the one before, production is frozen.
fn status() -> StatusView {
    let mut status = Shown::default().status;
    status.config.commit = Some("c".repeat(40).parse().unwrap());
    status.config.diagnostics = vec!["data/apps/web/deploy.yml:12:9: error[dangling-channel]: nobody publishes to x; publish to it".into()];
    let build = RunId::new("build-1").unwrap();
    status.sources.push(SourceView {
        name: "web".into(),
        url: "/srv/web".into(),
        branch: "main".into(),
        head: Some(commit("b", "Mend the page")),
        built: Some(BuiltView {
            commit: commit("b", "Mend the page"),
            image: "towpath.local/web:bbbbbbb".into(),
            digest: "sha256:00".into(),
            at: at(120),
            run: build,
        }),
        verdict: verdict("up-to-date", "built", Vec::new()),
    });
    let mut stage =
        target("web/web/stage/web-stage", Some(commit("b", "Mend the page")), verdict("up-to-date", "runs bbbbbbb", Vec::new()));
    stage.endpoints = [("web".to_owned(), "http://127.0.0.1:40123".to_owned())].into();
    let holds = vec![
        hold(
            "frozen",
            "policy \"sale\" freezes it until Monday: the sale \x1b[31mgoes on\nand on",
            "the freeze ends, or `towpath release environment/production`",
        ),
        hold("unvouched", "channel web-stage-tested does not vouch for bbbbbbb: its tests run now", "the tests pass"),
    ];
    let production =
        target("web/web/production/web-production", Some(commit("a", "First page")), verdict("held", "frozen until Monday", holds));
    status.targets =
        vec![stage, production, target("web-tests/smoke/stage/web-stage", None, verdict("act", "run the tests with bbbbbbb", Vec::new()))];
    status.changes.push(ChangeView {
        id: ChangeId::new("promote-1").unwrap(),
        kind: "promotion".into(),
        title: "Promote web to bbbbbbb".into(),
        by: "towpath".into(),
        state: "open".into(),
        opened_at: at(30),
        merged: None,
        verdict: Some(verdict("act", "being checked", Vec::new())),
    });
    status.runs.push(run("running", None));
    status
}

#[test]
fn the_status_says_what_is_where_moving_and_stuck() {
    insta::assert_snapshot!("status", status::render(&status(), &look(None)));
    insta::assert_snapshot!("status_on_a_terminal", status::render(&status(), &look(Some(80))));
}

#[test]
fn an_empty_installation_says_so_once_it_was_read() {
    let mut status = Shown::default().status;
    assert!(!status::render(&status, &look(None)).contains("Nothing is configured"));
    status.config.commit = Some("c".repeat(40).parse().unwrap());
    insta::assert_snapshot!("status_empty", status::render(&status, &look(None)));
}

#[test]
fn nothing_from_outside_reaches_the_terminal_as_a_control_character() {
    let shown = status::render(&status(), &look(Some(80)));
    assert!(!shown.contains('\x1b'), "{shown:?}");
}

#[test]
fn an_explanation_answers_first_and_then_tells_the_story() {
    let mut stands = verdict("held", "waits for the tests", vec![hold("unvouched", "the tests run now", "they pass")]);
    stands.passed_over.push(PassedOverView {
        commit: commit("d", "Break the page"),
        holds: vec![hold("unvouched", "the smoke test failed with ddddddd", "a later commit passes")],
    });
    let view = ExplainView {
        kind: "commit".into(),
        title: "bbbbbbb Mend the page".into(),
        answer: "It runs on stage and waits for the smoke test, which usually takes 4 s. Production runs aaaaaaa.".into(),
        story: vec![
            StoryLine { event: 3, at: at(600), text: "seen on main".into(), run: None },
            StoryLine {
                event: 5,
                at: at(590),
                text: "built as towpath.local/web:bbbbbbb".into(),
                run: Some(RunId::new("build-1").unwrap()),
            },
        ],
        now: vec![StandView { title: "web/web/production/web-production".into(), verdict: stands, usually_ms: Some(4200) }],
    };
    insta::assert_snapshot!("explain", explain::render(&view, &look(Some(100))));
}

#[test]
fn a_plan_tells_what_would_be_done_what_is_held_and_what_would_go() {
    let line = |title: &str, verdict: VerdictView, deletes: &[&str]| PlanLine {
        title: title.into(),
        kind: "target".into(),
        target: None,
        verdict,
        current: Some(commit("a", "First page")),
        deletes: deletes.iter().map(|object| (*object).to_owned()).collect(),
        diff: None,
    };
    let view = PlanView {
        of: "branch raise-replicas at ccccccc".into(),
        diagnostics: vec!["data/apps/web/deploy.yml:12:9: warning[disabled-publisher]: …; …".into()],
        lines: vec![
            line("web/web/stage/web-stage", verdict("act", "deploy bbbbbbb", Vec::new()), &[]),
            line("web/web/production/web-production", verdict("held", "frozen", vec![hold("frozen", "a freeze", "its end")]), &[]),
            line("old/old/stage/web-stage", verdict("act", "delete its objects", Vec::new()), &["Deployment/old", "Service/old"]),
            line("db/db/stage/db-stage", verdict("up-to-date", "runs aaaaaaa", Vec::new()), &[]),
        ],
    };
    insta::assert_snapshot!("plan", plan::render(&view, &look(None)));
    let nothing = PlanView { of: "/srv/config".into(), diagnostics: Vec::new(), lines: Vec::new() };
    insta::assert_snapshot!("plan_of_nothing", plan::render(&nothing, &look(None)));
}

#[test]
fn differences_are_told_object_by_object_and_colour_only_repeats_their_signs() {
    let object = |object: &str, change: &str, lines: &[&str]| ObjectDiffView {
        object: object.into(),
        change: change.into(),
        lines: lines.iter().map(|line| (*line).to_owned()).collect(),
    };
    let line = |title: &str, objects: Vec<ObjectDiffView>, error: Option<&str>| PlanLine {
        title: title.into(),
        kind: "target".into(),
        target: None,
        verdict: verdict("act", "deploy bbbbbbb", Vec::new()),
        current: None,
        deletes: Vec::new(),
        diff: Some(DiffView { commit: Some(commit("b", "Mend the page")), objects, error: error.map(str::to_owned) }),
    };
    let changed = ["--- original", "@@ -1,2 +1,2 @@", " spec:", "-  replicas: 1", "+  replicas: 2\x1b[2J"];
    let view = PlanView {
        of: "ccccccc".into(),
        diagnostics: Vec::new(),
        lines: vec![
            line(
                "web/web/stage/web-stage",
                vec![object("Deployment.apps/web", "changed", &changed), object("Service/old", "deleted", &[])],
                None,
            ),
            line("web/web/production/web-production", Vec::new(), Some("cluster c1 does not answer: connection refused")),
            line("db/db/stage/db-stage", Vec::new(), None),
        ],
    };
    let plain = differences::render(&view, &look(None), false);
    insta::assert_snapshot!("differences", plain);
    let painted = differences::render(&view, &look(None), true);
    assert!(painted.contains("\x1b[31m-  replicas: 1\x1b[0m") && painted.contains("\x1b[32m+  replicas: 2\u{fffd}[2J\x1b[0m"), "{painted}");
    let words = ["\x1b[31m", "\x1b[32m", "\x1b[36m", "\x1b[0m"].iter().fold(painted, |text, code| text.replace(code, ""));
    assert_eq!(words, plain);
    let unasked = PlanView { lines: Vec::new(), ..view };
    assert_eq!(differences::render(&unasked, &look(None), true), "");
}

#[test]
fn runs_history_findings_and_logs_are_one_line_each() {
    let runs = [run("running", None), run("failed", Some("web did not get ready: exit code 1\npanic at start"))];
    insta::assert_snapshot!("runs", runs::render(&runs, &look(None)));
    assert_eq!(runs::render(&[], &look(None)), "No runs.\n");
    let event = |id: i64, cause, text: &str| HistoryLine {
        id,
        at: at(60),
        cause,
        actor: "towpath".into(),
        text: text.into(),
        scopes: Vec::new(),
        event: serde_json::Value::Null,
    };
    insta::assert_snapshot!(
        "history",
        history::render(&[event(12, Some(11), "run build-1 queued"), event(11, None, "web moved")], &look(None))
    );
    let finding = |what: &str, level: &str, mend: &str| Finding {
        what: what.into(),
        level: level.into(),
        text: "so it is".into(),
        mend: mend.into(),
    };
    let findings = [finding("git", "ok", ""), finding("config repository", "error", "do this"), finding("server", "warning", "do that")];
    insta::assert_snapshot!("findings", findings::render(&findings, &look(None)));
    let line = LogLine { number: 1, at: at(0), step: "build".into(), stream: "stdout".into(), text: "a\x1b[2Jb".into() };
    assert_eq!(runs::log_line(&line), "11:06:40.000 build a\u{fffd}[2Jb");
}
