//! Where builds are carried out when one machine is not enough: as Jobs of a cluster, or as runs of a Tekton pipeline.
//!
//! - [`Task`]: what is to be done. Its name derives from the run, so that doing it again finds it done.
//! - [`Executor`]: what does it. [`KubernetesJobs`] makes Jobs, [`Tekton`] makes `PipelineRun`s.
//! - [`TaskFailure`]: why it did not come to a good end, and whose fault that is.
//!
//! A worker that watches a task may die: the next one asks for the same task, finds what was made, and goes on where the log ends.

mod checkout;
mod ends;
mod failure;
mod job;
mod jobs;
mod listening;
mod names;
mod resources;
mod settings;
mod task;
mod tekton;

pub use failure::{TaskFailure, TaskReason};
pub use jobs::KubernetesJobs;
pub use names::task_name;
pub use resources::{Amounts, TaskResources};
pub use settings::{JobSettings, PodSecurity, TektonSettings};
pub use task::{Checkout, MergeOf, Task, TaskEnd};
pub use tekton::Tekton;

use towpath_domain::RunId;

use crate::api::{BoxFuture, ClusterError, Examination, Observer};

/// Carries tasks out, away from this machine.
pub trait Executor: Send + Sync {
    /// Where tasks are carried out, for people: `Jobs in namespace builds of cluster ci`.
    fn place(&self) -> String;

    /// Whether it can make the merge that a task works on; others only find commits that the repository has.
    fn can_merge(&self) -> bool {
        false
    }

    /// Carries a task out and follows it to its end. What its containers print is told to `observer`, each line once, also after a worker
    /// that died was replaced: [`Observer::told`] says what was told before.
    ///
    /// A task that was begun before under the same name, for the same run, is followed and not begun again. Dropping the future leaves the
    /// task alone: somebody else may follow it, or [`Executor::abandon`] ends it.
    ///
    /// # Errors
    /// [`TaskFailure`] when it was refused, could not begin, failed, or was not done in time.
    fn execute<'a>(&'a self, task: &'a Task, observer: &'a dyn Observer) -> BoxFuture<'a, Result<TaskEnd, Box<TaskFailure>>>;

    /// Ends what is still under way for a run that nobody wants any more. Answers with the names of what was ended.
    ///
    /// # Errors
    /// When the cluster cannot be asked, or refuses.
    fn abandon<'a>(&'a self, run: &'a RunId) -> BoxFuture<'a, Result<Vec<String>, ClusterError>>;

    /// Whether the place is reached, and which of the permissions are missing that tasks need there.
    ///
    /// # Errors
    /// When it is not reached.
    fn examine(&self) -> BoxFuture<'_, Result<Examination, ClusterError>>;
}
