//! Where objects run: Kubernetes and OpenShift, and the embedded local runtime.
//!
//! Everything above this crate speaks to a [`Cluster`]: apply these objects, wait until they are well, prune what is gone,
//! show what is there. [`LocalCluster`] is the cluster that needs nothing: it runs Kubernetes objects as processes of this
//! machine, for laptops, demonstrations and small installations.
//!
//! - [`api`]: the trait and the words it speaks.
//! - [`image`]: how the runtime asks for the content of an image.
//! - [`spec`]: what it reads of Kubernetes objects.
//! - [`kube`]: Kubernetes and OpenShift.
//! - [`artifacts`]: reports that tests leave in volumes.
//! - [`executor`]: where the work of runs is carried out, away from this machine.
//! - [`local`]: the runtime: objects on disk, controllers, waiting, logs.
//! - [`shim`]: the process that looks after one pod and survives Towpath.
//!
//! # What differs from Kubernetes
//!
//! Pods are plain processes: no network, file system or user of their own.
//!
//! - Two pods cannot listen on the same port. Each container port gets a free port of this machine, told in `PORT` (the first)
//!   and `PORT_<NAME>`; the process must listen there. Probes and services follow.
//! - The environment holds what the image, the services of the namespace and the template say, and of the machine only: `PATH` (the
//!   image's below its root, then the host's), `HOME` and `TMPDIR` (folders of the container's own), `HOSTNAME`, `POD_NAME`,
//!   `POD_NAMESPACE`, `TOWPATH_ROOT`, and `TOWPATH_POD`, by which the pod's processes are found. Nothing of Towpath's own.
//! - A container without a readiness probe is ready when it has run for half a second.
//! - A volume's mount path is realised below the container's root folder (`TOWPATH_ROOT`), not at `/`.
//! - A command that the image does not hold is taken from the host, and the run's notes say so.
//! - A changed `ConfigMap` or `Secret` reaches the pods that start after it.
//! - All pods of a new revision start at once; the service switches when all of them are ready, and only then the old ones go.

pub mod api;
pub mod artifacts;
pub mod executor;
pub mod image;
pub mod kube;
pub mod local;
pub mod shim;
pub mod spec;

mod clock;
mod diff;
mod digest;
mod files;
mod pod;
mod secret_fields;
mod unnamed;
mod wanted;

pub use api::{
    AppCount, Applied, AppliedObject, BoxFuture, Change, Cluster, ClusterError, DEFAULT_ROLE, EphemeralNamespaces, Event, Examination,
    ExpectedObject, ExpectedObjectError, FoundNamespace, LogChunk, LogLine, LogRequest, LogSource, MissingPermission, NamespaceEnd,
    NamespaceStanding, NamespaceWanted, ObjectDiff, ObjectKey, ObjectStatus, Observer, Owner, PodStatus, Progress, Ready, Reason, Refusal,
    Requester, ReservationStanding, ReservationWanted, Reservations, RunningContainer, Scope, SecretsFrom, Subject, WaitFailure,
};
pub use diff::unified;
pub use executor::{
    Amounts, Checkout, Executor, JobSettings, KubernetesJobs, MergeOf, PodSecurity, Task, TaskEnd, TaskFailure, TaskReason, TaskResources,
    Tekton, TektonSettings, task_name,
};
pub use image::{ImageConfig, ImageError, ImageStore, Unpacked};
pub use kube::{Connection, KubeCluster, KubeSettings, Token, TokenSource};
pub use local::{LocalCluster, Settings, stop_everything};
pub use secret_fields::SecretFields;
pub use unnamed::UnnamedCluster;
