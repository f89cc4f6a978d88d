//! Keeps the reports that a run found, and counts what their tests did.

use std::collections::HashMap;

use towpath_domain::{CommitId, Digest, FailureClass, RunId, Timestamp};
use towpath_junit::{Case, Document, Limits, Outcome, Report, ReportError};
use towpath_ledger::logs::{Kept, Logs, REPORT_BYTES_MAX};
use towpath_ledger::{TestOutcome, TestedRun, Trial, subject_key};

use super::noted::{NotedReport, REPORTS_STEP};
use super::read::kept_reports;
use crate::journal::{Journal, Stop};
use crate::world::{LogSink, World};

/// A report that was found.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FoundReport {
    /// Who left it: `POD/CONTAINER`, or the place where it lay.
    pub(crate) from: String,
    /// The report.
    pub(crate) document: Document,
}

/// A report that is kept, or cannot be.
#[derive(Debug)]
pub(crate) struct KeptAs {
    pub(crate) from: String,
    pub(crate) name: String,
    /// Without secrets.
    pub(crate) report: Result<Report, ReportError>,
    pub(crate) bytes: u64,
    pub(crate) hash: Option<Digest>,
    /// Why it is not kept.
    pub(crate) unkept: Option<String>,
}

impl KeptAs {
    /// Its test cases, those before a cut included.
    pub(crate) fn cases(&self) -> &[Case] {
        read_of(&self.report).map(|report| report.cases.as_slice()).unwrap_or_default()
    }
}

/// What could be read of a report.
pub(crate) fn read_of(report: &Result<Report, ReportError>) -> Option<&Report> {
    match report {
        Ok(report) => Some(report),
        Err(ReportError::CutShort { so_far }) => Some(so_far),
        Err(_) => None,
    }
}

/// What a run tested.
#[derive(Debug, Clone)]
pub(crate) struct What {
    pub(crate) commit: Option<CommitId>,
    /// The same for the same.
    pub(crate) tree: String,
}

/// All reports of a run, kept and counted.
#[derive(Debug, Default)]
pub(crate) struct AllKept {
    /// Whose tests these are: the key of the run's subject.
    pub(crate) subject: String,
    pub(crate) reports: Vec<KeptAs>,
    /// What earlier parts of the same run noted.
    pub(crate) earlier: Vec<NotedReport>,
    /// When tests that failed were last found to be flaky, by class and name.
    pub(crate) flaky_at: HashMap<(String, String), Timestamp>,
    pub(crate) notes: Vec<String>,
}

impl AllKept {
    /// Every report by its name, with what was read of it.
    pub(crate) fn read(&self) -> Vec<(String, Result<Report, ReportError>)> {
        self.reports.iter().map(|kept| (kept.name.clone(), kept.report.clone())).collect()
    }
}

/// What earlier parts of the same run found: counted and noted with what comes after it, since a run is counted as a whole.
#[derive(Debug, Default)]
pub(crate) struct Earlier {
    noted: Vec<NotedReport>,
    trials: Vec<Trial>,
}

impl Earlier {
    /// What is kept of this run up to now.
    pub(crate) async fn of(world: &World, journal: &Journal) -> Result<Self, Stop> {
        let run = journal.run();
        let noted = world.ledger.step_output(run, REPORTS_STEP).await?.and_then(|found| serde_json::from_value(found).ok());
        let Some(noted) = noted else { return Ok(Self::default()) };
        let unread = |error| Stop::failed(FailureClass::Environment, format!("reports of earlier steps cannot be read: {error}"));
        let kept = kept_reports(&world.ledger, &world.logs, run).await.map_err(unread)?;
        let cases = kept.iter().filter_map(|kept| read_of(&kept.report)).flat_map(|report| &report.cases);
        Ok(Self { noted, trials: cases.map(trial).collect() })
    }
}

/// Keeps what was found, and counts it; nothing is kept or counted twice, however often this is done.
///
/// A report that cannot be kept is told and judged all the same: a full disk must not make a test fail that passed, nor pass that failed.
pub(crate) async fn keep(
    world: &World,
    journal: &Journal,
    what: &What,
    found: Vec<FoundReport>,
    earlier: Earlier,
) -> Result<AllKept, Stop> {
    let subject = subject_key(&world.ledger.run(journal.run()).await?.tests_of());
    if found.is_empty() {
        return Ok(AllKept { subject, earlier: earlier.noted, ..AllKept::default() });
    }
    let (logs, run, sink) = (world.logs.clone(), journal.run().clone(), journal.sink());
    // Megabytes are looked through, packed and written.
    let kept = tokio::task::spawn_blocking(move || found.into_iter().map(|found| keep_one(&logs, &run, &sink, found)).collect::<Vec<_>>());
    let reports = kept.await.map_err(|error| Stop::failed(FailureClass::Environment, format!("reports could not be kept: {error}")))?;
    let mut notes: Vec<String> =
        reports.iter().filter_map(|kept| Some(format!("report {} is not kept: {}", kept.name, kept.unkept.as_ref()?))).collect();
    let trials: Vec<Trial> = earlier.trials.into_iter().chain(reports.iter().flat_map(KeptAs::cases).map(trial)).collect();
    let mut flaky_at = HashMap::new();
    if !trials.is_empty() {
        let run = TestedRun { run: journal.run().clone(), commit: what.commit, tree: what.tree.clone(), at: world.clock.now() };
        let counted = world.ledger.count_tests(run, journal.epoch(), trials).await?;
        if counted.uncounted > 0 {
            notes.push(format!("{} tests have no history: so many are remembered already that there is no room", counted.uncounted));
        }
        let known = counted.bad.into_iter().filter_map(|test| Some(((test.class, test.name), test.flaky_at?)));
        flaky_at.extend(known);
    }
    Ok(AllKept { subject, reports, earlier: earlier.noted, flaky_at, notes })
}

fn keep_one(logs: &Logs, run: &RunId, sink: &LogSink, found: FoundReport) -> KeptAs {
    let FoundReport { from, document } = found;
    let Document { name, raw, report } = without_secrets(document, sink);
    let bytes = raw.len() as u64;
    let (hash, unkept) = if raw.is_empty() {
        (None, Some("it could not be had as a whole".to_owned()))
    } else {
        match logs.keep_report(run, &raw) {
            Ok(Kept::As(hash)) => (Some(hash), None),
            Ok(Kept::TooLarge) => (None, Some(format!("it is larger than {REPORT_BYTES_MAX} bytes"))),
            Ok(Kept::NoRoom) => (None, Some("the run's other reports take all the room that a run has".to_owned())),
            Err(error) => {
                tracing::error!(%run, %error, "a report could not be kept");
                (None, Some(error.to_string()))
            }
        }
    };
    KeptAs { from, name, report, bytes, hash, unkept }
}

/// The document with every value replaced that is masked in the run's log, in UTF-8 then. One without any stays as it is, byte for byte.
fn without_secrets(document: Document, sink: &LogSink) -> Document {
    let text = towpath_junit::decoded(&document.raw);
    let name = sink.masked(&document.name);
    let masked = sink.masked(&text);
    if masked == text {
        return Document { name, ..document };
    }
    // What was cut short stays so: the log ended in it.
    let was_cut = matches!(document.report, Err(ReportError::CutShort { .. }));
    let read = Document::read(name, masked.into_bytes(), &Limits::default());
    match read.report {
        Ok(report) if was_cut => Document { report: Err(ReportError::CutShort { so_far: Box::new(report) }), ..read },
        report => Document { report, ..read },
    }
}

fn trial(case: &Case) -> Trial {
    Trial {
        class: case.class.clone(),
        name: case.name.clone(),
        outcome: match case.outcome {
            Outcome::Passed => TestOutcome::Passed,
            Outcome::Skipped => TestOutcome::Skipped,
            Outcome::Failed => TestOutcome::Failed,
            Outcome::Error => TestOutcome::Error,
        },
        flaky: case.flaky,
        attempts: case.attempts,
        took_ms: case.time.and_then(|time| u64::try_from(time.as_millis()).ok()),
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;
    use towpath_ledger::logs::Limits as LogLimits;

    use super::*;
    use crate::world::Clock;

    fn kept(folder: &TempDir, xml: &[u8]) -> (Logs, KeptAs) {
        let (logs, run) = (Logs::new(folder.path(), LogLimits::default()), RunId::new("deploy-web-1").unwrap());
        let sink = LogSink::open(&logs, &run, &Clock::system());
        sink.mask(["hunter22".to_owned()]);
        let document = Document::read("smoke.xml".to_owned(), xml.to_vec(), &Limits::default());
        let kept = keep_one(&logs, &run, &sink, FoundReport { from: "smoke-a/smoke".to_owned(), document });
        (logs, kept)
    }

    fn content(logs: &Logs, kept: &KeptAs) -> String {
        let content = logs.report(&RunId::new("deploy-web-1").unwrap(), kept.hash.unwrap()).unwrap().unwrap();
        String::from_utf8_lossy(&content).into_owned()
    }

    #[test]
    fn no_secret_is_kept_and_what_has_none_is_kept_to_the_byte() {
        let folder = tempfile::tempdir().unwrap();
        let xml = b"<testsuite><testcase name=\"a\"><failure message=\"password=hunter22\"/></testcase></testsuite>";
        let (logs, secret) = kept(&folder, xml);
        assert!(!content(&logs, &secret).contains("hunter22"));
        assert_eq!(secret.cases()[0].detail.as_ref().unwrap().message, "password=••••");
        let odd = b"<testsuite name=\"\xe4\"/>";
        let (logs, clean) = kept(&folder, odd);
        let run = RunId::new("deploy-web-1").unwrap();
        assert_eq!(logs.report(&run, clean.hash.unwrap()).unwrap().as_deref(), Some(odd.as_slice()));
        // In 16 bits, each of its letters has a zero between.
        let xml = String::from_utf8_lossy(xml).into_owned();
        let wide: Vec<u8> = format!("\u{feff}{xml}").encode_utf16().flat_map(u16::to_le_bytes).collect();
        let (logs, wide) = kept(&folder, &wide);
        assert!(content(&logs, &wide).contains("password=••••") && wide.cases().len() == 1, "{wide:?}");
    }

    #[test]
    fn what_the_log_ended_in_stays_cut_short_without_its_secret() {
        let folder = tempfile::tempdir().unwrap();
        let (_, cut) = kept(&folder, b"<testsuite><testcase name=\"hunter22\"/>");
        assert!(matches!(&cut.report, Err(ReportError::CutShort { so_far }) if so_far.cases[0].name == "••••"), "{cut:?}");
    }
}
