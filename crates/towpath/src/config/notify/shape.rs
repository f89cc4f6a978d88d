//! The keys of `[notify]`.

use crate::config::keys::{SECRET, Shape};

/// What all ways of telling share.
macro_rules! common {
    ($($own:tt),* $(,)?) => {
        Shape::Table(&[
            ("events", Shape::Value),
            ("apps", Shape::Value),
            ("saas_files", Shape::Value),
            ("environments", Shape::Value),
            ("digest", Shape::Value),
            ("ca", Shape::Value),
            $($own),*
        ])
    };
}

static SLACK: Shape = common!(
    ("workspace", Shape::Value),
    ("token_file", Shape::Value),
    ("token", SECRET),
    ("channel", Shape::Value),
    ("start", Shape::Value),
    ("api", Shape::Value),
);
static HOOK: Shape = common!(("url_file", Shape::Value), ("url", SECRET), ("channel", Shape::Value));
static WEBHOOK: Shape = common!(("url", Shape::Value), ("key_file", Shape::Value), ("key", SECRET));
static MAIL: Shape = common!(
    ("server", Shape::Value),
    ("tls", Shape::Value),
    ("username", Shape::Value),
    ("password_file", Shape::Value),
    ("password", SECRET),
    ("from", Shape::Value),
    ("to", Shape::Value),
);

static PAGER: Shape = Shape::Table(&[("key_file", Shape::Value), ("key", SECRET), ("api", Shape::Value), ("ca", Shape::Value)]);

/// Its keys.
pub const SHAPE: Shape = Shape::Table(&[
    ("command", Shape::Value),
    ("slack", Shape::Each(&SLACK)),
    ("slack_webhook", Shape::Each(&HOOK)),
    ("mattermost", Shape::Each(&HOOK)),
    ("teams", Shape::Each(&HOOK)),
    ("webhook", Shape::Each(&WEBHOOK)),
    ("mail", Shape::Each(&MAIL)),
    ("pagerduty", Shape::Each(&PAGER)),
    ("opsgenie", Shape::Each(&PAGER)),
    ("escalation", Shape::Table(&[("step", Shape::Value), ("environments", Shape::Value), ("last", Shape::Value)])),
]);
