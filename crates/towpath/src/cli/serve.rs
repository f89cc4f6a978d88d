//! `towpath serve`.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::context::Context;
use crate::config::Config;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::{logging, wiring};

/// Runs the server: watches the repositories, builds, deploys, tests and promotes.
///
/// It reads towpath.toml, keeps what it must remember in the state directory, and says there where it listens. SIGTERM and
/// Ctrl-C let what is under way come to a safe point first; a second one ends it at once, and nothing is lost by that either.
/// At SIGHUP towpath.toml is read again, and served from then on if it makes sense.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath serve
  TOWPATH_LOG=debug towpath serve --config /etc/towpath/towpath.toml

The shortest towpath.toml:
  [config]
  url = \"config\"                    # a path from here, or any URL that git can reach

All of it, with what is usual:
  [config]
  url = \"git@git.example.com:team/config.git\"
  branch = \"main\"
  [state]
  directory = \".towpath\"
  [server]
  listen = \"127.0.0.1:0\"            # a free port; or unix:/path/to/socket
  base_url = \"https://towpath.example.com\"   # what links in messages begin with
  [auth.oidc]                       # people sign in; then it may listen for others, too
  issuer = \"https://sso.example.com/realms/staff\"
  client_id = \"towpath\"
  client_secret_file = \"/etc/towpath/oidc-secret\"
  [identity]
  name = \"Towpath\"
  email = \"towpath@localhost\"
  [poll]
  local = \"50ms\"                    # repositories on this machine
  remote = \"30s\"                    # all others; a webhook makes it sooner
  [notify]
  command = [\"/usr/local/bin/tell\"] # gets each message as JSON on standard input
  [registry]
  directory = \".towpath/registry\"
  [webhooks.github]                 # or gitlab, forgejo, registry
  secret_file = \"/etc/towpath/hook\"   # what webhooks to /hooks/github are checked with
  [ibutsu]                          # results of tests are told there, too
  url = \"https://ibutsu-api.example.com\"
  project = \"insights\"
  token_file = \"/etc/towpath/ibutsu-token\"
  [runs]
  memory_max = \"16Gi\"              # what ran out of memory is given twice as much, up to this
  [changes]
  together = 100                    # so many changes to the config repository are merged in one push

What pushes its image itself may be built on a cluster, rather than on this machine:
  [builds.kubernetes]               # as Jobs; or [builds.tekton] with a pipeline
  cluster = \"hub\"                   # one of [clusters]
  namespace = \"builds\"
  image = \"registry.example.com/builders/go:1\"   # of sources that name no image
  push_secret = \"push\"              # a Secret that images are pushed with")]
pub(crate) struct Args {}

pub(super) fn run(context: &Context, _args: &Args) -> Result<Exit, Failure> {
    let config = context.config()?;
    logging::start(&context.environment, "info", context.out.color_err)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(Exit::Failed, format!("cannot begin: {error}")))?;
    let shim = std::env::current_exe().map_err(|error| Failure::new(Exit::Failed, format!("this program cannot be found: {error}")))?;
    let around = wiring::Surroundings {
        host_env: context.environment.host.clone(),
        shim: vec![shim.display().to_string(), "shim".to_owned()],
        listening: Arc::default(),
        only_tries: false,
        crash_after: context.environment.crash_after,
    };
    runtime.block_on(serve_on(context, config, around))?;
    Ok(Exit::Ok)
}

/// Serves until it is told to stop. At SIGHUP the configuration is read again: a sound one is served from then on, and of one that is not, it is said
/// what is wrong, and what is served stays.
async fn serve_on(context: &Context, mut config: Config, around: wiring::Surroundings) -> Result<(), Failure> {
    let mut stop = stop_signal()?;
    let mut again = signal(SignalKind::hangup()).map_err(no_signals)?;
    // What was served before, to go back to when the new one cannot be.
    let mut before: Option<Config> = None;
    loop {
        let (end, ending) = watch::channel(false);
        let listening = Arc::new(AtomicBool::new(false));
        let around = wiring::Surroundings { listening: Arc::clone(&listening), ..around.clone() };
        let mut serving = pin!(wiring::serve(config.clone(), around, ending));
        let next = loop {
            tokio::select! {
                ended = &mut serving => match (ended, before.take()) {
                    // What fails later is a failure like any other.
                    (Err(failure), Some(before)) if !listening.load(Ordering::Acquire) => {
                        tracing::error!("the new configuration cannot be served: {}; the one before is served on", failure.message);
                        break before;
                    }
                    (ended, _) => return ended,
                },
                _ = stop.wait_for(|stop| *stop) => {
                    let _ = end.send(true);
                    return serving.await;
                }
                _ = again.recv() => match context.config() {
                    Ok(new) if new == config => tracing::info!("the configuration was read again: nothing in it is new"),
                    Ok(new) => {
                        tracing::info!("the configuration was read again, and is served from now on");
                        let _ = end.send(true);
                        serving.await?;
                        before = Some(config.clone());
                        break new;
                    }
                    Err(failure) => tracing::error!("the configuration was read again and is not served: {}; what was served stays", failure.message),
                },
            }
        };
        config = next;
    }
}

fn no_signals(error: std::io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("cannot wait for signals: {error}"))
}

/// Turns true at the first SIGTERM or SIGINT. The second ends the process at once, as a kill would.
///
/// # Errors
/// When the system does not let signals be waited for.
pub(crate) fn stop_signal() -> Result<watch::Receiver<bool>, Failure> {
    let listen = |kind| signal(kind).map_err(no_signals);
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    let (stop, stopping) = watch::channel(false);
    tokio::spawn(async move {
        for last in [false, true] {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if last {
                std::process::exit(i32::from(Exit::Failed as u8));
            }
            tracing::info!("stopping: what is under way comes to a safe point first; a second signal ends it at once");
            let _ = stop.send(true);
        }
    });
    Ok(stopping)
}
