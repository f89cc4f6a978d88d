//! One saas file with everything that it refers to.

use std::sync::Arc;

use towpath_domain::AppName;

use super::findings::Findings;
use super::index::Index;
use super::linked::Inventory;
use super::target::{self, Context};
use crate::hash::{self, ConfigParts};
use crate::model::{Notices, SaasFile, Target};
use crate::read::{Content, Parsed, RawApp, RawSaas, RawTarget, RawTargetEntry, RawTemplate, Ref, schema};

/// A saas file, linked.
#[derive(Debug, Clone)]
pub(super) struct LinkedFile {
    pub targets: Vec<LinkedTarget>,
    pub findings: Findings,
    /// The first error that cost a target.
    pub broken: Option<String>,
    /// Channels that targets lost while linking publish to.
    pub lost: Vec<Box<str>>,
}

/// One of its targets, and where to find it in what was read.
#[derive(Debug, Clone)]
pub(super) struct LinkedTarget {
    pub template: usize,
    pub entry: usize,
    pub target: Arc<Target>,
    /// How many of `target.unsupported` come from the file itself; the rest from the whole catalog.
    pub own_holds: usize,
}

/// The files that linking `file` looks at, in a fixed order: as long as all are the same, so is the outcome.
pub(super) fn dependencies<'a>(raw: &RawSaas, index: &Index<'a>) -> Vec<Option<&'a Arc<Parsed>>> {
    let mut all = Vec::new();
    let mut see = |to: &Ref| -> Option<&'a Parsed> {
        let file = index.get(to);
        all.push(file);
        file.map(|file| &**file)
    };
    if let Some(Content::App(app)) = see(&raw.app).map(|file| &file.content) {
        app.parent.as_ref().and_then(&mut see);
    }
    raw.slack.as_ref().and_then(|slack| see(&slack.workspace));
    for entry in raw.templates.iter().flat_map(|template| &template.targets) {
        let namespace = match entry {
            RawTargetEntry::Inline(target) => &target.namespace,
            RawTargetEntry::File(file) => match see(file).map(|file| &file.content) {
                Some(Content::Target(target)) => &target.namespace,
                _ => continue,
            },
        };
        if let Some(Content::Namespace(namespace)) = see(namespace).map(|file| &file.content) {
            for to in [&namespace.cluster, &namespace.environment, &namespace.app] {
                see(to);
            }
        }
    }
    all
}

/// The target of an entry, and the file that it is written in.
pub(super) fn entry<'a>(
    entry: &'a RawTargetEntry,
    file: &'a Arc<str>,
    index: &Index<'a>,
    findings: &mut Findings,
) -> Option<(&'a RawTarget, &'a Arc<str>)> {
    match entry {
        RawTargetEntry::Inline(target) => Some((target, file)),
        RawTargetEntry::File(to) => {
            let (at, target) = index.find::<RawTarget>(file, to, findings)?;
            Some((target, &index.files.get(at)?.path))
        }
    }
}

/// Links one saas file.
pub(super) fn link(file: &Arc<str>, raw: &RawSaas, index: &Index<'_>, inventory: &Inventory<'_>) -> LinkedFile {
    let mut findings = Findings::default();
    let mut linked = LinkedFile { targets: Vec::new(), findings: Findings::default(), broken: raw.partly_broken.clone(), lost: Vec::new() };
    let app = index.find::<RawApp>(file, &raw.app, &mut findings);
    let Some((app_at, app)) = app else {
        linked.broken = linked.broken.or_else(|| findings.first_error().map(str::to_owned));
        linked.lost =
            raw.templates.iter().flat_map(|template| &template.targets).flat_map(|target| published(target, file, index)).collect();
        linked.findings = findings;
        return linked;
    };
    let notices = notices(file, raw, index, &mut findings);
    let saas_file = Arc::new(saas_file(file, raw, &app.name.value, notices));
    let saas_parameters = hash::parameters_text(raw.parameters.as_deref());
    for (template_at, template) in raw.templates.iter().enumerate() {
        let parts = ConfigParts {
            saas_parameters: saas_parameters.clone(),
            template_parameters: hash::parameters_text(template.parameters.as_deref()),
        };
        let context =
            Context { index, inventory, file, raw, template, saas_file: &saas_file, parent: inventory.parents.get(&app_at), parts: &parts };
        for (entry_at, item) in template.targets.iter().enumerate() {
            let before = findings.errors();
            let target = entry(item, file, index, &mut findings)
                .and_then(|(target, target_file)| target::link(&context, target, target_file, &mut findings));
            match target {
                Some(target) => {
                    let own_holds = target.unsupported.len();
                    linked.targets.push(LinkedTarget { template: template_at, entry: entry_at, target: Arc::new(target), own_holds });
                }
                None => {
                    linked.lost.extend(published(item, file, index));
                    linked.broken = linked.broken.or_else(|| findings.error_after(before).map(str::to_owned));
                }
            }
        }
    }
    linked.findings = findings;
    linked
}

fn published(item: &RawTargetEntry, file: &Arc<str>, index: &Index<'_>) -> Vec<Box<str>> {
    let Some((target, _)) = entry(item, file, index, &mut Findings::default()) else {
        // Of a target's file that is broken, the file itself tells.
        return Vec::new();
    };
    let channels = target.promotion.iter().flat_map(|promotion| promotion.publish.iter().flatten());
    channels.map(|channel| channel.value.as_str().into()).collect()
}

/// Where the file wants its deploys told. A workspace that is not there is told, and holds nothing.
fn notices(file: &Arc<str>, raw: &RawSaas, index: &Index<'_>, findings: &mut Findings) -> Option<Notices> {
    let slack = raw.slack.as_ref()?;
    let workspace = index.get(&slack.workspace).filter(|found| found.schema.as_deref() == Some(schema::SLACK_WORKSPACE));
    let Some(workspace) = workspace.and_then(|found| found.broken_name.as_deref()) else {
        let message = format!("`data{}` is no Slack workspace with a name: nobody is told there of this saas file", slack.workspace.path);
        let mend = format!("Refer to a file with `$schema: {}`.", schema::SLACK_WORKSPACE);
        findings.warn("no-notices", slack.workspace.spot.place(file), message, mend);
        return None;
    };
    let (workspace, channel) = (workspace.to_owned(), slack.channel.clone());
    Some(Notices { workspace, channel, start: slack.start, successes: !raw.skip_successes, each: slack.each })
}

fn saas_file(file: &Arc<str>, raw: &RawSaas, app: &AppName, notices: Option<Notices>) -> SaasFile {
    SaasFile {
        name: raw.name.value.clone(),
        app: app.clone(),
        labels: raw.labels.clone(),
        managed_resource_types: raw.managed_types.clone(),
        managed_resource_names: hash::by_kind(&raw.managed_names),
        image_patterns: raw.image_patterns.clone(),
        timeout: raw.timeout,
        publish_job_logs: raw.publish_job_logs,
        use_channel_in_image_tag: raw.use_channel_in_image_tag,
        takeover: raw.takeover,
        deploy_resources: raw.deploy_resources.clone(),
        notices,
        place: raw.name.spot.place(file),
    }
}

/// A linked target with all that was read of it.
pub(super) struct Whole<'a> {
    pub target: Arc<Target>,
    pub own_holds: usize,
    /// What the whole catalog holds it by.
    pub holds: Vec<String>,
    pub raw: &'a RawTarget,
    /// The file that the target is written in: the saas file, or one of its own.
    pub raw_file: &'a Arc<str>,
    pub template: &'a RawTemplate,
    /// The saas file's path.
    pub file: &'a Arc<str>,
}
