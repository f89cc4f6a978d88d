//! Tests that fail now and then, and tests that are known to fail: from a job's log on the embedded runtime to the people who are told.

use serde_json::Value;
use towpath_testbed::browser::Browser;

use crate::installation::{Installation, PRODUCTION, TESTS};
use crate::operate::{address, get};
use crate::pages::look::{barriers, faults, overflow};

/// Prints a report of three tests: `checkout` fails once when there is a file `fail/once`, `slow` while there is a file `fail/slow`.
const SMOKE: &str = r#"
echo "-----BEGIN JUNIT REPORT smoke.xml-----"
if [ -e FOLDER/once ]; then rm FOLDER/once; once='<failure message="timed out">at shop.rs:7</failure>'; code=1; fi
if [ -e FOLDER/slow ]; then slow='<failure message="too slow"/>'; code=1; fi
echo "<testsuite name=\"smoke\"><testcase classname=\"shop\" name=\"front\"/>"
echo "<testcase classname=\"shop\" name=\"checkout\">$once</testcase><testcase classname=\"shop\" name=\"slow\">$slow</testcase></testsuite>"
echo "-----END JUNIT REPORT-----"
exit ${code:-0}
"#;

fn installation() -> Installation {
    let it = Installation::new();
    let folder = it.path("fail").display().to_string();
    it.write("smoke.sh", &SMOKE.replace("FOLDER", &folder));
    std::fs::create_dir_all(&folder).unwrap();
    let script = it.path("smoke.sh").display().to_string();
    it.replace_in("web/deploy/smoke.yaml", "cat verdict; grep -q good verdict", &format!("sh {script}"));
    it
}

fn policy(it: &mut Installation, tests: &str) {
    let text = format!("$schema: /towpath/policy-1.yml\nname: tests\ntests: {tests}\n");
    let commit = it.configure("A policy", |it| it.write("config/data/policies/tests.yml", &text));
    it.until_read(&commit);
}

/// What the API answers.
fn api(it: &Installation, path: &str) -> Value {
    let (status, body) = get(&address(it).unwrap(), &format!("/api/v1{path}")).unwrap();
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).unwrap()
}

fn reports(it: &Installation, run: &Value) -> Value {
    api(it, &format!("/runs/{}/reports", run["id"].as_str().unwrap()))
}

/// What a browser finds wrong with these pages, narrow and dark as well as wide and light.
fn looked_at(it: &Installation, paths: &[String]) -> Vec<String> {
    let Some(browser) = Browser::start() else { return Vec::new() };
    let base = format!("http://{}", address(it).unwrap());
    let mut wrong = Vec::new();
    for path in paths {
        for (width, height, dark) in [(1280, 900, false), (390, 844, true)] {
            browser.size(width, height);
            browser.prefers(dark);
            browser.go(&format!("{base}{path}"));
            let at = format!("{path} at {width}");
            wrong.extend(overflow(&browser, &at));
            wrong.extend(faults(&browser, &base, &at));
            wrong.extend(barriers(&browser, &at));
        }
    }
    wrong
}

#[test]
fn a_test_that_fails_once_is_shown_flaky_tried_again_within_the_bound_and_told_as_a_retried_pass() {
    let mut it = installation();
    it.write("fail/once", "");
    let first = it.release("first", true);
    it.start(None);
    // Nobody knows it yet: it counts, and a person tries again.
    let held = it.until_held(TESTS, "failed");
    assert!(held.contains("shop › checkout (timed out)") && !held.contains("flaky"), "{held}");
    it.ok(&["retry", TESTS, "--reason", "it never did that before", "--by", "Ada"]);
    it.until_at(PRODUCTION, &first);
    let flaky = api(&it, "/tests?state=flaky")["items"].clone();
    assert_eq!(flaky.as_array().unwrap().len(), 1, "{flaky}");
    assert_eq!((&flaky[0]["name"], &flaky[0]["flakes"], &flaky[0]["state"]), (&"checkout".into(), &1.into(), &"passed".into()));
    let insight = api(&it, "/insight")["flakyTests"].clone();
    assert_eq!((&insight[0]["name"], &insight[0]["id"]), (&"shop › checkout".into(), &flaky[0]["id"]));

    policy(&mut it, "{flaky: {retries: 1}}");
    it.write("fail/once", "");
    let second = it.release("second", true);
    it.until_at(PRODUCTION, &second);
    let runs = it.runs(TESTS);
    let (passed, failed) = (&runs[0], &runs[1]);
    assert_eq!((&failed["state"], &failed["class"]), (&"failed".into(), &"flaky".into()), "{failed}");
    assert!(failed["message"].as_str().unwrap().contains("nothing failed but tests known to be flaky"), "{failed}");
    assert_eq!((&passed["state"], &passed["retried"], &passed["attempt"]), (&"succeeded".into(), &true.into(), &2.into()), "{passed}");
    assert!(passed["message"].as_str().unwrap().contains("a retried pass"), "{passed}");
    assert!(passed["why"].as_str().unwrap().contains("known to be flaky"), "{passed}");
    assert!(it.ok(&["explain", "tested"]).contains("by a retried pass"), "{}", it.ok(&["explain", "tested"]));

    // The report of what failed: the failed test first, with all that is known of it, and the file.
    let found = reports(&it, failed);
    let (report, test) = (&found["reports"][0], &found["tests"][0]);
    assert_eq!((&report["name"], &report["failed"], &report["passed"]), (&"smoke.xml".into(), &1.into(), &2.into()), "{found}");
    assert_eq!((&test["name"], &test["mark"], &test["trace"]), (&"shop › checkout".into(), &"known-flaky".into(), &"at shop.rs:7".into()));
    let (run, hash) = (failed["id"].as_str().unwrap(), report["hash"].as_str().unwrap());
    let (status, file) = get(&address(&it).unwrap(), &format!("/api/v1/runs/{run}/reports/file?hash={hash}")).unwrap();
    assert!(status == 200 && file.starts_with("<testsuite name=\"smoke\">"), "{status} {file}");
    let detail = api(&it, &format!("/tests/{}", flaky[0]["id"].as_str().unwrap()));
    let ended: Vec<&str> = detail["times"].as_array().unwrap().iter().map(|time| time["state"].as_str().unwrap()).collect();
    assert_eq!(ended, ["passed", "failed", "passed", "failed"]);
    let page = |path: &str| get(&address(&it).unwrap(), path).unwrap();
    let (status, html) = page(&format!("/tests/{}", flaky[0]["id"].as_str().unwrap()));
    assert!(status == 200 && html.contains("known flaky"), "{html}");
    let (_, html) = page(&format!("/runs/{}", passed["id"].as_str().unwrap()));
    assert!(html.contains("retried pass"), "{html}");

    let test = format!("/tests/{}", flaky[0]["id"].as_str().unwrap());
    let wrong = looked_at(&it, &["/tests".to_owned(), test, format!("/runs/{run}"), "/insight".to_owned()]);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    // What goes on failing is broken, however flaky it was.
    it.replace_in("smoke.sh", "rm ", "true ");
    it.write("fail/once", "");
    let third = it.release("third", true);
    let held = it.until_held(TESTS, "failed");
    assert!(held.contains("failed again after it was tried again 1 times"), "{held}");
    let tries: Vec<Value> = it.runs(TESTS).into_iter().filter(|run| run["commit"]["id"] == third.as_str()).collect();
    assert_eq!(tries.iter().map(|run| run["class"].as_str().unwrap()).collect::<Vec<_>>(), ["own", "flaky"]);
    assert_eq!(it.current(PRODUCTION), Some(second));
}

#[test]
fn a_quarantined_test_fails_no_run_until_its_quarantine_ends_and_its_end_is_told() {
    let mut it = installation();
    it.write("fail/slow", "");
    it.configure("A policy", |it| {
        let tests = "tests: {quarantine: [{test: shop › sl*, owner: ada, until: 2120-01-31, why: the stub is slow}]}";
        it.write("config/data/policies/tests.yml", &format!("$schema: /towpath/policy-1.yml\nname: tests\n{tests}\n"));
    });
    let first = it.release("first", true);
    it.start(None);
    it.until_at(PRODUCTION, &first);
    let run = it.runs(TESTS)[0].clone();
    let test = reports(&it, &run)["tests"][0].clone();
    assert_eq!((&test["name"], &test["state"], &test["mark"]), (&"shop › slow".into(), &"failed".into(), &"quarantined".into()), "{test}");
    let log = it.ok(&["logs", run["id"].as_str().unwrap()]);
    assert!(
        log.contains("quarantined: shop › slow (until 2120-02-01T00:00:00.000Z at data/policies/tests.yml:3:22, ada sees to it)"),
        "{log}"
    );
    let listed = api(&it, "/tests?find=slow")["items"][0].clone();
    assert_eq!((&listed["quarantine"]["owner"], &listed["state"]), (&"ada".into(), &"failed".into()));

    // Another test that fails beside it counts.
    it.write("fail/once", "");
    it.release("second", true);
    let held = it.until_held(TESTS, "failed");
    assert!(held.contains("checkout"), "{held}");

    policy(&mut it, "{quarantine: [{test: slow, owner: ada, until: 2020-01-31, why: the stub is slow}]}");
    let status = it.ask(&["status"]).unwrap();
    let told = status["config"]["diagnostics"].to_string();
    assert!(told.contains("error[quarantine-due]: the quarantine of `slow` ended at 2020-02-01"), "{told}");
    let validate = it.run(&["validate", "config"]);
    assert!(!validate.status.success() && String::from_utf8_lossy(&validate.stdout).contains("quarantine-due"));
    let third = it.release("third", true);
    it.until("the quarantined test to count again", |it| {
        let failed = it.runs(TESTS).into_iter().find(|run| run["commit"]["id"] == third.as_str() && run["state"] == "failed")?;
        failed["message"].as_str()?.contains("slow").then_some(())
    });
    assert_eq!(it.current(PRODUCTION), Some(first));
}
