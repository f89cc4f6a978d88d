//! The binary as people call it: a cleared environment, a folder of its own, and what it says and exits with.
#![allow(clippy::unwrap_used)]

mod architecture;
mod installation;
mod kills;
mod harness;
mod init;
mod ledger;
mod offline;
mod render;
mod served;
mod validate;
