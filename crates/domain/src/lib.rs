//! Ids, refs, names, durations: small types that cannot hold nonsense.
//!
//! Every part of Towpath speaks in these types. They are plain data: cheap to clone, ordered, serialised as
//! the strings that people write, and refused at the door when a value is not what its type says.

mod causes;
mod digest;
mod duration;
mod failure;
mod git;
mod name;
mod pages;
mod time;
mod verb;

pub use causes::with_causes;
pub use digest::{Digest, DigestError, ImageRef, ImageRefError};
pub use duration::{Span, SpanError};
pub use failure::FailureClass;
pub use git::{CommitId, CommitIdError, GitRef, GitRefError, RepoUrl};
pub use name::{
    AppName, BranchName, ChangeId, Channel, CheckId, ClusterName, EnvironmentName, NameError, NamespaceName, PoolName, ReservationId,
    RunId, SaasFileName, SourceName, TargetId,
};
pub use pages::Pages;
pub use time::Timestamp;
pub use verb::Verb;
