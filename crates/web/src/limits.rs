//! Every limit of the API, with its reason.

use std::time::Duration;

/// The largest body of a request to the API, in bytes. The longest thing that people send is a reason.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// The largest webhook body that is read to its end, in bytes; forges send no larger ones. Nothing of it is kept.
pub const HOOK_BODY_BYTES_MAX: usize = 25 * 1024 * 1024;

/// How long a request may take. Planning a branch fetches it first, which a slow remote drags out.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a client may take to send a request's head: it keeps idle and slow connections from piling up.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(15);

/// The longest wait for new lines of a log. Less than [`REQUEST_TIMEOUT`], so that a wait ends with an answer.
pub const LOG_WAIT_MAX: Duration = Duration::from_secs(30);

/// Connections at a time. Far more than one machine's people and scripts need, far fewer than the files a process may open.
pub const CONNECTIONS_MAX: usize = 256;

/// How long open requests may take to end once the server is told to stop.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// Wakes by webhooks that come at once are taken up to this number; after it, one each [`HOOK_REFILL`].
pub const HOOK_BURST: u32 = 20;

/// How long until one more wake by webhook is taken. More would say nothing new: each wake looks at everything.
pub const HOOK_REFILL: Duration = Duration::from_millis(250);
