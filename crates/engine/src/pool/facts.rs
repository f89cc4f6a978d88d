//! What is known of ephemeral namespaces and of the leases on them.

use serde::{Deserialize, Serialize};
use towpath_domain::{ClusterName, NamespaceName, PoolName, ReservationId, Timestamp};

use super::event::{ReservationEnd, ReservationSpec};

/// What is known of a pool itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolFact {
    /// Namespaces that were wanted up to now: the next one's name derives from it.
    pub made: u64,
    /// Failures to make one since the last success.
    #[serde(default)]
    pub failures: u32,
    /// When the last failure was, of making one or of handing one out.
    #[serde(default)]
    pub failed_at: Timestamp,
    /// What it said.
    #[serde(default)]
    pub failure: String,
    /// Namespaces in a row that were not fit any more when they were to be handed out.
    #[serde(default)]
    pub spoiled: u32,
}

/// A reservation that a cluster's operator was asked for, and that it has not given yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Where.
    pub cluster: ClusterName,
    /// What the operator says, for people; may be empty.
    #[serde(default)]
    pub says: String,
}

/// A namespace of a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamespaceFact {
    /// Its pool.
    pub pool: PoolName,
    /// Its cluster.
    pub cluster: ClusterName,
    /// What it was made by.
    pub made_hash: String,
    /// How it stands.
    pub state: NamespaceState,
    /// Since when.
    pub since: Timestamp,
    /// What it waits for, for people; empty when for nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub waits: String,
    /// It is an operator's: given back to it, and not made or deleted by Towpath.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leased: Option<ReservationId>,
}

/// How a namespace stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum NamespaceState {
    /// It is being made.
    Making,
    /// It is there and clean, and nobody has it.
    Ready,
    /// It is set aside, and is handed out once it was proven clean.
    Assigned {
        /// For this reservation.
        reservation: ReservationId,
    },
    /// Somebody has it.
    Reserved {
        /// By this reservation.
        reservation: ReservationId,
    },
    /// It goes.
    Ending {
        /// Why.
        why: String,
    },
}

impl NamespaceState {
    /// As one word, for people and filters.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Making => "making",
            Self::Ready => "ready",
            Self::Assigned { .. } => "assigned",
            Self::Reserved { .. } => "reserved",
            Self::Ending { .. } => "ending",
        }
    }

    /// Whose it is.
    #[must_use]
    pub fn reservation(&self) -> Option<&ReservationId> {
        match self {
            Self::Assigned { reservation } | Self::Reserved { reservation } => Some(reservation),
            Self::Making | Self::Ready | Self::Ending { .. } => None,
        }
    }
}

/// A reservation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReservationFact {
    /// As it was asked for.
    pub spec: ReservationSpec,
    /// When.
    pub requested_at: Timestamp,
    /// How it stands.
    pub state: ReservationState,
    /// It was asked for at an operator, which gave nothing up to now: what it may still give is to be given back once nobody wants it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,
}

/// How a reservation stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum ReservationState {
    /// It has no namespace yet.
    Waiting,
    /// One is set aside for it.
    Assigned {
        /// Which.
        namespace: NamespaceName,
    },
    /// It has one.
    Active {
        /// Which.
        namespace: NamespaceName,
        /// Since when.
        since: Timestamp,
        /// Until when; none: as long as its run lasts.
        until: Option<Timestamp>,
        /// That it ends soon was told.
        warned: bool,
    },
    /// It is over.
    Ended {
        /// The namespace that it had.
        namespace: Option<NamespaceName>,
        /// When.
        at: Timestamp,
        /// Why.
        end: ReservationEnd,
    },
}

impl ReservationState {
    /// As one word, for people and filters.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Assigned { .. } => "assigned",
            Self::Active { .. } => "active",
            Self::Ended { .. } => "ended",
        }
    }

    /// The namespace that it has, is about to have, or had.
    #[must_use]
    pub fn namespace(&self) -> Option<&NamespaceName> {
        match self {
            Self::Waiting => None,
            Self::Assigned { namespace } | Self::Active { namespace, .. } => Some(namespace),
            Self::Ended { namespace, .. } => namespace.as_ref(),
        }
    }

    /// Whether it is over.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        matches!(self, Self::Ended { .. })
    }
}
