//! How well deliveries go: the figures that DORA made known, where the time goes, and which tests are slow or flaky.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use towpath_domain::{RunId, Timestamp};

/// How well deliveries went in a time.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InsightView {
    /// The time, in days up to now.
    pub days: u32,
    /// One entry per day, oldest first; days are UTC.
    pub by_day: Vec<DayView>,
    /// From merge to production, in milliseconds; none without a delivery.
    pub lead_time: Option<Spread>,
    /// Deploys to production per day.
    pub deploys_per_day: f64,
    /// Production deploys that failed or were rolled back, out of all.
    pub change_fail_rate: Ratio,
    /// From a failure in production to the next success there, in milliseconds.
    pub recovery_time: Option<Spread>,
    /// Production deploys that mended an earlier one (rollbacks and hotfixes), out of all.
    pub rework_rate: Ratio,
    /// Where the time of a commit goes: waiting for and being in each station.
    pub stations: Vec<StationTime>,
    /// The slowest tests, slowest first.
    pub slow_tests: Vec<TestView>,
    /// Tests that passed and failed on the same tree, the most often first.
    pub flaky_tests: Vec<TestView>,
}

/// A day.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DayView {
    /// Its beginning.
    pub day: Timestamp,
    /// Production deploys that went well.
    pub deploys: u32,
    /// Those that failed.
    pub failures: u32,
    /// The median from merge to production of that day's, in milliseconds.
    pub lead_time_ms: Option<u64>,
}

/// How figures are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Spread {
    /// Of how many.
    pub count: u32,
    /// Half took no longer, in milliseconds.
    pub median_ms: u64,
    /// Nine of ten took no longer, in milliseconds.
    pub p90_ms: u64,
}

/// So many of so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ratio {
    /// These.
    pub part: u32,
    /// Of these.
    pub of: u32,
}

/// The time at a station.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StationTime {
    /// `build`, or `deploy`, `test` or `change` with the environment behind a space.
    pub station: String,
    /// From being possible to its start, in milliseconds.
    pub waiting: Spread,
    /// From its start to its end, in milliseconds.
    pub working: Spread,
}

/// A test over its runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TestView {
    /// The stable name of its history; none where it has none.
    pub id: Option<String>,
    /// The target whose run reported it.
    pub target: String,
    /// Its name, as reported.
    pub name: String,
    /// How often it ran.
    pub runs: u32,
    /// How often it failed.
    pub failures: u32,
    /// How often it was found to be flaky: it passed and failed on the same tree.
    pub flakes: u32,
    /// Half took no longer, in milliseconds.
    pub median_ms: u64,
    /// A run in which it failed, or the newest.
    pub run: RunId,
}

/// Which deliveries.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InsightFilter {
    /// In so many days up to now; 30 when absent, at most 366.
    #[schemars(range(min = 1, max = 366))]
    pub days: Option<u32>,
    /// Of this app.
    pub app: Option<String>,
    /// Which environments count as production, by name; those that nothing comes after when absent.
    pub environment: Option<String>,
}
