//! How an installation carries tasks out. Comes from its own configuration, never from the config repository.

use std::collections::BTreeMap;
use std::time::Duration;

use towpath_domain::{ImageRef, NamespaceName};

use super::TaskResources;

/// How tasks are made into Jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobSettings {
    /// The namespace of the Jobs.
    pub namespace: NamespaceName,
    /// The image of tasks that name none.
    pub image: Option<ImageRef>,
    /// The image that clones the commit: one with `git` and `sh`. The task's own when none is named.
    pub git_image: Option<ImageRef>,
    /// The service account that they run as; the namespace's default one when none is named.
    pub service_account: Option<String>,
    /// Whether the token of the service account is mounted.
    pub mount_token: bool,
    /// The `Secret` that images are pulled with.
    pub pull_secret: Option<String>,
    /// A `Secret` of type `kubernetes.io/dockerconfigjson` that commands push images with: they find it as `REGISTRY_AUTH_FILE` (buildah,
    /// podman, skopeo) and in `DOCKER_CONFIG` (docker and others).
    pub push_secret: Option<String>,
    /// A `Secret` of type `kubernetes.io/basic-auth` or `kubernetes.io/ssh-auth` (there with `known_hosts`) that repositories are cloned with.
    /// Only the checkout sees it.
    pub git_secret: Option<String>,
    /// What tasks get that ask for nothing.
    pub resources: TaskResources,
    /// What containers may do.
    pub security: PodSecurity,
    /// Labels that a node must have.
    pub node_selector: BTreeMap<String, String>,
    /// How much the working directory may hold, such as `10Gi`; no bound of its own when none is named.
    pub workspace_size: Option<String>,
    /// How long a finished Job stays for people to look at. Its log is in the run.
    pub kept_for: Duration,
}

impl JobSettings {
    /// Jobs in this namespace, with the usual settings.
    #[must_use]
    pub fn new(namespace: NamespaceName) -> Self {
        Self {
            namespace,
            image: None,
            git_image: None,
            service_account: None,
            mount_token: false,
            pull_secret: None,
            push_secret: None,
            git_secret: None,
            resources: TaskResources::usual(),
            security: PodSecurity::default(),
            node_selector: BTreeMap::new(),
            workspace_size: None,
            kept_for: Duration::from_secs(24 * 3600),
        }
    }
}

/// What the containers of tasks may do. As little as possible, unless an installation says otherwise: builders of images need more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodSecurity {
    /// The container's own files cannot be written to; `/workspace` and `/tmp` can.
    pub read_only_root: bool,
    /// Capabilities that are added after all were dropped, such as `SETUID`.
    pub capabilities: Vec<String>,
    /// Programs may gain privileges that who started them had not.
    pub privilege_escalation: bool,
    /// The container is the node's own root. For nodes that do nothing else.
    pub privileged: bool,
    /// The user that containers run as; the image's own when none is named.
    pub run_as_user: Option<u32>,
    /// The runtime's own filter of system calls is asked for. Not every cluster lets a pod say so.
    pub seccomp: bool,
}

impl PodSecurity {
    /// For what needs nothing beyond the usual: the same user, and no more rights than everybody.
    pub(super) fn without_extras(&self) -> Self {
        Self { run_as_user: self.run_as_user, seccomp: self.seccomp, ..Self::default() }
    }
}

impl Default for PodSecurity {
    fn default() -> Self {
        Self {
            read_only_root: true,
            capabilities: Vec::new(),
            privilege_escalation: false,
            privileged: false,
            run_as_user: None,
            seccomp: true,
        }
    }
}

/// How tasks are made into runs of a Tekton pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TektonSettings {
    /// The namespace of the pipeline and its runs.
    pub namespace: NamespaceName,
    /// The pipeline's name.
    pub pipeline: String,
    /// The service account that its tasks run as; Tekton's default when none is named.
    pub service_account: Option<String>,
    /// How much a volume holds that is made for each workspace of the pipeline.
    pub workspace_size: String,
}

impl TektonSettings {
    /// Runs of this pipeline, with the usual settings.
    #[must_use]
    pub fn new(namespace: NamespaceName, pipeline: impl Into<String>) -> Self {
        Self { namespace, pipeline: pipeline.into(), service_account: None, workspace_size: "1Gi".to_owned() }
    }
}
