//! The whole way on a real Kubernetes with a real registry: from a push to pods in production.

mod builds;
mod diff;
mod doctor;
mod given;
mod journey;
mod pipelines;
mod reports;
