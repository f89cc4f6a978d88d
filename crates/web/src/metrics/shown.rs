//! The figures as OpenMetrics text.

use std::fmt;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use towpath_control::view::{InsightView, PulseView};
use towpath_domain::Timestamp;

use super::http::Http;
use super::process::Process;

type Labels = Vec<(String, String)>;
type Number = Gauge<f64, AtomicU64>;

/// The names of all figures, as they are queried, and what each is: what the documents, the dashboard and the alert rules may name.
pub const NAMES: &[(&str, &str)] = &[
    ("towpath_build_info", "the version that runs, as a label"),
    ("towpath_ledger_events", "the number of the newest event of the ledger"),
    ("towpath_runs_queued", "runs that wait for a worker, by kind"),
    ("towpath_runs_running", "runs under way, by kind"),
    ("towpath_runs_finished_total", "runs that ended, by kind and outcome, since the ledger began"),
    ("towpath_queue_oldest_age_seconds", "for how long the oldest queued run waits; 0 when none does"),
    ("towpath_targets", "targets by standing, as on the board"),
    ("towpath_holds", "holds over all targets, by reason"),
    ("towpath_incidents", "failures that people must see, by whether somebody sees to them"),
    ("towpath_station_seconds", "time of commits at each station over 7 days, by phase (waiting, working) and quantile (0.5, 0.9)"),
    ("towpath_lead_time_seconds", "from merge to production over 7 days, by quantile"),
    ("towpath_outbox_waiting", "messages that are not told yet, by way of telling"),
    ("towpath_outbox_oldest_age_seconds", "for how long the oldest of them waits"),
    ("towpath_dead_letters", "messages that were given up, by way of telling"),
    ("towpath_config_unreachable_seconds", "for how long the config repository cannot be read; 0 when it can"),
    ("towpath_config_errors", "errors in the config repository"),
    ("towpath_event_streams", "streams of events that are open"),
    ("towpath_http_requests_total", "requests, by route, method and status"),
    ("towpath_http_request_duration_seconds", "how long answers took to begin, by route and method"),
    ("process_cpu_seconds_total", "processor time of the server"),
    ("process_resident_memory_bytes", "memory of the server"),
    ("process_open_fds", "files that the server has open"),
];

/// All figures.
///
/// # Errors
/// When they cannot be written, which memory never is the reason for.
pub(super) fn text(pulse: &PulseView, insight: &InsightView, http: &Http, streams: usize, process: &Process) -> Result<String, fmt::Error> {
    let mut all = All(Registry::default());
    all.gauges("towpath_build_info", [(labels(&[("version", env!("CARGO_PKG_VERSION"))]), 1.0)]);
    all.one("towpath_ledger_events", whole(u64::try_from(pulse.event).unwrap_or(0)));
    all.gauges("towpath_runs_queued", by("kind", &pulse.queued));
    all.gauges("towpath_runs_running", by("kind", &pulse.running));
    all.finished(pulse);
    all.one("towpath_queue_oldest_age_seconds", pulse.oldest_queued_at.map_or(0.0, |at| seconds(pulse.now, at)));
    all.gauges("towpath_targets", by("standing", &pulse.targets));
    all.gauges("towpath_holds", by("reason", &pulse.holds));
    let (open, seen_to) = pulse.incidents;
    all.gauges("towpath_incidents", by("state", &[("open".to_owned(), open), ("acknowledged".to_owned(), seen_to)]));
    all.insight(insight);
    all.gauges("towpath_outbox_waiting", pulse.outbox.iter().map(|(sink, count, _)| (labels(&[("sink", sink)]), whole(*count))));
    all.gauges("towpath_outbox_oldest_age_seconds", pulse.outbox.iter().map(|(sink, _, ms)| (labels(&[("sink", sink)]), thousandth(*ms))));
    all.gauges("towpath_dead_letters", by("sink", &pulse.dead_letters));
    all.one("towpath_config_unreachable_seconds", pulse.config_unreachable_since.map_or(0.0, |at| seconds(pulse.now, at)));
    all.one("towpath_config_errors", whole(pulse.config_errors));
    all.one("towpath_event_streams", whole(streams as u64));
    all.0.register("towpath_http_requests", help("towpath_http_requests_total"), http.requests.clone());
    all.0.register("towpath_http_request_duration_seconds", help("towpath_http_request_duration_seconds"), http.took.clone());
    let cpu = Counter::<f64, AtomicU64>::default();
    cpu.inc_by(process.cpu_seconds);
    all.0.register("process_cpu_seconds", help("process_cpu_seconds_total"), cpu);
    all.one("process_resident_memory_bytes", whole(process.resident_bytes));
    all.one("process_open_fds", whole(process.open_files));
    let mut text = String::new();
    encode(&mut text, &all.0)?;
    Ok(text)
}

struct All(Registry);

impl All {
    fn gauges(&mut self, name: &'static str, values: impl IntoIterator<Item = (Labels, f64)>) {
        let family = Family::<Labels, Number>::default();
        for (labels, value) in values {
            family.get_or_create(&labels).set(value);
        }
        self.0.register(name, help(name), family);
    }

    fn one(&mut self, name: &'static str, value: f64) {
        let gauge = Number::default();
        gauge.set(value);
        self.0.register(name, help(name), gauge);
    }

    fn finished(&mut self, pulse: &PulseView) {
        let family = Family::<Labels, Counter>::default();
        for (kind, outcome, count) in &pulse.finished {
            family.get_or_create(&labels(&[("kind", kind), ("outcome", outcome)])).inc_by(*count);
        }
        self.0.register("towpath_runs_finished", help("towpath_runs_finished_total"), family);
    }

    fn insight(&mut self, insight: &InsightView) {
        let mut stations = Vec::new();
        for station in &insight.stations {
            for (phase, spread) in [("waiting", &station.waiting), ("working", &station.working)].into_iter().filter(|(_, s)| s.count > 0) {
                for (quantile, ms) in [("0.5", spread.median_ms), ("0.9", spread.p90_ms)] {
                    stations.push((labels(&[("station", &station.station), ("phase", phase), ("quantile", quantile)]), thousandth(ms)));
                }
            }
        }
        self.gauges("towpath_station_seconds", stations);
        let lead = insight.lead_time.iter().flat_map(|spread| [("0.5", spread.median_ms), ("0.9", spread.p90_ms)]);
        self.gauges("towpath_lead_time_seconds", lead.map(|(quantile, ms)| (labels(&[("quantile", quantile)]), thousandth(ms))));
    }
}

/// What a figure is; the text ends with a full stop of its own.
fn help(name: &str) -> &'static str {
    NAMES.iter().find(|(known, _)| *known == name).map_or("", |(_, help)| help)
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn by<'a>(label: &'a str, counts: &'a [(String, u64)]) -> impl Iterator<Item = (Labels, f64)> + 'a {
    counts.iter().map(move |(value, count)| (labels(&[(label, value)]), whole(*count)))
}

#[allow(clippy::cast_precision_loss)]
fn whole(count: u64) -> f64 {
    count as f64
}

fn thousandth(ms: u64) -> f64 {
    whole(ms) / 1000.0
}

fn seconds(now: Timestamp, since: Timestamp) -> f64 {
    thousandth(now.since(since).as_millis())
}

#[cfg(test)]
mod tests {
    use towpath_control::view::{Spread, StationTime};

    use super::*;

    fn full() -> (PulseView, InsightView) {
        let now = Timestamp::from_millis(1_800_000_000_000);
        let some = |name: &str| vec![(name.to_owned(), 3)];
        let pulse = PulseView {
            now,
            event: 7,
            config_commit: None,
            queued: some("deploy"),
            running: some("build"),
            oldest_queued_at: Some(Timestamp::from_millis(now.as_millis() - 90_500)),
            targets: some("stuck"),
            holds: some("frozen"),
            incidents: (2, 1),
            outbox: vec![("slack \"a\"\n".to_owned(), 4, 1500)],
            dead_letters: some("mail"),
            finished: vec![("build".into(), "failed".into(), 5)],
            config_unreachable_since: Some(now),
            config_errors: 1,
        };
        let spread = Spread { count: 9, median_ms: 1500, p90_ms: 60_000 };
        let station = StationTime { station: "deploy stage".into(), waiting: spread, working: Spread::default() };
        (pulse, InsightView { stations: vec![station], lead_time: Some(spread), ..InsightView::default() })
    }

    /// Figures that a text names.
    fn named(text: &str) -> std::collections::BTreeSet<&str> {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let figures = words.filter(|word| word.starts_with("towpath_") || word.starts_with("process_"));
        figures.map(|word| word.strip_suffix("_bucket").unwrap_or(word)).collect()
    }

    #[test]
    fn documents_dashboard_and_alerts_name_the_figures_that_there_are() {
        let known: std::collections::BTreeSet<&str> = NAMES.iter().map(|(name, _)| *name).collect();
        let documents = include_str!("../../../../docs/operate.md");
        let chapter = documents.split("## Figures").nth(1).unwrap().split("\n## ").next().unwrap();
        assert_eq!(named(chapter), known, "docs/operate.md");
        let dashboard = include_str!("../../../../docs/grafana/towpath.json");
        assert_eq!(named(dashboard), known, "the dashboard shows all of them");
        let alerts = named(include_str!("../../../../docs/prometheus/alerts.yml"));
        assert!(alerts.len() > 7 && alerts.is_subset(&known), "{alerts:?}");
        let parsed: serde_json::Value = serde_json::from_str(dashboard).unwrap();
        let panels = parsed["panels"].as_array().unwrap();
        let ids: std::collections::BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
        assert_eq!(ids.len(), panels.len(), "ids are told apart");
    }

    #[test]
    fn every_figure_is_shown_under_its_name_and_no_other() {
        let (pulse, insight) = full();
        let http = Http::default();
        http.note("/runs/{id}".to_owned(), "GET", 404, 0.007);
        let text = text(&pulse, &insight, &http, 6, &Process::default()).unwrap();
        for line in [
            "towpath_runs_queued{kind=\"deploy\"} 3.0",
            "towpath_queue_oldest_age_seconds 90.5",
            "towpath_runs_finished_total{kind=\"build\",outcome=\"failed\"} 5",
            "towpath_incidents{state=\"acknowledged\"} 1.0",
            "towpath_outbox_oldest_age_seconds{sink=\"slack \\\"a\\\"\\n\"} 1.5",
            "towpath_station_seconds{station=\"deploy stage\",phase=\"waiting\",quantile=\"0.9\"} 60.0",
            "towpath_lead_time_seconds{quantile=\"0.5\"} 1.5",
            "towpath_event_streams 6.0",
            "towpath_http_requests_total{route=\"/runs/{id}\",method=\"GET\",status=\"404\"} 1",
            "towpath_http_request_duration_seconds_bucket{le=\"0.005\",route=\"/runs/{id}\",method=\"GET\"} 0",
            "towpath_http_request_duration_seconds_bucket{le=\"0.01\",route=\"/runs/{id}\",method=\"GET\"} 1",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line}\n{text}");
        }
        assert!(!text.contains("phase=\"working\""), "nothing is told of what nothing was measured of");
        assert!(text.ends_with("# EOF\n"));
        let told: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).filter_map(|line| line.split(' ').next()).collect();
        let known: Vec<&str> = NAMES.iter().map(|(name, _)| name.strip_suffix("_total").unwrap_or(name)).collect();
        let mut sorted = (told.clone(), known);
        sorted.0.sort_unstable();
        sorted.1.sort_unstable();
        assert_eq!(sorted.0, sorted.1);
    }
}
