//! The sinks there are.

mod command;
mod hooks;
mod http;
mod log;
mod mail;
mod otlp;
mod slack;
mod webhook;

pub use command::CommandSink;
pub use hooks::{Hook, HookKind};
pub use http::Http;
pub use log::LogSink;
pub use mail::{Mail, MailSettings, MailTls};
pub use otlp::Otlp;
pub use slack::{Slack, SlackSettings};
pub use webhook::Webhook;
