//! Namespaces leased from a cluster that keeps a pool of its own.

use towpath_domain::{NamespaceName, Span, Timestamp};

use super::{BoxFuture, ClusterError};

/// A reservation, as it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReservationWanted {
    /// Its name, derived from what it is for: asked for again, it is the same one. A DNS label.
    pub name: String,
    /// The Towpath that asks: another one's reservations are never touched.
    pub installation: String,
    /// The cluster's pool.
    pub pool: String,
    /// Whom it is for.
    pub requester: String,
    /// For how long, from when it is asked for: time spent waiting counts. Whole seconds; at least one.
    pub lasting: Span,
    /// The requester's team, if the cluster keeps count of teams.
    pub team: Option<String>,
}

/// How a reservation stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReservationStanding {
    /// There is none of that name.
    Absent,
    /// It waits for a namespace.
    Waiting {
        /// Why, as far as the cluster tells.
        why: String,
        /// When it is given up.
        expires: Option<Timestamp>,
    },
    /// It has a namespace.
    Active {
        /// The namespace.
        namespace: NamespaceName,
        /// When it ends.
        expires: Option<Timestamp>,
    },
    /// It has ended, by being released or by its time; the namespace is, or will be, deleted.
    Ending,
}

/// Who leases namespaces. Every operation may be repeated.
pub trait Reservations: Send + Sync {
    /// Asks for a namespace.
    ///
    /// # Errors
    /// [`ClusterError::Refused`] when the cluster keeps no pools or not this one (it would wait for ever), when the time is less than a second, and when
    /// there is a reservation of that name that is somebody else's or was made for something else.
    fn reserve<'a>(&'a self, wanted: &'a ReservationWanted) -> BoxFuture<'a, Result<(), ClusterError>>;

    /// How the reservation stands.
    ///
    /// # Errors
    /// [`ClusterError`] when the cluster cannot tell.
    fn look<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<ReservationStanding, ClusterError>>;

    /// Has it last so long, from when it was asked for. Never shortens it.
    ///
    /// # Errors
    /// [`ClusterError::NotFound`] when there is none of this installation, or it has ended.
    fn extend<'a>(&'a self, name: &'a str, installation: &'a str, lasting: Span) -> BoxFuture<'a, Result<(), ClusterError>>;

    /// Gives it back. Whether it is gone already; what is somebody else's is never touched, and counts as gone.
    ///
    /// # Errors
    /// [`ClusterError`] when the cluster does not take it.
    fn release<'a>(&'a self, name: &'a str, installation: &'a str) -> BoxFuture<'a, Result<bool, ClusterError>>;
}
