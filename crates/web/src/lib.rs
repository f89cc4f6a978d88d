//! The REST API: what the server knows and does, for the command line and for other programs.
//!
//! Without sign-in it listens on loopback or on a Unix socket only, and whoever can connect may do everything, as with a local database. With it,
//! every request says who asks ([`auth`]). What keeps other sites' pages out is in [`guard`]. The API decides nothing: it asks a [`Brain`], and shows what the brain says.
//!
//! | path | does |
//! | --- | --- |
//! | `GET /healthz` | says that the server runs |
//! | `GET /api/v1/status` | what is where, moving, stuck |
//! | `GET /api/v1/plan?branch=&diff=` | what would happen now, or if a branch of the config repository were merged; with `diff=TARGET`, what would change in its cluster, with `diff=`, in all |
//! | `GET /api/v1/explain?what=` | the story of a commit, target, channel, run or change |
//! | `GET /api/v1/runs?subject=&state=&limit=`, `GET /api/v1/runs/{id}` | runs, and one with its steps |
//! | `GET /api/v1/runs/{id}/logs?from=&waitMs=&search=` | a page of a run's logs; waits for more when asked to |
//! | `GET /api/v1/history?about=&since=&until=&limit=` | events of the ledger in words |
//! | `GET /api/v1/doctor` | what is well and what is not |
//! | `POST /api/v1/{retry,cancel,promote,rollback,hold,release,backup}` | asks for something |
//! | `POST /hooks/{github,gitlab,forgejo}` | has a repository or its changes looked at, where the sender shows that it may |
//! | `POST /hooks/git` | has all repositories looked at; what is sent is not read |
//! | `POST /hooks/registry` | has images looked at that are waited for; what is sent is not read |
//!
//! Refusals are problem details (RFC 9457, `application/problem+json`).
//!
//! - [`brain`]: what the API needs of the loop.
//! - [`act`]: everything that does something, checked and signed.
//! - [`query`]: what can be asked, and pages of logs.
//! - [`api`]: the routes.
//! - [`draw`]: graphs and charts as SVG.
//! - [`hooks`]: webhooks, and who may send them.
//! - [`auth`]: who may what.
//! - [`endpoint`] and [`server`]: where the server listens, and how it serves and stops.
//! - [`limits`]: every limit, with its reason.

pub mod act;
pub mod api;
pub mod auth;
pub mod brain;
pub mod caller;
pub mod draw;
pub mod endpoint;
#[cfg(feature = "fake")]
pub mod fake;
pub mod guard;
pub mod hooks;
pub mod limits;
pub mod metrics;
pub mod pages;
pub mod problem;
pub mod query;
pub mod rules;
pub mod server;

mod bucket;
mod feed;
mod files;
mod headers;
mod route;
mod stalled;
mod text;

pub use api::{Operation, operations};
pub use brain::{Answer, Begun, Brain, Once, RepositoryName, Wake};
pub use caller::{Caller, Until};
pub use endpoint::{Endpoint, EndpointError};
pub use files::open_files;
pub use query::{BackupRequest, HistoryFilter, LogLine, LogPage, LogQuery, RunFilter};
pub use server::{ListenError, Listener, Settings, serve};
