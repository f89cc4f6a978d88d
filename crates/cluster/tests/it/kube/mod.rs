//! Against a real Kubernetes: the API server, and where pods must run, a node.

mod applying;
mod clowder;
mod dying;
pub mod given;
mod late;
mod lost;
pub mod proxy;
mod together;
mod trouble;
mod volumes;
mod waiting;
