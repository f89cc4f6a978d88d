//! Against a real Kubernetes: the API server, and where pods must run, a node.

mod applying;
mod clowder;
mod dying;
mod given;
mod late;
mod lost;
mod proxy;
mod together;
mod trouble;
mod volumes;
mod waiting;
