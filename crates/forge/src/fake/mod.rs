//! Forges for tests: each a real HTTP server over a real Git repository that speaks one forge's language. What is pushed changes what they
//! show, as it does on the real ones; what the real ones refuse, they refuse.

pub mod forgejo;
pub mod github;
pub mod gitlab;
mod mishaps;
pub mod others;
mod repository;
mod server;
mod world;

pub use mishaps::{Mishap, Mishaps};
pub use repository::Repository;
pub use server::{Asked, FakeForge, Told};
pub use world::{FakeComment, FakePull, FakeReview, FakeStatus, Fate, Place, Rules, World};
