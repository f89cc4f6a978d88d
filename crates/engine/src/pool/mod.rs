//! Pools of ephemeral namespaces: what may happen to them, what is known, and what follows.

mod apply;
mod event;
mod facts;
mod plan;
mod standing;

pub use event::{Holder, PoolEvent, ReservationEnd, ReservationSpec};
pub use facts::{Asked, NamespaceFact, NamespaceState, PoolFact, ReservationFact, ReservationState};
pub use plan::{PoolPlan, plan_pools};
pub use standing::{Standing, Wait};
