//! The whole way on a real Kubernetes with a real registry: from a push to pods in production.

mod bits;
mod builds;
mod checks;
mod cloudigrade;
mod clowder;
mod diff;
mod doctor;
mod failing;
mod failures;
mod given;
mod guide;
mod http;
mod journey;
mod pipelines;
mod pools;
mod reports;
