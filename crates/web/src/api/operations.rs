//! All that the API takes.

use towpath_control::Verb;
use towpath_control::request::{
    CheckRequest, ExtendRequest, FreeRequest, HoldRequest, PlanRequest, PromoteRequest, ReserveRequest, RetryRequest, RollbackRequest,
    TryRequest,
};
use towpath_control::view::{
    Accepted, BoardFilter, BoardView, ChangeDetail, ChangeFilter, ChangeView, CompareRequest, CompareView, ExplainView, Finding,
    GraphFilter, GraphView, HistoryLine, ImageFilter, ImageView, IncidentView, InsightFilter, InsightView, NamespaceFilter, NamespaceView,
    PageView, PlanView, PoolView, PullDetail, PullFilter, PullView, ReleaseView, ReservationView, RunDetail, RunReportsFilter,
    RunReportsView, RunView, StatusView, TestDetail, TestFilter, TestLine, WhyView,
};

use super::operation::Operation;
use super::{badge, history, look, read, stream, tested, tokens, write};
use crate::auth::{MadeToken, NewToken, TokenView};
use crate::query::{BackupRequest, LogPage, RunFilter};

/// Where the API is.
pub const PREFIX: &str = "/api/v1";

/// What a name may come to when it names nothing, or too much.
const NAMED: &[&str] = &["unknown-name", "unknown-target", "unknown-commit", "unknown-run", "ambiguous-target", "ambiguous-commit"];

/// All requests that the API takes, below [`PREFIX`].
#[must_use]
pub fn operations() -> Vec<Operation> {
    let mut all = looks();
    all.extend(lists());
    all.extend(writes());
    all.extend(of_pools());
    all.extend(of_checks());
    all.extend(of_tokens());
    all
}

fn looks() -> Vec<Operation> {
    vec![
        Operation::get("/status", "status", read::status)
            .says("look", "What is where", "Every source and target with what runs there, what is moving, what is stuck and why.")
            .answers::<StatusView>(),
        Operation::get("/board", "board", look::board)
            .says("look", "Apps and environments", "What runs where, what is on its way, what is stuck and on what, and the train of commits that wait.")
            .query::<BoardFilter>()
            .refuses(&["unknown-state"])
            .answers::<BoardView>(),
        Operation::get("/commits/{sha}", "release", look::release)
            .says("look", "One commit's way", "From merge to production: each station with its times and the reason for each wait. The commit is a full id or an unambiguous beginning.")
            .answers::<ReleaseView>()
            .refuses(NAMED),
        Operation::get("/targets/{id}", "target", look::target)
            .says("look", "Why a target is as it is", "The verdict, hold by hold, with what would lift each. A target is named by its id, its title or an unambiguous part of it.")
            .answers::<WhyView>()
            .refuses(NAMED),
        Operation::get("/targets/{id}/badge.svg", "badge", badge::badge)
            .says("look", "A badge", "A small picture with what runs in a target and how that stands, for a repository's front page.")
            .query::<badge::BadgeQuery>()
            .answers_as::<String>(200, "image/svg+xml")
            .refuses(NAMED),
        Operation::get("/sources/{name}", "source", look::source)
            .says("look", "Why a source is as it is", "The verdict, hold by hold, with what would lift each.")
            .answers::<WhyView>()
            .refuses(NAMED),
        Operation::get("/changes/{id}", "change", look::change)
            .says("look", "A change", "One change on the config repository with its checks, approvals and runs.")
            .answers::<ChangeDetail>()
            .refuses(NAMED),
        Operation::get("/runs/{id}", "run", look::run)
            .says("look", "A run", "Its steps with their times, the likely cause of its failure, objects, test reports and what can be done. A run is named by its id or an unambiguous beginning.")
            .answers::<RunDetail>()
            .refuses(&["unknown-run", "ambiguous-run"]),
        Operation::get("/runs/{id}/logs", "logs", read::logs)
            .says("look", "A page of a run's log", "Lines in the order in which they were written; secrets are masked. With `waitMs`, an empty page of a run that goes on is held back until there is a line.")
            .query::<read::LogsQuery>()
            .answers::<LogPage>()
            .refuses(&["unknown-run", "ambiguous-run"]),
        Operation::get("/runs/{id}/reports", "runReports", tested::of_run)
            .says("look", "Reports of a run's tests", "The reports with their counts, and a page of their tests: failed ones first, then flaky ones, each with what it said, and what is known of a failure.")
            .query::<RunReportsFilter>()
            .answers::<RunReportsView>()
            .refuses(&["unknown-run", "ambiguous-run", "bad-cursor"]),
        Operation::get("/runs/{id}/reports/file", "reportFile", tested::file)
            .says("look", "A report's file", "The JUnit XML as it was found, but for secrets, for as long as it is kept.")
            .query::<tested::FileQuery>()
            .answers_as::<String>(200, "application/xml")
            .refuses(&["unknown-run", "ambiguous-run", "unknown-report"]),
        Operation::get("/tests/{id}", "test", tested::test)
            .says("look", "A test", "How a test stands, and its last times: how each ended, of which run, commit and tree. A test is named by its stable id.")
            .answers::<TestDetail>()
            .refuses(&["unknown-test"]),
        Operation::get("/explain", "explain", read::explain)
            .says("look", "The story of something", "What happened to a commit, target, channel, run or change, and what is being waited for.")
            .query::<read::ExplainQuery>()
            .answers::<ExplainView>()
            .refuses(NAMED)
            .refuses(&["ambiguous-run"]),
        Operation::get("/plan", "plan", read::plan)
            .says("look", "What would happen", "Now, or if a branch of the config repository were merged; with `diff`, what would change in the clusters, for one target or (when empty) for all.")
            .query::<PlanRequest>()
            .answers::<PlanView>()
            .refuses(&["unknown-target", "ambiguous-target", "unknown-branch", "conflict", "git"]),
        Operation::get("/compare", "compare", look::compare)
            .says("look", "Two refs beside each other", "The commits, rendered objects and images in which two refs of a target differ. Values of secrets are hidden.")
            .query::<CompareRequest>()
            .answers::<CompareView>()
            .refuses(NAMED)
            .refuses(&["git", "nothing-to-compare"]),
        Operation::get("/graph", "graph", look::graph)
            .says("look", "What publishes to what", "Sources, targets and channels as nodes, and what leads to what as edges between their places in the list.")
            .query::<GraphFilter>()
            .answers::<GraphView>()
            .refuses(NAMED),
        Operation::get("/insight", "insight", look::insight)
            .says("look", "How well deliveries go", "Lead time, deployment frequency, change fail rate, recovery time, rework rate; where the time goes; slow and flaky tests.")
            .query::<InsightFilter>()
            .answers::<InsightView>(),
        Operation::get("/doctor", "doctor", read::doctor)
            .needs(Verb::Administer)
            .says("administer", "What is well and what is not", "Everything that the server depends on, looked at now, each with how to mend it.")
            .answers::<Vec<Finding>>(),
    ]
}

fn lists() -> Vec<Operation> {
    vec![
        Operation::get("/runs", "runs", read::runs)
            .says("lists", "Runs", "Newest first, without their steps. A page may be shorter than `limit` although `next` says that there is more.")
            .query::<RunFilter>()
            .answers::<PageView<RunView>>()
            .refuses(NAMED)
            .refuses(&["bad-cursor", "unknown-state", "no-subject"]),
        Operation::get("/changes", "changes", look::changes)
            .says("lists", "Changes", "Changes on the config repository, newest first.")
            .query::<ChangeFilter>()
            .answers::<PageView<ChangeView>>()
            .refuses(&["bad-cursor", "unknown-state"]),
        Operation::get("/images", "images", look::images)
            .says("lists", "Images", "Images that were built, newest first, each with where it runs.")
            .query::<ImageFilter>()
            .answers::<PageView<ImageView>>()
            .refuses(&["bad-cursor"]),
        Operation::get("/tests", "tests", tested::tests)
            .says("lists", "Tests", "Tests over their runs: flaky ones first, the most often found first, then failing ones, then by name.")
            .query::<TestFilter>()
            .answers::<PageView<TestLine>>()
            .refuses(&["bad-cursor", "unknown-state"]),
        Operation::get("/incidents", "incidents", look::incidents)
            .says("lists", "Incidents", "Failures that people must see: open ones first, then those that were mended of late.")
            .answers::<Vec<IncidentView>>(),
        Operation::get("/history", "history", history::history)
            .says(
                "lists",
                "What happened",
                "Events of the ledger in words, newest first, each with its cause. As NDJSON or CSV (by `format` or Accept) it is all that matches, from `cursor` on, and `limit` does not count.",
            )
            .query::<history::HistoryQuery>()
            .answers::<PageView<HistoryLine>>()
            .answers_as::<String>(200, history::NDJSON)
            .answers_as::<String>(200, history::CSV)
            .refuses(NAMED)
            .refuses(&["ambiguous-run", "bad-cursor", "too-many-streams"]),
        Operation::get("/events", "events", stream::events)
            .says(
                "lists",
                "What happens, as it happens",
                "A stream of server-sent events. Each message's data is an event as `history` lists it, and its id the event's number. A stream goes on after `Last-Event-ID`, or `after`, else it begins now. \
                 An event of the type `reset` says that too much was missed: load anew what you show. Single steps of runs are left out.",
            )
            .query::<stream::EventsQuery>()
            .header("Last-Event-ID", "The number of the last event that was received: the stream goes on after it.")
            .answers_as::<String>(200, stream::MEDIA_TYPE)
            .refuses(&["bad-header", "too-many-streams"]),
    ]
}

/// What a write may be refused by, whatever it does.
const WRITES: &[&str] = &["who-and-why", "not-read", "not-yourself", "not-allowed", "key-used", "key-unended", "bad-header"];

fn write(operation: Operation) -> Operation {
    operation
        .header("Idempotency-Key", "A key of the caller's, for one thing that is to be done: a request that comes again with it is answered as the first one was, and does nothing.")
        .answers_as::<Accepted>(202, "application/json")
        .refuses(WRITES)
        .refuses(NAMED)
        .refuses(&["ambiguous-run"])
}

fn writes() -> Vec<Operation> {
    vec![
        write(Operation::post("/retry", "retry", write::retry).body::<RetryRequest>())
            .needs(Verb::Retry)
            .says("writes", "Try again", "What failed is tried again: a target, source, change or run.")
            .refuses(&["nothing-failed", "not-retryable"]),
        write(Operation::post("/ack", "ack", write::ack).body::<RetryRequest>())
            .needs(Verb::Retry)
            .says("writes", "See to a failure", "Says that a person sees to a failure: nobody else is called.")
            .refuses(&["nothing-failed", "not-retryable"]),
        write(Operation::post("/cancel", "cancel", write::cancel).body::<RetryRequest>())
            .needs(Verb::Retry)
            .says("writes", "Stop a run", "A run, or the run that is under way for what is named, is stopped.")
            .refuses(&["nothing-under-way"]),
        write(Operation::post("/promote", "promote", write::promote).body::<PromoteRequest>())
            .needs(Verb::Promote)
            .says("writes", "Promote", "A target moves to a commit that its channels vouch for, by a commit in the config repository.")
            .refuses(&["follows-a-branch", "gate", "no-candidate"]),
        write(Operation::post("/rollback", "rollback", write::rollback).body::<RollbackRequest>())
            .needs(Verb::Rollback)
            .says(
                "writes",
                "Roll back",
                "A target goes back, and the commit that it leaves is blocked, by a commit in the config repository.",
            )
            .refuses(&["nothing-deployed", "no-way-back", "same-commit"]),
        write(Operation::post("/hold", "hold", write::hold).body::<HoldRequest>()).needs(Verb::Hold).says(
            "writes",
            "Hold",
            "Nothing moves on a target, app or environment until it is released, by a commit in the config repository.",
        ),
        write(Operation::post("/release", "lift", write::release).body::<HoldRequest>())
            .needs(Verb::Hold)
            .says("writes", "Lift a hold", "A hold or a rollback's block is lifted, by a commit in the config repository.")
            .refuses(&["no-such-hold"]),
        write(Operation::post("/backup", "backup", write::backup).body::<BackupRequest>())
            .needs(Verb::Administer)
            .says(
                "administer",
                "Back up the ledger",
                "The ledger is copied, while it is in use, to a path on the server's machine where nothing is yet.",
            )
            .refuses(&["bad-destination", "destination-taken"]),
    ]
}

fn of_pools() -> Vec<Operation> {
    vec![
        Operation::get("/pools", "pools", look::pools)
            .says(
                "namespaces",
                "Pools",
                "Pools of ephemeral namespaces, by name: how many are ready, taken and waited for, and what is wrong.",
            )
            .answers::<Vec<PoolView>>(),
        Operation::get("/namespaces", "namespaces", look::namespaces)
            .says("namespaces", "Namespaces", "Namespaces of pools, by pool and name, each with who has it and until when.")
            .query::<NamespaceFilter>()
            .answers::<Vec<NamespaceView>>()
            .refuses(&["unknown-pool", "broken-pool"]),
        Operation::get("/reservations", "reservations", look::reservations)
            .says(
                "namespaces",
                "Reservations",
                "Those that are not over, in the order in which they are served, each with its place and what it waits for.",
            )
            .answers::<Vec<ReservationView>>(),
        Operation::get("/reservations/{id}", "reservation", look::reservation)
            .says(
                "namespaces",
                "A reservation",
                "By its id, or by the namespace it has. Of those that are over, the last few hundred are known.",
            )
            .answers::<ReservationView>()
            .refuses(&["unknown-reservation", "unknown-name"]),
        write(Operation::post("/namespaces/reserve", "reserve", write::reserve).body::<ReserveRequest>())
            .needs(Verb::Reserve)
            .says(
                "namespaces",
                "Reserve a namespace",
                "For whoever asks. The answer names the reservation; the namespace is theirs once the reservation is `active`.",
            )
            .refuses(&["unknown-pool", "broken-pool", "bad-lease", "lease-too-long"]),
        write(Operation::post("/namespaces/extend", "extend", write::extend).body::<ExtendRequest>())
            .needs(Verb::Reserve)
            .says("namespaces", "Extend a lease", "It ends so long from now, and not beyond what the pool gives.")
            .refuses(&["unknown-reservation", "not-yours", "not-extendable", "bad-lease", "lease-too-long"]),
        write(Operation::post("/namespaces/release", "giveBack", write::free).body::<FreeRequest>())
            .needs(Verb::Reserve)
            .says(
                "namespaces",
                "Give a namespace back",
                "It is deleted with all that is in it. A reservation that still waits is given up.",
            )
            .refuses(&["unknown-reservation", "not-yours", "not-reserved", "runs-own"]),
    ]
}

fn of_checks() -> Vec<Operation> {
    vec![
        Operation::get("/checks", "checks", look::checks)
            .says(
                "checks",
                "Pull requests",
                "Open pull requests of sources, and how the check of each stands: by source, those under way first, then those that wait in their order, then the others, newest first.",
            )
            .query::<PullFilter>()
            .answers::<Vec<PullView>>()
            .refuses(&["unknown-source", "unknown-standing"]),
        Operation::get("/checks/{id}", "check", look::check)
            .says(
                "checks",
                "A pull request",
                "How its check stands, the steps and the namespace of its run, its tests, and its runs. It is named as SOURCE#NUMBER, percent-encoded: `web%2317`.",
            )
            .answers::<PullDetail>()
            .refuses(&["unknown-check"]),
        write(Operation::post("/checks/retest", "retest", write::retest).body::<CheckRequest>())
            .needs(Verb::Check)
            .says("checks", "Check it again", "All of it, or the tests that are named. What was tested before is no answer then.")
            .refuses(&["unknown-check", "unknown-test"]),
        write(Operation::post("/checks/cancel", "cancelCheck", write::cancel_check).body::<CheckRequest>())
            .needs(Verb::Check)
            .says("checks", "Do not check it", "The newest commit is not checked: what is under way ends, and gives back what it holds.")
            .refuses(&["unknown-check"]),
        write(Operation::post("/checks/ok-to-test", "okToTest", write::ok_to_test).body::<CheckRequest>())
            .needs(Verb::Check)
            .says(
                "checks",
                "Let a fork's commit be checked",
                "Whoever asks has looked at the commit that they name. A newer commit of the pull request needs it again.",
            )
            .refuses(&["unknown-check", "no-fork", "other-commit"]),
        write(Operation::post("/try", "tryIt", write::try_it).body::<TryRequest>())
            .needs(Verb::Check)
            .says(
                "checks",
                "Try something by hand",
                "What a pull request's check does, for whoever asks, with what they set: build, deploy with what it depends on, test. The answer names the run. With `namespace`, it goes into one that is reserved for them; with `reserve`, one is reserved for them and stays theirs, for which they need the permission to reserve, too.",
            )
            .refuses(&[
                "unknown-source",
                "unknown-ref",
                "unknown-test",
                "unknown-pool",
                "broken-pool",
                "not-checked",
                "not-yours",
                "namespace-and-reserve",
                "no-pool",
                "bad-lease",
                "lease-too-long",
                "repository-away",
            ]),
    ]
}

fn of_tokens() -> Vec<Operation> {
    let key = "A key of the caller's, for one thing that is to be done. A request that comes again with it makes no second token, and its answer has no secret.";
    vec![
        Operation::get("/tokens", "tokens", tokens::list)
            .says("tokens", "Tokens", "The caller's own tokens, newest first; for those who administer the installation, all of them. Those that ended of late are listed, too.")
            .answers::<Vec<TokenView>>()
            .refuses(&["no-sign-in"]),
        Operation::post("/tokens", "makeToken", tokens::make)
            .says("tokens", "Make a token", "The answer holds the token this once. It never may more than its owner; one that is made with a token ends with that, and never may more than it.")
            .header("Idempotency-Key", key)
            .body::<NewToken>()
            .answers_as::<MadeToken>(201, "application/json")
            .refuses(&["bad-header", "bad-token-request", "key-unended", "key-used", "no-sign-in", "not-allowed"]),
        Operation::post("/tokens/{id}/revoke", "revokeToken", tokens::revoke)
            .header("Idempotency-Key", key)
            .says("tokens", "Take a token back", "It counts no more, nor do those that were made with it, and what they follow ends.")
            .answers::<TokenView>()
            .refuses(&["bad-header", "key-unended", "key-used", "no-sign-in", "unknown-token"]),
    ]
}
