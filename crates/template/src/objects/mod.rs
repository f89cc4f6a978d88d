//! Questions about rendered objects. Pure functions over what [`crate::process()`] gave.

mod check;
mod fingerprint;
mod identity;
mod images;

pub use check::{ObjectProblem, check};
pub use fingerprint::{canonical_json, fingerprint};
pub use identity::{duplicates, flatten, group, is_managed, kind, name, only_jobs, title};
pub use images::{ImageUse, image_allowed, images, images_elsewhere, rename_images};
