//! `towpath try --local`: a server of its own for one try, on the embedded runtime, that does nothing else and leaves nothing behind.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinHandle;
use towpath_web::Endpoint;

use super::context::Context;
use crate::client::Client;
use crate::config::Config;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::wiring;

/// How long reading the config repository may take.
const START: Duration = Duration::from_secs(120);

/// How long pods may take to end.
const STOP: Duration = Duration::from_secs(30);

/// Starts it, asks it, and ends it. With `stays`, what was asked for stays there until Ctrl-C.
pub(super) fn run(context: &Context, stays: bool, ask: impl AsyncFnOnce(&Client) -> Result<Exit, Failure>) -> Result<Exit, Failure> {
    let cannot = |error: &dyn std::fmt::Display| Failure::new(Exit::Failed, format!("cannot begin: {error}"));
    let dir = tempfile::Builder::new().prefix("towpath-try-").tempdir().map_err(|error| cannot(&error))?;
    let config = own(context.config()?, dir.path());
    let shim = std::env::current_exe().map_err(|error| Failure::new(Exit::Failed, format!("this program cannot be found: {error}")))?;
    let around = wiring::Surroundings {
        host_env: context.environment.host.clone(),
        shim: vec![shim.display().to_string(), "shim".to_owned()],
        listening: Arc::default(),
        only_tries: true,
        crash_after: None,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| cannot(&error))?;
    let done = runtime.block_on(async {
        let (end, ending) = watch::channel(false);
        let own = config.clone();
        let mut serving = tokio::spawn(async move { wiring::serve(own, around, ending).await });
        let asked = async {
            let client = ready(&config, &mut serving).await?;
            let exit = ask(&client).await?;
            if stays {
                context.out.note("It stays as it is until you press Ctrl-C.");
                let _pressed = tokio::signal::ctrl_c().await;
            }
            Ok(exit)
        };
        let done = asked.await;
        let _ended = end.send(true);
        if !serving.is_finished() {
            let _stopped = tokio::time::timeout(STOP, serving).await;
        }
        done
    });
    // Services outlive a server on purpose; these are nobody's any more.
    if let Err(error) = towpath_cluster::stop_everything(&config.state.join("cluster"), STOP) {
        context.out.note(&format!("what still runs could not be ended: {error}"));
    }
    done
}

/// The same config repository, and nothing else of the installation: neither its state nor its clusters, and nobody is told anything.
fn own(config: Config, dir: &Path) -> Config {
    let outside = crate::config::outside::Outside { clusters: Default::default(), ..config.outside };
    Config {
        state: dir.join("state"),
        registry: dir.join("registry"),
        listen: Endpoint::Unix(dir.join("socket")),
        auth: None,
        base_url: None,
        notify: Default::default(),
        outside,
        webhooks: Default::default(),
        telemetry: None,
        ibutsu: None,
        builds: None,
        forge: None,
        forges: Vec::new(),
        ..config
    }
}

/// Waits until it has read the config repository.
async fn ready(config: &Config, serving: &mut JoinHandle<Result<(), Failure>>) -> Result<Client, Failure> {
    let begun = Instant::now();
    loop {
        if let Ok(client) = Client::find(config)
            && let Ok(status) = client.status().await
        {
            let read = status.config;
            if read.commit.is_some() {
                return Ok(client);
            }
            if let Some(why) = read.unreachable {
                return Err(unreadable(&format!("{} cannot be read {why}", read.url)));
            }
        }
        if serving.is_finished() {
            return match serving.await {
                Ok(Err(failure)) => Err(failure),
                _ => Err(Failure::new(Exit::Failed, "the embedded runtime did not come up")),
            };
        }
        if begun.elapsed() > START {
            return Err(unreadable(&format!("{} could not be read within {} s", config.repository.url, START.as_secs())));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn unreadable(text: &str) -> Failure {
    Failure::new(Exit::Failed, text)
        .help("see whether git can reach it from here, as you, and whether [config] of towpath.toml names it right")
}
