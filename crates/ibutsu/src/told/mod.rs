//! What Ibutsu is told of an upload: pure, and the same each time.

mod files;
mod metadata;
mod result;
mod totals;

use std::collections::HashMap;

use serde_json::{Value, json};
use towpath_domain::Timestamp;
use towpath_junit::Report;
use uuid::Uuid;

use crate::ids::{result_uuid, run_uuid};
use crate::settings::Limits;
use crate::upload::Upload;

pub use self::files::NamedFile;
use self::files::Names;
use self::result::About;
pub use self::totals::Totals;

/// One run, as Ibutsu is told of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// Its id there.
    pub id: Uuid,
    /// The run, with its summary.
    pub run: Value,
    /// Files of the run as a whole.
    pub files: Vec<NamedFile>,
    /// Its results, in the order of the reports.
    pub results: Vec<ToldResult>,
    /// What the results add up to.
    pub totals: Totals,
}

/// One result.
#[derive(Debug, Clone, PartialEq)]
pub struct ToldResult {
    /// Its id.
    pub id: Uuid,
    /// The result.
    pub result: Value,
    /// Its files: why it failed, and what it wrote.
    pub files: Vec<NamedFile>,
}

impl Told {
    /// What is told of `upload` to the project with this name or id.
    #[must_use]
    pub fn of(upload: &Upload, project: &str, limits: &Limits) -> Self {
        let id = run_uuid(&upload.source, &upload.run);
        let about = About { run: id, project, upload };
        let (mut results, mut totals) = (Vec::new(), Totals::default());
        let mut seen: HashMap<[&str; 4], usize> = HashMap::new();
        for (name, report) in distinct(&upload.reports) {
            let started = metadata::moment(report.started.as_deref(), upload);
            for case in &report.cases {
                let test = [name.as_str(), &*case.suite, case.class.as_str(), case.name.as_str()];
                let before = seen.entry(test).or_default();
                let id = result_uuid(id, test, *before);
                *before += 1;
                let outcome = result::outcome(case);
                totals.add(outcome, case.flaky);
                results.push(result::told(&about, id, name, case, outcome, started, limits));
            }
        }
        let mut notes = upload.metadata.notes.clone();
        let mut names = Names::of_run();
        let mut files = Vec::new();
        for (name, content) in &upload.artifacts {
            match files::bounded(names.take(name), content, limits.file) {
                Ok(file) => files.extend(file),
                Err(why) => notes.push(why),
            }
        }
        let run = json!({
            "id": id.to_string(),
            "component": upload.component,
            "env": upload.env,
            "source": upload.source,
            "start_time": upload.started.to_string(),
            "duration": metadata::seconds(upload.duration.to_std()),
            "summary": totals.summary(),
            "metadata": metadata::of_run(upload, project, &totals, &notes),
        });
        Self { id, run, files, results, totals }
    }

    /// How many files there are, and how many bytes they have.
    #[must_use]
    pub fn files_total(&self) -> (usize, usize) {
        let all = self.files.iter().chain(self.results.iter().flat_map(|result| &result.files));
        all.fold((0, 0), |(count, bytes), file| (count + 1, bytes + file.content.len()))
    }

    /// The same without files, which its metadata says.
    #[must_use]
    pub fn without_files(mut self, why: &str) -> Self {
        let (count, bytes) = self.files_total();
        self.files.clear();
        self.results.iter_mut().for_each(|result| result.files.clear());
        if count > 0
            && let Some(metadata) = self.run.get_mut("metadata")
        {
            metadata::note(metadata, format!("{count} files with {bytes} bytes were left out: {why}"));
        }
        self
    }
}

/// The reports, without those that are there already.
fn distinct(reports: &[(String, Report)]) -> impl Iterator<Item = &(String, Report)> {
    reports.iter().enumerate().filter(|(at, one)| one.1.cases.is_empty() || !reports[..*at].contains(*one)).map(|(_, one)| one)
}

/// A moment as Ibutsu reads it: ISO 8601 in UTC.
fn written(moment: Timestamp) -> String {
    moment.to_string()
}

#[cfg(test)]
mod tests;
