//! The parts of Vault's answers that are read.

use serde::Deserialize;

use crate::contents::AnyFields;
use crate::value::SecretValue;

/// `GET /v1/MOUNT/PATH` of KV v1.
#[derive(Deserialize)]
pub(super) struct Kv1 {
    /// Seconds.
    #[serde(default)]
    pub lease_duration: u64,
    pub data: AnyFields,
}

/// `GET /v1/MOUNT/data/PATH` of KV v2.
#[derive(Deserialize)]
pub(super) struct Kv2 {
    pub data: Kv2Data,
}

#[derive(Deserialize)]
pub(super) struct Kv2Data {
    pub data: Option<AnyFields>,
    pub metadata: Kv2Metadata,
}

#[derive(Deserialize)]
pub(super) struct Kv2Metadata {
    pub version: u64,
    #[serde(default)]
    pub created_time: String,
    #[serde(default)]
    pub deletion_time: String,
    #[serde(default)]
    pub destroyed: bool,
}

/// The same with status 404, where the version was deleted or destroyed.
#[derive(Deserialize)]
pub(super) struct Kv2Gone {
    pub data: Kv2GoneData,
}

#[derive(Deserialize)]
pub(super) struct Kv2GoneData {
    pub metadata: Kv2Metadata,
}

/// `GET /v1/sys/internal/ui/mounts/PATH`.
#[derive(Deserialize)]
pub(super) struct MountAnswer {
    pub data: MountData,
}

#[derive(Deserialize)]
pub(super) struct MountData {
    /// With a slash at its end.
    pub path: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub options: Option<MountOptions>,
}

#[derive(Deserialize)]
pub(super) struct MountOptions {
    pub version: Option<String>,
}

/// A sign-in or a renewal.
#[derive(Deserialize)]
pub(super) struct SignedIn {
    pub auth: Auth,
}

#[derive(Deserialize)]
pub(super) struct Auth {
    pub client_token: SecretValue,
    /// Seconds; 0 is for ever.
    #[serde(default)]
    pub lease_duration: u64,
    #[serde(default)]
    pub renewable: bool,
}

/// `GET /v1/auth/token/lookup-self`.
#[derive(Deserialize)]
pub(super) struct TokenAnswer {
    pub data: TokenData,
}

#[derive(Deserialize)]
pub(super) struct TokenData {
    /// Seconds that are left; 0 is for ever.
    #[serde(default)]
    pub ttl: u64,
    #[serde(default)]
    pub renewable: bool,
    #[serde(default)]
    pub policies: Vec<String>,
    #[serde(default)]
    pub display_name: String,
}

/// What Vault says with every error status.
#[derive(Deserialize)]
pub(super) struct Errors {
    #[serde(default)]
    pub errors: Vec<String>,
    #[serde(default)]
    pub warnings: Option<Vec<String>>,
}

/// `GET /v1/sys/health`.
#[derive(Deserialize)]
pub(super) struct ServerHealth {
    #[serde(default)]
    pub version: String,
}
