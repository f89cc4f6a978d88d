//! Starts the Job, follows it to its end, and deletes it.

use std::time::Duration;

use serde_json::Value;
use towpath_domain::{ImageRef, NamespaceName, RunId};

use super::claim::Claim;
use super::collector::{self, DEADLINE_SECONDS, PodUser};
use crate::api::{Cluster as _, ClusterError, ObjectKey, Observer, Ready, WaitFailure};
use crate::executor::task_name;
use crate::kube::KubeCluster;
use crate::kube::labels;
use crate::kube::single::{Made, label_is};
use crate::kube::watching::text;

/// How much longer than the Job's own deadline its end is waited for: the cluster keeps the time, and says so.
const BEYOND_DEADLINE: Duration = Duration::from_secs(30);

/// How long a Job of the same name may take to go away.
const GONE_WITHIN: Duration = Duration::from_secs(60);

/// The pause before it is tried again to make it.
const PAUSE: Duration = Duration::from_millis(500);

/// The label of Clowder's that says which `ClowdJobInvocation` a Job is of.
const CLOWDER_JOB: &str = "clowdjob";

/// How volumes are read. Comes from the installation's own configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeSettings {
    /// An image with `sh`, `find`, `date`, `wc` and `cat`; with `gzip` and `base64`, reports are packed.
    pub image: ImageRef,
    /// The `Secret` that the image is pulled with.
    pub pull_secret: Option<String>,
    /// The user to read as; that of the test when none is named.
    pub run_as_user: Option<u32>,
}

/// Reads volumes of one cluster.
#[derive(Clone, Debug)]
pub struct VolumeReader {
    cluster: KubeCluster,
    settings: VolumeSettings,
}

/// What is to be read.
#[derive(Clone, Debug)]
pub struct Asked<'a> {
    /// The test's namespace.
    pub namespace: &'a NamespaceName,
    /// The run that the test belongs to.
    pub run: &'a RunId,
    /// The test: a `Job` or `ClowdJobInvocation`.
    pub test: &'a ObjectKey,
    /// The claim.
    pub claim: &'a Claim,
    /// Names of the files that are reports, as `find -name` takes them.
    pub files: &'a [String],
    /// The user that wrote them.
    pub user: &'a PodUser,
}

/// Why a volume was not read to its end.
#[derive(Debug, thiserror::Error)]
pub enum VolumeError {
    /// The Job could not be made.
    #[error("the volume {claim} cannot be looked into: {source}")]
    Request {
        /// The claim.
        claim: String,
        /// What the cluster said.
        source: ClusterError,
    },
    /// There is another Job of that name.
    #[error("the volume {claim} cannot be looked into: Job/{job} is there already and is not this run's; delete it")]
    Taken {
        /// The claim.
        claim: String,
        /// The Job.
        job: String,
    },
    /// The Job ended well, but not all that it printed could be read.
    #[error("the volume {claim} was read, but not all of it arrived: {what} could not be read")]
    Unread {
        /// The claim.
        claim: String,
        /// What is missing.
        what: String,
    },
    /// The Job failed.
    #[error("the volume {claim} could not be read to its end: {failure}{}", said(.failure))]
    Failed {
        /// The claim.
        claim: String,
        /// How.
        failure: Box<WaitFailure>,
    },
}

/// The last line that was printed, which says why.
fn said(failure: &WaitFailure) -> String {
    let last = failure.log_tail.iter().rev().find(|line| !line.trim().is_empty() && !line.starts_with("-----"));
    last.map(|line| format!("; it last said: {}", line.chars().take(300).collect::<String>())).unwrap_or_default()
}

/// Whether all that is in the volume has arrived: what is missing may have been a report.
fn read_whole(claim: String, waited: Result<Ready, Box<WaitFailure>>) -> Result<(), VolumeError> {
    let ready = waited.map_err(|failure| VolumeError::Failed { claim: claim.clone(), failure })?;
    match ready.unread.into_iter().next() {
        Some(what) => Err(VolumeError::Unread { claim, what }),
        None => Ok(()),
    }
}

impl VolumeReader {
    /// Nothing is sent before a volume is to be read.
    ///
    /// What it needs in a test's namespace: for `jobs.batch` the verbs get, list, watch, create and delete, and what waiting for Jobs needs.
    #[must_use]
    pub fn new(cluster: KubeCluster, settings: VolumeSettings) -> Self {
        Self { cluster, settings }
    }

    /// Prints the reports of a volume to `observer`, from a container called [`COLLECTOR`](super::COLLECTOR).
    ///
    /// What was begun for the same run and test is followed and not begun again. It is deleted in any case.
    ///
    /// # Errors
    /// [`VolumeError`].
    pub async fn read(&self, asked: &Asked<'_>, observer: &dyn Observer) -> Result<(), VolumeError> {
        let name = task_name("reports", &asked.test.name, asked.run);
        let claim = asked.claim.to_string();
        let done = self.make_and_follow(&name, asked, observer).await;
        // Also what could not be made for sure: an answer that was lost may have made it.
        if !matches!(done, Err(VolumeError::Taken { .. }))
            && let Err(error) = self.cluster.delete_at(&format!("{}/{name}", jobs(asked.namespace))).await
        {
            tracing::warn!(%claim, %error, "the job that read a volume stays until the test's own job goes");
        }
        done
    }

    async fn make_and_follow(&self, name: &str, asked: &Asked<'_>, observer: &dyn Observer) -> Result<(), VolumeError> {
        let claim = asked.claim.to_string();
        let request = |source| VolumeError::Request { claim: claim.clone(), source };
        let owner = self.owner(asked).await.map_err(request)?;
        let wanted = collector::job(name, asked, &self.settings, owner.as_ref());
        self.make(name, asked, &wanted).await?;
        let key = ObjectKey { kind: "Job".to_owned(), group: "batch".to_owned(), name: name.to_owned() };
        let within = Duration::from_secs(DEADLINE_SECONDS) + BEYOND_DEADLINE;
        let waited = self.cluster.wait(asked.namespace, &[key], asked.run, within, observer).await;
        read_whole(claim, waited)
    }

    /// The Job of the test, which the one that reads its volume goes with.
    async fn owner(&self, asked: &Asked<'_>) -> Result<Option<Value>, ClusterError> {
        let jobs = jobs(asked.namespace);
        if asked.test.kind == "Job" {
            return self.cluster.at(&format!("{jobs}/{}", asked.test.name)).await;
        }
        Ok(self.cluster.selected(&jobs, &label_is(CLOWDER_JOB, &asked.test.name)).await?.into_iter().next())
    }

    /// Makes the Job, unless a worker that had this run did.
    async fn make(&self, name: &str, asked: &Asked<'_>, wanted: &Value) -> Result<(), VolumeError> {
        let request = |source| VolumeError::Request { claim: asked.claim.to_string(), source };
        let (place, until) = (jobs(asked.namespace), tokio::time::Instant::now() + GONE_WITHIN);
        loop {
            if matches!(self.cluster.create(&place, wanted).await.map_err(request)?, Made::Now) {
                return Ok(());
            }
            let there = self.cluster.at(&format!("{place}/{name}")).await.map_err(request)?;
            let is_going = there.as_ref().is_none_or(|job| job.pointer("/metadata/deletionTimestamp").is_some());
            if there.as_ref().is_some_and(|job| !is_going && labels::annotation(job, labels::RUN) == asked.run.as_str()) {
                return Ok(());
            }
            if !is_going || tokio::time::Instant::now() + PAUSE > until {
                let job = there.as_ref().map_or(name, |job| text(job, "/metadata/name")).to_owned();
                return Err(VolumeError::Taken { claim: asked.claim.to_string(), job });
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn jobs(namespace: &NamespaceName) -> String {
    format!("/apis/batch/v1/namespaces/{namespace}/jobs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_is_read_only_when_all_that_was_printed_of_it_arrived() {
        assert!(read_whole("reports".to_owned(), Ok(Ready::default())).is_ok());
        let unread = vec!["the end of the log of pod reports-1, container towpath-reports".to_owned()];
        let error = read_whole("reports".to_owned(), Ok(Ready { unread, ..Ready::default() })).unwrap_err().to_string();
        assert!(error.contains("volume reports") && error.contains("the end of the log of pod reports-1"), "{error}");
    }
}
