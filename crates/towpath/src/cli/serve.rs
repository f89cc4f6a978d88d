//! `towpath serve`.

use tokio::sync::watch;

use super::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::{logging, wiring};

/// Runs the server: watches the repositories, builds, deploys, tests and promotes.
///
/// It reads towpath.toml, keeps what it must remember in the state directory, and says there where it listens. SIGTERM and
/// Ctrl-C let what is under way come to a safe point first; a second one ends it at once, and nothing is lost by that either.
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
        crash_after: context.environment.crash_after,
    };
    runtime.block_on(async { wiring::serve(config, around, stop_signal()?).await })?;
    Ok(Exit::Ok)
}

/// Turns true at the first SIGTERM or SIGINT. The second ends the process at once, as a kill would.
///
/// # Errors
/// When the system does not let signals be waited for.
pub(crate) fn stop_signal() -> Result<watch::Receiver<bool>, Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let listen = |kind| signal(kind).map_err(|error| Failure::new(Exit::Failed, format!("cannot wait for signals: {error}")));
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
