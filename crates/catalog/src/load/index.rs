//! Files by the path that references use.

use std::collections::HashMap;
use std::sync::Arc;

use super::findings::Findings;
use crate::read::{
    Content, Parsed, RawApp, RawChangeType, RawCluster, RawEnvironment, RawNamespace, RawPermission, RawPool, RawRole, RawSaas, RawTarget,
    Ref, schema,
};

/// All files, to be found by reference.
pub(super) struct Index<'a> {
    /// Sorted by path.
    pub files: &'a [Arc<Parsed>],
    by_path: HashMap<&'a str, usize>,
}

/// A type that references lead to.
pub(super) trait Referable {
    /// Its `$schema`.
    const SCHEMA: &'static str;
    /// Its name for people.
    const WHAT: &'static str;
    /// The content as this type.
    fn of(content: &Content) -> Option<&Self>;
}

macro_rules! referable {
    ($type:ty, $variant:ident, $schema:expr, $what:literal) => {
        impl Referable for $type {
            const SCHEMA: &'static str = $schema;
            const WHAT: &'static str = $what;
            fn of(content: &Content) -> Option<&Self> {
                if let Content::$variant(found) = content { Some(found) } else { None }
            }
        }
    };
}

referable!(RawApp, App, schema::APP, "an app");
referable!(RawCluster, Cluster, schema::CLUSTER, "a cluster");
referable!(RawEnvironment, Environment, schema::ENVIRONMENT, "an environment");
referable!(RawNamespace, Namespace, schema::NAMESPACE, "a namespace");
referable!(RawRole, Role, schema::ROLE, "a role");
referable!(RawChangeType, ChangeType, schema::CHANGE_TYPE, "a change type");
referable!(RawPermission, Permission, schema::OWN_PERMISSION, "a permission");
referable!(RawPool, Pool, schema::POOL, "a pool");
referable!(RawSaas, Saas, schema::SAAS, "a saas file");
referable!(RawTarget, Target, schema::TARGET, "a target");

impl<'a> Index<'a> {
    pub fn new(files: &'a [Arc<Parsed>]) -> Self {
        let by_path = files.iter().enumerate().filter_map(|(at, file)| Some((file.path.strip_prefix("data")?, at))).collect();
        Self { files, by_path }
    }

    /// Whether there is a file at `path`, or one below it.
    pub fn holds(&self, path: &str) -> bool {
        let first = |from: &str| self.files.get(self.files.partition_point(|file| *file.path < *from)).map(|file| &*file.path);
        let below = format!("{path}/");
        first(path) == Some(path) || first(&below).is_some_and(|file| file.starts_with(&below))
    }

    /// The file that `to` leads to, whatever it holds.
    pub fn get(&self, to: &Ref) -> Option<&'a Arc<Parsed>> {
        self.files.get(*self.by_path.get(&*to.path)?)
    }

    /// The number of the file that `to` leads to, and what it holds. A diagnostic at the reference when it leads nowhere.
    pub fn find<T: Referable>(&self, from: &Arc<str>, to: &Ref, findings: &mut Findings) -> Option<(usize, &'a T)> {
        let Some((at, file)) = self.by_path.get(&*to.path).and_then(|at| Some((*at, self.files.get(*at)?))) else {
            findings.missing(from, to, T::SCHEMA);
            return None;
        };
        if let Some(found) = T::of(&file.content) {
            return Some((at, found));
        }
        let place = to.spot.place(from);
        if matches!(file.content, Content::Broken) && file.schema.as_deref().is_none_or(|schema| schema == T::SCHEMA) {
            findings.error(
                "broken-reference",
                place,
                format!("`{}` cannot be used because of its own errors", file.path),
                "Mend that file first.",
            );
        } else {
            let message = format!("`{}` is not {}: its type is {}", file.path, T::WHAT, file.schema.as_deref().unwrap_or("unknown"));
            findings.error("wrong-reference-type", place, message, format!("Refer to a file with `$schema: {}`.", T::SCHEMA));
        }
        None
    }
}
