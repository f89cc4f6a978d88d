//! The pages, in a real browser: against a server with the demo's story, and against a large installation with a past.

mod acts;
mod alone;
mod generated;
pub mod look;
mod looks;
mod readme;
pub mod server;
mod sign_in;
mod story;
