//! The reports of a run: read once, since pages and programs ask for parts of them again and again.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use towpath_domain::{Digest, RunId};
use towpath_engine::Mark;
use towpath_junit::{Case, Limits, Outcome, Report, ReportError};
use towpath_ledger::{Run, Tested, subject_key, test_id};
use towpath_runs::{KeptReport, NotedReport, NotedTest, REPORTS_STEP};

use super::{PAGE, PAGE_MAX};
use crate::find::problem;
use crate::sight::Sight;
use crate::status::ledger_problem;
use crate::steer::Control;
use crate::view::{CaseView, Problem, ReportFile, ReportView, RunReportsFilter, RunReportsView};

/// How much of the texts of a run's reports is read, each text and all of a report, in bytes.
const TEXT_BYTES: usize = 64 << 10;
const ALL_TEXT_BYTES: usize = 8 << 20;

/// Where the reports of a run are part of its page: the most tests that failed or were flaky, with their texts; the most others, of each report; and
/// how much of each text, in bytes.
const TOLD: usize = 200;
const OTHERS: usize = 800;
const TOLD_BYTES: usize = 16 << 10;

/// The most notes on one report.
const NOTES: usize = 5;

/// Reports that were read lately.
#[derive(Default)]
pub(crate) struct ReadReports(Mutex<VecDeque<Read>>);

/// A run's reports, with what was noted of them when they were read.
struct Read {
    run: RunId,
    noted: Vec<NotedReport>,
    views: Arc<Vec<ReportView>>,
}

impl ReadReports {
    /// Runs whose reports are kept in memory: those that people look at now.
    const KEPT: usize = 4;

    fn get(&self, run: &RunId, noted: &[NotedReport]) -> Option<Arc<Vec<ReportView>>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().find(|read| read.run == *run && read.noted == noted).map(|read| Arc::clone(&read.views))
    }

    fn put(&self, run: &RunId, noted: Vec<NotedReport>, views: Arc<Vec<ReportView>>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|read| read.run != *run);
        all.push_front(Read { run: run.clone(), noted, views });
        all.truncate(Self::KEPT);
    }
}

impl Control {
    /// The reports of a run, and a page of their tests.
    ///
    /// # Errors
    /// [`Problem`] when there is no such run, `cursor` is no page's, or the ledger cannot be read.
    pub async fn run_reports(&self, sight: Sight, run: String, filter: RunReportsFilter) -> Result<RunReportsView, Problem> {
        let run = self.run_seen(&sight, &run).await?;
        let reports = self.reports_of(&run).await?;
        let (skip, limit) = (skipped(filter.cursor.as_deref())?, filter.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX) as usize);
        let mut tests: Vec<&CaseView> = reports.iter().flat_map(|report| &report.tests).collect();
        tests.sort_by_key(|test| weight(test));
        let end = skip.saturating_add(limit);
        Ok(RunReportsView {
            reports: reports.iter().map(|report| ReportView { tests: Vec::new(), ..report.clone() }).collect(),
            tests: tests.iter().skip(skip).take(limit).map(|test| (*test).clone()).collect(),
            next: (end < tests.len()).then(|| end.to_string()),
        })
    }

    /// A report's file.
    ///
    /// # Errors
    /// [`Problem`] when there is no such run, it has no such report, or that is no longer kept.
    pub async fn report_file(&self, sight: Sight, run: String, hash: String) -> Result<ReportFile, Problem> {
        let run = self.run_seen(&sight, &run).await?;
        let missing = |detail: String| {
            problem("unknown-report", 404, "There is no such report", detail, "the run's `reports` names those that are kept")
        };
        let noted = self.noted(&run.spec.id).await?;
        let wanted = noted.into_iter().find(|report| report.hash.is_some_and(|known| known.hex() == hash));
        let Some((name, hash)) = wanted.and_then(|report| Some((report.name, report.hash?))) else {
            return Err(missing(format!("{} has no report {:?}", run.spec.id, hash.chars().take(80).collect::<String>())));
        };
        let (logs, id) = (self.world.logs.clone(), run.spec.id.clone());
        let read = tokio::task::spawn_blocking(move || logs.report(&id, hash)).await;
        let read = read.map_err(|error| problem("ledger", 500, "The report cannot be read", error.to_string(), "ask again"))?;
        match read.map_err(ledger_problem)? {
            Some(content) => Ok(ReportFile { name, content }),
            None => Err(missing(format!("the file of {name} is no longer kept"))),
        }
    }

    /// The reports of a run, those with failures first; in each, failed tests first, then flaky ones.
    pub(super) async fn reports_of(&self, run: &Run) -> Result<Arc<Vec<ReportView>>, Problem> {
        let id = &run.spec.id;
        let noted = self.noted(id).await?;
        if noted.is_empty() {
            return Ok(Arc::default());
        }
        if let Some(known) = self.pictures.reports.get(id, &noted) {
            return Ok(known);
        }
        let limits = Limits { text: TEXT_BYTES, output: TEXT_BYTES, all_text: ALL_TEXT_BYTES, ..Limits::default() };
        let unreadable = |error: towpath_runs::ReadError| match error {
            towpath_runs::ReadError::Ledger(error) => ledger_problem(error),
            other => problem("ledger", 500, "The reports cannot be read", other.to_string(), "ask again"),
        };
        let kept = towpath_runs::kept_reports_within(&self.world.ledger, &self.world.logs, id, limits).await.map_err(unreadable)?;
        let known = self.world.ledger.tests_of(id).await.map_err(ledger_problem)?;
        let about = About {
            subject: subject_key(&run.tests_of()),
            run: id.clone(),
            tests: known.into_iter().map(|test| (test.id.clone(), test)).collect(),
            marks: noted.iter().flat_map(|report| &report.tests).filter_map(|test| Some((test.id.clone()?, test.mark?))).collect(),
        };
        let mut kept: HashMap<Digest, KeptReport> = kept.into_iter().map(|kept| (kept.hash, kept)).collect();
        let mut views: Vec<ReportView> =
            noted.iter().map(|noted| view(noted, noted.hash.and_then(|hash| kept.remove(&hash)), &about)).collect();
        views.sort_by_key(|report| report.failed == 0);
        let views = Arc::new(views);
        // What is still to be judged anew is not remembered.
        if run.outcome.is_some() {
            self.pictures.reports.put(id, noted, Arc::clone(&views));
        }
        Ok(views)
    }

    async fn noted(&self, run: &RunId) -> Result<Vec<NotedReport>, Problem> {
        let found = self.world.ledger.step_output(run, REPORTS_STEP).await.map_err(ledger_problem)?;
        Ok(found.and_then(|found| serde_json::from_value(found).ok()).unwrap_or_default())
    }
}

/// Reports as they are part of something else: their tests are bounded, and so are the texts of those.
pub(super) fn bounded(reports: &[ReportView]) -> Vec<ReportView> {
    let mut told = TOLD;
    let cut = |text: &Option<String>, is_told: bool| text.as_ref().filter(|_| is_told).map(|text| shortened(text));
    let view = |report: &ReportView| {
        let mut others = OTHERS;
        let tests = report.tests.iter().filter_map(|test| {
            let is_told = weight(test) < 2;
            let left = if is_told { &mut told } else { &mut others };
            *left = left.checked_sub(1)?;
            let message = cut(&test.message, is_told);
            Some(CaseView { trace: cut(&test.trace, is_told), output: cut(&test.output, is_told), message, ..test.clone() })
        });
        let tests = tests.collect();
        ReportView { tests, ..report.clone() }
    };
    reports.iter().map(view).collect()
}

fn shortened(text: &str) -> String {
    if text.len() <= TOLD_BYTES {
        return text.to_owned();
    }
    format!("{}\n… the whole is in the report …", &text[..text.floor_char_boundary(TOLD_BYTES)])
}

/// Failed tests come first, then flaky ones.
fn weight(test: &CaseView) -> u8 {
    match (test.state.as_str(), test.flaky) {
        ("failed", _) => 0,
        (_, true) => 1,
        _ => 2,
    }
}

/// So many are passed over, by the text that the page before ended with.
pub(super) fn skipped(cursor: Option<&str>) -> Result<usize, Problem> {
    let Some(cursor) = cursor else { return Ok(0) };
    cursor.parse().ok().filter(|skip: &usize| *skip > 0 && skip.to_string() == cursor && *skip < 10_000_000).ok_or_else(|| {
        let detail = format!("{:?} is no page's `next`", cursor.chars().take(100).collect::<String>());
        problem("bad-cursor", 422, "There is no such page", detail, "begin without `cursor`, and go on with `next` as it came")
    })
}

/// What is known of the tests of a run.
struct About {
    subject: String,
    run: RunId,
    /// Tests that failed or were flaky, as they stood when the run had ended.
    tests: HashMap<String, Tested>,
    marks: HashMap<String, Mark>,
}

fn view(noted: &NotedReport, kept: Option<KeptReport>, about: &About) -> ReportView {
    let mut notes: Vec<String> = noted.unread.iter().cloned().collect();
    notes.extend(noted.unkept.iter().map(|why| format!("the file is not kept: {why}")));
    let hash = kept.as_ref().map(|kept| kept.hash.hex());
    if hash.is_none() && noted.hash.is_some() {
        notes.push("the file is no longer kept".to_owned());
    }
    let report: Option<Report> = kept.and_then(|kept| match kept.report {
        Ok(report) => Some(report),
        Err(ReportError::CutShort { so_far }) => Some(*so_far),
        Err(_) => None,
    });
    let mut tests: Vec<CaseView> = match report {
        Some(report) => {
            notes.extend(report.notes.into_iter().take(NOTES));
            report.cases.into_iter().map(|case| of_case(case, about)).collect()
        }
        None => noted.tests.iter().map(|test| of_noted(test, about)).collect(),
    };
    tests.sort_by_key(weight);
    ReportView {
        name: noted.name.clone(),
        hash,
        bytes: noted.bytes,
        passed: noted.passed,
        failed: noted.failed,
        skipped: noted.skipped,
        flaky: noted.flaky,
        notes,
        tests,
    }
}

fn of_case(case: Case, about: &About) -> CaseView {
    let id = test_id(&about.subject, &case.class, &case.name);
    let some = |text: String| Some(text).filter(|text| !text.trim().is_empty());
    let is_told = case.outcome.is_bad() || case.flaky || case.outcome == Outcome::Skipped;
    let detail = case.detail.filter(|_| is_told).unwrap_or_default();
    let state = match case.outcome {
        Outcome::Passed => "passed",
        Outcome::Skipped => "skipped",
        Outcome::Failed | Outcome::Error => "failed",
    };
    let view = CaseView {
        name: if case.class.is_empty() { case.name } else { format!("{} › {}", case.class, case.name) },
        state: state.to_owned(),
        took_ms: case.time.and_then(|time| u64::try_from(time.as_millis()).ok()),
        message: some(detail.message),
        trace: some(detail.text),
        output: case.output.and_then(some),
        attempts: case.attempts,
        flaky: case.flaky,
        ..CaseView::default()
    };
    marked(view, id, about)
}

fn of_noted(test: &NotedTest, about: &About) -> CaseView {
    let view = CaseView {
        name: test.name.clone(),
        state: test.state.clone(),
        took_ms: test.took_ms,
        message: test.message.clone(),
        flaky: test.flaky,
        ..CaseView::default()
    };
    match &test.id {
        Some(id) => marked(view, id.clone(), about),
        None => view,
    }
}

/// With what is known of the test: as it was judged first, then as its history has it.
fn marked(view: CaseView, id: String, about: &About) -> CaseView {
    let known = about.tests.get(&id).filter(|_| view.state == "failed");
    let mark = match (about.marks.get(&id), known) {
        _ if view.state != "failed" => None,
        (Some(Mark::Quarantined), _) => Some("quarantined"),
        (Some(Mark::KnownFlaky), _) => Some("known-flaky"),
        (_, Some(test)) if test.since_run == about.run => Some("new"),
        (_, Some(_)) => Some("failing"),
        _ => None,
    };
    CaseView {
        id: Some(id),
        mark: mark.map(str::to_owned),
        since: known.map(|test| test.since),
        since_run: known.map(|test| test.since_run.clone()),
        ..view
    }
}
