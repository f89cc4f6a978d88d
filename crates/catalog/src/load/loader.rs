//! Loading, from scratch and again.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::access;
use super::channels;
use super::findings::Findings;
use super::identity;
use super::index::Index;
use super::linked::{self, Inventory};
use super::saas::{self, LinkedFile, LinkedTarget, Whole};
use super::sources::Sources;
use super::{parallel, policies, pools};
use crate::diagnostic::{Diagnostic, Severity};
use crate::input::InputFile;
use crate::model::{BrokenFile, Catalog, Target};
use crate::read::{Content, Parsed, RawSaas, RawTargetEntry, read_file, schema};

/// What became of the files.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What they say.
    pub catalog: Catalog,
    /// What is wrong, sorted by file, line, column and rule.
    pub diagnostics: Vec<Diagnostic>,
    /// The files that were read, sorted by path, each path once.
    pub files: Arc<[InputFile]>,
}

impl Loaded {
    /// The bytes of a file.
    #[must_use]
    pub fn bytes(&self, path: &str) -> Option<&[u8]> {
        let at = self.files.binary_search_by(|file| (*file.path).cmp(path)).ok()?;
        self.files.get(at).map(|file| &*file.bytes)
    }

    /// Whether there is no error; warnings hold nothing.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.diagnostics.iter().all(|found| found.severity != Severity::Error)
    }
}

/// Loads a catalog from files. Whatever is not YAML below `data/` is left aside.
#[must_use]
pub fn load(files: Vec<InputFile>) -> Loaded {
    let files = in_order(files);
    let parsed = parallel::map(&files, |file| Arc::new(read_file(&file.path, &file.bytes)));
    let (catalog, diagnostics, _) = link(&parsed, &HashMap::new(), false);
    Loaded { catalog, diagnostics, files: files.into() }
}

/// The data among `files`, sorted by path, each path once.
fn in_order(mut files: Vec<InputFile>) -> Vec<InputFile> {
    files.retain(InputFile::is_data);
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files.dedup_by(|second, first| second.path == first.path);
    files
}

/// Loads catalogs one after the other, and reads again only files that changed. The outcome is always that of [`load`].
#[derive(Debug, Default)]
pub struct Loader {
    files: Vec<(InputFile, Arc<Parsed>)>,
    linked: HashMap<Arc<str>, Kept>,
}

/// A linked saas file, with what it was linked from.
#[derive(Debug)]
struct Kept {
    parsed: Arc<Parsed>,
    dependencies: Vec<Option<Arc<Parsed>>>,
    linked: LinkedFile,
}

impl Kept {
    fn is_current(&self, parsed: &Arc<Parsed>, dependencies: &[Option<&Arc<Parsed>>]) -> bool {
        let same = |(kept, now): (&Option<Arc<Parsed>>, &Option<&Arc<Parsed>>)| match (kept, now) {
            (None, None) => true,
            (Some(kept), Some(now)) => Arc::ptr_eq(kept, now),
            _ => false,
        };
        Arc::ptr_eq(&self.parsed, parsed)
            && self.dependencies.len() == dependencies.len()
            && self.dependencies.iter().zip(dependencies).all(same)
    }
}

impl Loader {
    /// Loads a catalog from files.
    #[must_use]
    pub fn load(&mut self, files: Vec<InputFile>) -> Loaded {
        let files = in_order(files);
        let parsed = self.parse(&files);
        let kept: HashMap<&str, &Kept> = self.linked.iter().map(|(path, kept)| (&**path, kept)).collect();
        let (catalog, diagnostics, linked) = link(&parsed, &kept, true);
        self.linked = linked;
        self.files = files.iter().cloned().zip(parsed).collect();
        Loaded { catalog, diagnostics, files: files.into() }
    }

    /// Reads all files, those as before excepted.
    fn parse(&self, files: &[InputFile]) -> Vec<Arc<Parsed>> {
        let before = |file: &InputFile| {
            let at = self.files.binary_search_by(|(known, _)| known.path.cmp(&file.path)).ok()?;
            self.files.get(at).filter(|(known, _)| known.same(file)).map(|(_, parsed)| Arc::clone(parsed))
        };
        parallel::map(files, |file| before(file).unwrap_or_else(|| Arc::new(read_file(&file.path, &file.bytes))))
    }
}

type Linked = (Catalog, Vec<Diagnostic>, HashMap<Arc<str>, Kept>);

/// Links all files; what is not to be kept for another time is not prepared for it.
fn link(files: &[Arc<Parsed>], kept: &HashMap<&str, &Kept>, keeps: bool) -> Linked {
    let index = Index::new(files);
    let mut findings = Findings::default();
    findings.extend(files.iter().flat_map(|file| &file.diagnostics).cloned());
    let inventory = linked::link(&index, &mut findings);
    let sources = Sources::link(&index, &mut findings);
    let unusable = identity::check_names(files, &mut findings);

    let saas_files: Vec<(&Arc<Parsed>, &RawSaas)> = files
        .iter()
        .filter_map(|file| if let Content::Saas(raw) = &file.content { Some((file, &**raw)) } else { None })
        .filter(|(file, _)| !unusable.contains(&file.path))
        .collect();
    let mut linked = parallel::map(&saas_files, |(file, raw)| {
        let dependencies = if keeps { saas::dependencies(raw, &index) } else { Vec::new() };
        let linked = match kept.get(&*file.path).filter(|kept| kept.is_current(file, &dependencies)) {
            Some(kept) => kept.linked.clone(),
            None => saas::link(&file.path, raw, &index, &inventory),
        };
        let dependencies = dependencies.into_iter().map(|file| file.cloned()).collect();
        Kept { parsed: Arc::clone(file), dependencies, linked }
    });

    let mut targets = wholes(&saas_files, &mut linked, &index, keeps);
    for kept in &linked {
        findings.append(kept.linked.findings.clone());
    }
    let twins = identity::check_targets(&mut targets, &mut findings);
    let broken = broken_files(files, &unusable, &linked, twins);
    let lost = lost_channels(files, &unusable, &linked);
    let channels = channels::collect(&targets);
    channels::check(&channels, &lost, &mut targets, &mut findings);
    identity::check_pipeline_names(&mut targets, &mut findings);
    check_repositories(&targets, &inventory, &sources, &mut findings);
    let learned = identity::learn(&targets, &channels, &sources);
    let policies = policies::link(&index, &inventory, &targets, &mut findings);
    let access = access::link(&index, &mut findings);
    let (pools, broken_pools) = pools::link(&index, &mut findings);
    let uses = channels::uses(&channels, &targets);

    let finals: Vec<(Arc<str>, Arc<Target>)> = targets
        .into_iter()
        .zip(learned)
        .map(|(mut whole, (branch, source))| {
            if let Some(file) = sources.broken_of(&whole.target.url) {
                whole.holds.push(format!("broken-source: `{file}` is broken and may be the source of this repository"));
            }
            let file = Arc::clone(whole.file);
            (file, finish(whole.target, whole.own_holds, whole.holds, branch, source))
        })
        .collect();
    if keeps {
        keep(&mut linked, &finals);
    } else {
        linked.clear();
    }
    let catalog = Catalog {
        sources: sources.by_name,
        apps: inventory.apps,
        environments: inventory.environments,
        targets: finals.into_iter().map(|(_, target)| (target.id.clone(), target)).collect(),
        channels: uses,
        policies,
        access,
        pools,
        broken_pools,
        broken_saas_files: broken,
    };
    let linked = linked.into_iter().map(|kept| (Arc::clone(&kept.parsed.path), kept)).collect();
    (catalog, findings.finish(files), linked)
}

/// All linked targets beside what was read of them, in the order of files.
fn wholes<'a>(saas_files: &[(&'a Arc<Parsed>, &'a RawSaas)], linked: &mut [Kept], index: &Index<'a>, keeps: bool) -> Vec<Whole<'a>> {
    let mut all = Vec::new();
    for ((file, raw), kept) in saas_files.iter().zip(linked) {
        // A target that is held here alone is finished in place; one that is kept, too, is copied when it changes.
        let targets = if keeps { kept.linked.targets.clone() } else { std::mem::take(&mut kept.linked.targets) };
        for LinkedTarget { template, entry, target, own_holds } in targets {
            let Some(template) = raw.templates.get(template) else { continue };
            let entry: Option<&RawTargetEntry> = template.targets.get(entry);
            let Some((raw, raw_file)) = entry.and_then(|entry| saas::entry(entry, &file.path, index, &mut Findings::default())) else {
                continue;
            };
            all.push(Whole { target, own_holds, holds: Vec::new(), raw, raw_file, template, file: &file.path });
        }
    }
    all
}

/// A target with what the whole catalog says of it. Left as it is if that is what it has.
fn finish(
    mut target: Arc<Target>,
    own_holds: usize,
    holds: Vec<String>,
    branch: Option<towpath_domain::BranchName>,
    source: Option<towpath_domain::SourceName>,
) -> Arc<Target> {
    let same_holds = target.unsupported.get(own_holds..).is_some_and(|before| before == holds.as_slice());
    if target.branch != branch || target.source != source || !same_holds {
        let target = Arc::make_mut(&mut target);
        target.branch = branch;
        target.source = source;
        target.unsupported.truncate(own_holds);
        target.unsupported.extend(holds);
    }
    target
}

/// Puts the finished targets back to what is kept, so that an unchanged target is the same object after a reload.
fn keep(linked: &mut [Kept], finals: &[(Arc<str>, Arc<Target>)]) {
    let by_id: HashMap<_, _> = finals.iter().map(|(file, target)| ((file, &target.id), target)).collect();
    for kept in linked {
        let path = Arc::clone(&kept.parsed.path);
        for target in &mut kept.linked.targets {
            if let Some(finished) = by_id.get(&(&path, &target.target.id)) {
                target.target = Arc::clone(finished);
            }
        }
    }
}

/// Whether a broken file may hold targets: it says so, or it does not say what it is.
fn may_hold_targets(file: &Parsed) -> bool {
    matches!(file.content, Content::Broken) && file.schema.as_deref().is_none_or(|schema| schema == schema::SAAS)
}

fn broken_files(
    files: &[Arc<Parsed>],
    unusable: &std::collections::HashSet<&Arc<str>>,
    linked: &[Kept],
    twins: Vec<(Arc<str>, String)>,
) -> Vec<BrokenFile> {
    let name = |text: &str| towpath_domain::SaasFileName::new(text).ok();
    let mut all: Vec<BrokenFile> = Vec::new();
    for file in files {
        if may_hold_targets(file) {
            let error = file.diagnostics.iter().find(|found| found.severity == Severity::Error);
            let error = error.map_or_else(|| "it cannot be read".to_owned(), |found| found.message.clone());
            all.push(BrokenFile { path: Arc::clone(&file.path), name: file.broken_name.as_deref().and_then(name), error });
        } else if let (Content::Saas(raw), true) = (&file.content, unusable.contains(&file.path)) {
            let error = format!("another saas file is named `{}`, too", raw.name.value);
            all.push(BrokenFile { path: Arc::clone(&file.path), name: Some(raw.name.value.clone()), error });
        }
    }
    let partly = linked.iter().filter_map(|kept| Some((Arc::clone(&kept.parsed.path), kept.linked.broken.clone()?)));
    let seen: BTreeSet<Arc<str>> = all.iter().map(|broken| Arc::clone(&broken.path)).collect();
    let names: HashMap<&str, &RawSaas> =
        files.iter().filter_map(|file| if let Content::Saas(raw) = &file.content { Some((&*file.path, &**raw)) } else { None }).collect();
    for (path, error) in partly.chain(twins) {
        if !seen.contains(&path) && all.iter().all(|broken| broken.path != path) {
            let name = names.get(&*path).map(|raw| raw.name.value.clone());
            all.push(BrokenFile { path, name, error });
        }
    }
    all.sort_by(|a, b| a.path.cmp(&b.path));
    all
}

/// Channels that lost targets may publish to, each with one file it was lost in.
fn lost_channels<'a>(
    files: &'a [Arc<Parsed>],
    unusable: &std::collections::HashSet<&Arc<str>>,
    linked: &'a [Kept],
) -> HashMap<&'a str, &'a Arc<str>> {
    let mut lost: HashMap<&str, &Arc<str>> = HashMap::new();
    for file in files.iter().filter(|file| file.schema.as_deref() != Some(schema::SOURCE)) {
        for text in &file.lost {
            lost.entry(text).or_insert(&file.path);
        }
        if let (Content::Saas(raw), true) = (&file.content, unusable.contains(&file.path)) {
            for target in raw.templates.iter().flat_map(|template| &template.targets) {
                let RawTargetEntry::Inline(target) = target else { continue };
                for channel in target.promotion.iter().flat_map(|promotion| promotion.publish.iter().flatten()) {
                    lost.entry(channel.value.as_str()).or_insert(&file.path);
                }
            }
        }
    }
    for kept in linked {
        for text in &kept.linked.lost {
            lost.entry(text).or_insert(&kept.parsed.path);
        }
    }
    lost
}

/// B18, as advice: only where apps list their repositories at all.
fn check_repositories(targets: &[Whole<'_>], inventory: &Inventory<'_>, sources: &Sources<'_>, findings: &mut Findings) {
    let components = || inventory.apps.values().flat_map(|app| &app.code_components);
    let known: std::collections::HashSet<_> = components().map(|component| &component.url).collect();
    if known.is_empty() {
        return;
    }
    for whole in targets.iter().filter(|whole| !known.contains(&whole.target.url) && !sources.has(&whole.target.url)) {
        let message = format!("no app lists the repository {} among its `codeComponents`", whole.target.url);
        findings.warn(
            "unknown-repository",
            whole.template.url.spot.place(whole.file),
            message,
            "Add it to the app's file, where blocked versions are looked up.",
        );
    }
}
