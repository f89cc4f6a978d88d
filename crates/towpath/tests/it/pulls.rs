//! Pull requests of sources on nothing but Git: built, deployed into a namespace of their own, tested, and told whose fault it is; superseded,
//! cancelled, and come to one verdict each, however often the server is killed.

use serde_json::Value;

use crate::installation::Installation;
use crate::storm::{self, Kills, Size, force, nothing_is_held};

/// An installation whose source's pull requests are checked in a pool like this.
fn checked(pool: &str, check: &str) -> Installation {
    let it = Installation::new();
    storm::have_checked(&it, "checks", pool, check);
    it.release("first", true);
    it
}

/// Three sources, each with its repository, in one pool.
fn three() -> Installation {
    let mut it = checked("size: 3\nlimit: 5\n", "  concurrency: 3\n");
    storm::have_two_more_sources(&it, "localhost/web");
    it.start(None);
    it
}

/// Pushes a commit with this verdict to a pull request, on top of the branch that it is for.
fn push(it: &Installation, number: u32, verdict: &str, text: &str) -> String {
    it.git("web", &["checkout", "--quiet", "-B", &format!("pull/{number}"), "origin/main"]);
    it.write("web/verdict", &format!("{verdict}\n"));
    it.write(&format!("web/changes/{number}"), text);
    force(it, "web", &format!("Change {number}: {text}"))
}

fn show(it: &Installation, check: &str) -> Option<Value> {
    it.ask(&["check", "show", check])
}

/// Waits until the check of a pull request at this commit stands so.
#[track_caller]
fn until_stands(it: &mut Installation, check: &str, head: &str, standing: &str) -> Value {
    it.until(&format!("{check} {standing}"), |it| show(it, check).filter(|view| view["head"] == head && view["standing"] == standing))
}

#[test]
fn a_pull_request_is_built_deployed_and_tested_in_a_namespace_of_its_own() {
    let mut it = checked("size: 1\nlimit: 2\n", "");
    it.start(None);
    let good = push(&it, 1, "good", "one");
    let view = until_stands(&mut it, "web#1", &good, "passed");
    assert_eq!(view["author"], "Test");
    let steps: Vec<&str> = view["steps"].as_array().unwrap().iter().map(|step| step["name"].as_str().unwrap()).collect();
    for step in ["build", "reserve", "deploy", "test smoke"] {
        assert!(steps.iter().any(|name| name.starts_with(step)), "{step}: {steps:?}");
    }
    let run = view["run"].as_str().unwrap();
    let log = it.ok(&["logs", run]);
    assert!(log.contains("good"), "what the test printed: {log}");

    let bad = push(&it, 2, "bad", "two");
    let view = until_stands(&mut it, "web#2", &bad, "failed");
    assert_eq!(view["blame"], "the pull request itself");
    assert!(view["text"].as_str().unwrap().contains("test smoke"), "{view}");

    // The same tree, merged, by the same instructions.
    it.git("web", &["checkout", "--quiet", "-B", "pull/3", "origin/main"]);
    it.git("web", &["cherry-pick", "--quiet", "--no-commit", &good]);
    let same = it.commit("web", "The same in other words");
    let view = until_stands(&mut it, "web#3", &same, "passed");
    assert!(view["text"].as_str().unwrap().contains(run), "{view}");
    // But who asks for it has it tested.
    it.ok(&["check", "retest", "web#3", "--by", "ann", "--reason", "to be sure"]);
    let view = it.until("another run", |it| {
        show(it, "web#3").filter(|view| view["standing"] == "passed" && view["runs"].as_array().is_some_and(|runs| runs.len() == 2))
    });
    assert!(!view["text"].as_str().unwrap().contains("same tree"), "{view}");

    // What does not merge is told with its files.
    it.git("web", &["checkout", "--quiet", "-B", "pull/4", "origin/main"]);
    it.write("web/subject", "four");
    let conflicting = it.commit("web", "Change 4");
    until_stands(&mut it, "web#4", &conflicting, "passed");
    it.git("web", &["checkout", "--quiet", "main"]);
    it.write("web/subject", "other");
    it.commit("web", "The branch goes on");
    it.ok(&["check", "retest", "web#4", "--by", "ann", "--reason", "the branch went on"]);
    let view = it.until("a conflict", |it| show(it, "web#4").filter(|view| view["standing"] == "failed"));
    assert!(view["head"] == conflicting.as_str() && view["text"].as_str().unwrap().contains("subject"), "{view}");

    // One that is merged is of no interest any more.
    it.git("web", &["merge", "--quiet", "--no-edit", &good]);
    it.git("web", &["push", "--quiet", "origin", "main"]);
    it.until("the merged one to go", |it| {
        let all = it.ask(&["check", "list"])?;
        all.as_array()?.iter().all(|one| one["id"] != "web#1").then_some(())
    });
    nothing_is_held(&mut it);
    it.stop();
    let verified = it.run(&["ledger", "verify"]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
}

#[test]
fn a_newer_push_and_a_cancellation_end_what_goes_on_and_give_back_what_it_holds() {
    let mut it = checked("size: 1\nlimit: 1\n", "");
    it.start(None);
    let begun = |it: &Installation, check: &str| {
        let view = show(it, check)?;
        let step = view["steps"].as_array()?.last()?["name"].as_str()?.to_owned();
        let run = view["run"].as_str()?.to_owned();
        let log = it.run(&["logs", &run]);
        (step == "test smoke" && String::from_utf8_lossy(&log.stdout).contains("slow")).then_some(run)
    };
    push(&it, 1, "slow", "one");
    let old = it.until("the slow test to have begun", |it| begun(it, "web#1"));
    // The whole pool is taken: the newer one passes only once that is given back.
    let newer = push(&it, 1, "good", "two");
    until_stands(&mut it, "web#1", &newer, "passed");
    let run = it.ask(&["runs", "--about", "web#1"]).unwrap();
    let superseded = run.as_array().unwrap().iter().find(|run| run["id"] == old.as_str()).unwrap().clone();
    assert_eq!(superseded["state"], "superseded", "{superseded}");

    push(&it, 2, "slow", "three");
    it.until("the slow test to have begun", |it| begun(it, "web#2"));
    it.ok(&["check", "cancel", "web#2", "--by", "ann", "--reason", "a typo"]);
    let view = it.until("a cancellation", |it| show(it, "web#2").filter(|view| view["standing"] == "cancelled"));
    assert!(view["text"].as_str().unwrap().contains("ann"), "{view}");
    nothing_is_held(&mut it);
    // A killed server finds a newer push as soon as it is there again.
    push(&it, 3, "slow", "four");
    it.until("the slow test to have begun", |it| begun(it, "web#3"));
    it.kill();
    let newer = push(&it, 3, "good", "five");
    it.start(None);
    until_stands(&mut it, "web#3", &newer, "passed");
    nothing_is_held(&mut it);
    it.stop();
    let verified = it.run(&["ledger", "verify"]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
}

#[test]
fn pull_requests_with_four_pushes_each_come_to_one_verdict_each() {
    let mut it = three();
    storm::rage(&mut it, Size::asked(), None);
}

#[test]
fn and_so_they_do_while_the_server_is_killed_again_and_again() {
    let mut it = three();
    storm::rage(&mut it, Size::FULL, Some(Kills { after: 60, spread: 150, wanted: 25 }));
}

#[test]
fn a_try_leaves_what_it_deployed_in_the_namespace_that_is_reserved_with_it_and_goes_into_it_again() {
    let mut it = checked("size: 1\nlimit: 2\n", "");
    it.replace("web/deploy.yml", "[Deployment]", "[Deployment, Service]");
    it.commit("config", "Services, too");
    it.start(None);
    it.git("web", &["checkout", "--quiet", "-B", "mine", "origin/main"]);
    let template = it.read("web/deploy/web.yaml");
    let service =
        "  - {apiVersion: v1, kind: Service, metadata: {name: web}, spec: {selector: {app: web}, ports: [{name: http, port: 80}]}}\n";
    it.write("web/deploy/web.yaml", &(template + service));
    it.commit("web", "Mine, with a service");
    let words = ["try", "web", "--ref", "mine", "--reason", "mine", "--timeout", "80s"];
    let tried = it.ok(&[&words[..], &["--by", "ann", "--reserve", "1h"]].concat());
    let held = it.ask(&["namespace", "list", "--requester", "ann"]).unwrap();
    let [held] = held.as_array().unwrap().as_slice() else { panic!("{held}") };
    let name = held["name"].as_str().unwrap();
    assert!(tried.contains(&format!("Deployed in {name}:")) && tried.contains("http at 127.0.0.1:"), "{tried}");
    assert_eq!(held["apps"], serde_json::json!({"ready": 1, "total": 1}));
    let list = it.ok(&["namespace", "list"]);
    assert!(list.lines().any(|line| line.contains(name) && line.contains(" 1/1 ")), "{list}");
    // Into it again, and by nobody else.
    let again = it.ok(&[&words[..], &["--by", "ann", "--namespace", name]].concat());
    assert!(again.contains(name), "{again}");
    let refused = it.refused(&[&words[..], &["--by", "bob", "--namespace", name]].concat());
    assert!(refused.contains("is not reserved for bob"), "{refused}");
    it.ok(&["namespace", "release", name, "--by", "ann", "--reason", "done"]);
    nothing_is_held(&mut it);
}

#[test]
fn a_try_on_this_machine_needs_no_server_moves_nothing_and_leaves_nothing_behind() {
    let it = checked("size: 1\nlimit: 2\n", "");
    let config = it.git("config.git", &["rev-parse", "main"]);
    it.git("web", &["checkout", "--quiet", "-B", "mine", "origin/main"]);
    it.write("web/changes/mine", "mine");
    let mine = it.commit("web", "Mine");
    let tried = it.ok(&["try", "web", "--ref", "mine", "--local", "--by", "ann", "--reason", "on my machine", "--timeout", "80s"]);
    assert!(tried.contains("succeeded") && tried.contains(&mine[..7]), "{tried}");
    let refused = it.refused(&["try", "web", "--ref", "nowhere", "--local", "--by", "ann", "--reason", "a slip", "--timeout", "80s"]);
    assert!(refused.contains("no branch nowhere"), "{refused}");
    // A failing test fails it.
    it.write("web/verdict", "bad\n");
    it.commit("web", "Bad");
    let failed = it.run(&["try", "web", "--ref", "mine", "--local", "--by", "ann", "--reason", "on my machine", "--timeout", "80s"]);
    assert_eq!(failed.status.code(), Some(1), "{}", String::from_utf8_lossy(&failed.stderr));
    // The config repository is as it was, and no state was made beside towpath.toml.
    assert_eq!(it.git("config.git", &["rev-parse", "main"]), config);
    assert_eq!(it.git("config.git", &["branch", "--list", "--format=%(refname:short)"]), "main");
    assert!(!it.path(".towpath").exists());
    // One that is not there is told at once, with what git said.
    it.write("towpath.toml", "[config]\nurl = \"elsewhere.git\"\n");
    let refused = it.refused(&["try", "web", "--local", "--by", "ann", "--reason", "on my machine"]);
    assert!(refused.contains("elsewhere.git cannot be read since") && refused.contains("[config]"), "{refused}");
}

#[test]
fn a_forge_that_never_answers_keeps_nobody_elses_pull_requests_waiting() {
    let mut it = checked("size: 1\nlimit: 2\n", "");
    // It takes the connection, and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    it.git(".", &["clone", "--quiet", "--bare", "web.git", "shop.git"]);
    let shop = it.path("shop.git").display().to_string();
    let source = "$schema: /towpath/source-1.yml\nname: shop\napp: {$ref: /web/app.yml}\nimage: localhost/shop\nbuild: {pack: {files: [{from: verdict, to: /verdict}]}}\n";
    it.write("config/data/web/shop.yml", &format!("{source}url: '{shop}'\ncheck: {{command: 'true'}}\n"));
    it.commit("config", "Another source, whose forge is silent");
    let (config, address) = (it.read("towpath.toml"), silent.local_addr().unwrap());
    it.write("token", "fake-token\n");
    it.write(
        "towpath.toml",
        &format!(
            "{config}[[forges]]\nfor = [{shop:?}]\nkind = \"forgejo\"\nbase_url = \"http://{address}/api/v1\"\nrepository = \"org/shop\"\ntoken_file = \"token\"\npatience = \"10m\"\n"
        ),
    );
    it.start(None);
    let first = push(&it, 1, "good", "one");
    until_stands(&mut it, "web#1", &first, "passed");
    // It is waited for by now, and later looks are not held up by that either.
    silent.set_nonblocking(true).unwrap();
    it.until("the silent forge to be asked", |_| silent.accept().ok().map(std::mem::forget));
    let second = push(&it, 1, "bad", "two");
    until_stands(&mut it, "web#1", &second, "failed");
}
