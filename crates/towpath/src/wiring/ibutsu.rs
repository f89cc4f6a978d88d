//! Results of tests to Ibutsu, as `towpath.toml` says it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use towpath_control::view::Finding;
use towpath_domain::RunId;
use towpath_engine::Work;
use towpath_ibutsu::{Clock, Delivery, IbutsuSettings, Limits, Metadata, Token, Upload, UploadSource, Uploader};
use towpath_junit::{Case, Detail, Outcome, Report};
use towpath_ledger::Run;
use towpath_ledger::logs::Logs;
use towpath_notify::Names as _;
use towpath_runs::{KeptReport, KeptTest, REPORTS_STEP, World};
use towpath_secrets::{Request, SecretStore};

use super::names::CatalogNames;
use super::outside::Reached;
use crate::config::ibutsu::Ibutsu;
use crate::config::outside::Credential;

/// How long the server may take to say how it is.
const LOOK_WITHIN: Duration = Duration::from_secs(20);

/// How much is read of a log at a time, in bytes.
const CHUNK: u64 = 1 << 20;

/// The server, as it is reached.
///
/// # Errors
/// When its certificates cannot be used.
pub fn reach(said: &Ibutsu, outside: &Reached, clock: &Clock) -> anyhow::Result<Arc<towpath_ibutsu::Ibutsu>> {
    let token = match &said.token {
        Credential::File(file) => Token::File(file.clone()),
        Credential::Secret(secret) => {
            let store: Arc<dyn SecretStore> = outside.secrets();
            Token::Stored(store, Request::new(&secret.path, &secret.field).at_version(secret.version))
        }
    };
    let settings = IbutsuSettings {
        address: said.url.clone(),
        project: said.project.clone(),
        token,
        mode: said.mode,
        frontend: said.frontend.clone(),
        ca_file: said.ca.clone(),
        limits: Limits::default(),
    };
    Ok(Arc::new(towpath_ibutsu::Ibutsu::new(settings, Arc::clone(clock)).map_err(|error| anyhow::anyhow!("[ibutsu]: {error}"))?))
}

/// What tells the server of runs that end.
pub fn uploader(ibutsu: Arc<towpath_ibutsu::Ibutsu>, said: &Ibutsu, world: &Arc<World>, clock: &Clock) -> Uploader {
    Uploader {
        ledger: world.ledger.clone(),
        ibutsu,
        source: Arc::new(Ended { world: Arc::clone(world), source: said.source.clone() }),
        delivery: Delivery::default(),
        clock: Arc::clone(clock),
    }
}

/// Whether the server answers, and takes the token; nothing where there is none.
pub async fn doctor(ibutsu: Option<&towpath_ibutsu::Ibutsu>) -> Vec<Finding> {
    let Some(ibutsu) = ibutsu else { return Vec::new() };
    let finding = |level: &str, text: String, mend: String| Finding { what: "ibutsu".to_owned(), level: level.to_owned(), text, mend };
    match tokio::time::timeout(LOOK_WITHIN, ibutsu.examine()).await {
        Ok(Ok(health)) => {
            let warnings = health.warnings.into_iter().map(|(why, mend)| finding("warning", why, mend));
            std::iter::once(finding("ok", health.summary, String::new())).chain(warnings).collect()
        }
        Ok(Err(error)) => vec![finding("error", error.why().to_owned(), error.mend().to_owned())],
        Err(_) => {
            let text = format!("did not answer within {} s", LOOK_WITHIN.as_secs());
            vec![finding("error", text, "see from this machine whether `url` of [ibutsu] can be reached".to_owned())]
        }
    }
}

/// What runs came to that ended, from what is kept of them.
struct Ended {
    world: Arc<World>,
    source: String,
}

impl UploadSource for Ended {
    fn upload<'a>(&'a self, run: &'a RunId) -> BoxFuture<'a, Result<Option<Upload>, String>> {
        Box::pin(self.read(run))
    }
}

impl Ended {
    async fn read(&self, run: &RunId) -> Result<Option<Upload>, String> {
        let (ledger, told) = (&self.world.ledger, |error: towpath_ledger::Error| error.to_string());
        let Some(kept) = ledger.step_output(run, REPORTS_STEP).await.map_err(told)? else { return Ok(None) };
        let kept: Vec<KeptReport> =
            serde_json::from_value(kept).map_err(|error| format!("its reports were kept in another form: {error}"))?;
        if self.world.current().commit.is_none() {
            return Err("the config repository has not been read yet".to_owned());
        }
        let run = ledger.run(run).await.map_err(told)?;
        let (logs, id) = (self.world.logs.clone(), run.spec.id.clone());
        // A long log takes a while.
        let artifacts = tokio::task::spawn_blocking(move || files(&logs, &id)).await.map_err(|error| error.to_string())?.map_err(told)?;
        Ok(Some(self.upload_of(&run, kept, artifacts)))
    }

    fn upload_of(&self, run: &Run, kept: Vec<KeptReport>, artifacts: Vec<(String, Vec<u8>)>) -> Upload {
        let names = CatalogNames(Arc::clone(&self.world));
        let (subject, about) = (run.subject(), names.about(&run.spec.work));
        let target = match &run.spec.work {
            Work::Deploy(work) => self.world.current().catalog.targets.get(&work.target).cloned(),
            Work::Build { .. } | Work::Delete { .. } | Work::Change(_) => None,
        };
        let component = target.as_ref().and_then(|target| target.source.as_ref().map(ToString::to_string));
        let started = run.started_at.unwrap_or(run.queued_at);
        let (reports, notes) = reports(kept);
        Upload {
            run: run.spec.id.clone(),
            title: names.title(&subject).unwrap_or_else(|| run.spec.id.to_string()),
            source: self.source.clone(),
            component: component.or_else(|| about.apps.into_iter().next()),
            env: names.environment(&subject),
            started,
            duration: run.finished_at.unwrap_or(started).since(started),
            reports,
            artifacts,
            metadata: Metadata {
                page: self.world.pages.as_ref().map(|pages| pages.run(&run.spec.id)),
                repository: about.release.map(|release| release.repository),
                commit: run.spec.work.commit(),
                pull_request: None,
                notes,
            },
        }
    }
}

/// What is kept of reports, as reports, and what is not kept of them.
fn reports(kept: Vec<KeptReport>) -> (Vec<(String, Report)>, Vec<String>) {
    let mut notes = Vec::new();
    let reports = kept.into_iter().map(|report| {
        let all = u64::from(report.passed) + u64::from(report.failed) + u64::from(report.skipped);
        let missing = all.saturating_sub(report.tests.len() as u64);
        if missing > 0 {
            notes.push(format!(
                "{}: {missing} of its {all} tests were not kept, and are not here; failed ones were kept first",
                report.name
            ));
        }
        (report.name, Report { cases: report.tests.into_iter().map(case).collect(), ..Report::default() })
    });
    (reports.collect(), notes)
}

fn case(kept: KeptTest) -> Case {
    let (class, name) = kept.name.split_once(" › ").unwrap_or(("", &kept.name));
    let outcome = match kept.state.as_str() {
        "failed" => Outcome::Failed,
        "skipped" => Outcome::Skipped,
        _ => Outcome::Passed,
    };
    let detail = kept.message.map(|message| Detail { message, ..Detail::default() });
    let time = kept.took_ms.map(Duration::from_millis);
    Case { class: class.to_owned(), name: name.to_owned(), outcome, detail, time, attempts: 1, ..Case::default() }
}

/// The run's log, a file for each step.
fn files(logs: &Logs, run: &RunId) -> towpath_ledger::Result<Vec<(String, Vec<u8>)>> {
    let mut files = Vec::new();
    for step in logs.steps(run)? {
        let (mut text, mut from) = (String::new(), 0);
        loop {
            let chunk = logs.read(run, &step, from, CHUNK)?;
            for line in chunk.lines {
                text.push_str(&line.text);
                text.push('\n');
            }
            if chunk.end || chunk.next == from {
                break;
            }
            from = chunk.next;
        }
        files.push((format!("{step}.log"), text.into_bytes()));
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_a_report_is_told_and_what_is_not_is_said() {
        let test = |name: &str, state: &str, message: Option<&str>| KeptTest {
            name: name.into(),
            state: state.into(),
            took_ms: Some(1250),
            message: message.map(Into::into),
        };
        let tests =
            vec![test("shop › sells › twice", "failed", Some("no such button")), test("opens", "passed", None), test("x", "skipped", None)];
        let kept = KeptReport { name: "junit.xml".into(), passed: 1001, failed: 1, skipped: 1, tests };
        let (reports, notes) = reports(vec![kept]);
        assert_eq!(notes, ["junit.xml: 1000 of its 1003 tests were not kept, and are not here; failed ones were kept first"]);
        let cases = &reports[0].1.cases;
        assert_eq!((cases[0].class.as_str(), cases[0].name.as_str(), cases[0].outcome), ("shop", "sells › twice", Outcome::Failed));
        assert_eq!(cases[0].detail.as_ref().unwrap().message, "no such button");
        assert_eq!((cases[1].class.as_str(), cases[1].name.as_str(), cases[1].time), ("", "opens", Some(Duration::from_millis(1250))));
        assert_eq!(cases[2].outcome, Outcome::Skipped);
    }
}
