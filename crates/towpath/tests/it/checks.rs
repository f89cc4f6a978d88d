//! Checks of pull requests, on plain Git and the embedded runtime: what is merged, built, deployed and tested, whose fault a failure is, and that
//! nothing goes on that nobody wants.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::installation::Installation;
use crate::operate::{address, get};

const POOL: &str = "$schema: /towpath/pool-1.yml\nname: smoke\ncluster: {$ref: /clusters/laptop.yml}\nsize: 1\nlimit: 2\n";

/// What the source says of its pull requests, without its command.
const CHECK: &str = "\
check:
  pool: {$ref: /pool.yml}
  environment: {$ref: /environments/stage.yml}
  dependencies: [{$ref: /db/deploy.yml}]
  tests: [{name: smoke, saas_file: {$ref: /web/test.yml}, resource_template: smoke}]
  timeout: 60s
";

/// A service that the source depends on: of another repository, and with a deployment that does what `run` says.
const DB: &str = "\
apiVersion: template.openshift.io/v1
kind: Template
metadata: {name: db}
parameters:
  - {name: IMAGE_TAG, required: true}
  - {name: NAMESPACE}
  - {name: PASSWORD, value: none}
objects:
  - apiVersion: v1
    kind: ConfigMap
    metadata: {name: db, namespace: web-stage}
    data: {at: '${NAMESPACE}', password: '${PASSWORD}'}
  - apiVersion: apps/v1
    kind: Deployment
    metadata: {name: db}
    spec:
      replicas: 1
      selector: {matchLabels: {app: db}}
      template:
        metadata: {labels: {app: db}}
        spec:
          terminationGracePeriodSeconds: 1
          containers:
            - {name: db, image: 'localhost/web:${IMAGE_TAG}', command: [sh, -c, 'RUN']}
";

const STAYS: &str = "trap exit TERM; while :; do sleep 0.1; done";

const DEPLOY_DB: &str = "\
$schema: /app-sre/saas-file-2.yml
name: db
app: {$ref: /web/app.yml}
managedResourceTypes: [ConfigMap, Deployment]
imagePatterns: [localhost/web]
resourceTemplates:
  - name: db
    url: '@DB@'
    path: /db.yaml
    parameters: {IMAGE_TAG: '@TAG@'}
    targets: [{namespace: {$ref: /web/stage.yml}, ref: main}]
";

/// An installation with a release, whose pull requests are checked. `command` is written as the check's.
fn installation(command: &str) -> Installation {
    let (mut it, first) = Installation::released();
    it.git(".", &["init", "--quiet", "--bare", "--initial-branch=main", "db.git"]);
    it.git(".", &["clone", "--quiet", "db.git", "db"]);
    it.git("db", &["checkout", "--quiet", "-B", "main"]);
    it.write("db/db.yaml", &DB.replace("RUN", STAYS));
    it.commit("db", "The database");
    let commit = it.configure("Pull requests are checked", |it| {
        it.write("config/data/pool.yml", POOL);
        let db = it.path("db.git").display().to_string();
        it.write("config/data/db/deploy.yml", &DEPLOY_DB.replace("@DB@", &db).replace("@TAG@", &first[..7]));
        it.replace("web/app.yml", "codeComponents:\n", &format!("codeComponents:\n  - {{name: db, resource: upstream, url: '{db}'}}\n"));
        let source = it.read("config/data/web/source.yml");
        it.write("config/data/web/source.yml", &format!("{source}{CHECK}{command}"));
    });
    it.until_read(&commit);
    it
}

/// Pushes a branch from `main` with a number, changed by `change`; answers with its commit.
fn pull(it: &Installation, number: u64, change: impl Fn(&Installation)) -> String {
    it.git("web", &["fetch", "--quiet", "origin"]);
    it.git("web", &["checkout", "--quiet", "-B", "work", "origin/main"]);
    change(it);
    it.git("web", &["add", "--all"]);
    it.git("web", &["commit", "--quiet", "--allow-empty", "--message", &format!("Change {number}")]);
    it.git("web", &["push", "--quiet", "--force", "origin", &format!("HEAD:refs/heads/pull/{number}-work")]);
    let head = it.git("web", &["rev-parse", "HEAD"]);
    it.git("web", &["checkout", "--quiet", "main"]);
    head
}

fn verdict(text: &str) -> impl Fn(&Installation) + use<'_> {
    move |it| it.write("web/verdict", text)
}

/// Runs of checks at this commit, oldest first: id, and the outcome of those that ended.
fn checks(it: &Installation, head: &str) -> Vec<(String, Option<Value>)> {
    let mut found: Vec<(String, Option<Value>)> = Vec::new();
    for line in it.events() {
        let event = &line["event"];
        match event["event"].as_str().unwrap_or_default() {
            "run-queued" if event["work"]["work"] == "check" && event["work"]["head"] == head => {
                found.push((event["id"].as_str().unwrap().to_owned(), None));
            }
            "run-finished" => {
                if let Some((_, outcome)) = found.iter_mut().find(|(run, _)| event["run"] == run.as_str()) {
                    *outcome = Some(event["outcome"].clone());
                }
            }
            _ => {}
        }
    }
    found
}

/// Waits until the last check of this commit has ended; answers with its run and how it ended.
#[track_caller]
pub fn ended(it: &mut Installation, head: &str) -> (String, Value) {
    it.until("the check to end", |it| {
        let (run, outcome) = checks(it, head).pop()?;
        Some((run, outcome?))
    })
}

/// Steps of a run in the order in which they began.
fn steps(it: &Installation, run: &str) -> Vec<String> {
    let (status, body) = get(&address(it).unwrap(), &format!("/api/v1/runs/{run}")).unwrap();
    assert_eq!(status, 200, "{body}");
    let run: Value = serde_json::from_str(&body).unwrap();
    run["run"]["steps"].as_array().unwrap().iter().map(|step| step["name"].as_str().unwrap().to_owned()).collect()
}

fn log(it: &Installation, run: &str) -> String {
    it.ok(&["logs", run])
}

/// Waits until no namespace is anybody's any more, and each is in the pool's bounds.
#[track_caller]
fn until_given_back(it: &mut Installation) {
    it.until("all namespaces to be given back", |it| {
        let all = it.ask(&["namespace", "list"])?;
        all.as_array()?.iter().all(|one| one["state"] != "reserved" && one["state"] != "assigned").then_some(())
    });
}

pub fn text<'a>(outcome: &'a Value, field: &str) -> &'a str {
    outcome[field].as_str().unwrap_or_default()
}

/// What is left of runs on this machine.
fn left_behind(it: &Installation) -> Vec<String> {
    let folder = it.path(".towpath/builds");
    let entries = std::fs::read_dir(&folder).into_iter().flatten();
    entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).filter(|name| name.starts_with("check")).collect()
}

#[test]
fn a_pull_request_is_merged_built_deployed_with_what_it_depends_on_and_tested_in_a_namespace_of_its_own() {
    // The command tells what it was told, and leaves a report.
    let command = "  command: |
    env | sort > @OUT@; mkdir -p out; cat built verdict subject 2>/dev/null > @OUT@.files
    echo '<testsuite><testcase name=\"a\"/><testcase name=\"b\"/></testsuite>' > out/TEST-a.xml
  env: {WHO: ann}
  reports: [out/TEST-*.xml]
";
    let out = tempfile::tempdir().unwrap();
    let told = out.path().join("told");
    let mut it = installation(&command.replace("@OUT@", &told.display().to_string()));
    // `main` moved on since the pull request began: what is tested is both.
    let head = pull(&it, 1, |it| it.write("web/extra", "of the pull request"));
    let (run, outcome) = ended(&mut it, &head);
    assert_eq!(text(&outcome, "outcome"), "checked", "{outcome}\n{}", log(&it, &run));
    let summary = text(&outcome, "summary");
    assert!(
        summary.starts_with("built localhost/web:pr-1-")
            && summary.contains("; 2 components well; 1 test, 0 passed; the command, 2 passed"),
        "{summary}"
    );
    assert_eq!(
        steps(&it, &run).iter().map(String::as_str).filter(|step| *step != "reports").collect::<Vec<_>>(),
        ["merge", "inputs", "checkout", "build", "push", "reserve", "deploy render", "deploy", "test smoke", "command"]
    );
    let told = std::fs::read_to_string(&told).unwrap();
    let said = |name: &str| told.lines().find_map(|line| line.strip_prefix(&format!("{name}="))).unwrap_or_default().to_owned();
    assert_eq!(
        (said("TOWPATH_PULL_REQUEST"), said("TOWPATH_HEAD"), said("TOWPATH_FORK"), said("WHO")),
        ("1".into(), head.clone(), "false".into(), "ann".into())
    );
    assert_eq!(said("TOWPATH_IMAGE_TAG"), format!("pr-1-{}", &said("TOWPATH_COMMIT")[..7]));
    assert!(
        said("NAMESPACE").starts_with("smoke-")
            && said("TOWPATH_IMAGE_DIGEST").starts_with("sha256:")
            && said("TOWPATH_CLUSTER") == "laptop",
        "{told}"
    );
    assert_ne!(said("TOWPATH_COMMIT"), head, "the merge is checked");
    let digests = outcome["digests"].as_object().unwrap();
    assert_eq!(digests.len(), 2, "its own image and the dependency's: {digests:?}");
    until_given_back(&mut it);
    assert!(left_behind(&it).is_empty(), "{:?}", left_behind(&it));
    let log = log(&it, &run);
    assert!(log.contains("a namespace of the pool smoke") || log.contains("is this run's"), "{log}");

    // The same files by the same instructions: the result is the first one's.
    let same = pull(&it, 2, |it| it.write("web/extra", "of the pull request"));
    let (_, outcome) = ended(&mut it, &same);
    assert_eq!((text(&outcome, "outcome"), text(&outcome, "reused")), ("checked", run.as_str()), "{outcome}");

    it.stop();
    let verified = it.run(&["ledger", "verify"]);
    assert!(verified.status.success(), "{}{}", String::from_utf8_lossy(&verified.stdout), String::from_utf8_lossy(&verified.stderr));
}

#[test]
fn a_failure_says_whose_fault_it_is_and_the_log_tells_what_was_seen() {
    let mut it = installation("");
    // A test.
    let bad = pull(&it, 1, verdict("bad\n"));
    let (run, outcome) = ended(&mut it, &bad);
    assert_eq!(
        (text(&outcome, "step"), text(&outcome["blame"], "blame"), text(&outcome, "class")),
        ("test smoke", "source", "own"),
        "{outcome}"
    );
    assert!(log(&it, &run).contains("not well"), "{}", log(&it, &run));
    // The build.
    let broken = pull(&it, 2, |it| it.git("web", &["rm", "--quiet", "verdict"]).clear());
    let (_, outcome) = ended(&mut it, &broken);
    assert_eq!((text(&outcome, "step"), text(&outcome["blame"], "blame")), ("build", "source"), "{outcome}");
    // Its own component.
    let crashing = pull(&it, 3, |it| {
        it.replace_in("web/deploy/web.yaml", "trap exit TERM; echo up; while :; do sleep 0.1; done", "echo no config; exit 3")
    });
    let (_, outcome) = ended(&mut it, &crashing);
    assert_eq!((text(&outcome, "step"), text(&outcome["blame"], "blame")), ("deploy", "source"), "{outcome}");
    assert!(text(&outcome, "message").contains("Deployment.apps/web"), "{outcome}");
    // A conflict.
    let conflicting = {
        it.git("web", &["checkout", "--quiet", "-B", "work", "origin/main"]);
        it.write("web/subject", "theirs");
        it.git("web", &["commit", "--quiet", "--all", "--message", "Theirs"]);
        it.git("web", &["push", "--quiet", "origin", "HEAD:refs/heads/pull/5"]);
        let head = it.git("web", &["rev-parse", "HEAD"]);
        it.git("web", &["checkout", "--quiet", "main"]);
        head
    };
    let (_, first) = ended(&mut it, &conflicting);
    assert_eq!(text(&first, "outcome"), "checked", "{first}");
    it.git("web", &["reset", "--quiet", "--hard", "origin/main"]);
    it.release("ours", true);
    it.git("web", &["push", "--quiet", "--force", "origin", &format!("{conflicting}:refs/heads/pull/6")]);
    let (_, outcome) = {
        it.until("the check of the conflict to end", |it| {
            let runs = checks(it, &conflicting);
            let (run, outcome) = runs.iter().find(|(_, outcome)| outcome.as_ref().is_some_and(|outcome| outcome["step"] == "merge"))?;
            Some((run.clone(), outcome.clone()?))
        })
    };
    assert!(text(&outcome, "message").contains("both changed subject; merge main into it"), "{outcome}");
    assert_eq!((text(&outcome["blame"], "blame"), text(&outcome, "class")), ("source", "own"));
    until_given_back(&mut it);
}

#[test]
fn a_dependency_that_does_not_come_up_is_blamed_by_name_and_tried_again() {
    let mut it = installation("");
    it.write("db/db.yaml", &DB.replace("RUN", "echo no disk; exit 4"));
    it.commit("db", "Broken");
    it.until("the broken database to be seen", |it| {
        let target = it.target("db/db/stage/web-stage")?;
        target["verdict"]["holds"].as_array()?.iter().any(|hold| hold["reason"] == "failed").then_some(())
    });
    let head = pull(&it, 1, |it| it.write("web/extra", "x"));
    let (_, outcome) = it.until("the first attempt to end", |it| {
        let (run, outcome) = checks(it, &head).into_iter().next()?;
        Some((run, outcome?))
    });
    assert_eq!(
        (text(&outcome["blame"], "blame"), text(&outcome["blame"], "title"), text(&outcome, "class")),
        ("dependency", "db/db/stage/web-stage", "environment"),
        "{outcome}"
    );
    it.until("another attempt", |it| (checks(it, &head).len() == 2).then_some(()));
}

/// Whether a process still runs. One that nobody has waited for yet does not.
fn is_alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

#[test]
fn a_newer_push_ends_the_older_check_at_once_with_all_that_it_started() {
    let out = tempfile::tempdir().unwrap();
    let pid = out.path().join("pid");
    let command = format!("  command: \"echo $$ > {0}.new; mv {0}.new {0}; [ -e fast ] || sleep 1000\"\n", pid.display());
    let mut it = installation(&command);
    let first = pull(&it, 1, |it| it.write("web/extra", "1"));
    let started = it.until("the command to run", |_| std::fs::read_to_string(&pid).ok());
    assert!(is_alive(&started));
    let pushed = Instant::now();
    let second = pull(&it, 1, |it| it.write("web/fast", "2"));
    let (_, outcome) = ended(&mut it, &first);
    assert!(pushed.elapsed() < Duration::from_secs(5), "{:?}", pushed.elapsed());
    assert_eq!(text(&outcome, "outcome"), "superseded", "{outcome}");
    assert!(text(&outcome, "by").starts_with("a newer push"), "{outcome}");
    assert!(!is_alive(&started), "its command is ended, too");
    let (_, outcome) = ended(&mut it, &second);
    assert_eq!(text(&outcome, "outcome"), "checked", "{outcome}");
    assert_eq!(checks(&it, &first).len(), 1);
    until_given_back(&mut it);
    assert!(left_behind(&it).is_empty(), "{:?}", left_behind(&it));
}

#[test]
fn a_killed_server_takes_a_check_up_where_it_stopped_and_ends_what_was_left_running() {
    let out = tempfile::tempdir().unwrap();
    let (pid, goes_on) = (out.path().join("pid"), out.path().join("go"));
    let command = format!("  command: \"echo $$ >> {0}; while [ ! -e {1} ]; do sleep 0.05; done\"\n", pid.display(), goes_on.display());
    let mut it = installation(&command);
    let head = pull(&it, 1, |it| it.write("web/extra", "1"));
    let pids = |wanted: usize| {
        let pid = pid.clone();
        move |_: &mut Installation| {
            let text = std::fs::read_to_string(&pid).ok()?;
            let pids: Vec<String> = text.lines().map(str::to_owned).collect();
            (pids.len() == wanted).then_some(pids)
        }
    };
    let first = it.until("the command to run", pids(1));
    it.kill();
    assert!(is_alive(&first[0]), "nobody ended it");
    it.start(None);
    let both = it.until("the command to run again", pids(2));
    assert!(!is_alive(&both[0]) && is_alive(&both[1]));
    std::fs::write(&goes_on, "").unwrap();
    let (run, outcome) = ended(&mut it, &head);
    assert_eq!(text(&outcome, "outcome"), "checked", "{outcome}");
    let log = log(&it, &run);
    assert_eq!(log.matches("pushed localhost/web:pr-1-").count(), 1, "built once: {log}");
    let asked = it.events().iter().filter(|line| line["event"]["pool_event"] == "requested").count();
    assert_eq!(asked, 1, "one namespace, once");
    until_given_back(&mut it);
    assert!(left_behind(&it).is_empty(), "{:?}", left_behind(&it));
}

#[test]
fn a_test_that_passes_and_fails_on_the_same_tree_is_known_to_be_flaky_in_every_pull_request_of_the_source() {
    let out = tempfile::tempdir().unwrap();
    let fails = out.path().join("fails");
    let command = "  command: |
    if [ -e @FAILS@ ]; then echo '<testsuite><testcase name=\"a\"/><testcase name=\"shaky\"><failure message=\"late\"/></testcase></testsuite>' > a.xml; exit 1; fi
    echo '<testsuite><testcase name=\"a\"/><testcase name=\"shaky\"/></testsuite>' > a.xml
  reports: [a.xml]
"
    .replace("@FAILS@", &fails.display().to_string());
    let mut it = installation(&command);
    std::fs::write(&fails, "").unwrap();
    let first = pull(&it, 1, |it| it.write("web/extra", "1"));
    let (_, outcome) = ended(&mut it, &first);
    assert_eq!((text(&outcome["blame"], "blame"), text(&outcome, "step")), ("source", "command"), "{outcome}");
    assert!(text(&outcome, "message").contains("1 failed of 2 in 0.0 s: shaky (late)"), "{outcome}");
    // The same tree in another pull request passes.
    std::fs::remove_file(&fails).unwrap();
    let second = pull(&it, 2, |it| it.write("web/extra", "1"));
    let (_, outcome) = ended(&mut it, &second);
    assert_eq!((text(&outcome, "outcome"), text(&outcome, "reused")), ("checked", ""), "a failure is no answer to rest on: {outcome}");
    std::fs::write(&fails, "").unwrap();
    let third = pull(&it, 3, |it| it.write("web/extra", "3"));
    let (_, outcome) = ended(&mut it, &third);
    assert_eq!((text(&outcome["blame"], "blame"), text(&outcome, "class")), ("flaky-test", "flaky"), "{outcome}");
    assert!(text(&outcome, "message").contains("nothing failed but tests known to be flaky"), "{outcome}");
    // A quarantine has it count for nothing.
    let commit = it.configure("A quarantine", |it| {
        let tests = "tests: {quarantine: [{test: shaky, owner: ada, until: 2120-01-31, why: the stub is slow}]}";
        it.write("config/data/policies/tests.yml", &format!("$schema: /towpath/policy-1.yml\nname: tests\n{tests}\n"));
    });
    it.until_read(&commit);
    let fourth = pull(&it, 4, |it| it.write("web/extra", "4"));
    let (_, outcome) = ended(&mut it, &fourth);
    assert_eq!(text(&outcome, "outcome"), "checked", "{outcome}");
}
