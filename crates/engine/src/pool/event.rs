//! What happens to ephemeral namespaces and to the leases on them, as the ledger keeps it.

use serde::{Deserialize, Serialize};
use towpath_domain::{ClusterName, NamespaceName, PoolName, ReservationId, RunId, Span, Timestamp};

/// A reservation as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReservationSpec {
    /// Its identity.
    pub id: ReservationId,
    /// The pool.
    pub pool: PoolName,
    /// For whom.
    pub holder: Holder,
    /// What for, for people; may be empty.
    #[serde(default)]
    pub purpose: String,
    /// It goes before those that are not urgent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub urgent: bool,
}

/// Who holds a reservation, and until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "holder", rename_all = "kebab-case")]
pub enum Holder {
    /// A person: from the moment they have the namespace, for as long as they asked for.
    Person {
        /// Their name.
        name: String,
        /// How long.
        lease: Span,
    },
    /// A run: until it ends, however that comes about.
    Run {
        /// The run.
        run: RunId,
        /// On whose behalf: a source, whose runs share what each may hold.
        owner: String,
    },
}

impl Holder {
    /// Whose namespaces are counted together.
    #[must_use]
    pub fn owner(&self) -> &str {
        match self {
            Self::Person { name, .. } => name,
            Self::Run { owner, .. } => owner,
        }
    }
}

/// Why a reservation is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "end", rename_all = "kebab-case")]
pub enum ReservationEnd {
    /// Somebody gave it back.
    Released {
        /// Who.
        by: String,
    },
    /// Its time was over.
    Expired,
    /// Its run ended.
    RunEnded,
    /// It cannot be fulfilled.
    Refused {
        /// Why, and what to do.
        why: String,
    },
    /// Its namespace is not there any more, and it was not Towpath that ended it.
    Lost {
        /// What was found.
        why: String,
    },
}

/// One thing that happened to a pool. Each of them changes the facts only where it fits what is known: a namespace is assigned only while it is
/// ready and to a reservation that waits, so that no order of events gives one twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "pool_event", rename_all = "kebab-case")]
pub enum PoolEvent {
    /// This installation was given its name: what it makes carries it, and what carries another one is never touched.
    Named {
        /// The name: random, once for ever.
        name: String,
    },
    /// A namespace is to be made.
    Wanted {
        /// Its name.
        namespace: NamespaceName,
        /// Its pool.
        pool: PoolName,
        /// Its cluster.
        cluster: ClusterName,
        /// The pool's `made_hash`.
        made_hash: String,
    },
    /// What a namespace waits for that is being made, handed out or ended, when that is something else than before.
    Waits {
        /// The namespace.
        namespace: NamespaceName,
        /// For what, for people.
        what: String,
    },
    /// It is made, and was proven clean.
    Ready {
        /// The namespace.
        namespace: NamespaceName,
    },
    /// It is not what it should be, and goes.
    Failed {
        /// The namespace.
        namespace: NamespaceName,
        /// Why.
        why: String,
    },
    /// It is not wanted any more, and goes.
    Surplus {
        /// The namespace.
        namespace: NamespaceName,
        /// Why.
        why: String,
    },
    /// It is gone, with all that was in it.
    Gone {
        /// The namespace.
        namespace: NamespaceName,
    },
    /// A namespace of this installation was found that nobody knows of, and was removed.
    StrayRemoved {
        /// The namespace.
        namespace: NamespaceName,
        /// Where.
        cluster: ClusterName,
    },
    /// Somebody wants a namespace.
    Requested(ReservationSpec),
    /// A namespace is set aside for a reservation. It is proven clean once more before it is handed out.
    Assigned {
        /// The namespace.
        namespace: NamespaceName,
        /// The reservation.
        reservation: ReservationId,
    },
    /// It is handed out: its holder, and nobody else, may use it.
    Granted {
        /// The namespace.
        namespace: NamespaceName,
        /// The reservation.
        reservation: ReservationId,
    },
    /// A namespace was leased from an operator that keeps a pool of its own, and is handed out.
    Leased {
        /// The namespace.
        namespace: NamespaceName,
        /// The reservation.
        reservation: ReservationId,
        /// Its cluster.
        cluster: ClusterName,
    },
    /// A cluster's operator is asked for it: written before it is. And what it says, when that is something else than before.
    Asked {
        /// The reservation.
        reservation: ReservationId,
        /// The operator's cluster.
        cluster: ClusterName,
        /// What the operator says, for people; empty before it said anything.
        #[serde(default)]
        says: String,
    },
    /// A person's lease lasts longer, or shorter, than before.
    Extended {
        /// The reservation.
        reservation: ReservationId,
        /// Until when now.
        until: Timestamp,
        /// Who asked.
        by: String,
    },
    /// A person's lease ends soon.
    Expires {
        /// The reservation.
        reservation: ReservationId,
        /// When.
        until: Timestamp,
    },
    /// It is over. Its namespace goes.
    Ended {
        /// The reservation.
        reservation: ReservationId,
        /// Why.
        end: ReservationEnd,
    },
}

impl PoolEvent {
    /// What happened, as one word: `namespace-ready`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Named { .. } => "installation-named",
            Self::Wanted { .. } => "namespace-wanted",
            Self::Waits { .. } => "namespace-waits",
            Self::Ready { .. } => "namespace-ready",
            Self::Failed { .. } => "namespace-failed",
            Self::Surplus { .. } => "namespace-surplus",
            Self::Gone { .. } => "namespace-gone",
            Self::StrayRemoved { .. } => "stray-removed",
            Self::Requested(_) => "reservation-requested",
            Self::Assigned { .. } => "namespace-assigned",
            Self::Granted { .. } => "namespace-granted",
            Self::Leased { .. } => "namespace-leased",
            Self::Asked { .. } => "reservation-asked",
            Self::Extended { .. } => "reservation-extended",
            Self::Expires { .. } => "reservation-expires",
            Self::Ended { .. } => "reservation-ended",
        }
    }
}
