//! What people write and what programs say.

use serde_json::{Value, json};
use towpath_domain::FailureClass;

use super::dice::Dice;

pub(super) const FRONTS: [&str; 20] = [
    "billing",
    "catalog",
    "checkout",
    "search",
    "orders",
    "payments",
    "shipping",
    "invoices",
    "accounts",
    "loyalty",
    "pricing",
    "inventory",
    "returns",
    "reviews",
    "basket",
    "tickets",
    "fleet",
    "metering",
    "tariffs",
    "contracts",
];

pub(super) const ENDS: [&str; 15] = [
    "api", "worker", "web", "gateway", "export", "import", "mailer", "reports", "admin", "events", "cache", "rules", "sync", "audit",
    "batch",
];

const AUTHORS: [&str; 16] = [
    "Ada Okafor",
    "Ben Harrow",
    "Chloé Martin",
    "Dmitri Volkov",
    "Elif Yıldız",
    "Farid Haddad",
    "Greta Lindqvist",
    "Hiro Tanaka",
    "Ines Costa",
    "Jonas Weber",
    "Katarzyna Nowak",
    "Liam O’Brien",
    "Mei Chen",
    "Noor Rahman",
    "Otto Friis",
    "Priya Nair",
];

const VERBS: [&str; 10] = ["Keep", "Retry", "Log", "Validate", "Speed up", "Cache", "Split", "Rename", "Bound", "Test"];

const THINGS: [&str; 14] = [
    "the currency of refunds",
    "requests that timed out",
    "what the broker refused",
    "addresses without a postcode",
    "the nightly export",
    "price lists by region",
    "the order’s state machine",
    "columns of the ledger table",
    "the size of uploads",
    "dates around midnight",
    "empty baskets",
    "the retry budget",
    "tokens that expire early",
    "headers of forwarded calls",
];

const WHYS: [&str; 8] = [
    "",
    "",
    "",
    " (#4127)",
    " when a customer has two accounts",
    ", as auditors asked",
    " on slow links",
    " after the move to the new queue",
];

pub(super) fn author(dice: &mut Dice) -> &'static str {
    dice.pick(&AUTHORS)
}

/// First line of a commit's message.
pub(super) fn subject(dice: &mut Dice) -> String {
    format!("{} {}{}", dice.pick(&VERBS), dice.pick(&THINGS), dice.pick(&WHYS))
}

/// How something fails: whose fault, at which step, and what is said.
pub(super) struct Trouble {
    pub(super) class: FailureClass,
    pub(super) step: &'static str,
    pub(super) message: String,
}

pub(super) fn build_trouble(dice: &mut Dice, name: &str) -> Trouble {
    let line = 20 + dice.below(400);
    let message = match dice.below(3) {
        0 => format!("make release ended with exit code 2: src/{}.go:{line}:17: undefined: retryBudget", name.replace('-', "_")),
        1 => format!(
            "make release ended with exit code 1: {} of 212 unit tests failed, the first is TestRounding/half_cents",
            1 + dice.below(4)
        ),
        _ => format!("make release ended with exit code 101: error[E0308]: mismatched types, src/main.rs:{line}:9"),
    };
    Trouble { class: FailureClass::Own, step: "build", message }
}

/// Tests, and what each says when it fails.
const TESTS: [(&str, &str); 12] = [
    ("checkout::a_guest_can_pay", "expected 201, got 500"),
    ("search::umlauts_are_found", "0 results, expected at least 1"),
    ("orders::a_cancelled_order_is_refunded", "timed out after 30 s"),
    ("health::answers_within_a_second", "took 1.4 s"),
    ("login::a_session_survives_a_restart", "redirected to /sign-in"),
    ("export::the_file_has_a_header", "line 1 is empty"),
    ("orders::two_at_once_are_two", "found 1 order"),
    ("login::a_wrong_password_is_refused", "expected 401, got 200"),
    ("search::an_empty_query_is_no_error", "got 400"),
    ("checkout::a_coupon_counts_once", "total is 0.00"),
    ("export::nothing_is_left_out", "311 of 312 rows"),
    ("health::the_version_is_told", "version is empty"),
];

/// A failed test that its commit is to blame for, or one that fails now and then.
pub(super) fn test_trouble(dice: &mut Dice, flaky: bool) -> Trouble {
    // Some tests are worse than others.
    let of = if flaky { 4 } else { TESTS.len() as u64 };
    let (test, said) = TESTS[usize::try_from(dice.below(of)).unwrap_or(0)];
    let message = format!("tests: 1 failed of {} in {}.{} s: {test} ({said})", TESTS.len(), 4 + dice.below(40), dice.below(10));
    Trouble { class: if flaky { FailureClass::Flaky } else { FailureClass::Own }, step: "wait", message }
}

/// What the tests of a run report, failed ones first.
pub(super) fn reports(dice: &mut Dice, trouble: Option<&Trouble>) -> Value {
    let failed = |test: &str| trouble.is_some_and(|trouble| trouble.message.contains(test));
    let mut tests: Vec<Value> = TESTS
        .iter()
        .enumerate()
        .map(|(number, (name, said))| {
            let took = dice.around(80 + i64::try_from(number * number * 30).unwrap_or(0));
            match failed(name) {
                true => json!({"name": name, "state": "failed", "took_ms": took, "message": said}),
                false => json!({"name": name, "state": "passed", "took_ms": took}),
            }
        })
        .collect();
    tests.sort_by_key(|test| test["state"] != "failed");
    let bad = tests.iter().filter(|test| test["state"] == "failed").count();
    json!([{"name": "smoke.xml", "passed": tests.len() - bad, "failed": bad, "skipped": 0, "tests": tests}])
}

pub(super) fn deploy_trouble(dice: &mut Dice, name: &str) -> Trouble {
    let pod = format!("{name}-{}-{}", dice.hex(9), dice.hex(5));
    let message = match dice.below(3) {
        0 => format!("Deployment.apps/{name}: pod {pod}: container {name} ran out of memory (OOMKilled, limit 256Mi), 4 times"),
        1 => format!(
            "Deployment.apps/{name}: pod {pod}: container {name} ends again and again (exit code 1): panic: missing env DATABASE_URL"
        ),
        _ => format!("Deployment.apps/{name}: pod {pod}: readiness probe fails: HTTP probe failed with statuscode: 503"),
    };
    Trouble { class: FailureClass::Own, step: "wait", message }
}

/// What passes by itself.
pub(super) fn passing_trouble(dice: &mut Dice, step: &'static str) -> Trouble {
    let message = match dice.below(4) {
        0 => "the API server of the cluster does not answer: connection refused (os error 111)",
        1 => "the registry answers 503 Service Unavailable; it is tried again",
        2 => "the node was lost while the pod ran: NodeLost",
        _ => "inconclusive: reports could not be looked at: the server answers 500",
    };
    Trouble { class: FailureClass::Environment, step, message: message.to_owned() }
}
