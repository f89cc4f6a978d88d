//! Results of post-deploy tests in Ibutsu: by the real binary, told to the stand-in.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::runtime::Runtime;
use towpath_ibutsu::fake::{FakeIbutsu, Mishap, PROJECT, TOKEN};

use crate::installation::{Installation, PRODUCTION, STAGE, TESTS};
use crate::reports::{BAD, GOOD, leaves};

/// An Ibutsu beside the installation, and what it runs on.
struct Beside {
    runtime: Runtime,
    server: FakeIbutsu,
}

impl Beside {
    fn start(address: Option<SocketAddr>) -> Self {
        towpath_testbed::init();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let server = runtime.block_on(FakeIbutsu::start_at(address.unwrap_or_else(|| ([127, 0, 0, 1], 0).into()))).unwrap();
        server.frontend("https://ibutsu.example.com");
        Self { runtime, server }
    }

    /// Lets it import what it took.
    fn import_all(&self) {
        self.runtime.block_on(async {
            for import in self.server.imports() {
                for _ in 0..3 {
                    let url = format!("{}/api/import/{}", self.server.address(), import["id"].as_str().unwrap());
                    reqwest::Client::new().get(url).bearer_auth(TOKEN).send().await.unwrap();
                }
            }
        });
    }

    /// Its runs, once there are so many and all of them are whole.
    fn runs(&self, it: &mut Installation, count: usize) -> Vec<Value> {
        it.until("runs in Ibutsu", |_| {
            let runs = self.server.runs();
            let is_whole = |run: &Value| {
                let results = self.server.results(run["id"].as_str().unwrap_or_default());
                run["summary"]["tests"].as_u64() == Some(results.len() as u64)
            };
            (runs.len() >= count && runs.iter().all(is_whole)).then_some(runs)
        })
    }
}

/// An installation whose test prints the report that its source holds, and that tells Ibutsu of it.
fn telling(address: &str, more: &str) -> Installation {
    let it = Installation::new();
    leaves(&it, "echo -----BEGIN JUNIT REPORT smoke.xml-----; cat report.xml; echo -----END JUNIT REPORT-----");
    it.write("keys/ibutsu", &format!("{TOKEN}\n"));
    let config = it.read("towpath.toml");
    let ibutsu = format!("[ibutsu]\nurl = \"{address}\"\nproject = \"{}\"\ntoken_file = \"keys/ibutsu\"\n{more}\n", PROJECT.0);
    it.write("towpath.toml", &format!("{config}{ibutsu}"));
    it
}

#[test]
fn the_results_of_a_post_deploy_test_are_in_ibutsu_whether_it_passes_or_fails() {
    for mode in ["archive", "api"] {
        let beside = Beside::start(None);
        let mut it = telling(&beside.server.address(), &format!("mode = \"{mode}\""));
        it.write("web/report.xml", BAD);
        let first = it.release("first", true);
        it.start(None);
        it.until_held(TESTS, "failed");
        let run = beside.runs(&mut it, 1).remove(0);
        let ours = it.runs(TESTS)[0]["id"].as_str().unwrap().to_owned();
        assert_eq!((&run["metadata"]["towpath"]["run"], &run["metadata"]["towpath"]["commit"]), (&json!(ours), &json!(first)));
        assert_eq!((&run["source"], &run["component"], &run["project_id"]), (&json!("towpath"), &json!("web"), &json!(PROJECT.1)));
        assert_eq!((&run["summary"]["tests"], &run["summary"]["failures"]), (&json!(2), &json!(1)));
        let id = run["id"].as_str().unwrap();
        let failed = beside.server.results(id).into_iter().find(|result| result["result"] == "failed").unwrap();
        assert_eq!((&failed["test_id"], &failed["metadata"]["message"]), (&json!("checkout"), &json!("no such button")));
        let logs = beside.server.files(id);
        let log = logs.iter().find(|(name, _)| name == "wait.log").map(|(_, text)| String::from_utf8_lossy(text)).unwrap();
        assert!(log.contains("no such button"), "the log goes along: {log}");

        it.write("web/report.xml", GOOD);
        let second = it.release("second", true);
        it.until_at(PRODUCTION, &second);
        assert_eq!(beside.runs(&mut it, 2).len(), 2, "what is no test is not told of");
        let doctor = it.ok(&["doctor"]);
        assert!(doctor.contains("project insights, pages at https://ibutsu.example.com"), "{doctor}");
        it.stop();
        for place in [".towpath", "server.log"] {
            let found = std::process::Command::new("grep").args(["-rlaF", TOKEN, place]).current_dir(it.path(".")).output().unwrap().stdout;
            assert!(found.is_empty(), "the token is in {}", String::from_utf8_lossy(&found));
        }
    }
}

#[test]
fn towpath_that_is_killed_and_an_ibutsu_that_is_away_lose_no_results_and_double_none() {
    let away = Beside::start(None);
    let address: SocketAddr = away.server.address().trim_start_matches("http://").parse().unwrap();
    drop(away);
    let mut it = telling(&format!("http://{address}"), "");
    it.write("web/report.xml", GOOD);
    let first = it.release("first", true);
    it.start(None);
    // The release goes on without it.
    it.until_at(PRODUCTION, &first);
    it.kill();
    it.start(None);
    let waiting = it.until("doctor saying that Ibutsu is away", |it| {
        let findings = String::from_utf8(it.run(&["doctor", "--output", "json"]).stdout).unwrap();
        findings.contains("is not reached").then_some(findings)
    });
    assert!(!waiting.contains(TOKEN));
    let back = Beside::start(Some(address));
    // Its first answer is lost, and Towpath is killed while it does not know.
    back.server.plan("POST", "/import", 1, Mishap::Lost);
    back.runtime.block_on(back.server.wait_for("POST", "/import", 1));
    it.kill();
    back.import_all();
    it.start(None);
    let run = back.runs(&mut it, 1).remove(0);
    it.until("that Towpath knows of it", |it| String::from_utf8_lossy(&it.run(&["doctor"]).stdout).contains("all are told").then_some(()));
    assert_eq!((back.server.runs().len(), &run["summary"]["passes"], back.server.count("POST", "/import")), (1, &json!(1), 1));
    assert_eq!(it.current(STAGE), Some(first));
}
