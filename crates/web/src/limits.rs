//! Every limit of the API, with its reason.

use std::time::Duration;

/// The largest body of a request to the API, in bytes. The longest thing that people send is a reason.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// The largest webhook body that is read to its end, in bytes: GitHub's own limit, and others send no larger ones.
pub const HOOK_BODY_BYTES_MAX: usize = 25 * 1024 * 1024;

/// How long a request may take. Planning a branch fetches it first, which a slow remote drags out.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a client may take to send a request's head: it keeps idle and slow connections from piling up.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(15);

/// The longest wait for new lines of a log. Less than [`REQUEST_TIMEOUT`], so that a wait ends with an answer.
pub const LOG_WAIT_MAX: Duration = Duration::from_secs(30);

/// Connections at a time: room for all streams, for all requests that are answered at once, for all webhooks, and some that are idle. `serve`
/// sees to it that the process may open as many files.
pub const CONNECTIONS_MAX: usize = STREAMS_MAX + REQUESTS_MAX + HOOKS_AT_ONCE + 224;

/// Files that the process may have open: a connection is one, and beside them there are the ledger, mirrors and what is asked of others.
pub const FILES_WANTED: u64 = 2 * CONNECTIONS_MAX as u64;

/// Answers that last at a time: streams of events and exports. As many as a large organisation has open pages; a stream costs some 20 KiB.
pub const STREAMS_MAX: usize = 1536;

/// Requests that are answered at the same time, those that wait for lines of a log included. Streams and webhooks have places of their own, so that
/// none of the three keeps the others out.
pub const REQUESTS_MAX: usize = 256;

/// How long the other end of a connection may take nothing of what is sent to it.
pub const STALLED_MAX: Duration = Duration::from_secs(30);

/// Events that are kept for streams which are a little slow, ready to be sent. Most have less than 1 KiB; those with a branch's commits some 20.
pub const EVENTS_KEPT: usize = 256;

/// Streams that read at the same time what they missed.
pub const CATCHING_UP_MAX: usize = 4;

/// So many events are told one by one to who missed them; who missed more is told to load anew what they show.
pub const EVENTS_MISSED_MAX: i64 = 10_000;

/// How often a stream says that it is still there. Proxies close what is silent for a minute.
pub const HEARTBEAT: Duration = Duration::from_secs(15);

/// How long those who follow wait before they come again after a stream ended.
pub const STREAM_RETRY: Duration = Duration::from_secs(2);

/// The longest key of a write that is to be done once, in bytes.
pub const KEY_BYTES_MAX: usize = 255;

/// How long open requests may take to end once the server is told to stop.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// Wakes by webhooks that come at once are taken up to this number; after it, one each [`HOOK_REFILL`].
pub const HOOK_BURST: u32 = 20;

/// How long until one more wake by webhook is taken. More would say nothing new: each wake looks at everything.
pub const HOOK_REFILL: Duration = Duration::from_millis(250);

/// Webhooks that are checked and taken in at the same time. With [`HOOK_KEPT_BYTES_MAX`] they hold some 64 MiB at
/// most, growing buffers counted in, whoever sends them.
pub const HOOKS_AT_ONCE: usize = 32;

/// How much of a webhook's body is kept to be parsed, in bytes. Only pushes of very many commits are longer: they have everything looked at.
pub const HOOK_KEPT_BYTES_MAX: usize = 1024 * 1024;

/// How long the sender of a webhook may take for its body. Forges give up after as long; a slow sender holds one of few places.
pub const HOOK_BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Webhooks that come at once, of those who know a secret, are taken up to this number; after it, one each [`SIGNED_HOOK_REFILL`]. A large change
/// with many checks sends hundreds; what they wake for is looked at once.
pub const SIGNED_HOOK_BURST: u32 = 1000;

/// How long until one more webhook is taken of those who know a secret: whoever caught one and sends it again and again is slowed down.
pub const SIGNED_HOOK_REFILL: Duration = Duration::from_millis(20);

/// Steps of signing in that one address may take at once; after it, one each [`SIGN_IN_REFILL`]. A whole sign-in is two steps.
pub const SIGN_IN_BURST: u32 = 20;

/// How long until an address may take one more step of signing in.
pub const SIGN_IN_REFILL: Duration = Duration::from_secs(3);

/// Wrong tokens that are taken from one address at once before it is told to wait; after it, one each [`WRONG_TOKEN_REFILL`]. A token of 256 random
/// bits is guessed by nobody: it keeps a program that goes on with an old one from costing anything.
pub const WRONG_TOKEN_BURST: u32 = 20;

/// How long until an address is told once more that its token is wrong.
pub const WRONG_TOKEN_REFILL: Duration = Duration::from_secs(3);

/// What all addresses together may do of either at once; after it, one each [`ALL_REFILL`]. Whoever wants to keep others from signing in needs
/// hundreds of addresses; sessions and right tokens pass even then.
pub const ALL_BURST: u32 = 600;

/// How long until one more is taken from all addresses together.
pub const ALL_REFILL: Duration = Duration::from_millis(20);

/// Addresses that are remembered at a time. By the bounds above there are never so many: each is forgotten a minute after its last attempt.
pub const ADDRESSES_MAX: usize = 8192;

/// How long a sign-in may take from its beginning: people look for their second factor.
pub const SIGN_IN_TIME: Duration = Duration::from_secs(600);

/// Sign-ins that are remembered as done, so that none is done twice.
pub const SIGN_INS_KEPT: usize = 40_000;

/// Sign-ins that ask the identity provider at the same time.
pub const SIGN_INS_AT_ONCE: usize = 16;

/// Sessions of one person at a time. Of more, the one that was used longest ago ends.
pub const SESSIONS_OF_ONE: usize = 32;

/// Tokens of one owner that count at a time.
pub const TOKENS_OF_ONE: usize = 200;

/// How often at most it is noted that a session or token was used.
pub const NOTED_EACH: Duration = Duration::from_secs(60);

/// How often what lasts, such as a stream, looks whether its caller's session, token and roles still count. Sign-out, revoking and a new catalog are
/// heard of at once; this is for what ends by time.
pub const LOOK_AGAIN: Duration = Duration::from_secs(5);
