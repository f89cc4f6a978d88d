//! Reads at a commit.

mod blobs;
mod export;
mod history;
mod links;
mod reader;
mod tree;

pub use export::OutsideLinks;
pub use history::CommitInfo;
pub(crate) use history::paths;
pub(crate) use reader::ReaderPool;
pub use tree::TreeEntry;
pub(crate) use tree::{Found, find_with};
