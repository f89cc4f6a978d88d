//! Pages of long lists.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Part of a list, and where it goes on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "{T}Page")]
pub struct PageView<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Where the next page begins; none behind the last row. Its meaning is Towpath's own.
    pub next: Option<String>,
}
