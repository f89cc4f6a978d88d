//! Tests over their runs: which are flaky, which fail and since when.

use std::collections::BTreeMap;
use std::sync::Arc;

use towpath_catalog::Catalog;
use towpath_domain::{Span, TargetId, Timestamp};
use towpath_engine::{FLAKY_FOR, Subject, TestRules, test_rules};
use towpath_ledger::{TestFilter as Asked, TestOutcome, TestStanding, TestTime, Tested, subject_of_key};

use super::reports::skipped;
use super::{PAGE, PAGE_MAX};
use crate::commits::Commits;
use crate::find::problem;
use crate::places::{Places, seen};
use crate::sight::Sight;
use crate::status::{ledger_problem, subject_url};
use crate::steer::Control;
use crate::view::{PageView, Problem, QuarantineView, TestDetail, TestFilter, TestLine, TestTimeView, TestView};
use crate::words;

impl Control {
    /// Tests that match and may be seen: flaky ones first, then failing ones, then by name.
    ///
    /// # Errors
    /// [`Problem`] when `state` is none, `cursor` is no page's, or the ledger cannot be read.
    pub async fn tests(&self, sight: Sight, filter: TestFilter) -> Result<PageView<TestLine>, Problem> {
        let now = self.world.clock.now();
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let standing = match given(&filter.state).as_deref() {
            None => None,
            Some("flaky") => Some(TestStanding::FlakySince(before(now, FLAKY_FOR))),
            Some("failing") => Some(TestStanding::Failing),
            Some(other) => {
                let detail = format!("{:?} is no state of a test", other.chars().take(100).collect::<String>());
                return Err(problem("unknown-state", 422, "There is no such state", detail, "use flaky or failing"));
            }
        };
        let skip = skipped(filter.cursor.as_deref())?;
        let limit = filter.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX);
        let subjects = self.tested_seen(&sight, given(&filter.app).as_deref()).await?;
        let asked = Asked { subjects: Some(subjects), text: given(&filter.find), standing, skip: u32::try_from(skip).unwrap_or(u32::MAX) };
        let page = self.world.ledger.tests(&asked, limit).await.map_err(ledger_problem)?;
        let snapshot = self.world.current();
        let mut rules = Rules::new(&snapshot.catalog);
        let next = page.more.then(|| (skip + page.rows.len()).to_string());
        Ok(PageView { items: page.rows.into_iter().filter_map(|test| line(&mut rules, test, now)).collect(), next })
    }

    /// One test with its history.
    ///
    /// # Errors
    /// [`Problem`] when there is no such test that may be seen.
    pub async fn test(&self, sight: Sight, id: String) -> Result<TestDetail, Problem> {
        let unknown = || {
            let detail = format!("no test is called {:?}", id.chars().take(80).collect::<String>());
            problem(
                "unknown-test",
                404,
                "There is no such test",
                detail,
                "the page of tests finds them by their names; old ones are forgotten",
            )
        };
        let test = self.world.ledger.test(&id).await.map_err(ledger_problem)?.ok_or_else(unknown)?;
        let subject = subject_of_key(&test.subject).ok_or_else(unknown)?;
        let times = self.world.ledger.test_times(&id).await.map_err(ledger_problem)?;
        let snapshot = self.world.current();
        let catalog = &snapshot.catalog;
        let facts = self.world.ledger.facts();
        if !seen(&sight, &Places::new(catalog, &facts).of_subject(&subject)) {
            return Err(unknown());
        }
        let commits = Commits::new(&facts);
        let url = subject_url(catalog, &subject);
        let (runs, failures, median_ms) = figures(&times);
        Ok(TestDetail {
            test: line(&mut Rules::new(catalog), test, self.world.clock.now()).ok_or_else(unknown)?,
            runs,
            failures,
            median_ms,
            times: times
                .into_iter()
                .map(|time| TestTimeView {
                    run: time.run,
                    at: time.at,
                    commit: time.commit.map(|commit| commits.view(url, commit)),
                    tree: time.tree,
                    state: state(time.outcome).to_owned(),
                    flaky: time.flaky,
                    attempts: time.attempts,
                    took_ms: time.took_ms,
                })
                .collect(),
        })
    }

    /// Tests of these targets that were found to be flaky then or later, the most often first; at most `limit`.
    pub(super) async fn flakiest(&self, targets: &[&TargetId], since: Timestamp, limit: u32) -> Result<Vec<TestView>, Problem> {
        let known = self.world.ledger.tested_subjects().await.map_err(ledger_problem)?;
        let subjects = targets.iter().map(|target| towpath_ledger::subject_key(&Subject::Target((*target).clone())));
        let subjects = subjects.filter(|subject| known.contains_key(subject)).collect();
        let standing = Some(TestStanding::FlakySince(since));
        let asked = Asked { subjects: Some(subjects), standing, ..Asked::default() };
        let mut views = Vec::new();
        for test in self.world.ledger.tests(&asked, limit).await.map_err(ledger_problem)?.rows {
            let times = self.world.ledger.test_times(&test.id).await.map_err(ledger_problem)?;
            let (runs, failures, median_ms) = figures(&times);
            let told = times.iter().find(|time| time.outcome.is_bad() || time.flaky).or(times.first());
            let Some((run, Some(Subject::Target(target)))) = told.map(|time| (time.run.clone(), subject_of_key(&test.subject))) else {
                continue;
            };
            views.push(TestView {
                id: Some(test.id),
                target: target.to_string(),
                name: if test.class.is_empty() { test.name } else { format!("{} › {}", test.class, test.name) },
                runs,
                failures,
                flakes: test.flakes,
                median_ms: median_ms.unwrap_or(0),
                run,
            });
        }
        Ok(views)
    }

    /// Subjects that have tests and may be seen; those of an app, if one is given.
    async fn tested_seen(&self, sight: &Sight, app: Option<&str>) -> Result<Vec<String>, Problem> {
        let all = self.world.ledger.tested_subjects().await.map_err(ledger_problem)?;
        let snapshot = self.world.current();
        let facts = self.world.ledger.facts();
        let places = Places::new(&snapshot.catalog, &facts);
        let is_wanted = |key: &String| {
            let Some(subject) = subject_of_key(key) else { return false };
            let scopes = places.of_subject(&subject);
            seen(sight, &scopes) && app.is_none_or(|app| scopes.iter().any(|scope| scope.app.as_deref() == Some(app)))
        };
        Ok(all.into_keys().filter(is_wanted).collect())
    }
}

/// What policies say of tests, looked up once per subject.
struct Rules<'a> {
    catalog: &'a Catalog,
    known: BTreeMap<String, Arc<TestRules>>,
}

impl<'a> Rules<'a> {
    fn new(catalog: &'a Catalog) -> Self {
        Self { catalog, known: BTreeMap::new() }
    }

    fn of(&mut self, key: &str, subject: &Subject) -> Arc<TestRules> {
        if let Some(known) = self.known.get(key) {
            return Arc::clone(known);
        }
        let target = if let Subject::Target(target) = subject { self.catalog.targets.get(target) } else { None };
        let rules = Arc::new(target.map(|target| test_rules(self.catalog, target)).unwrap_or_default());
        self.known.insert(key.to_owned(), Arc::clone(&rules));
        rules
    }
}

fn line(rules: &mut Rules<'_>, test: Tested, now: Timestamp) -> Option<TestLine> {
    let subject = subject_of_key(&test.subject)?;
    let known = rules.of(&test.subject, &subject);
    let quarantine = known.quarantine(&test.class, &test.name, now).map(|quarantine| QuarantineView {
        owner: quarantine.owner.to_string(),
        until: quarantine.until,
        why: quarantine.why.to_string(),
        place: quarantine.place.to_string(),
    });
    let (app, environment) = words::app_and_environment(rules.catalog, &subject);
    Some(TestLine {
        of: words::subject_title(rules.catalog, &subject),
        subject: words::kind_and_id(&subject),
        app,
        environment,
        state: state(test.outcome).to_owned(),
        known_flaky: test.flaky_at.is_some_and(|at| now.since(at) <= FLAKY_FOR),
        id: test.id,
        class: test.class,
        name: test.name,
        since: test.since,
        since_run: test.since_run,
        flakes: test.flakes,
        flaky_at: test.flaky_at,
        quarantine,
    })
}

/// How often it ran and failed, and how long it usually took.
fn figures(times: &[TestTime]) -> (u32, u32, Option<u64>) {
    let ran = || times.iter().filter(|time| time.outcome != TestOutcome::Skipped);
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let mut took: Vec<u64> = ran().filter_map(|time| time.took_ms).collect();
    took.sort_unstable();
    (count(ran().count()), count(ran().filter(|time| time.outcome.is_bad()).count()), took.get(took.len() / 2).copied())
}

fn state(outcome: TestOutcome) -> &'static str {
    match outcome {
        TestOutcome::Passed => "passed",
        TestOutcome::Skipped => "skipped",
        TestOutcome::Failed | TestOutcome::Error => "failed",
    }
}

fn before(now: Timestamp, span: Span) -> Timestamp {
    Timestamp::from_millis(now.as_millis().saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
}
