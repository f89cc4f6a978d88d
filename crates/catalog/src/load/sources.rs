//! Sources, and which source builds a repository's images.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use towpath_domain::{BranchName, RepoUrl, SourceName};

use super::checks;
use super::findings::Findings;
use super::index::Index;
use crate::model::Source;
use crate::read::{Content, Parsed, RawApp, schema};

/// All sources, by name and by repository.
#[derive(Default)]
pub(super) struct Sources<'a> {
    pub by_name: BTreeMap<SourceName, Arc<Source>>,
    by_url: HashMap<Box<str>, Vec<Arc<Source>>>,
    /// Broken files, each with what its URL may be.
    broken: Vec<(&'a Arc<str>, Vec<Box<str>>)>,
}

/// URLs that Git takes for the same, as far as can be told without asking it.
fn normal(url: &str) -> &str {
    let url = url.trim_end_matches('/');
    url.strip_suffix(".git").unwrap_or(url)
}

impl<'a> Sources<'a> {
    pub fn link(index: &Index<'a>, findings: &mut Findings) -> Self {
        let mut sources = Self::default();
        for file in index.files {
            match &file.content {
                Content::Source(raw) => {
                    let Some((_, app)) = index.find::<RawApp>(&file.path, &raw.app, findings) else {
                        sources.broken.push((&file.path, vec![normal(raw.url.value.expose()).into()]));
                        continue;
                    };
                    let source = Arc::new(Source {
                        name: raw.name.value.clone(),
                        app: app.name.value.clone(),
                        url: raw.url.value.clone(),
                        branch: raw.branch.clone(),
                        image: raw.image.clone(),
                        hash_length: raw.hash_length,
                        build: raw.build.clone(),
                        check: raw.check.as_ref().and_then(|check| checks::link(&file.path, check, index, findings)),
                        place: raw.name.spot.place(&file.path),
                    });
                    if !sources.by_name.contains_key(&source.name) {
                        sources.by_name.insert(source.name.clone(), Arc::clone(&source));
                        sources.by_url.entry(normal(source.url.expose()).into()).or_default().push(source);
                    }
                }
                Content::Broken if is_source(file) => {
                    sources.broken.push((&file.path, file.lost.iter().map(|text| normal(text).into()).collect()))
                }
                _ => {}
            }
        }
        sources
    }

    /// The source that builds what is at `url` and, where there are several, on `branch`.
    pub fn of(&self, url: &RepoUrl, branch: Option<&BranchName>) -> Option<&Source> {
        match self.by_url.get(normal(url.expose()))?.as_slice() {
            [only] => Some(only),
            several => several.iter().find(|source| Some(&source.branch) == branch).map(|source| &**source),
        }
    }

    /// A broken source that may be the one of `url`: whether an image is to be waited for is then unknown.
    pub fn broken_of(&self, url: &RepoUrl) -> Option<&'a Arc<str>> {
        let url = normal(url.expose());
        self.broken.iter().find(|(_, urls)| urls.iter().any(|lost| **lost == *url)).map(|(file, _)| *file)
    }

    /// Whether some source has this URL.
    pub fn has(&self, url: &RepoUrl) -> bool {
        self.by_url.contains_key(normal(url.expose()))
    }
}

fn is_source(file: &Parsed) -> bool {
    file.schema.as_deref().is_none_or(|schema| schema == schema::SOURCE)
}
