//! Pull requests of sources on nothing but Git: built, deployed into a namespace of their own, tested, and told whose fault it is; superseded,
//! cancelled, and come to one verdict each, however often the server is killed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::installation::Installation;

const POOL: &str = "$schema: /towpath/pool-1.yml\nname: checks\ncluster: {$ref: /clusters/laptop.yml}\n";
const CHECK: &str = "check:\n  pool: {$ref: /pool.yml}\n  environment: {$ref: /environments/stage.yml}\n  tests: [{name: smoke, saas_file: {$ref: /web/test.yml}, resource_template: smoke}]\n";

/// An installation whose source's pull requests are checked in a pool like this.
fn checked(pool: &str, check: &str) -> Installation {
    let it = Installation::new();
    // Slow ones tell when they have begun, and end with their process.
    it.replace_in(
        "web/deploy/smoke.yaml",
        "cat verdict; grep -q good verdict",
        "cat verdict; if grep -q slow verdict; then sleep 600; fi; grep -q good verdict",
    );
    it.write("config/data/pool.yml", &format!("{POOL}{pool}"));
    let source = it.read("config/data/web/source.yml");
    it.write("config/data/web/source.yml", &format!("{source}{CHECK}{check}"));
    it.commit("config", "Pull requests are checked");
    it.release("first", true);
    it
}

/// Pushes a commit with this verdict to a pull request, on top of the branch that it is for.
fn push(it: &Installation, number: u32, verdict: &str, text: &str) -> String {
    it.git("web", &["checkout", "--quiet", "-B", &format!("pull/{number}"), "origin/main"]);
    it.write("web/verdict", &format!("{verdict}\n"));
    it.write(&format!("web/changes/{number}"), text);
    force(it, "web", &format!("Change {number}: {text}"))
}

/// Commits all in a clone, and makes the branch of its repository that.
fn force(it: &Installation, clone: &str, subject: &str) -> String {
    it.git(clone, &["add", "--all"]);
    it.git(clone, &["commit", "--quiet", "--message", subject]);
    it.git(clone, &["push", "--quiet", "--force", "origin", "HEAD"]);
    it.git(clone, &["rev-parse", "HEAD"])
}

fn show(it: &Installation, check: &str) -> Option<Value> {
    it.ask(&["check", "show", check])
}

/// Waits until the check of a pull request at this commit stands so.
#[track_caller]
fn until_stands(it: &mut Installation, check: &str, head: &str, standing: &str) -> Value {
    it.until(&format!("{check} {standing}"), |it| show(it, check).filter(|view| view["head"] == head && view["standing"] == standing))
}

fn nothing_is_held(it: &mut Installation) {
    it.until("all namespaces to be given back", |it| {
        let pool = &it.ask(&["namespace", "pools"])?[0];
        (pool["waiting"] == 0 && pool["reserved"] == 0 && pool["ending"] == 0).then_some(())
    });
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

/// Three sources, each with its repository, in one pool.
fn three() -> Installation {
    let mut it = checked("size: 3\nlimit: 5\n", "  concurrency: 3\n");
    for name in ["shop", "mail"] {
        let git = format!("{name}.git");
        it.git(".", &["clone", "--quiet", "--bare", "web.git", &git]);
        it.git(".", &["clone", "--quiet", &git, name]);
        let (web, own) = (it.path("web.git").display().to_string(), it.path(&git).display().to_string());
        for file in ["source.yml", "deploy.yml", "test.yml"] {
            let text = it.read(&format!("config/data/web/{file}")).replace(&web, &own);
            let text = text.replace("name: web", &format!("name: {name}")).replace("localhost/web", &format!("localhost/{name}"));
            let text = text.replace("/web/test.yml", &format!("/{name}/test.yml")).replace("[deployed]", &format!("[{name}-deployed]"));
            it.write(&format!("config/data/{name}/{file}"), &text.replace("[tested]", &format!("[{name}-tested]")));
        }
        for file in ["stage.yml", "production.yml"] {
            let text = it.read(&format!("config/data/web/{file}")).replace("name: web-", &format!("name: {name}-"));
            it.write(&format!("config/data/{name}/{file}"), &text);
        }
        for file in ["deploy.yml", "test.yml"] {
            let path = format!("config/data/{name}/{file}");
            let text = it.read(&path).replace("$ref: /web/stage.yml", &format!("$ref: /{name}/stage.yml"));
            it.write(&path, &text.replace("$ref: /web/production.yml", &format!("$ref: /{name}/production.yml")));
        }
    }
    it.commit("config", "Three sources");
    let problems = it.run(&["validate", "config"]);
    assert!(problems.status.success(), "{}{}", String::from_utf8_lossy(&problems.stdout), String::from_utf8_lossy(&problems.stderr));
    it.start(None);
    it
}

/// What the ledger says of checks and namespaces.
#[derive(Default)]
struct Told {
    /// By check: the heads that it was seen at, with when, in order.
    seen: BTreeMap<String, Vec<(String, i64)>>,
    /// By run: of what, at which commit.
    queued: Vec<(String, String, String)>,
    /// By run: how it ended, and when.
    ended: BTreeMap<String, Vec<(String, i64)>>,
    /// Who had each namespace, from which event to which.
    held: BTreeMap<String, Vec<(usize, Option<usize>)>>,
    wanted: BTreeSet<String>,
    gone: BTreeSet<String>,
}

fn told(it: &Installation) -> Told {
    let mut told = Told::default();
    let mut of_reservation: BTreeMap<String, String> = BTreeMap::new();
    for (number, line) in it.events().into_iter().enumerate() {
        let (event, at) = (&line["event"], line["at"].as_i64().unwrap_or_default());
        let text = |path: &str| event.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        match event["event"].as_str().unwrap_or_default() {
            "run-queued" if event["work"]["work"] == "check" => {
                told.queued.push((text("/id"), text("/work/id"), text("/work/head")));
            }
            "run-finished" => told.ended.entry(text("/run")).or_default().push((text("/outcome/outcome"), at)),
            "check" if event["check_event"] == "seen" => {
                let id = format!("{}#{}", text("/pull/source"), event["pull"]["number"]);
                let heads = told.seen.entry(id).or_default();
                if heads.last().is_none_or(|(head, _)| *head != text("/pull/head")) {
                    heads.push((text("/pull/head"), at));
                }
            }
            "pool" => match event["pool_event"].as_str().unwrap_or_default() {
                "wanted" => drop(told.wanted.insert(text("/namespace"))),
                "gone" => drop(told.gone.insert(text("/namespace"))),
                "granted" => {
                    of_reservation.insert(text("/reservation"), text("/namespace"));
                    told.held.entry(text("/namespace")).or_default().push((number, None));
                }
                "ended" => {
                    if let Some(namespace) = of_reservation.get(&text("/reservation")) {
                        told.held.get_mut(namespace).unwrap().last_mut().unwrap().1 = Some(number);
                    }
                }
                _ => {}
            },
            _ => {}
        }
    }
    told
}

/// 50 pull requests, 200 pushes, three sources, a pool of five.
fn storm(killed: bool) {
    let mut it = three();
    it.until("the pool", |it| it.ask(&["namespace", "pools"])?[0]["ready"].as_u64().filter(|ready| *ready > 0));
    let sources = ["web", "shop", "mail"];
    let pulls: Vec<(&str, u32)> = (0..50).map(|number| (sources[number % 3], number as u32 / 3 + 1)).collect();
    let mut last: BTreeMap<String, (String, bool)> = BTreeMap::new();
    let mut kills = 0;
    for round in 0..4_u32 {
        for (at, (source, number)) in pulls.iter().enumerate() {
            let good = !(at as u32 + round).is_multiple_of(4);
            it.git(source, &["checkout", "--quiet", "-B", &format!("pull/{number}"), "origin/main"]);
            it.write(&format!("{source}/verdict"), if good { "good\n" } else { "bad\n" });
            it.write(&format!("{source}/changes/{number}"), &format!("{round}\n"));
            let head = force(&it, source, &format!("Change {number} of {source}, {round}"));
            last.insert(format!("{source}#{number}"), (head, good));
            if killed && it.has_ended() {
                kills += 1;
                it.start(Some(60 + (kills * 37) % 150));
            }
        }
        if killed && round == 0 {
            it.kill();
        }
    }
    let begun = Instant::now();
    while killed && begun.elapsed() < Duration::from_secs(15) {
        if it.has_ended() {
            kills += 1;
            it.start(Some(60 + (kills * 37) % 150));
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
    if killed {
        it.kill();
        it.start(None);
        assert!(kills > 4, "{kills} kills");
    }
    let mut over = 0;
    it.until_progress(
        "a verdict on every last push",
        |it| {
            let all = it.ask(&["check", "list"])?;
            let stands = |one: &Value| {
                let (head, good) = &last[one["id"].as_str().unwrap()];
                one["head"] == head.as_str() && one["standing"] == if *good { "passed" } else { "failed" }
            };
            over = all.as_array()?.iter().filter(|one| stands(one)).count();
            (over == last.len()).then_some(())
        },
        |it| it.ask(&["history", "--limit", "1"]).map(|newest| newest.to_string()),
    );
    nothing_is_held(&mut it);
    let told = told(&it);
    it.stop();
    let verified = it.run(&["ledger", "verify"]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));

    // Each last push has its one verdict, and no run ended twice.
    assert!(told.ended.values().all(|ends| ends.len() == 1));
    let mut worst = 0;
    for (check, (head, _)) in &last {
        let of_head = told.queued.iter().filter(|(_, of, at)| of == check && at == head);
        let verdicts = of_head.filter(|(run, ..)| matches!(told.ended[run][0].0.as_str(), "checked" | "failed")).count();
        assert_eq!(verdicts, 1, "{check} at {head}");
    }
    // What a newer push took the place of ended at once.
    for (run, check, head) in &told.queued {
        let heads = &told.seen[check];
        let next = heads.iter().position(|(seen, _)| seen == head).and_then(|at| heads.get(at + 1));
        let (outcome, ended) = &told.ended[run][0];
        if let Some((_, seen)) = next.filter(|(_, seen)| seen < ended) {
            // One that was at its very end when the newer push was seen may still say how it ended.
            assert!(outcome == "superseded" || ended - seen < 1_000, "{run} {outcome} {} ms after a newer push was seen", ended - seen);
            worst = worst.max(ended - seen);
        }
    }
    // With a server that is killed, it is the time that the server was not there, too.
    println!("a superseded run went on for {worst} ms at most");
    assert!(killed || worst <= 5_000, "{worst} ms");
    // Those that came first were checked first.
    for source in sources {
        let mut firsts: Vec<&str> = Vec::new();
        for (_, check, _) in told.queued.iter().filter(|(_, check, _)| check.starts_with(source)) {
            if !firsts.contains(&check.as_str()) {
                firsts.push(check);
            }
        }
        let mut by_age: Vec<&str> = firsts.clone();
        by_age.sort_by_key(|check| told.seen[*check][0].1);
        let ages = |order: &[&str]| order.iter().map(|check| told.seen[*check][0].1).collect::<Vec<_>>();
        assert_eq!(ages(&firsts), ages(&by_age), "{source}");
    }
    // No namespace was shared or leaked.
    assert!(told.held.values().all(|holders| holders.len() == 1 && holders[0].1.is_some()), "{:?}", told.held);
    assert!(told.held.len() >= last.len(), "one each");
    let left = told.wanted.difference(&told.gone).count();
    assert!(left <= 5, "{left} are left");
}

#[test]
fn fifty_pull_requests_with_two_hundred_pushes_come_to_one_verdict_each() {
    storm(false);
}

#[test]
fn and_so_they_do_while_the_server_is_killed_again_and_again() {
    storm(true);
}
