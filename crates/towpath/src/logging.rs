//! What the server logs: on standard error, readable lines without colours unless somebody looks, or one JSON object a line.

use tracing_subscriber::EnvFilter;

use crate::env::Environment;
use crate::exit::Exit;
use crate::failure::Failure;

/// Begins to log what `TOWPATH_LOG` says, `usual` when it says nothing.
///
/// # Errors
/// A usage failure when `TOWPATH_LOG` or `TOWPATH_LOG_FORMAT` makes no sense.
pub fn start(environment: &Environment, usual: &str, color: bool) -> Result<(), Failure> {
    let wanted = environment.log.as_deref().unwrap_or(usual);
    let filter = EnvFilter::builder().parse(wanted).map_err(|error| {
        Failure::new(Exit::Usage, format!("TOWPATH_LOG is {wanted:?}: {error}")).help("set it to error, warn, info, debug or trace")
    })?;
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Logging that was begun already, by a demo that starts its own server, goes on as it is.
    let _ = match environment.log_format.as_deref().unwrap_or("text") {
        "text" => subscriber.with_ansi(color).with_target(false).try_init(),
        // One object a line; what a run says stands under `span`, the same names each time.
        "json" => subscriber.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init(),
        other => {
            let failure = Failure::new(Exit::Usage, format!("TOWPATH_LOG_FORMAT is {other:?}"));
            return Err(failure.help("set it to text, for people, or json, for programs"));
        }
    };
    Ok(())
}
