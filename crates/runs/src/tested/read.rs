//! The reports of a run, as they were kept.

use towpath_domain::{Digest, RunId};
use towpath_junit::{Limits, Report, ReportError};
use towpath_ledger::Ledger;
use towpath_ledger::logs::Logs;

use super::noted::{NotedReport, REPORTS_STEP};

/// A report as it was kept.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptReport {
    /// Its name.
    pub name: String,
    /// The SHA-256 of the file.
    pub hash: Digest,
    /// What it says, or why it cannot be read.
    pub report: Result<Report, ReportError>,
    /// The file, byte for byte but for secrets.
    pub raw: Vec<u8>,
}

/// Why reports cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The ledger or its logs cannot be read.
    #[error(transparent)]
    Ledger(#[from] towpath_ledger::Error),
    /// Reading them came to no end.
    #[error("the reports could not be read: {0}")]
    Interrupted(#[from] tokio::task::JoinError),
}

/// All reports of a run that are kept, parsed, in the order in which they were found; none for a run that has none, or no longer.
///
/// # Errors
/// [`ReadError`].
pub async fn kept_reports(ledger: &Ledger, logs: &Logs, run: &RunId) -> Result<Vec<KeptReport>, ReadError> {
    kept_reports_within(ledger, logs, run, Limits::default()).await
}

/// As [`kept_reports`], with as much of their texts as these limits let through.
///
/// # Errors
/// [`ReadError`].
pub async fn kept_reports_within(ledger: &Ledger, logs: &Logs, run: &RunId, limits: Limits) -> Result<Vec<KeptReport>, ReadError> {
    let found = ledger.step_output(run, REPORTS_STEP).await?;
    let noted: Vec<NotedReport> = found.and_then(|found| serde_json::from_value(found).ok()).unwrap_or_default();
    let (logs, run) = (logs.clone(), run.clone());
    let read = tokio::task::spawn_blocking(move || {
        let mut kept = Vec::with_capacity(noted.len());
        for noted in noted {
            let Some(hash) = noted.hash else { continue };
            let Some(raw) = logs.report(&run, hash)? else { continue };
            kept.push(KeptReport { name: noted.name, hash, report: Report::parse(&raw, &limits), raw });
        }
        Ok::<_, towpath_ledger::Error>(kept)
    });
    Ok(read.await??)
}
