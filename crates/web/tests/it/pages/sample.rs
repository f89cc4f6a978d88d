//! An installation that pages are shown of: a few apps with everything that can be the matter, or as many as one likes.

use towpath_control::view::{
    ActionView, BoardRow, BoardView, CaseView, CauseView, CellView, CommitView, HoldView, ObjectView, PageView, PassedOverView,
    QuarantineView, ReleaseView, ReportView, RunDetail, RunView, StationView, StepView, StoryLine, TestDetail, TestLine, TestTimeView,
    Totals, VerdictView, WaitingCommit, WhyView,
};
use towpath_domain::{CommitId, FailureClass, RunId, SourceName, TargetId, Timestamp};
use towpath_web::LogLine;
use towpath_web::fake::Shown;

/// When it is: 2026-11-26 18:40 UTC.
pub const NOW: i64 = 1_795_718_400_000;

pub const MINUTE: i64 = 60_000;
pub const HOUR: i64 = 60 * MINUTE;

pub fn ago(ms: i64) -> Timestamp {
    Timestamp::from_millis(NOW - ms)
}

/// A commit made of a number.
pub fn id(number: u64) -> CommitId {
    // Digits that look like a hash's, and are the same each time.
    let mut hex = String::new();
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d;
    while hex.len() < 40 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        hex.push_str(&format!("{state:016x}"));
    }
    hex[..40].parse().unwrap()
}

const SUBJECTS: [&str; 10] = [
    "Charge cards once, even when the gateway answers late",
    "Show the delivery date on the cart page",
    "Bump base image to trixie-20261117",
    "Search: rank exact titles first",
    "Fix currency rounding for JPY",
    "Let admins export invoices as CSV",
    "Drop the old session table",
    "Retry mails that the relay refuses for now",
    "Cache product pictures for a day",
    "Log slow queries with their plan",
];
const AUTHORS: [&str; 5] = ["Ada Okafor", "Cleo Marsh", "Jun Watanabe", "Priya Nair", "Tom Berger"];

pub fn commit(number: u64) -> CommitView {
    CommitView {
        id: id(number),
        subject: Some(SUBJECTS[usize::try_from(number).unwrap() % SUBJECTS.len()].to_owned()),
        author: Some(AUTHORS[usize::try_from(number / 3).unwrap() % AUTHORS.len()].to_owned()),
        at: Some(ago(i64::try_from(number).unwrap() * HOUR)),
    }
}

pub fn hold(reason: &str, text: &str, lift: &str) -> HoldView {
    HoldView { reason: reason.into(), text: text.into(), lift: lift.into() }
}

pub fn run_id(text: &str) -> RunId {
    RunId::new(text).unwrap()
}

pub fn target_id(text: &str) -> TargetId {
    TargetId::new(text).unwrap()
}

fn cell(app: &str, environment: &str, state: &str, at: u64, since: i64) -> CellView {
    CellView {
        target: target_id(&format!("{app}-{environment}-3f2a")),
        name: format!("{app}/{environment}"),
        is_test: false,
        state: state.into(),
        commit: Some(commit(at)),
        since: Some(ago(since)),
        wanted: None,
        summary: if state == "up-to-date" { "up to date".into() } else { format!("{state} for a reason") },
        hold: None,
        run: None,
        behind: Some(0),
    }
}

fn row(app: &str, team: &str, cells: Vec<Vec<CellView>>, train: Vec<WaitingCommit>) -> BoardRow {
    BoardRow { app: app.into(), teams: vec![team.into()], cells, train, more_waiting: 0 }
}

fn waiting(source: &str, number: u64, since: i64, reached: &str, waits_for: &str) -> WaitingCommit {
    WaitingCommit {
        source: SourceName::new(source).unwrap(),
        commit: commit(number),
        since: ago(since),
        reached: reached.into(),
        waits_for: waits_for.into(),
    }
}

/// A board of a few apps: stuck, moving, held, waiting, quiet, new.
pub fn board() -> BoardView {
    let quiet = |app: &str, at: u64, hours: i64| {
        vec![
            vec![cell(app, "stage", "up-to-date", at, hours * HOUR)],
            vec![CellView { is_test: true, ..cell(app, "test", "up-to-date", at, hours * HOUR - 8 * MINUTE) }],
            vec![cell(app, "production", "up-to-date", at, hours * HOUR - 20 * MINUTE)],
        ]
    };
    let mut shop = quiet("shop", 3, 5);
    shop[1][0] = CellView {
        state: "stuck".into(),
        summary: "the newest deploy failed".into(),
        hold: Some(hold(
            "failed",
            "the deploy of 9f3c1ab failed: 2 of 48 tests failed: checkout.pays_once, cart.totals",
            "a retry, or a newer commit",
        )),
        wanted: Some(commit(1)),
        run: Some(run_id("deploy-shop-test-8a1c")),
        ..shop[1][0].clone()
    };
    let mut search = quiet("search", 6, 26);
    search[0][0] = CellView {
        state: "moving".into(),
        summary: "deploying: 2 of 3 pods are ready".into(),
        wanted: Some(commit(2)),
        run: Some(run_id("deploy-search-stage-77d0")),
        ..search[0][0].clone()
    };
    let mut billing = quiet("billing", 4, 50);
    billing[2][0] = CellView {
        state: "waiting".into(),
        summary: "held".into(),
        hold: Some(hold("frozen", "held by Cleo Marsh: month-end close, until Monday 09:00", "the window's end, or a release of the hold")),
        wanted: Some(commit(5)),
        behind: Some(3),
        ..billing[2][0].clone()
    };
    let mut new = quiet("loyalty", 9, 2);
    new[1] = Vec::new();
    new[2][0] = CellView {
        state: "waiting".into(),
        commit: None,
        since: None,
        hold: Some(hold("not-automatic", "nobody has promoted anything here yet", "a promotion")),
        ..new[2][0].clone()
    };
    let mut images = quiet("images", 8, 90);
    images[0].push(cell("images-eu", "stage", "up-to-date", 8, 91 * HOUR));
    images[2].push(cell("images-eu", "production", "up-to-date", 8, 90 * HOUR));
    BoardView {
        environments: ["stage", "test", "production"].map(str::to_owned).to_vec(),
        apps: ["billing", "images", "loyalty", "mail", "search", "shop"].map(str::to_owned).to_vec(),
        teams: ["payments", "storefront"].map(str::to_owned).to_vec(),
        rows: vec![
            row(
                "shop",
                "storefront",
                shop,
                vec![
                    waiting("shop", 1, 5 * HOUR, "stage", "shop/test: the newest deploy failed"),
                    waiting("shop", 11, 3 * HOUR, "built", "shop/stage: its turn comes after 9f3c1ab"),
                ],
            ),
            row("search", "storefront", search, vec![waiting("search", 2, 12 * MINUTE, "built", "search/stage: deploying")]),
            row(
                "billing",
                "payments",
                billing,
                vec![
                    waiting("billing", 5, 49 * HOUR, "test", "billing/production: held by Cleo Marsh: month-end close"),
                    waiting("billing", 15, 30 * HOUR, "test", "billing/production: held by Cleo Marsh: month-end close"),
                    waiting("billing", 25, 4 * HOUR, "test", "billing/production: held by Cleo Marsh: month-end close"),
                ],
            ),
            row("images", "storefront", images, Vec::new()),
            row("loyalty", "payments", new, Vec::new()),
            row("mail", "payments", quiet("mail", 7, 200), Vec::new()),
        ],
        totals: Totals { targets: 19, up_to_date: 15, moving: 1, waiting: 2, stuck: 1 },
    }
}

/// A board of very many apps, most of them quiet.
pub fn large(apps: u64) -> BoardView {
    let mut view = BoardView {
        environments: ["stage", "test", "eu-production", "us-production"].map(str::to_owned).to_vec(),
        apps: (0..apps).map(|app| format!("service-{app:03}")).collect(),
        teams: (0..20).map(|team| format!("team-{team}")).collect(),
        ..BoardView::default()
    };
    for app in 0..apps {
        let name = format!("service-{app:03}");
        let cells = ["stage", "test", "eu-production", "us-production"].iter().enumerate().map(|(at, environment)| {
            if (app + at as u64) % 7 == 6 {
                return Vec::new();
            }
            let mut cell = cell(&name, environment, "up-to-date", app * 5 + at as u64 / 2, (app as i64 * 7 + at as i64) * HOUR / 3);
            cell.target = target_id(&format!("t{}", id(app * 31 + at as u64).short(16)));
            view.totals.targets += 1;
            if app % 20 == 3 && at == 1 {
                cell.state = "stuck".into();
                cell.hold = Some(hold("failed", &format!("the deploy of {} failed: probe failing on {name}", id(app).short(7)), "a retry"));
                cell.wanted = Some(commit(app * 5 + 2));
                view.totals.stuck += 1;
            } else {
                view.totals.up_to_date += 1;
            }
            vec![cell]
        });
        let cells = cells.collect();
        let train = if app % 4 == 1 {
            vec![waiting(&name, app * 5 + 4, app as i64 * 11 * MINUTE, "stage", "its test is under way")]
        } else {
            Vec::new()
        };
        view.rows.push(row(&name, &format!("team-{}", app % 20), cells, train));
    }
    view
}

fn line(event: i64, ms: i64, text: &str, run: Option<&str>) -> StoryLine {
    StoryLine { event, at: ago(ms), text: text.into(), run: run.map(run_id) }
}

fn station(kind: &str, title: &str, state: &str, text: &str, times: (Option<i64>, Option<i64>)) -> StationView {
    StationView {
        kind: kind.into(),
        title: title.into(),
        target: matches!(kind, "deploy" | "test").then(|| target_id(&title.replace('/', "-"))),
        app: Some("shop".into()),
        environment: None,
        state: state.into(),
        text: text.into(),
        holds: Vec::new(),
        run: times.0.map(|_| run_id(&format!("{kind}-{}", title.replace('/', "-")))),
        change: None,
        started_at: times.0.map(ago),
        finished_at: times.1.map(ago),
        usually_ms: Some(4 * 60_000),
    }
}

/// A commit that is stuck in its test.
pub fn release() -> ReleaseView {
    let mut test =
        station("test", "shop/test", "failed", "2 of 48 tests failed", (Some(4 * HOUR + 30 * MINUTE), Some(4 * HOUR + 22 * MINUTE)));
    test.holds = vec![hold("failed", "its newest run failed: checkout.pays_once", "a retry, or a newer commit")];
    let mut change = station("change", "promotion to production", "ahead", "comes when shop/test vouches", (None, None));
    change.run = None;
    ReleaseView {
        commit: commit(1),
        sources: vec![SourceName::new("shop").unwrap()],
        answer: "It is in stage since 13:58. Its test failed: two of 48 tests. Production still runs the commit before, and waits for that test.".into(),
        state: "stuck".into(),
        merged_at: Some(ago(5 * HOUR)),
        expected_at: None,
        stations: vec![
            station("merge", "main", "done", "merged by Ada Okafor", (Some(5 * HOUR), Some(5 * HOUR))),
            station("build", "shop", "done", "built as registry.example/shop:9f3c1ab", (Some(5 * HOUR - MINUTE), Some(5 * HOUR - 6 * MINUTE))),
            station("deploy", "shop/stage", "done", "3 of 3 pods are ready", (Some(5 * HOUR - 7 * MINUTE), Some(5 * HOUR - 9 * MINUTE))),
            test,
            change,
            station("deploy", "shop/production", "ahead", "its turn has not come", (None, None)),
        ],
        story: vec![
            line(101, 5 * HOUR, "a commit was seen on main: Charge cards once", None),
            line(103, 5 * HOUR - MINUTE, "the build began", Some("build-shop")),
            line(118, 5 * HOUR - 6 * MINUTE, "the build made registry.example/shop:9f3c1ab", Some("build-shop")),
            line(131, 5 * HOUR - 9 * MINUTE, "shop/stage is healthy", Some("deploy-shop-stage")),
            line(164, 4 * HOUR + 22 * MINUTE, "shop/test failed: 2 of 48 tests failed", Some("deploy-shop-test-8a1c")),
        ],
    }
}

fn action(verb: &str, what: &str, label: &str, text: &str) -> ActionView {
    ActionView {
        verb: verb.into(),
        what: what.into(),
        to: None,
        label: label.into(),
        text: text.into(),
        command: format!("towpath {verb} {what} --reason …"),
    }
}

pub fn run(id: &str, kind: &str, state: &str, attempt: u32, began: i64, took: Option<i64>) -> RunView {
    RunView {
        id: run_id(id),
        kind: kind.into(),
        subject: "shop/test".into(),
        commit: Some(commit(1)),
        attempt,
        state: state.into(),
        why: "shop/stage vouches for it".into(),
        queued_at: ago(began + 4_000),
        started_at: Some(ago(began)),
        finished_at: took.map(|took| ago(began - took)),
        class: (state == "failed").then_some(FailureClass::Own),
        retried: false,
        message: (state == "failed").then(|| "2 of 48 tests failed".to_owned()),
        steps: Vec::new(),
    }
}

/// A target that is stuck.
pub fn why() -> WhyView {
    let mut promote = action("promote", "shop/test", "Promote 9f3c1ab", "a change sets shop/test to 9f3c1ab; it goes when its checks pass");
    promote.to = Some("9f3c1ab".into());
    WhyView {
        kind: "target".into(),
        id: "shop-test-3f2a".into(),
        title: "shop/test".into(),
        app: Some("shop".into()),
        environment: Some("test".into()),
        place: Some("services/shop/saas.yml:41:9".into()),
        current: Some(commit(3)),
        verdict: VerdictView {
            state: "held".into(),
            summary: "its newest deploy failed, and nobody has said to try again".into(),
            wanted: Some(commit(1)),
            holds: vec![
                hold(
                    "failed",
                    "the deploy of 9f3c1ab failed: 2 of 48 tests failed",
                    "a retry by somebody, or a newer commit that shop/stage vouches for",
                ),
                hold("unvouched", "production's channel has not vouched for it yet", "shop/stage being healthy for ten minutes"),
            ],
            passed_over: vec![PassedOverView {
                commit: commit(11),
                holds: vec![hold("unbuilt", "its image is not built yet", "the build, which is under way")],
            }],
        },
        actions: vec![
            action("retry", "shop/test", "Retry", "shop/test is tried again as it is wanted now"),
            action("ack", "shop/test", "I see to it", "nobody else is called for this failure"),
            promote,
            action(
                "rollback",
                "shop/test",
                "Roll back",
                "a change sets it to the commit that ran well before, and blocks the one it leaves",
            ),
            action("hold", "shop/test", "Hold", "nothing moves here until the hold is released"),
        ],
        usually_ms: Some(8 * 60_000),
        runs: vec![
            run("deploy-shop-test-8a1c", "deploy", "failed", 2, 4 * HOUR, Some(8 * MINUTE)),
            run("deploy-shop-test-71b0", "deploy", "failed", 1, 4 * HOUR + 30 * MINUTE, Some(7 * MINUTE)),
            run("deploy-shop-test-0f11", "deploy", "succeeded", 1, 29 * HOUR, Some(9 * MINUTE)),
        ],
        story: release().story.into_iter().rev().collect(),
    }
}

/// A run that failed, with everything that one can have.
pub fn failed_run() -> RunDetail {
    let mut view = run("deploy-shop-test-8a1c", "deploy", "failed", 2, 4 * HOUR, Some(8 * MINUTE));
    view.steps = [
        ("render", 4 * HOUR, Some(900)),
        ("apply", 4 * HOUR - 1_000, Some(3_400)),
        ("wait", 4 * HOUR - 5_000, Some(131_000)),
        ("jobs", 4 * HOUR - 140_000, None),
    ]
    .into_iter()
    .map(|(name, began, took): (&str, i64, Option<i64>)| StepView {
        name: name.into(),
        started_at: ago(began),
        finished_at: took.map(|took| ago(began - took)),
    })
    .collect();
    let case = |name: &str, state: &str, ms: u64, message: Option<&str>| CaseView {
        name: name.into(),
        state: state.into(),
        took_ms: Some(ms),
        message: message.map(str::to_owned),
        id: Some("5f8f0e1d2c3b4a596877".into()),
        attempts: 1,
        ..CaseView::default()
    };
    RunDetail {
        run: view,
        subject: ("target".into(), "shop-test-3f2a".into()),
        app: Some("shop".into()),
        environment: Some("test".into()),
        cause: Some(CauseView {
            text: "2 of 48 tests failed: checkout.pays_once, cart.totals_round_up".into(),
            last_lines: vec![
                "checkout.pays_once ... \x1b[31mFAILED\x1b[0m".into(),
                "  expected: [{id: 7, amount: 1290}]".into(),
                "  got:      [{id: 7, amount: 1290}, {id: 8, amount: 1290}]".into(),
                "46 passed, 2 failed".into(),
            ],
        }),
        objects: vec![
            ObjectView { object: "Job/shop-smoke".into(), state: "not ready".into(), text: "1 of 1 pods failed".into() },
            ObjectView { object: "Pod/shop-smoke-x7k2p".into(), state: "Failed".into(), text: "container tests exited with 1".into() },
            ObjectView { object: "Deployment.apps/shop".into(), state: "ready".into(), text: "3 of 3 pods are ready".into() },
        ],
        reports: vec![ReportView {
            name: "junit.xml".into(),
            hash: Some("ab".repeat(32)),
            bytes: 4711,
            passed: 45,
            failed: 2,
            skipped: 1,
            flaky: 1,
            notes: vec!["suite `shop` declares 47 test cases and has 48".into()],
            tests: vec![
                CaseView {
                    mark: Some("failing".into()),
                    since: Some(ago(5 * HOUR)),
                    since_run: Some(run_id("deploy-shop-test-71b0")),
                    trace: Some("at tests/checkout.rs:118\n<script>alert(1)</script>".into()),
                    output: Some("\x1b[32mPOST /pay\x1b[0m".into()),
                    attempts: 2,
                    ..case("checkout.pays_once", "failed", 2_340, Some("expected: [{id: 7}]\n     got: [{id: 7}, {id: 8}]"))
                },
                CaseView {
                    mark: Some("quarantined".into()),
                    ..case("cart.totals_round_up", "failed", 41, Some("assertion failed: 1299 == 1300"))
                },
                CaseView { flaky: true, attempts: 3, ..case("search.is_quick", "passed", 900, None) },
                case("cart.is_empty_at_first", "passed", 12, None),
                case("search.finds_titles", "passed", 210, None),
                case("search.finds_nothing_in_nothing", "skipped", 0, None),
            ],
        }],
        artifacts: vec!["https://artifacts.example/shop/junit.xml".into(), "javascript:alert(1)".into()],
        attempts: vec![run("deploy-shop-test-71b0", "deploy", "failed", 1, 4 * HOUR + 30 * MINUTE, Some(7 * MINUTE))],
        actions: vec![
            action("retry", "shop/test", "Retry", "shop/test is tried again as it is wanted now"),
            action("ack", "shop/test", "I see to it", "nobody else is called for this failure"),
            action("rollback", "shop/test", "Roll back", "a change sets it to the commit that ran well before"),
        ],
    }
}

/// A run under way.
pub fn open_run() -> RunDetail {
    let mut detail = failed_run();
    detail.run = run("deploy-shop-test-8a1c", "deploy", "running", 2, 3 * MINUTE, None);
    detail.run.steps = vec![
        StepView { name: "render".into(), started_at: ago(3 * MINUTE), finished_at: Some(ago(3 * MINUTE - 900)) },
        StepView { name: "wait".into(), started_at: ago(2 * MINUTE), finished_at: None },
    ];
    detail.cause = None;
    detail.reports = Vec::new();
    detail.actions = vec![action(
        "cancel",
        "deploy-shop-test-8a1c",
        "Stop the run",
        "the run is stopped; what it was for is held until somebody retries",
    )];
    detail
}

/// A log with colours, a progress bar and much text.
pub fn log(lines: u64) -> Vec<LogLine> {
    let texts = [
        "\x1b[1;36m→ applying\x1b[0m Deployment.apps/shop",
        "shop-7d9c\x1b[32m ready\x1b[0m (1 of 3)",
        "downloading 10%\rdownloading 60%\rdownloading 100%",
        "\x1b[33mwarning\x1b[0m: the image has no SBOM",
        "GET /healthz 200 in 3 ms",
        "checkout.pays_once ... \x1b[31mFAILED\x1b[0m",
        "  at \x1b[38;5;39mtests/checkout.rs:118\x1b[0m: expected one charge <b>, got \"two\"",
    ];
    let line = |at: u64| LogLine {
        number: at + 1,
        at: ago(4 * HOUR - i64::try_from(at).unwrap() * 700),
        step: if at < lines / 3 { "apply".into() } else { "jobs".into() },
        stream: if at % 41 == 40 { "stderr".into() } else { "stdout".into() },
        text: texts[usize::try_from(at).unwrap() % texts.len()].to_owned(),
    };
    (0..lines).map(line).collect()
}

/// Everything at once.
pub fn shown() -> Shown {
    Shown {
        tests: PageView { items: vec![test("pays_once", true), test("totals_round_up", false)], next: Some("50".into()) },
        test: Some(test_detail()),
        board: board(),
        release: Some(release()),
        why: Some(why()),
        run_detail: Some(failed_run()),
        runs: why().runs,
        log: log(3_000),
        log_done: true,
        next: Some("120".into()),
        ..Shown::default()
    }
}

/// A test; a flaky one is quarantined, too.
pub fn test(name: &str, is_flaky: bool) -> TestLine {
    TestLine {
        id: "5f8f0e1d2c3b4a596877".into(),
        class: "checkout".into(),
        name: name.into(),
        of: "shop/test".into(),
        subject: ("target".into(), "shop-test-3f2a".into()),
        app: Some("shop".into()),
        environment: Some("test".into()),
        state: if is_flaky { "passed" } else { "failed" }.into(),
        since: ago(4 * HOUR),
        since_run: run_id("deploy-shop-test-71b0"),
        flakes: if is_flaky { 3 } else { 0 },
        flaky_at: is_flaky.then(|| ago(4 * HOUR)),
        known_flaky: is_flaky,
        quarantine: is_flaky.then(|| QuarantineView {
            owner: "ada".into(),
            until: ago(-48 * HOUR),
            why: "the payment stub is slow".into(),
            place: "data/policies/tests.yml:7:7".into(),
        }),
    }
}

/// A test with its history: it failed, passed on the same tree, and passed at a later try on another.
pub fn test_detail() -> TestDetail {
    let time = |run: &str, hours: i64, tree: &str, state: &str, attempts: u32| TestTimeView {
        run: run_id(run),
        at: ago(hours * HOUR),
        commit: Some(commit(1)),
        tree: tree.into(),
        state: state.into(),
        flaky: attempts > 1,
        attempts,
        took_ms: Some(340),
    };
    let times = vec![
        time("deploy-shop-test-8a1c", 1, "7e0c1d", "passed", 2),
        time("deploy-shop-test-71b0", 4, "b1f0aa", "passed", 1),
        time("deploy-shop-test-70aa", 5, "b1f0aa", "failed", 1),
        time("deploy-shop-test-6f00", 9, "a00000", "skipped", 1),
    ];
    TestDetail { test: test("pays_once", true), runs: 3, failures: 1, median_ms: Some(340), times }
}

/// Nothing at all, as a new server has it.
#[allow(dead_code)]
pub fn nothing() -> Shown {
    Shown { log_done: true, ..Shown::default() }
}
