//! Files that tests leave in S3-compatible buckets.
//!
//! A test whose pods upload their reports has them in a bucket whose name derives from the pod, as Clowder's IQE pods do, or below a prefix
//! that does. [`Bucket`] says where that is for one run, lists what is there, and fetches the files whose names are those of reports.
//!
//! Where the bucket is and who may read it is the installation's to say; names of pods and jobs are only put into places that the
//! installation left for them. Whatever the server answers is taken with care: listings and files are bounded ([`Limits`]), redirects are
//! not followed, keys that climb are refused, and no error shows a credential or an address that carries one.
//!
//! - [`Pattern`]: names with places for the run's own; [`FileNames`]: which files are reports.
//! - [`Bucket`]: lists and fetches.
//! - `listing`: pure: one page of a listing.

mod bucket;
mod error;
mod files;
mod keys;
mod limits;
mod listing;
mod pattern;
mod settings;
mod wire;

pub use bucket::{Bucket, Fetched, File, Place};
pub use error::{BucketError, BucketErrorKind};
pub use files::{FileNames, FileNamesError};
pub use keys::Keys;
pub use limits::Limits;
pub use pattern::{Names, Pattern, PatternError, Slot};
pub use settings::{BucketSettings, Endpoint, EndpointError};
