//! Reports that tests leave elsewhere than in their logs: in a bucket, or in a volume. Fetched as soon as the tests have ended, good or bad,
//! and judged as those from the log are.

use serde_json::Value;
use towpath_artifacts::Fetched;
use towpath_catalog::Target;
use towpath_cluster::ObjectKey;
use towpath_cluster::artifacts::{Asked, Claim, PodUser, REPORTS, REPORTS_VOLUME};
use towpath_domain::FailureClass;
use towpath_junit::{Document, Limits};
use towpath_template::objects;

use super::listen::Listener;
use crate::journal::{Journal, Stop};
use crate::tested::keep::FoundReport;
use crate::world::{TestArtifacts, World};

/// The most places that are named in the log.
const TOLD: usize = 10;

/// What the tests of a run say, and the installation of them.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    /// Some report must be there.
    pub(super) required: bool,
    /// The run is of tests, and nothing but tests.
    only_tests: bool,
    /// `Job`s and `ClowdJobInvocation`s.
    pub(super) tests: Vec<ObjectKey>,
    volumes: Vec<InVolume>,
}

/// A test whose reports are in a volume.
#[derive(Debug, Clone)]
struct InVolume {
    test: ObjectKey,
    claim: Claim,
    user: PodUser,
}

/// What was found beside the log. Reports in volumes come by the log, too.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Reports.
    pub(super) reports: Vec<FoundReport>,
    /// Why not everything could be looked at that may hold a report.
    pub(super) trouble: Vec<String>,
    /// Where was looked, for people.
    pub(super) looked: Vec<String>,
}

impl Expected {
    /// What several say that are waited for together.
    pub(crate) fn together<'a>(all: impl Iterator<Item = &'a Self>) -> Self {
        let mut together = Self { only_tests: true, ..Self::default() };
        for one in all {
            together.required |= one.required;
            together.only_tests &= one.only_tests;
            together.tests.extend(one.tests.iter().cloned());
            together.volumes.extend(one.volumes.iter().cloned());
        }
        together
    }
}

/// What is to be expected of these objects. Asked before anything is touched: a test whose reports nobody could read is not started.
///
/// `only_tests`: they are tests, and nothing but tests.
pub(crate) fn expected(world: &World, target: &Target, only_tests: bool, rendered: &[Value]) -> Result<Expected, Stop> {
    let settings = world.artifacts.of(&target.cluster);
    let mut expected = Expected { only_tests, ..Expected::default() };
    expected.required = only_tests && settings.is_some_and(|settings| settings.required);
    for object in rendered.iter().filter(|object| is_test(object)) {
        let annotation = |name: &str| object.pointer("/metadata/annotations").and_then(|all| all.get(name)).and_then(Value::as_str);
        let test = crate::work::keys::key(object)?;
        let of = |what: &str| format!("{}: metadata.annotations.{what}", test.title());
        match annotation(REPORTS) {
            None => {}
            Some("required") => expected.required = true,
            Some(other) => return Err(Stop::own(format!("{}: {other:?} is not known; write `required`, or leave it out", of(REPORTS)))),
        }
        if let Some(text) = annotation(REPORTS_VOLUME) {
            let claim: Claim = text.parse().map_err(|error| Stop::own(format!("{}: {error}", of(REPORTS_VOLUME))))?;
            if settings.is_none_or(|settings| settings.volumes.is_none()) {
                return Err(Stop::failed(
                    FailureClass::Unknown,
                    format!(
                        "{}: reports in volumes cannot be read on cluster {}: towpath.toml has no [clusters.{}.artifacts.volumes]; add it, or \
                         take the annotation away",
                        of(REPORTS_VOLUME),
                        target.cluster,
                        target.cluster
                    ),
                ));
            }
            expected.volumes.push(InVolume { test: test.clone(), claim, user: PodUser::of(object) });
        }
        expected.tests.push(test);
    }
    Ok(expected)
}

/// Whether it runs to its end: a `Job`, or Clowder's.
fn is_test(object: &Value) -> bool {
    matches!((objects::group(object), objects::kind(object)), ("batch", "Job") | ("cloud.redhat.com", "ClowdJobInvocation"))
}

/// Fetches what the tests left. `listener` has heard which pods there were, and hears what is in volumes.
pub(super) async fn collect(world: &World, journal: &Journal, target: &Target, expected: &Expected, listener: &Listener) -> Found {
    let mut found = Found::default();
    let pods = listener.pods();
    let Some(settings) = world.artifacts.of(&target.cluster).filter(|_| !pods.is_empty()) else { return found };
    if expected.only_tests {
        from_bucket(settings, journal, target, expected, &pods, &mut found).await;
    }
    from_volumes(settings, journal, target, expected, listener, &mut found).await;
    found
}

async fn from_bucket(
    settings: &TestArtifacts,
    journal: &Journal,
    target: &Target,
    expected: &Expected,
    pods: &[String],
    found: &mut Found,
) {
    let Some(bucket) = &settings.bucket else { return };
    let jobs: Vec<String> = expected.tests.iter().map(|test| test.name.clone()).collect();
    let places = bucket.places(target.namespace.as_str(), journal.run().as_str(), &jobs, pods);
    let Fetched { files, missing, trouble } = bucket.fetch(&places).await;
    for place in places.iter().take(TOLD) {
        let count = files.iter().filter(|(of, _)| of == place).count();
        match missing.contains(place) {
            true => journal.note(format!("{place}: there is no such bucket")),
            false => journal.note(format!("{place}: {count} reports")),
        }
        found.looked.push(place.to_string());
    }
    found.trouble.extend(trouble.iter().map(ToString::to_string));
    let mut read = Vec::new();
    for (place, file) in files {
        match file.content {
            Ok(content) => read.push((place.to_string(), file.name, content)),
            Err(error) => found.trouble.push(error.to_string()),
        }
    }
    // Megabytes of XML keep a thread busy that others wait for.
    let parsed = tokio::task::spawn_blocking(move || {
        let limits = Limits::default();
        let found = |(from, name, content)| FoundReport { from, document: Document::read(name, content, &limits) };
        read.into_iter().map(found).collect::<Vec<_>>()
    });
    match parsed.await {
        Ok(reports) => found.reports.extend(reports),
        Err(error) => found.trouble.push(format!("reports could not be read: {error}")),
    }
}

async fn from_volumes(
    settings: &TestArtifacts,
    journal: &Journal,
    target: &Target,
    expected: &Expected,
    listener: &Listener,
    found: &mut Found,
) {
    let Some(reader) = &settings.volumes else { return };
    let files: Vec<String> = settings.files.iter().map(str::to_owned).collect();
    for InVolume { test, claim, user } in &expected.volumes {
        journal.note(format!("{}: looking for reports in the volume {claim}", test.title()));
        found.looked.push(format!("volume {claim}"));
        let asked = Asked { namespace: &target.namespace, run: journal.run(), test, claim, files: &files, user };
        if let Err(error) = reader.read(&asked, listener).await {
            found.trouble.push(error.to_string());
        }
    }
}
