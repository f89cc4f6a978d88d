//! What people ask for.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A line that is not blank, and holds no control characters.
const LINE: &str = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$";

/// A span of time.
const SPAN: &str = r"^([0-9]+(ms|s|m|h|d))+$";

/// `plan`: what would happen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlanRequest {
    /// As if this branch of the config repository were merged.
    pub branch: Option<String>,
    /// With what would change in the clusters: for this target (id, title or unambiguous part of a title), or when empty, for each one that
    /// would be deployed.
    pub diff: Option<String>,
}

/// `retry`: what failed is tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RetryRequest {
    /// A target, source, change or run: id, title or unambiguous part of a title.
    #[schemars(length(min = 1))]
    pub what: String,
    /// Who and why.
    #[serde(flatten)]
    pub asked: Asked,
}

/// `cancel`: a run is stopped.
pub type CancelRequest = RetryRequest;

/// `ack`: a person sees to a failure.
pub type AckRequest = RetryRequest;

/// `promote`: a subscriber is moved to a commit that its channels vouch for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PromoteRequest {
    /// The target: id, title or unambiguous part of a title.
    #[schemars(length(min = 1))]
    pub target: String,
    /// The commit, full or an unambiguous prefix; the newest eligible one when absent.
    pub to: Option<String>,
    /// Who and why.
    #[serde(flatten)]
    pub asked: Asked,
}

/// `rollback`: a target goes back, and the commit it leaves is blocked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RollbackRequest {
    /// The target.
    #[schemars(length(min = 1))]
    pub target: String,
    /// The commit to go back to; the last one that ran well when absent.
    pub to: Option<String>,
    /// Who and why.
    #[serde(flatten)]
    pub asked: Asked,
}

/// `hold`: nothing moves on what is selected until it is released.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HoldRequest {
    /// A target (id, title, part of a title), `app/NAME` or `environment/NAME`.
    #[schemars(length(min = 1))]
    pub what: String,
    /// Who and why.
    #[serde(flatten)]
    pub asked: Asked,
}

/// `release`: a hold is lifted.
pub type ReleaseRequest = HoldRequest;

/// `namespace reserve`: a namespace of a pool for whoever asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReserveRequest {
    /// The pool.
    #[schemars(length(min = 1))]
    pub pool: String,
    /// For how long, such as `90m` or `2h`, from when the namespace is there; as long as the pool gives to all when absent.
    #[serde(default)]
    #[schemars(regex(pattern = SPAN))]
    pub lease: Option<String>,
    /// Who and what for.
    #[serde(flatten)]
    pub asked: Asked,
}

/// `namespace extend`: a lease ends later, or sooner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExtendRequest {
    /// The namespace, or the reservation.
    #[schemars(length(min = 1))]
    pub what: String,
    /// How long from now, such as `90m` or `2h`.
    #[schemars(regex(pattern = SPAN))]
    pub lease: String,
    /// Who and why.
    #[serde(flatten)]
    pub asked: Asked,
}

/// `namespace release`: a namespace, or a reservation that still waits, is given back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FreeRequest {
    /// The namespace, or the reservation.
    #[schemars(length(min = 1))]
    pub what: String,
    /// Who and why.
    #[serde(flatten)]
    pub asked: Asked,
}

/// Who asks and why: goes into the ledger and into the commit that is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Asked {
    /// A person's name. Left out where the server knows who asks; a single user on their own machine who leaves it out is called `local user`.
    #[serde(default, deserialize_with = "something", skip_serializing_if = "String::is_empty")]
    #[schemars(length(min = 1, max = 500), regex(pattern = LINE))]
    pub by: String,
    /// The reason.
    #[schemars(length(min = 1, max = 500), regex(pattern = LINE))]
    pub why: String,
}

/// A text that is there says something.
fn something<'de, D: serde::Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    if text.is_empty() { Err(serde::de::Error::custom("`by` is empty: leave it out, or name a person")) } else { Ok(text) }
}

/// `check`: a pull request is checked again, not at all, or may be checked although it comes from a fork.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckRequest {
    /// The pull request: `web#17`.
    #[schemars(length(min = 1))]
    pub check: String,
    /// The tests that are to run; all when there are none.
    #[serde(default)]
    pub tests: Vec<String>,
    /// The commit of a fork that may be tested: full, or at least 7 digits of it.
    #[serde(default)]
    pub commit: Option<String>,
    /// Who and why.
    #[serde(flatten)]
    pub asked: Asked,
}

/// `try`: what a pull request's check does, by hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TryRequest {
    /// The source.
    #[schemars(length(min = 1))]
    pub source: String,
    /// A branch or commit of it; its own branch when absent.
    #[serde(default, rename = "ref")]
    pub git_ref: Option<String>,
    /// Refs of templates, by resource template.
    #[serde(default)]
    pub template_refs: BTreeMap<String, String>,
    /// Tags of images, by their names.
    #[serde(default)]
    pub image_tags: BTreeMap<String, String>,
    /// Parameters, by resource template.
    #[serde(default)]
    pub parameters: BTreeMap<String, BTreeMap<String, String>>,
    /// The tests that are to run; all when there are none.
    #[serde(default)]
    pub tests: Vec<String>,
    /// The namespace that it goes into: one that is reserved for who asks.
    #[serde(default)]
    pub namespace: Option<String>,
    /// Reserve one for who asks, and leave it to them: for as long, such as `2h`; empty: as long as the pool gives.
    #[serde(default)]
    pub reserve: Option<String>,
    /// Who and why.
    #[serde(flatten)]
    pub asked: Asked,
}
