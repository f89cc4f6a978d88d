//! Where builds are carried out that push their images themselves: on this machine, or on a cluster that `[clusters]` names.
//!
//! Namespaces, accounts and secrets are named here and never in the config repository: whoever may edit a source may not choose them.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;
use towpath_catalog::Quantity;
use towpath_cluster::{Amounts, JobSettings, PodSecurity, TaskResources, TektonSettings};
use towpath_domain::{ImageRef, NamespaceName, Span};

use super::outside::{Outside, Way};
use super::read::Wrong;

/// Where builds are carried out, when it is not this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Builds {
    /// As Jobs.
    Kubernetes {
        /// The cluster, by its name in `[clusters]`.
        cluster: String,
        /// How.
        settings: Box<JobSettings>,
    },
    /// As runs of a pipeline.
    Tekton {
        /// The cluster, by its name in `[clusters]`.
        cluster: String,
        /// How.
        settings: TektonSettings,
    },
}

/// The shortest time that a finished Job stays: whoever follows it must have seen its end.
const KEPT_MIN: Span = Span::from_secs(600);

/// `[builds]` as it is written.
#[derive(Deserialize, Default)]
pub(super) struct Raw {
    kubernetes: Option<Spanned<RawKubernetes>>,
    tekton: Option<Spanned<RawTekton>>,
}

#[derive(Deserialize)]
struct RawKubernetes {
    cluster: Spanned<String>,
    namespace: Namespace,
    image: Option<Image>,
    git_image: Option<Image>,
    service_account: Option<ObjectName>,
    #[serde(default)]
    mount_token: bool,
    pull_secret: Option<ObjectName>,
    push_secret: Option<ObjectName>,
    git_secret: Option<ObjectName>,
    #[serde(default)]
    requests: RawAmounts,
    #[serde(default)]
    limits: RawAmounts,
    #[serde(default)]
    security: RawSecurity,
    #[serde(default)]
    node_selector: BTreeMap<String, String>,
    workspace_size: Option<Amount>,
    kept_for: Option<Kept>,
}

#[derive(Deserialize)]
struct RawTekton {
    cluster: Spanned<String>,
    namespace: Namespace,
    pipeline: ObjectName,
    service_account: Option<ObjectName>,
    workspace_size: Option<Amount>,
}

#[derive(Deserialize, Default)]
struct RawAmounts {
    cpu: Option<Amount>,
    memory: Option<Amount>,
}

#[derive(Deserialize, Default)]
struct RawSecurity {
    read_only_root: Option<bool>,
    #[serde(default)]
    capabilities: Vec<Capability>,
    #[serde(default)]
    privilege_escalation: bool,
    #[serde(default)]
    privileged: bool,
    run_as_user: Option<u32>,
    seccomp: Option<bool>,
}

/// Declares a text of the file that is checked while its place is still known.
macro_rules! checked {
    ($name:ident($inner:ty), $check:expr) => {
        #[derive(Deserialize)]
        #[serde(try_from = "String")]
        struct $name($inner);

        impl TryFrom<String> for $name {
            type Error = String;
            fn try_from(text: String) -> Result<Self, String> {
                $check(text).map(Self)
            }
        }
    };
}

checked!(Namespace(NamespaceName), namespace);
checked!(Image(ImageRef), |text: String| text.parse::<ImageRef>().map_err(|error| error.to_string()));
checked!(ObjectName(String), object_name);
checked!(Capability(String), capability);
checked!(Amount(Quantity), |text: String| text.parse::<Quantity>().map_err(|error| error.to_string()));
checked!(Kept(Span), kept);

/// A name that an object of Kubernetes can have: a subdomain of DNS.
fn object_name(text: String) -> Result<String, String> {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let good = (1..=253).contains(&text.len()) && text.chars().all(inner) && text.starts_with(edge) && text.ends_with(edge);
    if good { Ok(text) } else { Err(format!("{text:?} is no name of an object: lower-case letters, digits, `-` and `.`")) }
}

/// A name that a namespace of Kubernetes can have: a label of DNS.
fn namespace(text: String) -> Result<NamespaceName, String> {
    let good = text.len() <= 63 && !text.contains('.') && object_name(text.clone()).is_ok();
    if !good {
        return Err(format!("{text:?} is no name of a namespace: at most 63 lower-case letters, digits and `-`"));
    }
    NamespaceName::new(text).map_err(|error| error.to_string())
}

/// A capability as Kubernetes writes it: without `CAP_`.
fn capability(text: String) -> Result<String, String> {
    let good = !text.is_empty() && !text.starts_with("CAP_") && text.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    if good { Ok(text) } else { Err(format!("{text:?} is no capability; write it as SETUID")) }
}

fn kept(text: String) -> Result<Span, String> {
    let span: Span = text.parse().map_err(|error: towpath_domain::SpanError| error.to_string())?;
    if span < KEPT_MIN { Err(format!("{span} is too short: at least {KEPT_MIN}, so that its end is seen")) } else { Ok(span) }
}

impl Raw {
    /// The place that is meant; none when it is this machine.
    ///
    /// # Errors
    /// When two places are named, or one on a cluster that is not named or is none; with where that stands.
    pub(super) fn place(self, outside: &Outside) -> Result<Option<Builds>, Wrong> {
        match (self.kubernetes, self.tekton) {
            (None, None) => Ok(None),
            (Some(_), Some(other)) => {
                Err((Some(other.span()), "builds are carried out in one place: write `kubernetes` or `tekton`, not both".to_owned()))
            }
            (Some(raw), None) => {
                let (at, raw) = (raw.span(), raw.into_inner());
                let cluster = known(&raw.cluster, outside)?;
                let settings = raw.settings().map_err(|why| (Some(at), why))?;
                Ok(Some(Builds::Kubernetes { cluster, settings: Box::new(settings) }))
            }
            (None, Some(raw)) => {
                let raw = raw.into_inner();
                Ok(Some(Builds::Tekton { cluster: known(&raw.cluster, outside)?, settings: raw.settings() }))
            }
        }
    }
}

/// The cluster's name, if `[clusters]` has a real one of that name.
fn known(cluster: &Spanned<String>, outside: &Outside) -> Result<String, Wrong> {
    let name = cluster.get_ref();
    let why = match outside.clusters.get(name).map(|cluster| &cluster.way) {
        Some(Way::Embedded) => format!("the cluster {name} is the embedded runtime, which runs no builds; leave [builds] out"),
        Some(_) => return Ok(name.clone()),
        None => format!("the cluster {name} is none of [clusters]; add [clusters.{name}], or correct the name"),
    };
    Err((Some(cluster.span()), why))
}

impl RawKubernetes {
    fn settings(self) -> Result<JobSettings, String> {
        let usual = JobSettings::new(self.namespace.0);
        let security = PodSecurity {
            read_only_root: self.security.read_only_root.unwrap_or(usual.security.read_only_root),
            capabilities: self.security.capabilities.into_iter().map(|capability| capability.0).collect(),
            privilege_escalation: self.security.privilege_escalation,
            privileged: self.security.privileged,
            run_as_user: self.security.run_as_user,
            seccomp: self.security.seccomp.unwrap_or(usual.security.seccomp),
        };
        for (name, request, limit) in
            [("cpu", &self.requests.cpu, &self.limits.cpu), ("memory", &self.requests.memory, &self.limits.memory)]
        {
            if let (Some(request), Some(limit)) = (request, limit)
                && request.0.thousandths() > limit.0.thousandths()
            {
                return Err(format!("it requests more {name} ({}) than its limit ({})", request.0, limit.0));
            }
        }
        Ok(JobSettings {
            image: self.image.map(|image| image.0),
            git_image: self.git_image.map(|image| image.0),
            service_account: self.service_account.map(|name| name.0),
            mount_token: self.mount_token,
            pull_secret: self.pull_secret.map(|name| name.0),
            push_secret: self.push_secret.map(|name| name.0),
            git_secret: self.git_secret.map(|name| name.0),
            resources: TaskResources { requests: self.requests.written(), limits: self.limits.written() }.or(&usual.resources, None),
            security,
            node_selector: self.node_selector,
            workspace_size: self.workspace_size.map(|amount| amount.0.to_string()),
            kept_for: self.kept_for.map_or(usual.kept_for, |span| span.0.to_std()),
            ..usual
        })
    }
}

impl RawAmounts {
    fn written(&self) -> Amounts {
        let text = |amount: &Option<Amount>| amount.as_ref().map(|amount| amount.0.to_string());
        Amounts { cpu: text(&self.cpu), memory: text(&self.memory) }
    }
}

impl RawTekton {
    fn settings(self) -> TektonSettings {
        let usual = TektonSettings::new(self.namespace.0, self.pipeline.0);
        TektonSettings {
            service_account: self.service_account.map(|name| name.0),
            workspace_size: self.workspace_size.map_or(usual.workspace_size, |amount| amount.0.to_string()),
            ..usual
        }
    }
}
