//! The binary as people call it: a cleared environment, a folder of its own, and what it says and exits with.
#![allow(clippy::unwrap_used)]

mod architecture;
mod checks;
mod described;
mod differences;
mod forges;
mod gates;
mod harness;
mod ibutsu;
mod init;
mod installation;
mod kills;
mod kube;
mod ledger;
mod messages;
mod namespaces;
mod offline;
mod operate;
mod pages;
mod people;
mod policies;
mod pulled;
mod pulls;
mod render;
mod reports;
mod repositories;
mod served;
mod signed;
mod signed_in;
mod targets;
mod telling;
mod tested;
mod train;
mod trouble;
mod validate;
