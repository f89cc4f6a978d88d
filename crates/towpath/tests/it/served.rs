//! The commands that ask the running server, against a fake one in the test's process.

use std::sync::Arc;

use tokio::runtime::Runtime;
use tokio::sync::watch;
use towpath_control::view::{Accepted, Finding, Problem, RunView};
use towpath_domain::{RunId, Timestamp};
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
