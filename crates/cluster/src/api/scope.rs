//! What a saas file allows to be touched.

use std::collections::BTreeMap;

/// What a saas file allows to be touched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// `managedResourceTypes`: `Kind` or `Kind.group`.
    pub types: Vec<String>,
    /// `managedResourceNames`: the names that a kind is restricted to.
    pub names: BTreeMap<String, Vec<String>>,
    /// `takeover`: fields and objects that others hold are taken over.
    pub takeover: bool,
}

impl Scope {
    /// Whether objects of this kind and name may be touched.
    #[must_use]
    pub fn allows(&self, object: &serde_json::Value) -> bool {
        towpath_template::objects::is_managed(object, &self.types, &self.names)
    }
}
