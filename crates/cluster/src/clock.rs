//! The one place of this crate that reads the clock of the day.

use std::time::{SystemTime, UNIX_EPOCH};

use towpath_domain::Timestamp;

pub(crate) fn now() -> Timestamp {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX))
}
