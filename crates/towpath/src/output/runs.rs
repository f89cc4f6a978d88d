//! Runs, and lines of their logs.

use towpath_control::view::RunView;
use towpath_web::LogLine;

use super::table::Table;
use super::{Look, words};

/// Runs as a table.
pub fn render(runs: &[RunView], look: &Look) -> String {
    if runs.is_empty() {
        return "No runs.\n".to_owned();
    }
    let mut table = Table::new(&["RUN", "STATE", "WHEN", "TOOK", "WHAT"]);
    for run in runs {
        let took = match (run.started_at, run.finished_at) {
            (Some(started), Some(finished)) => words::took(finished.since(started).as_millis()),
            (Some(started), None) => words::took(look.now.since(started).as_millis()),
            _ => "-".to_owned(),
        };
        let state = if run.attempt > 1 { format!("{} (attempt {})", run.state, run.attempt) } else { run.state.clone() };
        let at = run.commit.as_ref().map(|commit| format!(" at {}", words::short(commit))).unwrap_or_default();
        let came = run.message.as_ref().unwrap_or(&run.why);
        table.row([run.id.to_string(), state, words::ago(run.queued_at, look.now), took, format!("{}{at}: {came}", run.subject)]);
    }
    table.render(look.width)
}

/// A line of a log: time, step, text.
pub fn log_line(line: &LogLine) -> String {
    let at = line.at.to_string();
    let time = at.get(11..23).unwrap_or(&at);
    format!("{time} {} {}", words::line(&line.step), words::clean(&line.text))
}
