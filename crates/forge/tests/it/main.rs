//! The built-in forge against a real bare repository, with people who push at the wrong moment.

#![allow(clippy::unwrap_used)]

mod apps;
mod conformance;
mod described;
mod forks;
mod github;
mod graphql;
mod mishaps;
mod openapi;
mod plain;
mod plain_pulls;
mod stage;
mod support;
mod typescript;
