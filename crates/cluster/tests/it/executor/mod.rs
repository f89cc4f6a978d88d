//! Tasks carried out on a real Kubernetes.

mod given;
mod jobs;
mod permissions;
mod tekton;
