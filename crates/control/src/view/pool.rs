//! Pools of ephemeral namespaces, and the leases on them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use towpath_domain::{ReservationId, RunId, Timestamp};

/// A pool.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PoolView {
    /// Its name; of a file that does not say it, the file's path.
    pub name: String,
    /// Its cluster.
    pub cluster: String,
    /// The app it is for, where it is for one.
    pub app: Option<String>,
    /// The environment its namespaces belong to, where they belong to one.
    pub environment: Option<String>,
    /// How many namespaces are kept ready.
    pub size: u32,
    /// How many there are at most.
    pub limit: u32,
    /// How many one requester may hold at a time; none: as many as there are.
    pub each: Option<u32>,
    /// How long a reservation lasts that asks for nothing else, such as `1h`.
    pub lease: String,
    /// How long one may last at most, extended or not.
    pub longest: String,
    /// The operator's pool that namespaces are leased from, where the cluster runs that operator.
    pub operator: Option<String>,
    /// How many are ready.
    pub ready: usize,
    /// How many are being made.
    pub making: usize,
    /// How many are reserved.
    pub reserved: usize,
    /// How many are on their way out.
    pub ending: usize,
    /// How many reservations wait.
    pub waiting: usize,
    /// What is wrong with it.
    pub trouble: Option<String>,
}

/// Which namespaces.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NamespaceFilter {
    /// Of this pool.
    pub pool: Option<String>,
    /// Reserved by this person, or for runs of this source.
    pub requester: Option<String>,
    /// With how many apps are in those that are reserved: their clusters are asked.
    #[serde(default)]
    pub apps: bool,
}

/// How many apps are in a namespace: `ClowdApp`s where there are any, or else what is to stay up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AppsView {
    /// Those that are ready.
    pub ready: usize,
    /// All of them.
    pub total: usize,
}

/// A namespace of a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NamespaceView {
    /// Its name.
    pub name: String,
    /// Its pool.
    pub pool: String,
    /// Its cluster.
    pub cluster: String,
    /// `making`, `ready`, `assigned` (being proven clean for somebody), `reserved` or `ending`.
    pub state: String,
    /// Since when.
    pub since: Timestamp,
    /// What it waits for, or why it goes; may be empty.
    pub waits: String,
    /// The reservation that has it.
    pub reservation: Option<String>,
    /// Who has it: a person, or the source whose run works with it.
    pub requester: Option<String>,
    /// What for; may be empty.
    pub purpose: String,
    /// The run that works with it.
    pub run: Option<RunId>,
    /// Until when it is reserved; none as long as its run lasts.
    pub until: Option<Timestamp>,
    /// The apps in it; none unless they were asked for, it is reserved, and its cluster said so in time.
    pub apps: Option<AppsView>,
}

/// A reservation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReservationView {
    /// Its identity.
    pub id: ReservationId,
    /// Its pool.
    pub pool: String,
    /// The pool's app, where it is for one.
    pub app: Option<String>,
    /// The pool's environment, where it has one.
    pub environment: Option<String>,
    /// `waiting`, `assigned`, `active` or `ended`.
    pub state: String,
    /// For whom: a person, or the source whose run works with it.
    pub requester: String,
    /// The run that works with it.
    pub run: Option<RunId>,
    /// What for; may be empty.
    pub purpose: String,
    /// It goes before those that are not urgent.
    pub urgent: bool,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// The namespace that it has, is about to have, or had.
    pub namespace: Option<String>,
    /// Its place among those who wait for the same pool, from 1; 0 when it does not wait.
    pub position: usize,
    /// How many wait.
    pub of: usize,
    /// What it waits for; empty when for nothing.
    pub waits: String,
    /// Since when it has its namespace, or is over.
    pub since: Option<Timestamp>,
    /// Until when it has it; none as long as its run lasts.
    pub until: Option<Timestamp>,
    /// Why it is over.
    pub ended: Option<String>,
}
