//! Results of tests to Ibutsu, which keeps and compares them over years.
//!
//! An [`Upload`] is what a run of ours came to. What Ibutsu is told of it ([`Told`]) follows from it alone: one run, its results, their files, all
//! with ids that derive from the run's, so that telling it twice is telling it once. [`Ibutsu`] sends it in one of two ways, as an archive or call
//! by call, and [`Uploader`] takes runs that ended from the ledger's outbox, so that neither a crash nor a server that is away loses one.
//!
//! Facts about Ibutsu are from watching a real server, and where that says so from its published source; the stand-in `fake` (a feature, for
//! tests) behaves as that server did, quirks included.
//!
//! Invariants:
//! - The token is sent to the configured origin alone, and is in no error, log or note.
//! - What is sent is bounded; what is left out or cut is said where people read it: in the run's metadata or in the file itself.
//! - Before anything is sent again that may have arrived, the server is asked whether it did.

mod answers;
mod archive;
mod client;
mod credential;
mod deliver;
mod error;
#[cfg(feature = "fake")]
pub mod fake;
mod ids;
mod progress;
mod settings;
mod told;
mod upload;
mod way;
mod wire;

pub use archive::archive;
pub use client::{Health, Ibutsu};
pub use credential::Token;
pub use deliver::{Clock, Delivery, SINK, UploadSource, Uploader, uploaded};
pub use error::{IbutsuError, IbutsuErrorKind};
pub use ids::run_uuid;
pub use progress::{Import, Journal, Progress, Uploaded};
pub use settings::{Address, AddressError, IbutsuSettings, Limits, Mode};
pub use told::{NamedFile, Told, ToldResult, Totals};
pub use upload::{Metadata, PullRequest, Upload};
