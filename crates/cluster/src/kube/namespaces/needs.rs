//! Which permissions ephemeral namespaces take, and which of them are missing.

use futures_util::stream::{self, StreamExt as _};
use serde_json::{Value, json};

use super::{judge, make};
use crate::api::{BoxFuture, ClusterError, Examination, MissingPermission, NamespaceWanted};
use crate::kube::{Core, examine};

/// How many questions are asked at the same time.
const AT_ONCE: usize = 8;

const RBAC: &str = "rbac.authorization.k8s.io";

/// A permission that is needed on the whole cluster, since nobody knows the namespaces beforehand; on all objects, unless one is named.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Need {
    group: String,
    resource: String,
    name: Option<String>,
    verb: &'static str,
}

impl Need {
    fn new(group: &str, resource: &str, verb: &'static str) -> Self {
        Self { group: group.to_owned(), resource: resource.to_owned(), name: None, verb }
    }

    /// The resource as people are told.
    fn title(&self) -> String {
        let resource = if self.group.is_empty() { self.resource.clone() } else { format!("{}.{}", self.resource, self.group) };
        self.name.as_ref().map_or_else(|| resource.clone(), |name| format!("{resource}/{name}"))
    }
}

/// What is needed. Kinds of manifests are named by group, plural, and whether they are in namespaces.
fn needs(wanted: &NamespaceWanted, role: &str, kinds: &[(String, String, bool)]) -> Vec<Need> {
    let mut needs = Vec::new();
    let mut all = |group: &str, resource: &str, verbs: &[&'static str]| {
        for verb in verbs {
            let need = Need::new(group, resource, verb);
            if !needs.contains(&need) {
                needs.push(need);
            }
        }
    };
    all("", "namespaces", &["get", "list", "create", "patch", "delete"]);
    for (resource, specs) in [("resourcequotas", &wanted.quotas), ("limitranges", &wanted.limit_ranges)] {
        if !specs.is_empty() {
            all("", resource, &["get", "create", "patch"]);
        }
    }
    if wanted.secrets.is_some() {
        all("", "secrets", &["get", "create", "patch"]);
    }
    all(RBAC, "rolebindings", &["get", "create", "patch", "delete"]);
    all("", "serviceaccounts", &["get"]);
    for (group, plural, namespaced) in kinds {
        let verbs: &[&str] = if *namespaced { &["get", "create", "patch"] } else { &["get", "list", "create", "patch", "delete"] };
        all(group, plural, verbs);
    }
    needs.push(Need { name: Some(role.to_owned()), ..Need::new(RBAC, "clusterroles", "bind") });
    needs
}

/// Asks for each.
pub(super) async fn examine(core: &Core, wanted: &NamespaceWanted, role: &str) -> Result<Examination, ClusterError> {
    let mut examination = Examination { version: examine::version(core).await?, ..Examination::default() };
    let bounds = wanted.quotas.len() + wanted.limit_ranges.len();
    let manifests = make::all(core, wanted).await?.into_iter().skip(bounds);
    let kinds: Vec<(String, String, bool)> = manifests.map(|(kind, _)| (kind.group, kind.plural, kind.namespaced)).collect();
    let mut asked = needs(wanted, role, &kinds);
    if !is_allowed(core, &Need::new("*", "*", "list")).await? {
        let note = "pools: not all kinds may be listed, so that what is left of the others in a namespace is not seen".to_owned();
        examination.notes.push(note);
        asked.extend(judge::DECISIVE.iter().map(|resource| {
            let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
            Need::new(group, resource, "list")
        }));
    }
    let mut questions: Vec<BoxFuture<'_, Result<Option<Need>, ClusterError>>> = Vec::new();
    for need in asked {
        questions.push(Box::pin(async move { Ok((!is_allowed(core, &need).await?).then_some(need)) }));
    }
    let answers: Vec<Result<Option<Need>, ClusterError>> = stream::iter(questions).buffered(AT_ONCE).collect().await;
    let missing: Vec<Option<Need>> = answers.into_iter().collect::<Result<_, _>>()?;
    examination.missing = by_resource(missing.into_iter().flatten());
    Ok(examination)
}

async fn is_allowed(core: &Core, need: &Need) -> Result<bool, ClusterError> {
    let mut attributes = json!({"group": need.group, "resource": need.resource, "verb": need.verb});
    if let Some(name) = &need.name {
        attributes["name"] = Value::from(name.as_str());
    }
    let answer = examine::review(core, "SelfSubjectAccessReview", json!({ "resourceAttributes": attributes })).await?;
    Ok(answer.pointer("/status/allowed") == Some(&Value::Bool(true)))
}

/// What is missing, with all verbs of a resource together.
fn by_resource(missing: impl Iterator<Item = Need>) -> Vec<MissingPermission> {
    let mut found: Vec<MissingPermission> = Vec::new();
    for need in missing {
        let resource = need.title();
        match found.iter_mut().find(|known| known.resource == resource) {
            Some(known) if known.verbs.iter().any(|verb| verb == need.verb) => {}
            Some(known) => known.verbs.push(need.verb.to_owned()),
            None => found.push(MissingPermission { namespace: None, resource, verbs: vec![need.verb.to_owned()] }),
        }
    }
    found
}
