//! An installation as it may be found on a working day, as plain data: what the pages show in tests.

use towpath_control::view::*;
use towpath_domain::{ChangeId, CommitId, RunId, TargetId, Timestamp};

/// When all of it is looked at.
pub const NOW: i64 = 1_795_000_000_000;
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

pub fn ago(ms: i64) -> Timestamp {
    Timestamp::from_millis(NOW - ms)
}

pub fn commit(digit: char, subject: &str, author: &str, before: i64) -> CommitView {
    let id: CommitId = format!("{digit}{}", "0a1b2c3d4e5f6".repeat(3)).parse().unwrap();
    CommitView { id, subject: Some(subject.into()), author: Some(author.into()), at: Some(ago(before)) }
}

fn run_id(text: &str) -> RunId {
    RunId::new(text).unwrap()
}

fn action(verb: &str, what: &str, label: &str, text: &str) -> ActionView {
    let command = format!("towpath {verb} {what}");
    ActionView { verb: verb.into(), what: what.into(), label: label.into(), text: text.into(), command }
}

pub fn graph() -> GraphView {
    let mut view = GraphView::default();
    let apps = [("checkout", 'a'), ("inventory", 'b'), ("notifications", 'c'), ("search", 'd')];
    for (index, (app, digit)) in apps.into_iter().enumerate() {
        let first = u32::try_from(view.nodes.len()).unwrap();
        let mut node = |kind: &str, name: String, environment: Option<&str>, state: Option<&str>| {
            view.nodes.push(NodeView {
                kind: kind.into(),
                id: if kind == "target" { format!("{app}/deploy/{}/{app}-{name}", environment.unwrap_or("none")) } else { name.clone() },
                name,
                app: Some(app.into()),
                environment: environment.map(Into::into),
                state: state.map(Into::into),
                commit: (kind != "channel").then(|| commit(digit, "Read prices from the ledger", "Ada Byron", 5 * HOUR)),
                on_path: false,
                reached: false,
            });
        };
        let state = |of: usize| ["up-to-date", "moving", "waiting", "stuck"][(index * 3 + of) % 4];
        node("source", app.into(), None, None);
        node("target", format!("{app} stage"), Some("stage"), Some(state(0)));
        node("channel", format!("{app}-stage-deployed"), None, None);
        node("target", format!("{app} stage-test"), Some("stage"), Some(state(0)));
        node("channel", format!("{app}-stage-tested"), None, None);
        node("target", format!("{app} production eu"), Some("production"), Some(state(1)));
        node("target", format!("{app} production us"), Some("production"), Some("up-to-date"));
        view.edges.extend([(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (4, 6)].map(|(from, to)| (first + from, first + to)));
    }
    view.edges.push((4, 12));
    view
}

pub fn changes() -> PageView<ChangeView> {
    let change = |id: &str, kind: &str, title: &str, by: &str, state: &str, before: i64| ChangeView {
        id: ChangeId::new(id).unwrap(),
        kind: kind.into(),
        title: title.into(),
        by: by.into(),
        state: state.into(),
        opened_at: ago(before),
        merged: (state == "merged").then(|| (commit('e', "x", "towpath", before).id, ago(before - 3 * MINUTE))),
        verdict: None,
    };
    let items = vec![
        change("promote-checkout-eu-a0a1b2c3", "promotion", "Promote checkout production eu to a0a1b2c3", "towpath", "open", 4 * MINUTE),
        change("hold-inventory", "hold", "Hold inventory: stocktaking until Monday", "Grace Hopper", "merged", 3 * HOUR),
        change("rollback-search-us", "rollback", "Take search production us back to d0a1b2c3", "Alan Turing", "failed", 5 * HOUR),
        change("promote-notifications-c0a1b2c3", "promotion", "Promote notifications production to c0a1b2c3", "towpath", "merged", 2 * DAY),
    ];
    PageView { items, next: Some("4711".into()) }
}

pub fn change() -> ChangeDetail {
    let first = changes().items.remove(0);
    let hold = |reason: &str, text: &str, lift: &str| HoldView { reason: reason.into(), text: text.into(), lift: lift.into() };
    let verdict = VerdictView {
        state: "held".into(),
        summary: "waits for one approval".into(),
        wanted: None,
        holds: vec![hold("approval", "production of checkout wants one approval of payments-leads", "an approval by Grace Hopper or Ada Byron")],
        passed_over: Vec::new(),
    };
    let target = "checkout/deploy/production/checkout-eu";
    ChangeDetail {
        change: ChangeView { verdict: Some(verdict), ..first.clone() },
        description: "Moves checkout production eu from d0a1b2c3 to a0a1b2c3.\n\n- Read prices from the ledger\n- Show what a basket weighs".into(),
        url: Some("https://forge.example/config/pulls/812".into()),
        moves: vec![MoveView {
            target: TargetId::new(target).unwrap(),
            title: target.into(),
            from: Some(commit('d', "Round totals once", "Alan Turing", 2 * DAY)),
            to: Some(commit('a', "Read prices from the ledger", "Ada Byron", 5 * HOUR)),
        }],
        checks: vec![
            CheckView { name: "validation".into(), state: "passed".into(), text: "312 files, no errors".into() },
            CheckView { name: "promotion gate".into(), state: "passed".into(), text: "checkout-stage-tested vouches for a0a1b2c3".into() },
            CheckView { name: "plan".into(), state: "running".into(), text: "renders 1 target".into() },
        ],
        approvals: vec!["Ada Byron approved".into(), "one approval of payments-leads is missing".into()],
        replaces: vec![ChangeId::new("promote-checkout-eu-90a1b2c3").unwrap()],
        runs: vec![run("change-9f31", "change", "Promote checkout production eu", "running", 3 * MINUTE)],
        story: vec![
            story(9101, 5 * MINUTE, "the channel checkout-stage-tested vouches for a0a1b2c3", None),
            story(9104, 4 * MINUTE, "the change was queued", Some("change-9f31")),
        ],
        actions: vec![action("cancel", &first.id.to_string(), "Cancel", "The change is closed, and nothing moves.")],
    }
}

pub fn run(id: &str, kind: &str, subject: &str, state: &str, before: i64) -> RunView {
    RunView {
        id: run_id(id),
        kind: kind.into(),
        subject: subject.into(),
        commit: Some(commit('a', "Read prices from the ledger", "Ada Byron", 5 * HOUR)),
        attempt: 1,
        state: state.into(),
        why: "the channel vouches for it".into(),
        queued_at: ago(before),
        started_at: Some(ago(before - 2_000)),
        finished_at: (state != "running").then(|| ago(before - 40_000)),
        class: None,
        retried: false,
        message: None,
        steps: Vec::new(),
    }
}

fn story(event: i64, before: i64, text: &str, run: Option<&str>) -> StoryLine {
    StoryLine { event, at: ago(before), text: text.into(), run: run.map(run_id) }
}

pub fn incidents() -> Vec<IncidentView> {
    let open = IncidentView {
        kind: "target".into(),
        subject: "search/deploy/production/search-us".into(),
        title: "search/deploy/production/search-us".into(),
        app: Some("search".into()),
        environment: Some("production".into()),
        run: run_id("deploy-51aa"),
        message: "Deployment/search: out of memory: the container search was killed at its limit of 512Mi".into(),
        last_lines: vec![
            "18:02:11 INFO  index of 4,102,331 documents is loaded".into(),
            "18:02:14 WARN  heap at 96 % after collection".into(),
            "18:02:15 FATAL java.lang.OutOfMemoryError: Java heap space".into(),
        ],
        since: ago(26 * MINUTE),
        mended_at: None,
        acknowledged: None,
        actions: vec![
            action("rollback", "search/production/search-us", "Roll back", "Goes back to d0a1b2c3, which ran well for 2 days, and blocks b0a1b2c3."),
            action("retry", "search/production/search-us", "Try again", "Deploys the same once more."),
            action("ack", "search/production/search-us", "I see to it", "Nobody else is called."),
        ],
    };
    let seen_to = IncidentView {
        subject: "inventory".into(),
        kind: "source".into(),
        title: "inventory".into(),
        app: Some("inventory".into()),
        environment: None,
        run: run_id("build-77c0"),
        message: "step build: exit status 101".into(),
        last_lines: vec!["error[E0308]: mismatched types".into(), "  --> src/stock.rs:88:9".into()],
        since: ago(2 * HOUR),
        acknowledged: Some(("Grace Hopper".into(), ago(100 * MINUTE))),
        ..open.clone()
    };
    let mended = IncidentView {
        title: "checkout/deploy/stage/checkout".into(),
        run: run_id("deploy-40be"),
        message: "Deployment/checkout: the readiness probe fails: 503".into(),
        last_lines: Vec::new(),
        since: ago(DAY),
        mended_at: Some(ago(DAY - 14 * MINUTE)),
        acknowledged: None,
        actions: Vec::new(),
        ..open.clone()
    };
    vec![open, seen_to, mended]
}

pub fn history() -> Vec<HistoryLine> {
    let line = |id: i64, before: i64, cause: Option<i64>, actor: &str, text: &str, kind: &str| HistoryLine {
        id,
        at: ago(before),
        cause,
        actor: actor.into(),
        text: text.into(),
        event: serde_json::json!({ "type": kind, "source": "checkout", "commit": "a0a1b2c3d4e5f60a1b2c3d4e5f60a1b2c3d4e5f6" }),
    };
    vec![
        line(9104, 4 * MINUTE, Some(9101), "towpath", "change promote-checkout-eu-a0a1b2c3 was queued", "runQueued"),
        line(9101, 5 * MINUTE, Some(9090), "towpath", "run deploy-3c11 ended well: checkout stage-test passed 42 tests", "runFinished"),
        line(9090, 11 * MINUTE, Some(9077), "towpath", "run deploy-3c11 was queued: checkout-stage-deployed vouches for a0a1b2c3", "runQueued"),
        line(9077, 12 * MINUTE, None, "Grace Hopper", "said of search production us: I see to it", "acknowledged"),
        line(9070, 26 * MINUTE, Some(8001), "towpath", "run deploy-51aa failed: search production us ran out of memory", "runFinished"),
    ]
}

pub fn compare() -> CompareView {
    let object = |object: &str, change: &str, lines: &[&str]| ObjectDiffView {
        object: object.into(),
        change: change.into(),
        lines: lines.iter().map(|line| (*line).to_owned()).collect(),
    };
    CompareView {
        title: "checkout/deploy/production/checkout-eu".into(),
        from: commit('d', "Round totals once", "Alan Turing", 2 * DAY),
        to: commit('a', "Read prices from the ledger", "Ada Byron", 5 * HOUR),
        ahead: vec![
            commit('a', "Read prices from the ledger", "Ada Byron", 5 * HOUR),
            commit('b', "Show what a basket weighs", "Grace Hopper", 20 * HOUR),
            commit('c', "Ask for fewer columns", "Ada Byron", 26 * HOUR),
        ],
        behind: Vec::new(),
        objects: DiffView {
            commit: None,
            objects: vec![
                object(
                    "Deployment.apps/checkout",
                    "changed",
                    &[
                        "@@ -8,9 +8,11 @@",
                        " spec:",
                        "-  replicas: 3",
                        "+  replicas: 4",
                        "   template:",
                        "     spec:",
                        "       containers:",
                        "-      - image: registry.example/checkout:d0a1b2c",
                        "+      - image: registry.example/checkout:a0a1b2c",
                        "+        env:",
                        "+        - name: PRICES_FROM",
                        "+          value: ledger",
                    ],
                ),
                object("ConfigMap/checkout-prices", "created", &["@@ -0,0 +1,4 @@", "+apiVersion: v1", "+kind: ConfigMap", "+data:", "+  currency: EUR"]),
                object("CronJob.batch/price-import", "deleted", &["@@ -1,2 +0,0 @@", "-apiVersion: batch/v1", "-kind: CronJob"]),
            ],
            error: None,
        },
        images: vec![ImageMove { image: "registry.example/checkout".into(), from: Some("d0a1b2c".into()), to: Some("a0a1b2c".into()) }],
    }
}

pub fn insight() -> InsightView {
    let spread = |count, median_ms, p90_ms| Spread { count, median_ms, p90_ms };
    let minute = 60_000;
    let by_day = (0..30_u32)
        .map(|day| {
            let deploys = if day % 7 > 4 { 0 } else { (day * 7) % 9 + 2 };
            let lead = (deploys > 0).then(|| u64::from((day * 13) % 40 + 25) * minute);
            DayView { day: ago(i64::from(29 - day) * DAY + NOW % DAY), deploys, failures: u32::from(day % 6 == 3), lead_time_ms: lead }
        })
        .collect();
    let station = |name: &str, waiting: u64, working: u64| StationTime {
        station: name.into(),
        waiting: spread(140, waiting * minute / 10, waiting * minute / 2),
        working: spread(140, working * minute / 10, working * minute / 4),
    };
    let test = |target: &str, name: &str, runs, failures, median_ms| TestView {
        id: Some("5f8f0e1d2c3b4a596877".into()),
        target: target.into(),
        name: name.into(),
        runs,
        failures,
        flakes: failures / 3,
        median_ms,
        run: run_id("deploy-3c11"),
    };
    InsightView {
        days: 30,
        by_day,
        lead_time: Some(spread(139, 42 * minute, 95 * minute)),
        deploys_per_day: 4.63,
        change_fail_rate: Ratio { part: 5, of: 139 },
        recovery_time: Some(spread(5, 18 * minute, 61 * minute)),
        rework_rate: Ratio { part: 3, of: 139 },
        stations: vec![
            station("build", 3, 62),
            station("deploy stage", 8, 24),
            station("test stage", 14, 118),
            station("change production", 95, 12),
            station("deploy production", 21, 33),
        ],
        slow_tests: vec![
            test("checkout/test/stage", "pays with every card of the test set", 140, 2, 214_000),
            test("search/test/stage", "finds within a hundred million documents", 96, 0, 187_000),
        ],
        flaky_tests: vec![test("inventory/test/stage", "counts while counting goes on", 120, 9, 12_000)],
    }
}

pub fn images() -> PageView<ImageView> {
    let image = |source: &str, digit: char, subject: &str, before: i64, runs_in: &[&str]| ImageView {
        source: source.into(),
        image: format!("registry.example/{source}:{digit}0a1b2c"),
        digest: format!("sha256:{}", digit.to_string().repeat(64)),
        commit: commit(digit, subject, "Ada Byron", before),
        built_at: ago(before - 4 * MINUTE),
        run: run_id("build-77c0"),
        runs_in: runs_in.iter().map(|title| (*title).to_owned()).collect(),
    };
    let items = vec![
        image("checkout", 'a', "Read prices from the ledger", 5 * HOUR, &["checkout stage", "checkout stage-test"]),
        image("checkout", 'd', "Round totals once", 2 * DAY, &["checkout production eu", "checkout production us"]),
        image("search", 'b', "Load the index at once", 3 * DAY, &[]),
    ];
    PageView { items, next: None }
}

pub fn findings() -> Vec<Finding> {
    let finding = |what: &str, level: &str, text: &str, mend: &str| Finding {
        what: what.into(),
        level: level.into(),
        text: text.into(),
        mend: mend.into(),
    };
    vec![
        finding("git", "ok", "git version 2.39.5", ""),
        finding("config repository", "ok", "https://forge.example/config at a0a1b2c3d4e5", ""),
        finding("config files", "warning", "2 errors", "`towpath status` shows them"),
        finding("cluster prod-eu", "ok", "Kubernetes 1.33", ""),
        finding("cluster prod-us", "error", "cannot be reached since 17:40: connection refused", "check the address and that the API server runs"),
        finding("registry registry.example", "ok", "answers in 40 ms", ""),
        finding("forge", "ok", "forge.example knows us as towpath-bot", ""),
        finding("disk", "ok", "61 GiB free", ""),
    ]
}

pub fn pulse() -> PulseView {
    let pairs = |pairs: &[(&str, u64)]| pairs.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
    PulseView {
        event: 9104,
        queued: pairs(&[("build", 1), ("deploy", 3)]),
        running: pairs(&[("change", 1), ("deploy", 2)]),
        oldest_queued_at: Some(ago(90_000)),
        targets: pairs(&[("up-to-date", 22), ("moving", 2), ("waiting", 3), ("stuck", 1)]),
        holds: pairs(&[("approval", 1), ("unvouched", 2)]),
        incidents: (1, 1),
        outbox: vec![("slack".into(), 2, 31_000)],
        dead_letters: vec![("mail".into(), 1)],
        finished: vec![("build".into(), "succeeded".into(), 812), ("build".into(), "failed".into(), 31), ("deploy".into(), "succeeded".into(), 2_410)],
        config_unreachable_since: None,
        config_errors: 2,
    }
}
