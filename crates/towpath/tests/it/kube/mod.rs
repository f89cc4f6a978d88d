//! The whole way on a real Kubernetes with a real registry: from a push to pods in production.

mod bits;
mod cloudigrade;
mod clowder;
mod failing;
mod failures;
mod given;
mod guide;
mod http;
mod journey;
