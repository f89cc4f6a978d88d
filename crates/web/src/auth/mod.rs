//! Who may what: sign-in by OpenID Connect, sessions, tokens of programs.
//!
//! Without [`AuthSettings`] there is a single user, and whoever can connect is it. With them nobody is trusted for where they come from: a request
//! shows a session's cookie, a token, or this start's local key, or it gets nothing but the few public paths.
//!
//! - [`settings`]: how people sign in, and how long that counts. - [`keeper`]: what is needed of ledger and catalog. - [`token`]: secrets and their
//!   hashes.

pub mod keeper;
pub mod settings;
pub mod token;

pub use keeper::{Keeper, KeeperError};
pub use settings::{AuthSettings, BadBaseUrl, BadNetwork, BaseUrl, ClientSecret, Everybody, LocalKey, Network, OidcSettings};
pub use token::{NoRandomness, Secret};
