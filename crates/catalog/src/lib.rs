//! The config repository at one commit: parsed, cross-referenced, validated.
//!
//! Files come in as bytes ([`InputFile`], from Git or from [`folder::read`]); [`load()`] makes a [`Catalog`] and tells every
//! fault with its place and its mend ([`Diagnostic`], shown by [`render`]). A [`Loader`] loads again and again, and reads
//! only what changed.
//!
//! ```
//! use towpath_catalog::{InputFile, load, render};
//!
//! let file = InputFile::new("data/apps/web.yml", b"$schema: /app-sre/app-1.yml\nnam: web\n".as_slice());
//! let loaded = load(vec![file]);
//! let told = render::lines(&loaded.diagnostics);
//! assert_eq!(told, "data/apps/web.yml:1:1: error[missing-field]: `name` is missing; Add `name:`.\n");
//! ```
//!
//! What is broken stays out of the catalog, or stays in and is held ([`Target::unsupported`] says by what); what depends
//! on something broken is held as well, since nobody can tell what it would say:
//!
//! - a channel that a lost target may publish to holds its subscribers;
//! - a broken source holds the targets of its repository;
//! - a broken policy freezes what it selects, or everything where that cannot be read.
//!
//! Two modules write: [`mod@edit`] changes single scalars in a file, [`mod@write`] makes the small files that commands add.

mod access;
mod canon;
pub mod diagnostic;
pub mod edit;
pub mod folder;
#[cfg(any(test, feature = "generator"))]
pub mod generate;
mod hash;
mod input;
mod jinja;
mod load;
pub mod model;
mod quarantine;
mod read;
pub mod render;
mod resources;
pub mod schema;
mod signature;
mod suggest;
pub mod write;
mod yaml;

pub use access::{Access, Account, Approvals, Approves, ForgeKind, Permission, Person, Role};
pub use diagnostic::{Diagnostic, Place, Severity};
pub use input::InputFile;
pub use load::{Loaded, Loader, load};
pub use model::*;
pub use quarantine::{Quarantine, TestPolicy, quarantines_due};
pub use resources::{DeployResources, Quantity, QuantityError, Resources};
pub use signature::{SignatureRequirement, Signer};
