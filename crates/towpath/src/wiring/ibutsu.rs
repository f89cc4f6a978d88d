//! Results of tests to Ibutsu, as `towpath.toml` says it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use towpath_control::view::Finding;
use towpath_domain::RunId;
use towpath_engine::Work;
use towpath_ibutsu::{Clock, Delivery, IbutsuSettings, Limits, Metadata, PullRequest, Token, Upload, UploadSource, Uploader};
use towpath_junit::Report;
use towpath_ledger::Run;
use towpath_ledger::logs::Logs;
use towpath_notify::Names as _;
use towpath_runs::world::Results;
use towpath_runs::{KeptReport, REPORTS_STEP, World, kept_reports_within};
use towpath_secrets::{Request, SecretStore};

use super::names::CatalogNames;
use super::outside::Reached;
use crate::config::ibutsu::Ibutsu;
use crate::config::outside::Credential;

/// How long the server may take to say how it is.
const LOOK_WITHIN: Duration = Duration::from_secs(20);

/// How much of a test's output goes along, in bytes.
const OUTPUT: usize = 256 << 10;

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

/// Where people find what the server was told of a run.
pub struct Links {
    pub ibutsu: Arc<towpath_ibutsu::Ibutsu>,
    pub source: String,
}

impl Results for Links {
    fn known(&self, run: &RunId) -> Option<String> {
        self.ibutsu.known_link(&self.source, run)
    }

    fn link<'a>(&'a self, run: &'a RunId) -> BoxFuture<'a, Option<String>> {
        Box::pin(async move {
            match self.ibutsu.link(&self.source, run).await {
                Ok(link) => link,
                Err(error) => {
                    tracing::warn!(%run, error = error.why(), "where Ibutsu shows results cannot be told; they are told without a link");
                    None
                }
            }
        })
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
        let Some(noted) = ledger.step_output(run, REPORTS_STEP).await.map_err(told)? else { return Ok(None) };
        let noted = noted.as_array().map_or(0, Vec::len);
        if noted == 0 {
            return Ok(None);
        }
        let limits = towpath_junit::Limits { output: OUTPUT, ..towpath_junit::Limits::default() };
        let kept = kept_reports_within(ledger, &self.world.logs, run, limits).await.map_err(|error| error.to_string())?;
        if self.world.current().commit.is_none() {
            return Err("the config repository has not been read yet".to_owned());
        }
        let run = ledger.run(run).await.map_err(told)?;
        let (logs, id) = (self.world.logs.clone(), run.spec.id.clone());
        // A long log takes a while.
        let artifacts = tokio::task::spawn_blocking(move || files(&logs, &id)).await.map_err(|error| error.to_string())?.map_err(told)?;
        Ok(Some(self.upload_of(&run, noted, kept, artifacts)))
    }

    fn upload_of(&self, run: &Run, noted: usize, kept: Vec<KeptReport>, mut artifacts: Vec<(String, Vec<u8>)>) -> Upload {
        let names = CatalogNames(Arc::clone(&self.world));
        let (subject, about) = (run.subject(), names.about(&run.spec.work));
        let target = match &run.spec.work {
            Work::Deploy(work) => self.world.current().catalog.targets.get(&work.target).cloned(),
            Work::Build { .. } | Work::Delete { .. } | Work::Change(_) | Work::Check(_) => None,
        };
        let mut component = target.as_ref().and_then(|target| target.source.as_ref().map(ToString::to_string));
        let (mut pull_request, mut env) = (None, names.environment(&subject));
        if let Work::Check(work) = &run.spec.work {
            component = Some(work.source.to_string());
            let snapshot = self.world.current();
            let check = snapshot.catalog.sources.get(&work.source).and_then(|source| source.check.as_ref());
            env = check.and_then(|check| check.environment.as_ref()).map(ToString::to_string);
            // One that was closed meanwhile has no page that is known here.
            let url = self.world.ledger.facts().checks.get(&work.id).map(|fact| fact.pull.url.clone());
            pull_request = work.number.zip(url).filter(|(_, url)| !url.is_empty()).map(|(number, url)| PullRequest { number, url });
        }
        let started = run.started_at.unwrap_or(run.queued_at);
        let (reports, notes) = reports(noted, kept, &mut artifacts);
        Upload {
            run: run.spec.id.clone(),
            title: names.title(&subject).unwrap_or_else(|| run.spec.id.to_string()),
            source: self.source.clone(),
            component: component.or_else(|| about.apps.into_iter().next()),
            env,
            started,
            duration: run.finished_at.unwrap_or(started).since(started),
            reports,
            artifacts,
            metadata: Metadata {
                page: self.world.pages.as_ref().map(|pages| pages.run(&run.spec.id)),
                repository: about.release.map(|release| release.repository),
                commit: run.spec.work.commit(),
                pull_request,
                notes,
            },
        }
    }
}

/// The reports that can be read, and what is missing of the others. Each file goes along as it was.
fn reports(noted: usize, kept: Vec<KeptReport>, files: &mut Vec<(String, Vec<u8>)>) -> (Vec<(String, Report)>, Vec<String>) {
    let mut notes = Vec::new();
    let gone = noted.saturating_sub(kept.len());
    if gone > 0 {
        notes.push(format!("{gone} of the run's {noted} reports are not kept any more, and are not here"));
    }
    let mut reports = Vec::new();
    for one in kept {
        match one.report {
            Ok(report) => reports.push((one.name.clone(), report)),
            Err(error) => notes.push(format!("{} cannot be read: {error}", one.name)),
        }
        files.push((one.name, one.raw));
    }
    (reports, notes)
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
    use towpath_domain::Digest;

    use super::*;

    #[test]
    fn what_is_kept_of_reports_is_told_and_what_is_not_is_said() {
        let kept = |name: &str, text: &str| KeptReport {
            name: name.into(),
            hash: format!("sha256:{}", "a".repeat(64)).parse::<Digest>().unwrap(),
            report: Report::parse(text.as_bytes(), &towpath_junit::Limits::default()),
            raw: text.as_bytes().to_vec(),
        };
        let mut files = vec![("deploy.log".to_owned(), Vec::new())];
        let all = vec![kept("a.xml", "<testsuite><testcase name=\"x\"/></testsuite>"), kept("b.xml", "<html/>")];
        let (reports, notes) = reports(3, all, &mut files);
        assert_eq!(reports.iter().map(|(name, report)| (name.as_str(), report.cases.len())).collect::<Vec<_>>(), [("a.xml", 1)]);
        assert_eq!(notes[0], "1 of the run's 3 reports are not kept any more, and are not here");
        assert!(notes[1].starts_with("b.xml cannot be read: "), "{notes:?}");
        assert_eq!(files.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["deploy.log", "a.xml", "b.xml"]);
    }
}
