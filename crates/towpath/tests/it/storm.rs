//! A storm of pull requests: three sources, one pool, many pushes, and a server that may be killed all the while. The same on every cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use serde_json::Value;

use crate::installation::{Installation, PATIENCE};

/// The sources of a storm: the installation's own, and two more.
pub const SOURCES: [&str; 3] = ["web", "shop", "mail"];

/// How many namespaces the pool of a storm has at most.
pub const LIMIT: usize = 5;

/// How big a storm is.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Pull requests, over all sources.
    pub pulls: usize,
    /// Pushes to each of them.
    rounds: u32,
}

impl Size {
    /// 50 pull requests, 200 pushes.
    pub const FULL: Self = Self { pulls: 50, rounds: 4 };
    const SMALL: Self = Self { pulls: 9, rounds: 4 };

    /// The full one where `TOWPATH_STORM` is `full`, else a smaller one.
    pub fn asked() -> Self {
        if std::env::var("TOWPATH_STORM").is_ok_and(|said| said == "full") { Self::FULL } else { Self::SMALL }
    }
}

/// How a server is killed (`kill -9`): each one after so many events, at least `after` and less than `after + spread` of them, so that each does
/// something however slow the machine is. Until there were `wanted` kills, or all is over.
#[derive(Clone, Copy, Debug)]
pub struct Kills {
    pub after: i64,
    pub spread: i64,
    pub wanted: i64,
}

/// Has the source's pull requests checked in a pool of this name.
pub fn have_checked(it: &Installation, name: &str, pool: &str, check: &str) {
    // Slow ones tell when they have begun, and end with their process.
    let slow = "cat verdict; if grep -q slow verdict; then sleep 600; fi; grep -q good verdict";
    it.replace_in("web/deploy/smoke.yaml", "cat verdict; grep -q good verdict", slow);
    it.write(
        "config/data/pool.yml",
        &format!("$schema: /towpath/pool-1.yml\nname: {name}\ncluster: {{$ref: /clusters/laptop.yml}}\n{pool}"),
    );
    let source = it.read("config/data/web/source.yml");
    let parts = "  pool: {$ref: /pool.yml}\n  environment: {$ref: /environments/stage.yml}\n";
    let tests = "  tests: [{name: smoke, saas_file: {$ref: /web/test.yml}, resource_template: smoke}]\n";
    it.write("config/data/web/source.yml", &format!("{source}check:\n{parts}{tests}{check}"));
    it.commit("config", "Pull requests are checked");
}

/// Two more sources like the first one, which has a release. `image` is the first one's; the namespaces of the others are named as its are, with
/// the source's name in the place of `web`.
pub fn have_two_more_sources(it: &Installation, image: &str) {
    for name in &SOURCES[1..] {
        let git = format!("{name}.git");
        it.git(".", &["clone", "--quiet", "--bare", "web.git", &git]);
        it.git(".", &["clone", "--quiet", &git, name]);
        let (web, own) = (it.path("web.git").display().to_string(), it.path(&git).display().to_string());
        for file in ["source.yml", "deploy.yml", "test.yml"] {
            let text = it.read(&format!("config/data/web/{file}")).replace(&web, &own);
            let text = text.replace(image, &format!("{image}-{name}")).replace("name: web", &format!("name: {name}"));
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
}

/// Commits all in a clone, and makes the branch of its repository that.
pub fn force(it: &Installation, clone: &str, subject: &str) -> String {
    it.git(clone, &["add", "--all"]);
    it.git(clone, &["commit", "--quiet", "--message", subject]);
    it.git(clone, &["push", "--quiet", "--force", "origin", "HEAD"]);
    it.git(clone, &["rev-parse", "HEAD"])
}

/// Waits until nobody has, waits for, or gives back a namespace.
#[track_caller]
pub fn nothing_is_held(it: &mut Installation) {
    it.until("all namespaces to be given back", |it| {
        let pool = &it.ask(&["namespace", "pools"])?[0];
        (pool["waiting"] == 0 && pool["reserved"] == 0 && pool["ending"] == 0).then_some(())
    });
}

/// What the ledger says of checks and namespaces.
#[derive(Default)]
pub struct Told {
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

impl Told {
    fn by(it: &Installation) -> Self {
        let mut told = Self::default();
        let mut of_reservation: BTreeMap<String, String> = BTreeMap::new();
        let mut over: BTreeSet<String> = BTreeSet::new();
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
                        // Whoever gave it away may have been about to while the reservation ended: that one had it, and for no time.
                        let end = over.contains(&text("/reservation")).then_some(number);
                        told.held.entry(text("/namespace")).or_default().push((number, end));
                    }
                    "ended" => {
                        over.insert(text("/reservation"));
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

    /// Namespaces that there are by the ledger.
    pub fn left(&self) -> BTreeSet<&str> {
        self.wanted.difference(&self.gone).map(String::as_str).collect()
    }

    /// Each of these heads has its one verdict, and no run ended twice.
    fn one_verdict_each(&self, last: &Last) {
        assert!(self.ended.values().all(|ends| ends.len() == 1));
        for (check, (head, _)) in last {
            let of_head = self.queued.iter().filter(|(_, of, at)| of == check && at == head);
            let verdicts = of_head.filter(|(run, ..)| matches!(self.ended[run][0].0.as_str(), "checked" | "failed")).count();
            assert_eq!(verdicts, 1, "{check} at {head}");
        }
    }

    /// What a newer push took the place of was superseded. How long the slowest went on after the push was seen, in milliseconds.
    fn superseded_at_once(&self) -> i64 {
        let mut worst = 0;
        for (run, check, head) in &self.queued {
            let heads = &self.seen[check];
            let next = heads.iter().position(|(seen, _)| seen == head).and_then(|at| heads.get(at + 1));
            let (outcome, ended) = &self.ended[run][0];
            if let Some((_, seen)) = next.filter(|(_, seen)| seen < ended) {
                // One that was at its very end when the newer push was seen may still say how it ended.
                assert!(outcome == "superseded" || ended - seen < 1_000, "{run} {outcome} {} ms after a newer push was seen", ended - seen);
                worst = worst.max(ended - seen);
            }
        }
        worst
    }

    /// Those that came first were checked first.
    fn in_order(&self) {
        for source in SOURCES {
            let mut firsts: Vec<&str> = Vec::new();
            for (_, check, _) in self.queued.iter().filter(|(_, check, _)| check.starts_with(source)) {
                if !firsts.contains(&check.as_str()) {
                    firsts.push(check);
                }
            }
            let mut by_age: Vec<&str> = firsts.clone();
            by_age.sort_by_key(|check| self.seen[*check][0].1);
            let ages = |order: &[&str]| order.iter().map(|check| self.seen[*check][0].1).collect::<Vec<_>>();
            assert_eq!(ages(&firsts), ages(&by_age), "{source}");
        }
    }

    /// No namespace was shared or leaked.
    fn one_namespace_each(&self, checks: usize) {
        assert!(self.held.values().all(|holders| holders.len() == 1 && holders[0].1.is_some()), "{:?}", self.held);
        assert!(self.held.len() >= checks, "one each");
        assert!(self.left().len() <= LIMIT, "{:?} are left", self.left());
    }
}

/// By check: its last head, and whether that is to pass.
type Last = BTreeMap<String, (String, bool)>;

/// A server that is killed all the while, or not.
struct Killing {
    kills: Option<Kills>,
    count: i64,
}

impl Killing {
    /// Starts it again where it has been killed.
    fn turn(&mut self, it: &mut Installation) {
        let Some(kills) = self.kills.filter(|_| it.has_ended()) else { return };
        self.count += 1;
        it.start(Some(kills.after + (self.count * 37) % kills.spread));
    }
}

/// How many of the last heads have the verdict that they are to have; none while no server answers.
fn over(it: &Installation, last: &Last) -> Option<usize> {
    let all = it.ask(&["check", "list"])?;
    let stands = |one: &&Value| {
        let (head, good) = &last[one["id"].as_str().unwrap()];
        one["head"] == head.as_str() && one["standing"] == if *good { "passed" } else { "failed" }
    };
    Some(all.as_array()?.iter().filter(stands).count())
}

/// Pushes to all pull requests, again and again, a quarter of them something bad; then waits until each has the verdict on its last push, and nobody a
/// namespace. The installation runs before, and is stopped after. Panics where anything is not as it must be.
pub fn rage(it: &mut Installation, size: Size, kills: Option<Kills>) -> Told {
    it.until("the pool", |it| it.ask(&["namespace", "pools"])?[0]["ready"].as_u64().filter(|ready| *ready > 0));
    let begun = Instant::now();
    let pulls: Vec<(&str, usize)> = (0..size.pulls).map(|number| (SOURCES[number % 3], number / 3 + 1)).collect();
    let mut last = Last::new();
    let mut killing = Killing { kills, count: 0 };
    for round in 0..size.rounds {
        for (at, (source, number)) in pulls.iter().enumerate() {
            let good = !(at + round as usize).is_multiple_of(4);
            it.git(source, &["checkout", "--quiet", "-B", &format!("pull/{number}"), "origin/main"]);
            it.write(&format!("{source}/verdict"), if good { "good\n" } else { "bad\n" });
            it.write(&format!("{source}/changes/{number}"), &format!("{round}\n"));
            let head = force(it, source, &format!("Change {number} of {source}, {round}"));
            last.insert(format!("{source}#{number}"), (head, good));
            killing.turn(it);
        }
        if kills.is_some() && round == 0 {
            it.kill();
        }
    }
    if let Some(kills) = kills {
        let (mut known, mut since) = (0, Instant::now());
        while killing.count < kills.wanted && over(it, &last) != Some(last.len()) {
            killing.turn(it);
            if known != killing.count {
                (known, since) = (killing.count, Instant::now());
            }
            assert!(since.elapsed() < PATIENCE, "nothing happens any more:\n{}", it.read("server.log"));
            std::thread::park_timeout(std::time::Duration::from_millis(20));
        }
        it.kill();
        it.start(None);
        assert!(killing.count > 4, "{} kills", killing.count);
    }
    it.until_progress(
        "a verdict on every last push",
        |it| (over(it, &last)? == last.len()).then_some(()),
        |it| it.ask(&["history", "--limit", "1"]).map(|newest| newest.to_string()),
    );
    nothing_is_held(it);
    let (took, told) = (begun.elapsed(), Told::by(it));
    it.stop();
    let verified = it.run(&["ledger", "verify"]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));

    told.one_verdict_each(&last);
    let worst = told.superseded_at_once();
    let runs = told.queued.len();
    let superseded = told.queued.iter().filter(|(run, ..)| told.ended[run][0].0 == "superseded").count();
    println!(
        "{size:?}: {} s, {runs} runs, {superseded} of them superseded, the slowest of these after {worst} ms; {} namespaces; {} kills",
        took.as_secs(),
        told.held.len(),
        killing.count
    );
    // With a server that is killed, it is the time that the server was not there, too.
    assert!(kills.is_some() || worst <= 5_000, "{worst} ms");
    told.in_order();
    told.one_namespace_each(last.len());
    told
}
