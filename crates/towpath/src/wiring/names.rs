//! How messages call things: by the catalog's titles.

use std::sync::Arc;

use towpath_catalog::Target;
use towpath_engine::Subject;
use towpath_notify::Names;
use towpath_runs::World;

/// The names of the catalog that counts now.
pub struct CatalogNames(pub Arc<World>);

impl CatalogNames {
    fn target(&self, subject: &Subject) -> Option<Arc<Target>> {
        let Subject::Target(id) = subject else { return None };
        self.0.current().catalog.targets.get(id).cloned()
    }
}

impl Names for CatalogNames {
    fn title(&self, subject: &Subject) -> Option<String> {
        match subject {
            Subject::Source(name) => Some(name.to_string()),
            Subject::Change(id) => Some(id.to_string()),
            Subject::Target(_) => self.target(subject).map(|target| target.title()),
        }
    }

    fn environment(&self, subject: &Subject) -> Option<String> {
        self.target(subject).map(|target| target.environment.to_string())
    }
}
