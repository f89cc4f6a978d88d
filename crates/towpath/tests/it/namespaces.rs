//! Pools of ephemeral namespaces, on the embedded runtime: reserved, extended, given back; and nothing leaked or shared, however often the server
//! is killed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::installation::Installation;

const POOL: &str = "$schema: /towpath/pool-1.yml\nname: smoke\ncluster: {$ref: /clusters/laptop.yml}\n";

/// An installation that runs, with a pool.
fn with_pool(rest: &str) -> Installation {
    let mut it = Installation::new();
    it.write("config/data/pool.yml", &format!("{POOL}{rest}"));
    it.commit("config", "A pool");
    it.start(None);
    it.until("the server", |it| it.ask(&["namespace", "pools"]));
    it
}

fn names(it: &Installation, state: &str) -> Option<Vec<String>> {
    let all = it.ask(&["namespace", "list"])?;
    let of = all.as_array()?.iter().filter(|one| one["state"] == state);
    Some(of.map(|one| one["name"].as_str().unwrap().to_owned()).collect())
}

#[track_caller]
fn until_ready(it: &mut Installation, count: usize) -> Vec<String> {
    it.until("namespaces to be ready", |it| names(it, "ready").filter(|names| names.len() == count))
}

#[track_caller]
fn reserve(it: &Installation, by: &str) -> String {
    it.ok(&["namespace", "reserve", "smoke", "--by", by, "--reason", "trying it", "--timeout", "80s"]).trim().to_owned()
}

#[test]
fn a_namespace_is_reserved_extended_and_given_back_and_never_handed_out_again() {
    let mut it = with_pool("size: 2\nlimit: 3\nlease: 1h\nlongest: 3h\n");
    let ready = until_ready(&mut it, 2);
    let anns = reserve(&it, "ann");
    assert!(ready.contains(&anns), "one that was ready");
    let said = it.refused(&["namespace", "reserve", "smoke", "--by", "ann", "--reason", "again"]);
    assert!(said.contains(&format!("ann has one of smoke already: {anns}")), "{said}");

    let lease = it.ask(&["namespace", "describe", &anns]).unwrap();
    assert_eq!((lease["state"].as_str(), lease["requester"].as_str()), (Some("active"), Some("ann")));
    let before = lease["until"].as_i64();
    it.ok(&["namespace", "extend", &anns, "--lease", "2h", "--by", "ann"]);
    assert!(it.ask(&["namespace", "describe", &anns]).unwrap()["until"].as_i64() > before);
    let said = it.refused(&["namespace", "extend", &anns, "--lease", "4h", "--by", "ann"]);
    assert!(said.contains("smoke gives 3h at most"), "{said}");

    // All three are taken: whoever comes next sees their place, and who has the others.
    let (bobs, cyds) = (reserve(&it, "bob"), reserve(&it, "cyd"));
    let said = it.refused(&["namespace", "reserve", "smoke", "--by", "dan", "--reason", "x", "--timeout", "1s"]);
    assert!(said.contains("1 of 1 who wait for smoke: all 3 namespaces of the pool are taken"), "{said}");
    assert!([&anns, &bobs, &cyds].iter().all(|name| said.contains(name.as_str())) && said.contains("by bob until"), "{said}");
    it.until("what nobody waits for to be given up", |it| it.ask(&["namespace", "pools"])?[0]["waiting"].as_u64().filter(|n| *n == 0));

    let id = it.ok(&["namespace", "reserve", "smoke", "--by", "dan", "--reason", "x", "--no-wait"]).trim().to_owned();
    it.ok(&["namespace", "release", &bobs, "--by", "bob"]);
    let dans = it.ok(&["namespace", "wait", &id, "--timeout", "80s"]).trim().to_owned();
    assert!(![&anns, &bobs, &cyds].contains(&&dans), "never one that somebody had");
    for (name, who) in [(&anns, "ann"), (&cyds, "cyd"), (&dans, "dan")] {
        it.ok(&["namespace", "release", name, "--by", who]);
    }
    let fresh = until_ready(&mut it, 2);
    assert!(fresh.iter().all(|name| ![&anns, &bobs, &cyds, &dans].contains(&name)), "{fresh:?}");
    let said = it.refused(&["namespace", "release", &anns, "--by", "ann"]);
    assert!(said.contains("unknown-reservation") || said.contains("no namespace and no reservation is called so"), "{said}");
    let said = it.refused(&["namespace", "reserve", "smok", "--by", "ann", "--reason", "x"]);
    assert!(said.contains("there are smoke"), "{said}");

    // Whom nobody can grant anything hears of it, and not every namespace is tried in turn.
    let said = it.refused(&["namespace", "reserve", "smoke", "--by", "system:anonymous", "--reason", "x", "--timeout", "80s"]);
    assert!(said.contains("nobody in particular"), "{said}");
    let tried = told(&it).wanted.len();
    let left = until_ready(&mut it, 2);
    assert!(left.iter().any(|name| fresh.contains(name)), "{left:?}, {fresh:?}");
    assert!(told(&it).wanted.len() <= tried + 1);
    it.stop();
    it.ok(&["ledger", "verify"]);
}

#[test]
fn that_a_lease_ends_soon_is_told_once_and_again_when_it_was_extended() {
    // A second after it is there.
    let mut it = with_pool("size: 1\nlimit: 1\nlease: 2h\nwarn: 7199s\n");
    let anns = reserve(&it, "ann");
    let told = format!("The lease of ann on {anns} of the pool smoke ends in 1h59m");
    let count = |it: &Installation| it.read("server.log").matches(&told).count();
    it.until("it to be told", |it| (count(it) == 1).then_some(()));
    it.ok(&["namespace", "extend", &anns, "--lease", "2h", "--by", "ann"]);
    it.until("it to be told again", |it| (count(it) == 2).then_some(()));
    // After a start, too, it is not told again.
    it.stop();
    it.start(None);
    it.until("the server", |it| names(it, "reserved").filter(|names| *names == [anns.clone()]));
    it.ok(&["namespace", "release", &anns, "--by", "ann"]);
    it.until("it to be gone", |it| names(it, "reserved").filter(Vec::is_empty));
    assert_eq!(count(&it), 2);
}

#[test]
fn before_the_config_repository_is_read_nobody_hears_that_there_is_no_such_pool() {
    let mut it = Installation::new();
    it.write("config/data/pool.yml", &format!("{POOL}size: 1\nlimit: 1\n"));
    it.commit("config", "A pool");
    let (there, away) = (it.path("config.git"), it.path("elsewhere.git"));
    std::fs::rename(&there, &away).unwrap();
    it.start(None);
    it.until("it to be missed", |it| it.ask(&["status"])?["config"]["unreachable"].is_string().then_some(()));
    for asked in [&["namespace", "reserve", "smoke"][..], &["try", "web"]] {
        let said = it.refused(&[asked, &["--by", "ann", "--reason", "x"]].concat());
        assert!(said.contains("has not been read yet") && said.contains("try again"), "{said}");
    }
    std::fs::rename(&away, &there).unwrap();
    it.until("it to be read", |it| it.ask(&["status"])?["config"]["commit"].is_string().then_some(()));
    reserve(&it, "ann");
}

#[test]
fn a_lease_ends_by_its_time_and_a_pool_that_goes_takes_nothing_from_anybody() {
    let mut it = with_pool("size: 1\nlimit: 3\n");
    until_ready(&mut it, 1);
    let short = it.ok(&["namespace", "reserve", "smoke", "--by", "ann", "--reason", "x", "--lease", "1s"]).trim().to_owned();
    it.until("the lease to be over", |it| names(it, "reserved").filter(Vec::is_empty));
    it.until("the namespace to be gone", |it| {
        let all = it.ask(&["namespace", "list"])?;
        all.as_array()?.iter().all(|one| one["name"] != short.as_str()).then_some(())
    });
    let kept = reserve(&it, "bob");
    it.configure("The pool goes", |it| std::fs::remove_file(it.path("config/data/pool.yml")).unwrap());
    it.until("what nobody has to go", |it| {
        let all = it.ask(&["namespace", "list"])?;
        (all.as_array()?.len() == 1).then_some(())
    });
    assert_eq!(names(&it, "reserved").unwrap(), [kept.as_str()]);
    it.ok(&["namespace", "release", &kept, "--by", "bob"]);
    it.until("the last one to go", |it| it.ask(&["namespace", "list"])?.as_array()?.is_empty().then_some(()));
}

#[test]
fn what_is_ready_and_who_waits_outlive_a_server_that_is_killed() {
    let mut it = with_pool("size: 2\nlimit: 3\neach: 1\n");
    until_ready(&mut it, 2);
    let has = reserve(&it, "ann");
    let ready: BTreeSet<String> = until_ready(&mut it, 2).into_iter().collect();
    let id = it.ok(&["namespace", "reserve", "smoke", "--by", "ann", "--reason", "x", "--force", "--no-wait"]).trim().to_owned();
    let waits = |it: &Installation| it.ask(&["namespace", "describe", &id]).filter(|lease| lease["state"] == "waiting");
    it.until("the reservation to wait", |it| waits(it));
    for _ in 0..3 {
        it.kill();
        it.start(None);
        // It decides and keeps from the start; what it knows of pools comes later.
        let read = it.git("config", &["rev-parse", "origin/main"]);
        it.until_read(&read);
        let after: BTreeSet<String> = names(&it, "ready").unwrap().into_iter().collect();
        assert_eq!(after, ready, "what was ready is kept");
        let lease = waits(&it).expect("it still waits");
        assert!(lease["waits"].as_str().unwrap().contains("ann may have 1 at a time"), "{lease}");
        assert_eq!(names(&it, "reserved").unwrap(), [has.as_str()]);
    }
    let told = told(&it);
    assert!(told.gone.is_empty() && told.ended.is_empty() && told.wanted.len() == 3, "{:?} {:?} {:?}", told.gone, told.ended, told.wanted);
    it.ok(&["namespace", "release", &has, "--by", "ann"]);
    let given = it.ok(&["namespace", "wait", &id, "--timeout", "80s"]).trim().to_owned();
    assert!(ready.contains(&given), "{given}");
    it.stop();
    it.ok(&["ledger", "verify"]);
}

/// What the ledger says of each namespace: who was given it, and in the end whether it is gone.
#[derive(Default)]
struct Told {
    granted: BTreeMap<String, BTreeSet<String>>,
    wanted: BTreeSet<String>,
    gone: BTreeSet<String>,
    asked: BTreeSet<String>,
    ended: BTreeSet<String>,
}

fn told(it: &Installation) -> Told {
    let mut told = Told::default();
    for line in it.events() {
        let event = &line["event"];
        let text = |field: &str| event[field].as_str().unwrap_or_default().to_owned();
        match event["pool_event"].as_str().unwrap_or_default() {
            "wanted" => drop(told.wanted.insert(text("namespace"))),
            "granted" => drop(told.granted.entry(text("namespace")).or_default().insert(text("reservation"))),
            "gone" => drop(told.gone.insert(text("namespace"))),
            "requested" => drop(told.asked.insert(text("id"))),
            "ended" => drop(told.ended.insert(text("reservation"))),
            _ => {}
        }
    }
    told
}

#[test]
fn however_often_the_server_is_killed_no_namespace_is_shared_leaked_or_lost() {
    let mut it = with_pool("size: 2\nlimit: 4\n");
    until_ready(&mut it, 2);
    let over = AtomicBool::new(false);
    // People who take what they get and give it back, whatever happens in between.
    let (given, kills) = std::thread::scope(|scope| {
        let people: Vec<_> = ["ann", "bob", "cyd", "dan", "eve", "fay"]
            .into_iter()
            .map(|who| {
                let towpath = it.caller();
                let over = &over;
                scope.spawn(move || {
                    let mut given = Vec::new();
                    while !over.load(Ordering::Relaxed) {
                        let said = towpath(&[
                            "namespace",
                            "reserve",
                            "smoke",
                            "--by",
                            who,
                            "--reason",
                            "a try",
                            "--force",
                            "--lease",
                            "2s",
                            "--timeout",
                            "20s",
                        ]);
                        if !said.status.success() {
                            continue;
                        }
                        let name = String::from_utf8(said.stdout).unwrap().trim().to_owned();
                        given.push(name.clone());
                        let begun = Instant::now();
                        while !towpath(&["namespace", "release", &name, "--by", who]).status.success() {
                            // Given back, but the answer was lost: the second time there is nothing to give back.
                            let known = towpath(&["namespace", "describe", &name, "--output", "json"]);
                            let lease: Option<Value> = serde_json::from_slice(&known.stdout).ok();
                            if lease.is_some_and(|lease| lease["state"] == "ended") || begun.elapsed() > Duration::from_secs(20) {
                                break;
                            }
                        }
                    }
                    given
                })
            })
            .collect();
        let (begun, mut kills) = (Instant::now(), 0);
        it.kill();
        while begun.elapsed() < Duration::from_secs(20) {
            if it.has_ended() {
                kills += 1;
                // Sooner and later after the start, at one event or another.
                it.start(Some(8 + (kills * 13) % 83));
            }
            std::thread::park_timeout(Duration::from_millis(10));
        }
        over.store(true, Ordering::Relaxed);
        it.kill();
        it.start(None);
        let given: Vec<String> = people.into_iter().flat_map(|person| person.join().unwrap()).collect();
        (given, kills)
    });
    assert!(kills > 5 && given.len() > 10, "{kills} kills, {} given", given.len());
    let distinct: BTreeSet<&String> = given.iter().collect();
    assert_eq!(distinct.len(), given.len(), "one was given to two");
    // What was asked for by somebody who did not hear of it ends by its time.
    it.until("everything to be given back", |it| {
        let all = it.ask(&["namespace", "list"])?;
        for one in all.as_array()?.iter().filter(|one| one["state"] == "reserved") {
            let (name, who) = (one["name"].as_str()?, one["requester"].as_str()?);
            let _ = it.run(&["namespace", "release", name, "--by", who]);
        }
        let pool = &it.ask(&["namespace", "pools"])?[0];
        (pool["waiting"] == 0 && pool["reserved"] == 0 && pool["ending"] == 0 && pool["ready"] == 2 && pool["making"] == 0).then_some(())
    });
    let ready: BTreeSet<String> = names(&it, "ready").unwrap().into_iter().collect();
    let told = told(&it);
    it.stop();
    assert!(told.granted.values().all(|to| to.len() == 1), "{:?}", told.granted);
    assert!(given.iter().all(|name| told.granted.contains_key(name)));
    assert_eq!(told.asked, told.ended);
    let left: BTreeSet<String> = told.wanted.difference(&told.gone).cloned().collect();
    assert_eq!(left, ready, "what was made and did not go is what is ready");
    it.ok(&["ledger", "verify"]);
}
