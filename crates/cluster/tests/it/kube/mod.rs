//! Against a real Kubernetes: the API server, and where pods must run, a node.

mod applying;
mod clowder;
mod given;
mod volumes;
mod waiting;
