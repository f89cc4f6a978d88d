//! The embedded local runtime: objects on disk, controllers that carry them out, pods as processes.
//!
//! ```text
//! <dir>/lock                                    one Towpath at a time
//! <dir>/objects/<namespace>/<Kind.group>/<name>.json   what is wanted, by whom, and how far it has come
//! <dir>/pods/<namespace>/<pod>/                 one pod: plan, status, image, logs; see `crate::pod`
//! <dir>/services/<namespace>/<name>/            one service's proxy
//! <dir>/claims/<namespace>/<claim>/             persistent volumes; deleted only with an ephemeral namespace
//! <dir>/namespaces/<namespace>.json             an ephemeral namespace: for whom it was made, what bounds it, who has it
//! <dir>/trash/                                  folders on their way out
//! ```

mod batch;
mod controller;
mod deployment;
mod draft;
mod health;
mod job;
mod job_lines;
mod log_stream;
mod namespaces;
mod pods;
mod prepare;
mod services;
mod store;
mod teardown;
#[cfg(test)]
mod tests;
mod view;
mod waiting;
mod world;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{Notify, mpsc, watch};
use towpath_domain::{NamespaceName, RunId, TargetId};

use crate::api::{
    Applied, BoxFuture, Cluster, ClusterError, EphemeralNamespaces, Event, Examination, LogChunk, LogRequest, ObjectDiff, ObjectKey,
    ObjectStatus, Observer, Owner, Ready, RunningContainer, WaitFailure,
};
use crate::files::{self, Lock};
use crate::image::ImageStore;
pub use teardown::stop_everything;
use world::World;

/// How the runtime is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where everything is kept. Made if absent.
    pub dir: PathBuf,
    /// How a shim is started: a program and its first arguments, after which [`crate::shim::main`] gets the rest.
    /// The program must be there as long as pods run.
    pub shim_command: Vec<String>,
    /// The `PATH` in which commands are looked for that an image does not hold.
    pub host_path: String,
    /// How many bytes of a container's log are kept at least; up to twice as many are.
    pub log_bytes: u64,
}

impl Settings {
    /// Settings with ten megabytes of log for each container.
    #[must_use]
    pub fn new(dir: PathBuf, shim_command: Vec<String>, host_path: String) -> Self {
        Self { dir, shim_command, host_path, log_bytes: 10 * 1024 * 1024 }
    }
}

/// The cluster that is this machine.
#[derive(Clone)]
pub struct LocalCluster {
    core: Arc<Core>,
}

/// What all operations and controllers share.
struct Core {
    settings: Settings,
    images: Arc<dyn ImageStore>,
    world: Mutex<World>,
    /// Wakes the controllers.
    wake: Notify,
    /// Counts the controllers' passes; waiters look anew after each.
    passes: watch::Sender<u64>,
    _lock: Lock,
}

impl Core {
    fn world(&self) -> MutexGuard<'_, World> {
        // The world is rebuilt from what is on disk and in /proc at each pass: a panic elsewhere does not spoil it.
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LocalCluster {
    /// Opens the runtime in `settings.dir` and reads what is there. Pods that run go on running; nothing new starts before
    /// [`Cluster::run_controllers`].
    ///
    /// # Errors
    /// [`ClusterError::InUse`] when another Towpath works in this directory; [`ClusterError::Storage`] when it cannot be read.
    pub fn open(settings: Settings, images: Arc<dyn ImageStore>) -> Result<Self, ClusterError> {
        let storage = |what: &str| {
            let what = what.to_owned();
            move |source| ClusterError::Storage { what, source }
        };
        // Pods get absolute paths: their processes have other working directories.
        let dir = std::path::absolute(&settings.dir).map_err(storage("finding the directory of the local runtime"))?;
        let settings = Settings { dir, ..settings };
        files::make_private_dir(&settings.dir).map_err(storage("making the directory of the local runtime"))?;
        let lock = files::lock_patiently(&settings.dir.join("lock")).map_err(storage("locking the directory of the local runtime"))?;
        let lock = lock.ok_or_else(|| ClusterError::InUse { dir: settings.dir.display().to_string() })?;
        let world = store::load(&settings.dir).map_err(storage("reading the objects of the local runtime"))?;
        let core = Core { settings, images, world: Mutex::new(world), wake: Notify::new(), passes: watch::Sender::new(0), _lock: lock };
        Ok(Self { core: Arc::new(core) })
    }

    /// Runs `work` where it may block.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Core) -> Result<T, ClusterError> + Send + 'static,
    ) -> Result<T, ClusterError> {
        let core = self.core.clone();
        match tokio::task::spawn_blocking(move || work(&core)).await {
            Ok(result) => result,
            Err(e) => Err(ClusterError::Storage { what: "working on the local runtime".to_owned(), source: std::io::Error::other(e) }),
        }
    }
}

impl Cluster for LocalCluster {
    fn check<'a>(
        &'a self,
        namespace: &'a NamespaceName,
        owner: &'a Owner,
        objects: &'a [Value],
    ) -> BoxFuture<'a, Result<Vec<String>, ClusterError>> {
        Box::pin(async move { batch::check(&self.core.world(), namespace, owner, objects).map(|batch| batch.notes) })
    }

    fn apply<'a>(
        &'a self,
        namespace: &'a NamespaceName,
        owner: &'a Owner,
        objects: &'a [Value],
    ) -> BoxFuture<'a, Result<Applied, ClusterError>> {
        let (namespace, owner, objects) = (namespace.clone(), owner.clone(), objects.to_vec());
        Box::pin(self.blocking(move |core| batch::apply(core, &namespace, &owner, &objects)))
    }

    fn wait<'a>(
        &'a self,
        namespace: &'a NamespaceName,
        keys: &'a [ObjectKey],
        run: &'a RunId,
        within: Duration,
        observer: &'a dyn Observer,
    ) -> BoxFuture<'a, Result<Ready, Box<WaitFailure>>> {
        Box::pin(waiting::wait(&self.core, namespace, keys, run, within, observer))
    }

    fn diff<'a>(
        &'a self,
        namespace: &'a NamespaceName,
        owner: &'a Owner,
        objects: &'a [Value],
    ) -> BoxFuture<'a, Result<Vec<ObjectDiff>, ClusterError>> {
        Box::pin(async move { batch::diff(&self.core.world(), namespace, owner, objects) })
    }

    fn running<'a>(
        &'a self,
        namespace: &'a NamespaceName,
        target: &'a TargetId,
    ) -> BoxFuture<'a, Result<Vec<RunningContainer>, ClusterError>> {
        Box::pin(async move { Ok(view::running(&self.core.world(), namespace, target)) })
    }

    fn examine<'a>(&'a self, _: &'a [(NamespaceName, Vec<String>)]) -> BoxFuture<'a, Result<Examination, ClusterError>> {
        Box::pin(async move {
            let objects = view::list(&self.core.world(), None);
            let unready = objects.iter().filter(|object| !object.ready).count();
            let version = format!("the embedded runtime: {} objects, {unready} not ready", objects.len());
            Ok(Examination { version, ..Examination::default() })
        })
    }

    fn prune<'a>(
        &'a self,
        namespace: &'a NamespaceName,
        owner: &'a Owner,
        keep: &'a [ObjectKey],
    ) -> BoxFuture<'a, Result<Vec<ObjectKey>, ClusterError>> {
        let (namespace, target, keep) = (namespace.clone(), owner.target.clone(), keep.to_vec());
        Box::pin(self.blocking(move |core| batch::prune(core, &namespace, &target, &keep)))
    }

    fn list<'a>(&'a self, namespace: Option<&'a NamespaceName>) -> BoxFuture<'a, Result<Vec<ObjectStatus>, ClusterError>> {
        Box::pin(async move { Ok(view::list(&self.core.world(), namespace)) })
    }

    fn logs<'a>(&'a self, request: LogRequest) -> BoxFuture<'a, Result<mpsc::Receiver<LogChunk>, ClusterError>> {
        Box::pin(async move { log_stream::open(&self.core, request) })
    }

    fn events<'a>(&'a self, namespace: &'a NamespaceName, after: u64) -> BoxFuture<'a, Vec<Event>> {
        Box::pin(async move { self.core.world().events_after(namespace, after) })
    }

    fn namespaces(&self) -> Option<&dyn EphemeralNamespaces> {
        Some(self)
    }

    fn run_controllers<'a>(&'a self, shutdown: BoxFuture<'a, ()>) -> BoxFuture<'a, ()> {
        Box::pin(controller::run(self.core.clone(), shutdown))
    }
}
