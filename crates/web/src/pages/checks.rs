//! `/checks`: pull requests of sources and how their checks stand; `/checks/{id}`: one of them.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use towpath_control::view::{PullDetail, PullFilter, PullView};
use towpath_control::{Scope, Verb};

use super::ask::{Path, Query, filled};
use super::words::{self, with_query};
use super::{Failed, Frame, Nav, show};
use crate::api::Shared;
use crate::caller::Caller;
use crate::problem::Refusal;

/// Ways to stand that can be asked for.
const STANDINGS: [&str; 9] = ["running", "queued", "waiting", "needs-ok", "backoff", "failed", "passed", "cancelled", "held"];

/// Pull requests on the page, of all sources together, and of one where several are shown; what is more is on a source's own pages.
const ROWS_MAX: usize = 200;
const ROWS_OF_SOURCE_MAX: usize = 25;

/// How much is shown, in characters, of what strangers write: titles, and what went wrong.
const TITLE_MAX: usize = 120;
const TEXT_MAX: usize = 300;

/// Which pull requests are shown.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    #[serde(default, deserialize_with = "filled")]
    source: Option<String>,
    #[serde(default, deserialize_with = "filled")]
    standing: Option<String>,
    #[serde(default)]
    page: usize,
}

/// The pull requests of a source.
struct Queue<'a> {
    source: &'a str,
    under_way: usize,
    waiting: usize,
    all: usize,
    /// Since when its forge cannot be asked, and why.
    unreachable: Option<&'a str>,
    shown: Vec<&'a PullView>,
}

#[derive(Template)]
#[template(path = "checks.html")]
struct ChecksPage<'a> {
    frame: &'a Frame,
    source: &'a str,
    standing: &'a str,
    standings: [&'static str; 9],
    sources: Vec<&'a str>,
    queues: Vec<Queue<'a>>,
    earlier: Option<String>,
    later: Option<String>,
}

impl ChecksPage<'_> {
    fn filtered(&self) -> bool {
        !self.source.is_empty() || !self.standing.is_empty()
    }

    fn title(&self, pull: &PullView) -> String {
        words::cut(&pull.title, TITLE_MAX)
    }

    fn text(&self, pull: &PullView) -> String {
        words::cut(&pull.text, TEXT_MAX)
    }

    /// All pull requests of a source, as they are filtered.
    fn of_source(&self, source: &str) -> String {
        with_query("/checks", &[("source", source), ("standing", self.standing)])
    }
}

/// The page of all.
pub(super) async fn page(
    State(shared): State<Shared>,
    caller: Caller,
    frame: Frame,
    Query(asked): Query<Asked>,
) -> Result<Response, Failed> {
    let frame = frame.on(Nav::Checks, "Pull requests").known_to(&shared).await;
    // All of them, since the page names their sources, whatever is filtered.
    let all = match shared.brain.pulls(caller.sight(), PullFilter::default()).await {
        Ok(all) => all,
        Err(problem) => return Err(Failed::new(frame, Refusal::from(problem))),
    };
    let (source, standing) = (asked.source.as_deref().unwrap_or_default(), asked.standing.as_deref().unwrap_or_default());
    let mut sources: Vec<&str> = all.iter().map(|pull| pull.source.as_str()).collect();
    sources.dedup();
    let is_wanted = |pull: &&PullView| (source.is_empty() || pull.source == source) && (standing.is_empty() || pull.standing == standing);
    let wanted: Vec<&PullView> = all.iter().filter(is_wanted).collect();
    let skipped = if source.is_empty() { 0 } else { asked.page.saturating_sub(1).saturating_mul(ROWS_MAX) };
    let queues = queues(&wanted, !source.is_empty(), skipped);
    let page_of = |page: usize| with_query("/checks", &[("source", source), ("standing", standing), ("page", &page.to_string())]);
    let number = skipped / ROWS_MAX + 1;
    Ok(show(&ChecksPage {
        frame: &frame,
        source,
        standing,
        standings: STANDINGS,
        sources,
        earlier: (skipped > 0).then(|| page_of(number - 1)),
        later: (!source.is_empty() && wanted.len() > skipped.saturating_add(ROWS_MAX)).then(|| page_of(number + 1)),
        queues,
    }))
}

/// By source, no more of each than there is room for. Of one source alone there is a whole page, after so many that are skipped.
fn queues<'a>(pulls: &[&'a PullView], is_alone: bool, skipped: usize) -> Vec<Queue<'a>> {
    let mut room = ROWS_MAX;
    let of_source = pulls.chunk_by(|one, other| one.source == other.source);
    of_source
        .filter_map(|pulls| {
            let (source, most) = (pulls.first()?.source.as_str(), if is_alone { ROWS_MAX } else { ROWS_OF_SOURCE_MAX });
            let shown: Vec<&PullView> = pulls.iter().copied().skip(skipped).take(room.min(most)).collect();
            room -= shown.len();
            let standing = |words: &[&str]| pulls.iter().filter(|pull| words.contains(&pull.standing.as_str())).count();
            let (under_way, waiting) = (standing(&["running", "queued"]), standing(&["waiting"]));
            let unreachable = pulls.first()?.unreachable.as_deref();
            Some(Queue { source, under_way, waiting, all: pulls.len(), unreachable, shown })
        })
        .collect()
}

#[derive(Template)]
#[template(path = "check.html")]
struct CheckPage<'a> {
    frame: &'a Frame,
    detail: &'a PullDetail,
    /// The caller may have it checked.
    may: bool,
}

impl CheckPage<'_> {
    /// A run of it goes on.
    fn is_open(&self) -> bool {
        matches!(self.detail.check.standing.as_str(), "running" | "queued")
    }

    /// There is something to cancel.
    fn is_cancellable(&self) -> bool {
        matches!(self.detail.check.standing.as_str(), "running" | "queued" | "waiting" | "backoff")
    }

    /// A page with what there is of its source.
    fn of_source(&self, page: &str, name: &str) -> String {
        with_query(page, &[(name, &self.detail.check.source)])
    }

    fn needs_ok(&self) -> bool {
        self.detail.check.standing == "needs-ok"
    }
}

/// The page of one.
pub(super) async fn one(State(shared): State<Shared>, caller: Caller, frame: Frame, Path(id): Path) -> Result<Response, Failed> {
    let frame = frame.known_to(&shared).await;
    let detail = match shared.brain.pull(caller.sight(), id).await {
        Ok(detail) => detail,
        Err(problem) => return Err(Failed::new(frame, problem)),
    };
    let frame = frame.on(Nav::Checks, format!("{} {}", detail.check.id, words::cut(&detail.check.title, TITLE_MAX)));
    let scope = Scope { app: detail.check.app.as_deref().map(Into::into), environment: None };
    Ok(show(&CheckPage { frame: &frame, may: caller.grants.may(Verb::Check, &scope), detail: &detail }))
}
