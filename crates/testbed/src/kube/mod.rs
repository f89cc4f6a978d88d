//! A real Kubernetes 1.20 on loopback.

mod access;
mod cache;
mod ctl;
mod image;
mod proxy;
mod start;
mod tekton;

use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;

use crate::missing::skipped;
pub(crate) use cache::{folder as cache_folder, lock};
pub use proxy::Proxy;
use start::{Level, Started};

/// Where pods find the machine that runs them.
pub const NODE_ADDRESS: &str = "10.244.0.1";

/// A running cluster. There is at most one of each level in a test process, started when it is first asked for; it is gone
/// shortly after the process has ended, in whatever way.
pub struct Kube {
    /// The administrator's kubeconfig.
    pub kubeconfig: PathBuf,
    /// The `kubectl` of this cluster's version.
    pub kubectl: PathBuf,
    started: Started,
    level: Level,
    /// Numbers for names that must be new.
    names: AtomicU64,
}

/// A cluster, once it was asked for; what was missing, or what went wrong.
type Slot = OnceLock<Result<Kube, String>>;

impl Kube {
    /// etcd and the API server. Nothing reconciles: the test plays the controllers.
    ///
    /// # Panics
    /// When it does not start, or in CI when it is missing.
    pub fn api() -> Option<&'static Kube> {
        static SLOT: Slot = OnceLock::new();
        Kube::of(&SLOT, Level::Api)
    }

    /// And controllers and scheduler: Deployments and Jobs make pods, which stay pending.
    ///
    /// # Panics
    /// As [`Kube::api`].
    pub fn control_plane() -> Option<&'static Kube> {
        static SLOT: Slot = OnceLock::new();
        Kube::of(&SLOT, Level::ControlPlane)
    }

    /// And a node on which pods run; needs root. A machine has one node at a time: other processes wait here.
    ///
    /// # Panics
    /// As [`Kube::api`].
    pub fn node() -> Option<&'static Kube> {
        static SLOT: Slot = OnceLock::new();
        Kube::of(&SLOT, Level::Node)
    }

    fn of(slot: &'static Slot, level: Level) -> Option<&'static Kube> {
        let made = slot.get_or_init(|| {
            let started = start::start(level)?;
            Ok(Kube {
                kubeconfig: started.kubeconfig.clone(),
                kubectl: started.programs.join("envtest/kubectl"),
                started,
                level,
                names: AtomicU64::new(0),
            })
        });
        match made {
            Ok(kube) => Some(kube),
            Err(why) => skipped(why),
        }
    }
}
