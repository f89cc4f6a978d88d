//! The commands that ask the running server, against a fake one in the test's process.

use std::sync::Arc;

use tokio::runtime::Runtime;
use tokio::sync::watch;
use towpath_control::view::{
    Accepted, CauseView, Finding, ObjectView, Problem, PullDetail, PullView, ReservationView, RunDetail, RunView, StepView,
};
use towpath_domain::{CheckId, RunId, Timestamp};
use towpath_web::fake::{FakeBrain, Shown};
use towpath_web::{Listener, serve};

use crate::harness::{Place, Said};

/// A place with a `towpath.toml` and a server that shows what the test says.
struct Served {
    place: Place,
    brain: Arc<FakeBrain>,
    _stop: watch::Sender<bool>,
    _runtime: Runtime,
}

fn served_at(listen: &str, shown: Shown) -> Served {
    let place = Place::new();
    let listen = listen.replace("HERE", &place.path("").to_string_lossy());
    place.write("towpath.toml", "[config]\nurl = \"config\"\n");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let listener = runtime.block_on(Listener::bind(&listen.parse().unwrap())).unwrap();
    let entry = serde_json::json!({"address": listener.endpoint(), "pid": std::process::id(), "version": "0"});
    place.write(".towpath/server.json", &entry.to_string());
    let brain = Arc::new(FakeBrain::new(shown));
    let (stop, stopping) = watch::channel(false);
    runtime.spawn(serve(listener, Arc::clone(&brain) as Arc<dyn towpath_web::Brain>, towpath_web::Settings::default(), stopping));
    Served { place, brain, _stop: stop, _runtime: runtime }
}

fn served(shown: Shown) -> Served {
    served_at("127.0.0.1:0", shown)
}

impl Served {
    fn towpath(&self, args: &[&str]) -> Said {
        self.place.towpath(args)
    }

    fn asked_last(&self) -> String {
        self.brain.asked().last().cloned().unwrap_or_default()
    }
}

fn run(state: &str) -> RunView {
    RunView {
        id: RunId::new("build-1").unwrap(),
        kind: "build".into(),
        subject: "web".into(),
        commit: None,
        attempt: 1,
        state: state.into(),
        why: "main moved".into(),
        queued_at: Timestamp::from_millis(0),
        started_at: None,
        finished_at: None,
        class: None,
        retried: false,
        message: (state == "failed").then(|| "make: no rule".into()),
        steps: Vec::new(),
    }
}

fn accepted(run: Option<&str>) -> Accepted {
    Accepted {
        text: "The build of web is tried again.".into(),
        change: None,
        run: run.map(|run| RunId::new(run).unwrap()),
        reservation: None,
    }
}

#[test]
fn every_listing_is_shown_to_people_and_to_programs() {
    let shown = Shown { runs: vec![run("running")], ..Shown::default() };
    for listen in ["127.0.0.1:0", "unix:HEREs"] {
        let server = served_at(listen, shown.clone());
        for (args, human) in [
            (&["status"][..], "Config repository /srv/config"),
            (&["plan"], "Plan of main"),
            (&["explain", "web"], "Nothing happened."),
            (&["runs"], "build-1"),
            (&["history"], "No events."),
        ] {
            let said = server.towpath(args).ok();
            assert!(said.stdout.contains(human) && said.stderr.is_empty(), "{args:?}: {said:?}");
            let json = server.towpath(&[args, &["--output", "json"]].concat()).ok();
            assert!(json.json().is_object() || json.json().is_array(), "{args:?}");
        }
    }
}

#[test]
fn filters_reach_the_server() {
    let server = served(Shown::default());
    server.towpath(&["runs", "--about", "web", "--state", "failed", "--limit", "3"]).ok().stdout.clear();
    assert_eq!(server.asked_last(), "RunFilter { subject: Some(\"web\"), state: Some(\"failed\"), cursor: None, limit: 3 }");
    server.towpath(&["plan", "--branch", "raise/it"]).ok().stdout.clear();
    assert_eq!(server.asked_last(), "PlanRequest { branch: Some(\"raise/it\"), diff: None }");
    server.towpath(&["plan", "--diff"]).ok().stdout.clear();
    assert_eq!(server.asked_last(), "PlanRequest { branch: None, diff: Some(\"\") }");
    server.towpath(&["plan", "--branch", "b", "--diff", "web-stage"]).ok().stdout.clear();
    assert_eq!(server.asked_last(), "PlanRequest { branch: Some(\"b\"), diff: Some(\"web-stage\") }");
    let _refused = server.towpath(&["plan", "--diff=web-stage", "./config"]).exits(2);
    server.towpath(&["history", "--since", "1970-01-01T00:00:05Z", "--about", "web"]).ok().stdout.clear();
    assert!(server.asked_last().contains("since: Some(1970-01-01T00:00:05.000Z)"), "{}", server.asked_last());
    server.towpath(&["history", "--since", "someday"]).exits(2).refusal();
}

#[test]
fn who_and_why_come_from_flags_the_environment_or_git() {
    let server = served(Shown { accepted: accepted(None), ..Shown::default() });
    let said = server.towpath(&["retry", "web", "--reason", "it is back", "--by", "Ada"]).ok();
    assert_eq!(said.stdout, "The build of web is tried again.\n");
    assert_eq!(server.asked_last(), "retry RetryRequest { what: \"web\", asked: Asked { by: \"Ada\", why: \"it is back\" } }");
    server.place.towpath_with(&["cancel", "b", "--reason", "x"], &[("TOWPATH_BY", "Bea"), ("USER", "u")], "").ok().stdout.clear();
    assert!(server.asked_last().contains("by: \"Bea\""), "{}", server.asked_last());
    server.place.git("", &["config", "--global", "user.name", "Cyd"]);
    for (args, asked) in [
        (&["promote", "web", "--to", "abc"][..], "PromoteRequest { target: \"web\", to: Some(\"abc\")"),
        (&["rollback", "web"], "RollbackRequest { target: \"web\", to: None"),
        (&["hold", "app/web"], "hold HoldRequest { what: \"app/web\""),
        (&["release", "app/web"], "release HoldRequest { what: \"app/web\""),
    ] {
        let said = server.towpath(&[args, &["--reason", "x", "--output", "json"]].concat()).ok();
        assert_eq!(said.json()["text"], "The build of web is tried again.");
        let last = server.asked_last();
        assert!(last.starts_with(asked) && last.contains("by: \"Cyd\""), "{last}");
    }
}

#[test]
fn waiting_ends_with_the_run_and_tells_how_it_ended() {
    let server = served(Shown { accepted: accepted(Some("build-1")), runs: vec![run("succeeded")], ..Shown::default() });
    server.towpath(&["retry", "web", "--reason", "x", "--by", "Ada", "--wait"]).ok().stdout.clear();
    server.brain.show(|shown| shown.runs = vec![run("failed")]);
    let said = server.towpath(&["retry", "web", "--reason", "x", "--by", "Ada", "--wait"]).exits(1);
    assert_eq!(said.refusal(), ("run build-1 failed: make: no rule", "`towpath logs build-1` shows what it printed"));
    server.brain.show(|shown| shown.runs = vec![run("running")]);
    let said = server.towpath(&["retry", "web", "--reason", "x", "--by", "Ada", "--wait", "--timeout", "300ms"]).exits(1);
    assert!(said.refusal().0.starts_with("not done within 300ms"), "{said:?}");
}

#[test]
fn a_log_is_read_to_its_end_and_followed_until_the_run_ends() {
    let server = served(Shown { runs: vec![run("running")], ..Shown::default() });
    server.brain.log(1000, "build", "compiling");
    server.brain.log(2000, "build", "linking \x1b[31mred");
    let said = server.towpath(&["logs", "build-1"]).ok();
    assert_eq!(said.stdout, "00:00:01.000 build compiling\n00:00:02.000 build linking \u{fffd}[31mred\n");
    let said = server.towpath(&["logs", "build-1", "--search", "link", "--output", "json"]).ok().json();
    assert_eq!(said["lines"].as_array().unwrap().len(), 1);

    let brain = Arc::clone(&server.brain);
    let writer = std::thread::spawn(move || {
        // The rest is written once somebody follows.
        while !brain.asked().iter().any(|asked| asked.contains("from: 2")) {
            std::thread::yield_now();
        }
        brain.log(3000, "pack", "packed");
        brain.show(|shown| {
            shown.runs = vec![run("failed")];
            shown.log_done = true;
        });
    });
    let said = server.towpath(&["logs", "build-1", "--follow"]).exits(1);
    writer.join().unwrap();
    assert!(said.stdout.ends_with("00:00:03.000 pack packed\n"), "{said:?}");
    assert_eq!(said.stdout.lines().count(), 3, "each line once: {said:?}");
}

#[test]
fn a_refusal_of_the_server_is_told_once_with_its_help() {
    let problem = |status| Problem {
        r#type: "unknown-target".into(),
        title: "No such target".into(),
        status,
        detail: "nothing is called \"wbe\"".into(),
        mend: "did you mean \"web\"?".into(),
    };
    let server = served(Shown { problem: Some(problem(404)), ..Shown::default() });
    let said = server.towpath(&["explain", "wbe"]).exits(3);
    assert_eq!(said.refusal(), ("No such target: nothing is called \"wbe\"", "did you mean \"web\"?"));
    server.brain.show(|shown| shown.problem = Some(problem(409)));
    server.towpath(&["promote", "wbe", "--reason", "x", "--by", "Ada"]).exits(1).refusal();
}

#[test]
fn the_doctor_asks_the_server_too() {
    let finding = Finding { what: "cluster local".into(), level: "error".into(), text: "it is gone".into(), mend: "bring it back".into() };
    let server = served(Shown { findings: vec![finding], ..Shown::default() });
    let said = server.towpath(&["doctor"]).exits(5);
    assert!(said.stdout.contains("answers at 127.0.0.1:") && said.stdout.contains("help: bring it back"), "{said:?}");
}

#[test]
fn a_server_that_was_killed_is_told_with_its_process() {
    let place = Place::new();
    place.write("towpath.toml", "[config]\nurl = \"config\"\n[state]\ndirectory = \"state\"\n");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    place.write("state/server.json", &format!(r#"{{"address":"{address}","pid":4711,"version":"0"}}"#));
    let said = place.towpath(&["status"]).exits(4);
    assert!(said.refusal().1.contains("4711"), "{said:?}");
}

/// A pull request of web as its check goes on.
fn pull(standing: &str, text: &str) -> PullView {
    PullView {
        id: CheckId::new("web#17").unwrap(),
        source: "web".into(),
        app: None,
        number: 17,
        url: String::new(),
        title: "Queue \u{1b}[31mfaster".into(),
        author: "eve".into(),
        branch: "faster".into(),
        from_fork: false,
        urgent: false,
        head: "1c2d3e4f".repeat(5).parse().unwrap(),
        head_since: Timestamp::from_millis(0),
        opened_at: Timestamp::from_millis(0),
        standing: standing.into(),
        text: text.into(),
        position: if standing == "waiting" { 2 } else { 0 },
        of: if standing == "waiting" { 3 } else { 0 },
        run: (standing != "waiting").then(|| RunId::new("check-1").unwrap()),
        since: None,
        blame: None,
        results: None,
        unreachable: None,
    }
}

fn detail(check: PullView, steps: &[(&str, bool)]) -> PullDetail {
    PullDetail { check, steps: steps_of(steps), tests: vec!["smoke".into()], namespace: None, waits: String::new(), runs: Vec::new() }
}

fn steps_of(steps: &[(&str, bool)]) -> Vec<StepView> {
    let at = Timestamp::from_millis;
    let of = |(name, done): &(&str, bool)| StepView { name: (*name).into(), started_at: at(0), finished_at: done.then(|| at(2000)) };
    steps.iter().map(of).collect()
}

fn shows(check: PullView, steps: &[(&str, bool)]) -> Shown {
    Shown { pulls: vec![check.clone()], pull: Some(detail(check, steps)), ..Shown::default() }
}

#[test]
fn pull_requests_are_listed_and_shown() {
    let server = served(shows(pull("waiting", "2 of 3 in the queue"), &[]));
    let said = server.towpath(&["check", "list", "--source", "web", "--standing", "waiting"]).ok();
    let lines: Vec<Vec<&str>> = said.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["PULL", "STANDING", "POSITION", "HEAD", "AUTHOR", "SINCE", "WHAT"]);
    assert_eq!(lines[1][..5], ["web#17", "waiting", "2/3", "1c2d3e4", "eve"]);
    assert!(said.stdout.ends_with("2 of 3 in the queue\n"), "{said:?}");
    assert!(server.asked_last().starts_with("pulls PullFilter { source: Some(\"web\"), standing: Some(\"waiting\") }"));
    let said = server.towpath(&["check", "show", "web#17"]).ok();
    assert!(said.stdout.contains("Queue \u{fffd}[31mfaster") && said.stdout.contains("tests         smoke"), "{said:?}");
    assert_eq!(server.towpath(&["check", "list", "--output", "json"]).ok().json()[0]["id"], "web#17");
    assert_eq!(server.towpath(&["check", "show", "web#17", "--output", "json"]).ok().json()["standing"], "waiting");
    server.towpath(&["check", "show", "web#18"]).exits(3).refusal();
    server.towpath(&["check", "list", "--standing", "well"]).exits(2).stdout.clear();
}

#[test]
fn what_is_asked_of_pull_requests_reaches_the_server() {
    let server = served(Shown { accepted: accepted(None), ..Shown::default() });
    for (args, asked) in [
        (
            &["retest", "web#17", "--test", "smoke", "--test", "login"][..],
            "check again CheckRequest { check: \"web#17\", tests: [\"smoke\", \"login\"], commit: None, asked: Asked { by: \"Ada\", why: \"x\" } }",
        ),
        (
            &["cancel", "web#17"],
            "check cancel CheckRequest { check: \"web#17\", tests: [], commit: None, asked: Asked { by: \"Ada\", why: \"x\" } }",
        ),
        (
            &["ok-to-test", "web#17", "--commit", "1c2d3e4"],
            "check ok CheckRequest { check: \"web#17\", tests: [], commit: Some(\"1c2d3e4\"), asked: Asked { by: \"Ada\", why: \"x\" } }",
        ),
    ] {
        let said = server.towpath(&[&["check"], args, &["--reason", "x", "--by", "Ada"]].concat()).ok();
        assert_eq!((said.stdout.as_str(), server.asked_last().as_str()), ("The build of web is tried again.\n", asked));
    }
    let _no_commit = server.towpath(&["check", "ok-to-test", "web#17", "--reason", "x"]).exits(2);
}

#[test]
fn who_waits_for_a_check_hears_its_steps_and_how_it_ended() {
    let server = served(shows(pull("running", "check-1 is under way"), &[("build", true), ("deploy", false)]));
    let brain = Arc::clone(&server.brain);
    let ends = std::thread::spawn(move || {
        // Who asks a second time has the first answer.
        while brain.asked().iter().filter(|asked| asked.starts_with("pull ")).count() < 2 {
            std::thread::yield_now();
        }
        brain.show(|shown| *shown = shows(pull("passed", "passed"), &[("build", true), ("deploy", true)]));
    });
    let said = server.towpath(&["check", "wait", "web#17"]).ok();
    ends.join().unwrap();
    assert_eq!(said.stdout, "web#17 passed\n");
    assert_eq!(said.stderr, "build done (2.0 s)\ndeploy …\n");
    server.brain.show(|shown| *shown = shows(pull("failed", "failed at test smoke"), &[]));
    let said = server.towpath(&["check", "wait", "web#17", "--output", "json"]).exits(1);
    assert_eq!((said.json()["text"].as_str(), said.stderr.as_str()), (Some("failed at test smoke"), ""));
    // What came of an older commit is no answer.
    let said = server.towpath(&["check", "wait", "web#17", "--commit", "aaaaaaa", "--timeout", "100ms"]).exits(1);
    assert_eq!(said.refusal().0, "not done within 100ms: web#17 is at 1c2d3e4f1c2d as yet");
    for standing in ["held", "needs-ok", "cancelled"] {
        server.brain.show(|shown| *shown = shows(pull(standing, "so it is"), &[]));
        let said = server.towpath(&["check", "wait", "web#17"]).exits(3);
        assert_eq!(said.refusal().0, "web#17 is not checked: so it is");
    }
    server.towpath(&["check", "wait", "web#18"]).exits(3).refusal();
}

/// The run of a try, which goes into a namespace that stays Ada's.
fn tried(state: &str, steps: &[(&str, bool)]) -> RunDetail {
    let at = Timestamp::from_millis;
    let over = state != "running";
    let run = RunView {
        id: RunId::new("check-1").unwrap(),
        kind: "check".into(),
        subject: "pull request web@ada-1".into(),
        started_at: Some(at(0)),
        finished_at: over.then(|| at(65_000)),
        message: over.then(|| if state == "failed" { "smoke failed".into() } else { "passed".into() }),
        steps: steps_of(steps),
        ..run(state)
    };
    let object = ObjectView { object: "Service/web".into(), state: "ready".into(), text: "http://127.0.0.1:7001".into() };
    RunDetail {
        run,
        subject: ("check".into(), "web@ada-1".into()),
        app: None,
        environment: None,
        cause: (state == "failed")
            .then(|| CauseView { text: "smoke failed".into(), last_lines: vec!["expected 200, \u{1b}[31mgot 500".into()] }),
        objects: vec![object],
        reports: Vec::new(),
        artifacts: Vec::new(),
        attempts: Vec::new(),
        actions: Vec::new(),
    }
}

/// The lease that the try's run makes for Ada.
fn kept(position: usize) -> ReservationView {
    let run = RunId::new("check-1").unwrap();
    let has = position == 0;
    ReservationView {
        id: towpath_engine::reservation_of_person("Ada", &towpath_domain::PoolName::new("checks").unwrap(), run.as_str()),
        pool: "checks".into(),
        app: None,
        environment: None,
        state: if has { "active".into() } else { "waiting".into() },
        requester: "Ada".into(),
        run: None,
        purpose: "try of web".into(),
        urgent: false,
        requested_at: Timestamp::from_millis(0),
        namespace: has.then(|| "checks-1".into()),
        position,
        of: position,
        waits: if has { String::new() } else { "web has the last one".into() },
        since: None,
        until: has.then(|| Timestamp::from_millis(4_000_000)),
        ended: None,
    }
}

#[test]
fn a_try_asks_for_what_was_set_and_tells_what_is_where() {
    let waiting = Shown {
        accepted: accepted(Some("check-1")),
        run_detail: Some(tried("running", &[("build", true), ("reserve", false)])),
        reservations: vec![kept(2)],
        ..Shown::default()
    };
    let server = served(waiting.clone());
    let args = [
        "try",
        "web",
        "--ref",
        "faster",
        "--set-template-ref",
        "api=main",
        "--set-image-tag",
        "quay.io/acme/api=1c2d3e4",
        "--set-parameter",
        "web/URL=http://x/?a=b",
        "--test",
        "smoke",
        "--reserve",
        "2h",
        "--reason",
        "x",
        "--by",
        "Ada",
    ];
    let brain = Arc::clone(&server.brain);
    let ends = std::thread::spawn(move || {
        while brain.asked().iter().filter(|asked| asked.starts_with("reservations")).count() < 2 {
            std::thread::yield_now();
        }
        brain.show(|shown| {
            shown.run_detail = Some(tried("succeeded", &[("build", true), ("reserve", true), ("deploy web", true)]));
            shown.reservations = vec![kept(0)];
        });
    });
    let said = server.towpath(&args).ok();
    ends.join().unwrap();
    let asked = server.brain.asked().into_iter().find(|asked| asked.starts_with("TryRequest")).unwrap();
    assert_eq!(
        asked,
        "TryRequest { source: \"web\", git_ref: Some(\"faster\"), template_refs: {\"api\": \"main\"}, image_tags: {\"quay.io/acme/api\": \"1c2d3e4\"}, \
         parameters: {\"web\": {\"URL\": \"http://x/?a=b\"}}, tests: [\"smoke\"], namespace: None, reserve: Some(\"2h\"), asked: Asked { by: \"Ada\", why: \"x\" } }"
    );
    let lines: Vec<&str> = said.stderr.lines().collect();
    assert_eq!(
        lines,
        [
            "The build of web is tried again.",
            "build done (2.0 s)",
            "reserve …",
            "2 of 2 who wait for checks: web has the last one",
            "reserve done (2.0 s)",
            "deploy web done (2.0 s)",
        ]
    );
    assert!(said.stdout.starts_with("pull request web@ada-1 succeeded after 1 min 5 s: passed\n"), "{said:?}");
    assert!(said.stdout.contains("Deployed in checks-1:\n") && said.stdout.contains("http://127.0.0.1:7001"), "{said:?}");
    assert!(said.stdout.contains("checks-1 is yours until 1970-01-01T01:06:40.000Z"), "{said:?}");
    assert!(said.stdout.contains("  towpath namespace release checks-1\n"), "{said:?}");

    server.brain.show(|shown| shown.run_detail = Some(tried("failed", &[("test smoke", false)])));
    let said = server.towpath(&["try", "web", "--reason", "x", "--by", "Ada"]).exits(1);
    assert!(said.stderr.contains("test smoke did not end well\n  | expected 200, \u{fffd}[31mgot 500\n"), "{said:?}");
    let said = server.towpath(&["try", "web", "--reason", "x", "--by", "Ada", "--output", "json"]).exits(1);
    assert_eq!((said.json()["run"]["state"].as_str(), said.json()["lease"]["namespace"].as_str()), (Some("failed"), Some("checks-1")));
    assert_eq!(said.stderr, "");
    let said = server.towpath(&["try", "web", "--reason", "x", "--by", "Ada", "--no-wait"]).ok();
    assert_eq!(said.stderr, "Follow it with: towpath logs check-1 --follow\n");
}

#[test]
fn a_try_that_makes_no_sense_is_refused_before_anybody_is_asked() {
    let server = served(Shown::default());
    for args in [
        &["--namespace", "checks-1", "--reserve"][..],
        &["--set-template-ref", "api"],
        &["--set-parameter", "URL=x"],
        &["--set-image-tag", "a=1", "--set-image-tag", "a=2"],
        &["--reserve", "soon"],
        &["--local", "--no-wait"],
        &["--local", "--namespace", "checks-1"],
    ] {
        let said = server.towpath(&[&["try", "web", "--reason", "x", "--by", "Ada"], args].concat()).exits(2);
        assert!(!said.stderr.is_empty(), "{args:?}");
    }
    assert!(server.brain.asked().is_empty());
}
