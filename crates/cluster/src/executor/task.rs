//! What is to be done.

use std::collections::BTreeMap;
use std::time::Duration;

use towpath_domain::{CommitId, ImageRef, RepoUrl, RunId};

use super::TaskResources;

/// Something to be done in a container. Doing a task of the same name for the same run again finds what was done.
#[derive(Clone, Debug)]
pub struct Task {
    /// Its name; see [`task_name`](super::task_name).
    pub name: String,
    /// The run it is done for.
    pub run: RunId,
    /// The image that it runs in; the executor's own when none is named.
    pub image: Option<ImageRef>,
    /// Program and arguments; the image's own when it is empty.
    pub command: Vec<String>,
    /// Its environment. No secrets: everybody who may see the task sees them.
    pub env: BTreeMap<String, String>,
    /// The commit that it works on; its working directory is then the checkout.
    pub checkout: Option<Checkout>,
    /// What it asks for; what is left open is as the executor is set up.
    pub resources: TaskResources,
    /// Its memory limit in bytes is no lower than this: an earlier attempt ran out of less.
    pub memory_at_least: Option<u64>,
    /// How long it may take, from when it is begun.
    pub timeout: Duration,
    /// Labels of what is made, beside Towpath's own.
    pub labels: BTreeMap<String, String>,
    /// What a pipeline is told, by name.
    pub parameters: BTreeMap<String, String>,
}

/// A commit that a task works on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkout {
    /// The repository. The executor clones it by itself, so it must be reachable from there, and hold no credentials.
    pub url: RepoUrl,
    /// The commit. It comes without history where the server gives single commits.
    pub commit: CommitId,
    /// How it is made where it is to be had nowhere, since it is a merge that nobody pushed.
    pub merge: Option<MergeOf>,
}

/// What a merge commit is made of, wherever that is done: the same everywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergeOf {
    /// What is merged into. The repository has it.
    pub base: CommitId,
    /// What is merged. The repository has it, too.
    pub head: CommitId,
    /// The commit itself, as Git writes it.
    pub object: String,
    /// The settings that it was merged by, each as `name=value`, without spaces.
    pub rules: Vec<String>,
}

/// A task that came to a good end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskEnd {
    /// What a pipeline found, by name, such as `IMAGE_DIGEST`.
    pub results: BTreeMap<String, String>,
}
