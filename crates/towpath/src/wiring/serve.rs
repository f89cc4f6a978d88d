//! `towpath serve`: the parts put together and kept going.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use tokio::sync::watch;
use towpath_cluster::{Cluster, LocalCluster, Settings as LocalSettings};
use towpath_control::{Control, Pace};
use towpath_domain::Pages;
use towpath_forge::PlainGit;
use towpath_git::{Credential, Git, Identity, Settings};
use towpath_ledger::Ledger;
use towpath_ledger::logs::{Limits, Logs};
use towpath_notify::{Clock as TellClock, Hidden, Settings as TellSettings};
use towpath_registry::LayoutRegistry;
use towpath_runs::world::{Builders, Catalogs, Clock, ConfigRepository, Current, Images, Mirrors, Results, SourceForges};
use towpath_runs::{Train, Workers, World};
use towpath_secrets::SecretStore;
use towpath_web::Listener;
use towpath_web::auth::{Auth, LocalKey};
use towpath_web::hooks::{HookLimits, HookSettings};
use towpath_web::server::Settings as Serving;

use super::artifacts::artifacts;
use super::brain::Wired;
use super::forge::Forges;
use super::ibutsu;
use super::incidents::Climb;
use super::keeper::InLedger;
use super::logs::KeptLogs;
use super::names::CatalogNames;
use super::notify::{listeners, traces};
use super::outside::Reached;
use crate::config::Config;
use crate::failure::Failure;
use crate::server_file::Published;

/// How the installation and this process fit together.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The environment that builds get, beside what Towpath sets.
    pub host_env: Vec<(String, String)>,
    /// The command that starts the process which looks after one pod.
    pub shim: Vec<String>,
    /// Turns true once the server listens.
    pub listening: Arc<AtomicBool>,
    /// Serves what people try by hand, and nothing else: nothing is watched, promoted or told.
    pub only_tries: bool,
    /// Ends this process with `kill -9` right after it has recorded this many events: how the tests kill it everywhere.
    pub crash_after: Option<i64>,
}

/// Serves until `shutdown` turns true.
///
/// # Errors
/// When the state directory, the ledger or the address cannot be had; each names what to do.
pub async fn serve(config: Config, around: Surroundings, shutdown: watch::Receiver<bool>) -> Result<(), Failure> {
    keep_going(&config, around, shutdown).await.map_err(Failure::from)
}

async fn keep_going(config: &Config, around: Surroundings, shutdown: watch::Receiver<bool>) -> anyhow::Result<()> {
    let ledger = Ledger::open(&config.state).await?;
    if let Some(count) = around.crash_after {
        crash_after(&ledger, count);
    }
    // Nobody else has this ledger: whoever held a lease is dead.
    let taken_up = ledger.release_leases().await?;
    if taken_up > 0 {
        tracing::info!(runs = taken_up, "runs of an earlier start are taken up again");
    }
    let outside = Reached::new(&config.outside, &config.state)?;
    let forges = Forges::read(config, &outside).await?;
    let git = git(config, forges.git())?;
    git.version().await?;
    let mirrors = Mirrors::new(git, config.state.join("mirrors"));
    let registry = Arc::new(outside.registries(&config.outside, LayoutRegistry::open(&config.registry)?)?);
    let images = Arc::new(Images::new(Arc::clone(&registry), config.state.join("images")));
    let host_path = around.host_env.iter().find(|(name, _)| name == "PATH").map(|(_, path)| path.clone()).unwrap_or_default();
    let local = LocalCluster::open(LocalSettings::new(config.state.join("cluster"), around.shim, host_path), images)?;
    let forge_mirror = mirrors.get(&config.repository.url).await?;
    let plain = PlainGit::new((*forge_mirror).clone(), config.repository.branch.clone());
    let (forge, kind, commits) = (forges.of_config(plain)?, forges.accounts(), forges.commit_pages());
    let cluster: Arc<dyn Cluster> = Arc::new(local);
    let hooks = HookSettings { keys: super::hooks::keys(&config.webhooks, &outside.secrets()), limits: HookLimits::default() };
    let secrets: Arc<dyn SecretStore> = outside.secrets();
    let artifacts = artifacts(&config.outside, |name| outside.kubernetes(name), &secrets)?;
    let own_clock = Clock::system();
    let clock: TellClock = {
        let clock = own_clock.clone();
        Arc::new(move || clock.now())
    };
    let ibutsu = config.ibutsu.as_ref().map(|said| ibutsu::reach(said, &outside, &clock)).transpose()?;
    // Asked for once, so that messages can tell it without waiting.
    if let Some((ibutsu, said)) = ibutsu.clone().zip(config.ibutsu.as_ref()) {
        let source = said.source.clone();
        tokio::spawn(async move {
            if let Ok(run) = towpath_domain::RunId::new("run") {
                let _unknown_until_then = ibutsu.link(&source, &run).await;
            }
        });
    }
    let world = Arc::new(World {
        current: Current::default(),
        ledger: ledger.clone(),
        forges: SourceForges::new(mirrors.clone(), Box::new(forges)),
        mirrors,
        config: ConfigRepository { url: config.repository.url.clone(), branch: config.repository.branch.clone(), forge, kind, commits },
        train: Train::new(config.together),
        catalogs: Catalogs::default(),
        registry,
        clusters: outside.clusters(&cluster)?,
        artifacts,
        secrets,
        clock: own_clock,
        builders: Builders::new(outside.executor(config.builds.as_ref())?),
        memory_max: config.memory_max,
        builds: config.state.join("builds"),
        logs: logs(&config.state),
        results: ibutsu.clone().zip(config.ibutsu.as_ref()).map(|(ibutsu, said)| {
            let links: Arc<dyn Results> = Arc::new(ibutsu::Links { ibutsu, source: said.source.clone() });
            links
        }),
        host_env: around.host_env,
        pages: config.base_url.as_deref().map(Pages::new),
    });
    let control = Control::new(Arc::clone(&world), Pace { local: config.poll.local, remote: config.poll.remote });
    let (auth, key) = match &config.auth {
        Some(auth) => {
            let settings = super::auth::settings(auth, &outside.secrets())?;
            let key = settings.local_key.clone();
            (Some(Auth::open(settings, Arc::new(InLedger(Arc::clone(&world)))).await?), Some(key))
        }
        None => (None, None),
    };
    let listener = match &auth {
        Some(_) => Listener::bind_to_all(&config.listen).await?,
        None => Listener::bind(&config.listen).await?,
    };
    let published = Published::new(&config.state, listener.endpoint(), key.as_ref().map(LocalKey::text))?;
    around.listening.store(true, Ordering::Release);
    tracing::info!(address = %listener.endpoint(), config = %config.repository.url, "listening");

    let brain = Arc::new(Wired {
        control: Arc::clone(&control),
        world: Arc::clone(&world),
        logs: KeptLogs::default(),
        auth: auth.clone(),
        ibutsu: ibutsu.clone(),
    });
    let controllers = {
        let (cluster, mut stop) = (Arc::clone(&cluster), shutdown.clone());
        tokio::spawn(async move {
            let stopped = Box::pin(async move {
                let _closed = stop.wait_for(|stop| *stop).await;
            });
            cluster.run_controllers(stopped).await;
        })
    };
    let hidden = Hidden::default();
    let (mut listeners, calls) = listeners(&config.notify, &world.host_env, &outside, &hidden, &clock)?;
    if let Some(otlp) = &config.telemetry {
        listeners.push(traces(otlp, &outside, &hidden)?);
    }
    let uploading = match (ibutsu, &config.ibutsu) {
        (Some(ibutsu), Some(said)) => tokio::spawn(ibutsu::uploader(ibutsu, said, &world, &clock).run(shutdown.clone())),
        _ => tokio::spawn(std::future::ready(())),
    };
    let names = Arc::new(CatalogNames(Arc::clone(&world)));
    let tell = TellSettings { hidden, ..TellSettings::new(names, world.pages.clone(), clock) };
    let climbing = match config.notify.escalation.clone() {
        Some(escalation) => {
            let (control, world, pages) = (Arc::clone(&control), Arc::clone(&world), world.pages.clone());
            let step = escalation.step;
            let climb = Arc::new(Climb { control, world, calls, escalation, pages });
            tokio::spawn(towpath_notify::escalation::climb(ledger.clone(), climb, step, tell.clone(), shutdown.clone()))
        }
        None => tokio::spawn(std::future::ready(())),
    };
    let parts = [
        climbing,
        uploading,
        match around.only_tries {
            true => tokio::spawn(Arc::clone(&control).keep_trying(shutdown.clone())),
            false => tokio::spawn(Arc::clone(&control).keep_going(shutdown.clone())),
        },
        tokio::spawn(Workers::new(Arc::clone(&world), format!("worker-{}", std::process::id())).run(shutdown.clone())),
        tokio::spawn(towpath_pool::Keeper::new(Arc::clone(&world)).run(shutdown.clone())),
        tokio::spawn(towpath_notify::run(ledger.clone(), listeners, tell, shutdown.clone())),
        tokio::spawn(towpath_web::serve(listener, brain, Serving { hooks, auth }, shutdown)),
        controllers,
    ];
    for part in parts {
        if let Err(error) = part.await {
            tracing::error!(%error, "a part of the server ended badly");
        }
    }
    ledger.close().await;
    drop(published);
    Ok(())
}

/// How git is called.
///
/// # Errors
/// When the identity in `towpath.toml` is none that a commit can hold.
pub fn git(config: &Config, credentials: Vec<Credential>) -> anyhow::Result<Git> {
    let identity = Identity::new(config.identity.name.clone(), config.identity.email.clone())?;
    Ok(Git::new(Settings { credentials, ..Settings::new(identity) }))
}

/// Logs of runs, below the state directory.
pub fn logs(state: &std::path::Path) -> Logs {
    Logs::new(PathBuf::from(state).join("logs"), Limits::default())
}

/// Kills this process once it has recorded `count` events, before anything is done about the last one.
fn crash_after(ledger: &Ledger, count: i64) {
    let recorded = AtomicI64::new(0);
    ledger.on_commit(Box::new(move |_event| {
        if recorded.fetch_add(1, Ordering::SeqCst) + 1 >= count
            && let Some(own) = rustix::process::Pid::from_raw(std::process::id().cast_signed())
        {
            let _dying = rustix::process::kill_process(own, rustix::process::Signal::KILL);
        }
    }));
}
