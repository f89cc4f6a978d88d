//! Policies: `/towpath/policy-1.yml`.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::tz::TimeZone;
use towpath_domain::{AppName, ClusterName, CommitId, EnvironmentName, Span};

use super::Ref;
use super::fields::{At, Reader};
use super::inventory::check_dns_label;
use super::time::{self, End};
use crate::diagnostic::Place;
use crate::model::{Batching, Block, Freeze, QueuePolicy, Retries, Window};
use crate::quarantine::TestPolicy;
use crate::signature::{SignatureRequirement, Signer, fault_of_public_key};
use crate::suggest;
use crate::yaml::Node;

/// A policy as it is written.
#[derive(Debug)]
pub(crate) struct RawPolicy {
    pub name: At<String>,
    pub select: RawSelector,
    pub freezes: Vec<Freeze>,
    pub windows: Vec<Window>,
    pub queue: Option<QueuePolicy>,
    pub retries: Option<Retries>,
    pub batching: Option<Batching>,
    pub tests: TestPolicy,
    pub automatic_rollback: Option<bool>,
    pub blocks: Vec<Block>,
    pub require_signed: Option<Arc<SignatureRequirement>>,
    pub approvals: Option<RawApprovals>,
    /// What is wrong with it: the policy holds all that it selects until it is mended.
    pub broken: Option<String>,
    /// What it selects could not be read: it may be anything.
    pub select_broken: bool,
}

/// What `approvals` says, its roles not yet looked up.
#[derive(Debug)]
pub(crate) struct RawApprovals {
    pub count: u32,
    pub roles: Vec<Ref>,
    pub promotions: bool,
    pub place: Place,
}

/// A selector, its values not yet looked up.
#[derive(Debug, Default)]
pub(crate) struct RawSelector {
    pub apps: Vec<At<AppName>>,
    pub environments: Vec<At<EnvironmentName>>,
    pub clusters: Vec<At<ClusterName>>,
    /// Ids, or titles as people write them.
    pub targets: Vec<At<String>>,
    pub labels: BTreeMap<String, String>,
}

const FIELDS: &[&str] = &[
    "$schema",
    "name",
    "description",
    "select",
    "freezes",
    "windows",
    "queue",
    "retries",
    "batching",
    "tests",
    "rollback",
    "block",
    "requireSigned",
    "approvals",
];
const SELECT_FIELDS: &[&str] = &["apps", "environments", "clusters", "targets", "labels"];
const FREEZE_FIELDS: &[&str] = &["from", "until", "timezone", "reason", "by"];
const WINDOW_FIELDS: &[&str] = &["days", "from", "until", "timezone"];
const RETRIES_FIELDS: &[&str] = &["attempts", "backoff", "backoffLimit"];
const BATCHING_FIELDS: &[&str] = &["window", "limit"];
const SIGNED_FIELDS: &[&str] = &["key", "identity", "attestations"];
const APPROVALS_FIELDS: &[&str] = &["count", "roles", "promotions"];
const IDENTITY_FIELDS: &[&str] = &["issuer", "subject"];
const BLOCK_FIELDS: &[&str] = &["url", "ref", "reason", "rollback"];
/// The longest time for which a promotion waits for others: what is to wait longer is better given `windows`.
const BATCHING_WINDOW_MAX: Span = Span::from_days(1);
/// The most targets that go in one change: people must be able to read it.
const BATCHING_LIMIT_MAX: u64 = 100;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Reads a policy. One with errors is not dropped, since that would loosen what it was to hold: see [`RawPolicy::broken`].
pub(super) fn read(reader: &mut Reader, root: Node<'_, '_>) -> Option<RawPolicy> {
    let errors = reader.errors();
    reader.only(root, FIELDS);
    let name = reader.required(root, "name").and_then(|node| Some(At { value: reader.text(node, "name")?.to_owned(), spot: node.spot() }));
    if let Some(name) = &name {
        check_dns_label(reader, &name.value, name.spot, "policy");
    }
    reader.text_of(root, "description");
    let before_select = reader.errors();
    let select = root.get("select").map(|node| read_selector(reader, node)).unwrap_or_default();
    // A key beside `select` that nobody knows may have been meant as it.
    let select_broken = reader.errors() > before_select || (root.get("select").is_none() && before_select > errors);
    let freezes = items(reader, root, "freezes", read_freeze);
    let windows = items(reader, root, "windows", read_window);
    let blocks = items(reader, root, "block", read_block);
    let queue = choice(reader, root, "queue", &[("latest", QueuePolicy::Latest), ("every", QueuePolicy::Every)]);
    let automatic_rollback = choice(reader, root, "rollback", &[("automatic", true), ("manual", false)]);
    let retries = root.get("retries").map(|node| read_retries(reader, node));
    let batching = root.get("batching").and_then(|node| read_batching(reader, node));
    let tests = root.get("tests").map(|node| super::tested::read(reader, node)).unwrap_or_default();
    let require_signed = root.get("requireSigned").and_then(|node| read_signed(reader, node)).map(Arc::new);
    let approvals = root.get("approvals").and_then(|node| read_approvals(reader, node));
    let broken = reader.error_after(errors).map(str::to_owned);
    let name = name.unwrap_or(At { value: String::new(), spot: root.spot() });
    Some(RawPolicy {
        name,
        select,
        freezes,
        windows,
        queue,
        retries,
        batching,
        tests,
        automatic_rollback,
        blocks,
        require_signed,
        approvals,
        broken,
        select_broken,
    })
}

fn items<T>(reader: &mut Reader, root: Node<'_, '_>, field: &str, read: fn(&mut Reader, Node<'_, '_>) -> Option<T>) -> Vec<T> {
    let nodes = reader.list(root, field).unwrap_or_default();
    nodes.into_iter().filter_map(|node| read(reader, node)).collect()
}

fn choice<T: Copy>(reader: &mut Reader, root: Node<'_, '_>, field: &str, choices: &[(&str, T)]) -> Option<T> {
    let node = root.get(field)?;
    let text = reader.text(node, field)?;
    let found = choices.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
    if found.is_none() {
        let words: Vec<_> = choices.iter().map(|(word, _)| format!("`{word}`")).collect();
        let message = format!("`{field}`: there is no `{}`", text.escape_debug());
        reader.error("wrong-type", node.spot(), message, format!("Write {}.", words.join(" or ")));
    }
    found
}

fn read_selector(reader: &mut Reader, map: Node<'_, '_>) -> RawSelector {
    reader.only(map, SELECT_FIELDS);
    // An empty list would select everything, which nobody who writes `environments: []` means.
    for entry in map.entries().filter(|entry| entry.value.is_sequence() && entry.value.items().next().is_none()) {
        reader.error(
            "empty-selector",
            entry.key_spot,
            format!("`{}` is empty", entry.key),
            "Name what is selected, or remove the field to select all.",
        );
    }
    RawSelector {
        apps: reader.names(map, "apps").unwrap_or_default(),
        environments: reader.names(map, "environments").unwrap_or_default(),
        clusters: reader.names(map, "clusters").unwrap_or_default(),
        targets: reader.texts(map, "targets").unwrap_or_default(),
        labels: reader.labels(map, "labels"),
    }
}

/// A required text for people.
fn reason(reader: &mut Reader, map: Node<'_, '_>) -> Option<Arc<str>> {
    let node = reader.required(map, "reason")?;
    reader.text(node, "reason").map(Arc::from)
}

fn read_freeze(reader: &mut Reader, map: Node<'_, '_>) -> Option<Freeze> {
    let errors = reader.errors();
    reader.only(map, FREEZE_FIELDS);
    let zone = match map.get("timezone") {
        None => None,
        Some(node) => Some(time::zone(reader, node)?),
    };
    let mut moment = |field, end| map.get(field).and_then(|node| time::moment(reader, node, field, zone.as_ref(), end));
    let (from, until) = (moment("from", End::From), moment("until", End::Until));
    if let (Some(from), Some(until), Some(node)) = (from, until, map.get("until"))
        && until <= from
    {
        reader.error("bad-time", node.spot(), "the freeze ends before it begins", "Put `until` after `from`.");
    }
    let by = reader.text_of(map, "by").map(Arc::from);
    let reason = reason(reader, map)?;
    let place = place(reader, map);
    (reader.errors() == errors).then_some(Freeze { from, until, reason, by, place })
}

fn read_window(reader: &mut Reader, map: Node<'_, '_>) -> Option<Window> {
    let errors = reader.errors();
    reader.only(map, WINDOW_FIELDS);
    let mut days = Vec::new();
    for item in reader.list(map, "days").unwrap_or_default() {
        let Some(text) = reader.text(item, "days") else { continue };
        match (1..).zip(DAYS).find(|(_, day)| *day == text) {
            Some((day, _)) => days.push(day),
            None => {
                let mend = suggest::mend(text, DAYS, &format!("Write some of {}.", DAYS.join(", ")));
                reader.error("bad-time", item.spot(), format!("`{}` is no day of the week", text.escape_debug()), mend);
            }
        }
    }
    days.sort_unstable();
    days.dedup();
    let from_minute = reader.required(map, "from").and_then(|node| time::minute(reader, node, "from"));
    let until_minute = reader.required(map, "until").and_then(|node| time::minute(reader, node, "until"));
    if let (Some(1440), Some(node)) = (from_minute, map.get("from")) {
        reader.error("bad-time", node.spot(), "a window cannot open at 24:00", "Write 00:00, and the next day.");
    }
    let zone = match map.get("timezone") {
        None => TimeZone::UTC,
        Some(node) => time::zone(reader, node)?,
    };
    let place = place(reader, map);
    let (from_minute, until_minute) = (from_minute?, until_minute?);
    (reader.errors() == errors).then_some(Window { days, from_minute, until_minute, zone, place })
}

fn read_retries(reader: &mut Reader, map: Node<'_, '_>) -> Retries {
    reader.only(map, RETRIES_FIELDS);
    let usual = Retries::default();
    let attempts = reader.number(map, "attempts", 1..=100).and_then(|n| u32::try_from(n).ok()).unwrap_or(usual.attempts);
    let mut span =
        |field, usual| map.get(field).and_then(|node| reader.parse::<Span>(node, field, "wrong-type")).map_or(usual, |at| at.value);
    let backoff = span("backoff", usual.backoff);
    let backoff_limit = span("backoffLimit", usual.backoff_limit.max(backoff));
    if backoff_limit < backoff {
        reader.error("wrong-type", map.spot(), "`backoffLimit` is shorter than `backoff`", "Make the limit at least as long.");
    }
    Retries { attempts, backoff, backoff_limit, ..usual }
}

fn read_batching(reader: &mut Reader, map: Node<'_, '_>) -> Option<Batching> {
    let errors = reader.errors();
    reader.only(map, BATCHING_FIELDS);
    let node = reader.required(map, "window")?;
    let window = reader.parse::<Span>(node, "window", "wrong-type")?.value;
    if window.as_millis() == 0 || window > BATCHING_WINDOW_MAX {
        let message = format!("`window` is {window}: a batch is open for more than nothing and at most {BATCHING_WINDOW_MAX}");
        let mend = "Write how long the first promotion waits for others, such as `10m`; to move at certain hours only, use `windows`.";
        reader.error("bad-batching", node.spot(), message, mend);
    }
    let limit = reader.number(map, "limit", 2..=BATCHING_LIMIT_MAX).and_then(|limit| u32::try_from(limit).ok());
    let place = place(reader, map);
    (reader.errors() == errors).then_some(Batching { window, limit: limit.unwrap_or(Batching::LIMIT), place })
}

fn read_block(reader: &mut Reader, map: Node<'_, '_>) -> Option<Block> {
    let errors = reader.errors();
    reader.only(map, BLOCK_FIELDS);
    let url = reader.required(map, "url").and_then(|node| reader.url(node, "url"));
    let commit = reader.required(map, "ref").and_then(|node| reader.parse::<CommitId>(node, "ref", "bad-commit"));
    let rollback = reader.flag(map, "rollback").unwrap_or(false);
    let reason = reason(reader, map)?;
    let place = place(reader, map);
    let (url, commit) = (url?.value, commit?.value);
    (reader.errors() == errors).then_some(Block { url, commit, reason, rollback, place })
}

fn read_approvals(reader: &mut Reader, map: Node<'_, '_>) -> Option<RawApprovals> {
    let errors = reader.errors();
    reader.only(map, APPROVALS_FIELDS);
    let count = reader.number(map, "count", 1..=20).and_then(|count| u32::try_from(count).ok()).unwrap_or(1);
    let promotions = choice(reader, map, "promotions", &[("wait", true), ("pass", false)]).unwrap_or(true);
    let node = reader.required(map, "roles")?;
    let items = reader.list(map, "roles")?;
    if items.is_empty() {
        let mend = "Name the roles whose members count: `roles: [{$ref: /access/owners.yml}]`.";
        reader.error("missing-field", node.spot(), "`roles` is empty: nobody could approve", mend);
    }
    let roles = items.into_iter().filter_map(|item| reader.reference_at(item, "roles")).collect();
    let place = place(reader, map);
    (reader.errors() == errors).then_some(RawApprovals { count, roles, promotions, place })
}

fn read_signed(reader: &mut Reader, map: Node<'_, '_>) -> Option<SignatureRequirement> {
    let errors = reader.errors();
    reader.only(map, SIGNED_FIELDS);
    let key = map.get("key").and_then(|node| read_key(reader, node));
    let identity = map.get("identity").and_then(|node| read_identity(reader, node));
    match (map.get("key"), map.get("identity")) {
        (Some(_), Some(identity)) => {
            let message = "`key` and `identity` exclude each other: a signature is made with a key or by a person or workflow";
            reader.error("bad-signer", identity.spot(), message, "Remove one; write a policy of its own for each to require both.");
        }
        (None, None) => {
            let mend = "Add `key:` with a public key in PEM, or `identity:` with `issuer` and `subject`.";
            reader.error("bad-signer", map.spot(), "`requireSigned` says not who must have signed", mend);
        }
        _ => {}
    }
    let attestations = reader.texts(map, "attestations").unwrap_or_default();
    for at in attestations.iter().filter(|at| !is_uri(&at.value)) {
        let message = format!("`{}` is no type of attestation", at.value.escape_debug());
        reader.error("wrong-type", at.spot, message, "Write its predicate type: a URI such as https://slsa.dev/provenance/v1.");
    }
    let place = place(reader, map);
    let signer = key.or(identity)?;
    let attestations = attestations.into_iter().map(|at| at.value).collect();
    (reader.errors() == errors).then(|| SignatureRequirement::new(signer, attestations, place))
}

fn read_key(reader: &mut Reader, node: Node<'_, '_>) -> Option<Signer> {
    let pem = reader.text(node, "key")?;
    if let Some(fault) = fault_of_public_key(pem) {
        // What stands there is not repeated: it may be a private key.
        let mend = "Write `key: |` and below it the public key in PEM, as `cosign generate-key-pair` leaves it in cosign.pub.";
        reader.error("bad-key", node.spot(), format!("`key` is no public key: {fault}"), mend);
        return None;
    }
    Some(Signer::Key { pem: pem.into() })
}

fn read_identity(reader: &mut Reader, map: Node<'_, '_>) -> Option<Signer> {
    reader.only(map, IDENTITY_FIELDS);
    let mut text = |field| {
        let node = reader.required(map, field)?;
        let text = reader.text(node, field)?;
        if text.trim().is_empty() || text.chars().any(char::is_control) {
            reader.error("wrong-type", node.spot(), format!("`{field}` is empty or holds a control character"), "Mend the value.");
            return None;
        }
        Some(Arc::<str>::from(text))
    };
    let (issuer, subject) = (text("issuer"), text("subject"));
    Some(Signer::Identity { issuer: issuer?, subject: subject? })
}

/// Whether `text` begins with a scheme and goes on without blanks.
fn is_uri(text: &str) -> bool {
    let scheme = |scheme: &str| scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.bytes().all(|b| b.is_ascii_alphanumeric());
    let sound = |c: char| !c.is_whitespace() && !c.is_control();
    text.split_once(':').is_some_and(|(before, rest)| scheme(before) && !rest.is_empty() && rest.chars().all(sound))
}

fn place(reader: &Reader, map: Node<'_, '_>) -> Place {
    map.spot().place(reader.file())
}
