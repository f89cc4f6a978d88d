//! One message per release in Slack, against a stand-in that refuses what Slack refuses.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use serde_json::{Value, json};
use towpath_ledger::Ledger;
use towpath_notify::sinks::{Http, Slack, SlackSettings};
use towpath_notify::{Hidden, Kind, Listener, Room, Route, Secret, Topic};

use crate::releases::*;
use crate::support::*;

const TOKEN: &str = "xoxb-bot-token-of-the-tests";

/// A message as it stands in a channel.
#[derive(Debug, Clone)]
struct Posted {
    ts: String,
    thread: Option<String>,
    text: String,
    blocks: Value,
    metadata: Value,
    reactions: Vec<String>,
    edits: usize,
}

#[derive(Default)]
struct Workspace {
    channels: BTreeMap<&'static str, Vec<Posted>>,
    calls: Vec<String>,
    /// What the next calls of a method are answered with, before they are looked at.
    faults: Vec<(&'static str, Fault)>,
    posts: u64,
}

#[derive(Clone, Copy)]
enum Fault {
    Status(u16, Option<&'static str>),
    Error(&'static str),
    /// It takes effect, but nobody hears of it.
    Lost,
    /// None: the one after it is for the call after this one.
    Pass,
}

#[derive(Clone, Default)]
struct Fake(Arc<Mutex<Workspace>>);

impl Fake {
    fn with_channels(names: &[&'static str]) -> Self {
        let fake = Self::default();
        fake.0.lock().unwrap().channels = names.iter().map(|name| (*name, Vec::new())).collect();
        fake
    }

    fn fault(&self, method: &'static str, fault: Fault) {
        self.0.lock().unwrap().faults.push((method, fault));
    }

    fn messages(&self, channel: &str) -> Vec<Posted> {
        self.0.lock().unwrap().channels[channel].clone()
    }

    fn calls(&self, method: &str) -> usize {
        self.0.lock().unwrap().calls.iter().filter(|called| *called == method).count()
    }
}

fn refused(error: &str) -> Value {
    json!({ "ok": false, "error": error })
}

fn id_of(name: &str) -> String {
    format!("C{:0>10}", name.to_ascii_uppercase().replace('-', ""))
}

/// The published limits of blocks.
fn check_blocks(blocks: &Value) -> Result<(), &'static str> {
    let all = blocks.as_array().ok_or("invalid_blocks_format")?;
    if all.len() > 50 {
        return Err("invalid_blocks");
    }
    for block in all {
        let within = |text: &Value, max: usize| text.as_str().is_some_and(|text| !text.is_empty() && text.chars().count() <= max);
        let good = match block["type"].as_str() {
            Some("section") => block["text"]["type"] == "mrkdwn" && within(&block["text"]["text"], 3000),
            Some("context") => block["elements"]
                .as_array()
                .is_some_and(|all| (1..=10).contains(&all.len()) && all.iter().all(|one| within(&one["text"], 3000))),
            Some("actions") => block["elements"].as_array().is_some_and(|all| {
                let ids: std::collections::BTreeSet<&str> = all.iter().filter_map(|one| one["action_id"].as_str()).collect();
                (1..=25).contains(&all.len())
                    && ids.len() == all.len()
                    && all.iter().all(|one| {
                        one["type"] == "button"
                            && one["text"]["type"] == "plain_text"
                            && within(&one["text"]["text"], 75)
                            && within(&one["url"], 3000)
                    })
            }),
            _ => false,
        };
        if !good {
            return Err("invalid_blocks");
        }
    }
    Ok(())
}

impl Workspace {
    fn channel(&mut self, named: &Value) -> Option<&mut Vec<Posted>> {
        let named = named.as_str()?.to_owned();
        self.channels.iter_mut().find(|(name, _)| named == **name || named == id_of(name)).map(|(_, messages)| messages)
    }

    fn name(&self, named: &Value) -> String {
        let named = named.as_str().unwrap_or_default();
        self.channels.keys().find(|name| named == **name || named == id_of(name)).map(|name| id_of(name)).unwrap_or_default()
    }

    fn answer(&mut self, method: &str, asked: &Value) -> Value {
        match method {
            "chat.postMessage" => {
                if let Err(error) = check_blocks(&asked["blocks"]) {
                    return refused(error);
                }
                let channel = self.name(&asked["channel"]);
                let ts = format!("1700000000.{:06}", self.posts);
                self.posts += 1;
                let Some(messages) = self.channel(&asked["channel"]) else { return refused("channel_not_found") };
                let thread = asked["thread_ts"].as_str().map(str::to_owned);
                if thread.as_ref().is_some_and(|thread| !messages.iter().any(|message| message.ts == *thread)) {
                    return refused("thread_not_found");
                }
                messages.push(Posted {
                    ts: ts.clone(),
                    thread,
                    text: asked["text"].as_str().unwrap_or_default().to_owned(),
                    blocks: asked["blocks"].clone(),
                    metadata: asked["metadata"].clone(),
                    reactions: Vec::new(),
                    edits: 0,
                });
                json!({ "ok": true, "channel": channel, "ts": ts, "message": {} })
            }
            "chat.update" => {
                if let Err(error) = check_blocks(&asked["blocks"]) {
                    return refused(error);
                }
                // It takes ids only, as the real one does.
                if !asked["channel"].as_str().unwrap_or_default().starts_with('C') {
                    return refused("channel_not_found");
                }
                let Some(messages) = self.channel(&asked["channel"]) else { return refused("channel_not_found") };
                let Some(message) = messages.iter_mut().find(|message| asked["ts"] == message.ts) else {
                    return refused("message_not_found");
                };
                (message.text, message.blocks) = (asked["text"].as_str().unwrap_or_default().to_owned(), asked["blocks"].clone());
                message.edits += 1;
                json!({ "ok": true, "channel": asked["channel"], "ts": asked["ts"] })
            }
            "reactions.add" | "reactions.remove" => {
                let name = asked["name"].as_str().unwrap_or_default().to_owned();
                let Some(messages) = self.channel(&asked["channel"]) else { return refused("channel_not_found") };
                let Some(message) = messages.iter_mut().find(|message| asked["timestamp"] == message.ts) else {
                    return refused("message_not_found");
                };
                let there = message.reactions.contains(&name);
                match (method, there) {
                    ("reactions.add", true) => return refused("already_reacted"),
                    ("reactions.add", false) => message.reactions.push(name),
                    (_, true) => message.reactions.retain(|known| *known != name),
                    (_, false) => return refused("no_reaction"),
                }
                json!({ "ok": true })
            }
            "conversations.list" => {
                let all: Vec<Value> = self.channels.keys().map(|name| json!({ "id": id_of(name), "name": name })).collect();
                // One at a time: whoever does not turn pages finds nothing.
                let at: usize = asked["cursor"].as_str().and_then(|cursor| cursor.parse().ok()).unwrap_or(0);
                let next = if at + 1 < all.len() { (at + 1).to_string() } else { String::new() };
                json!({ "ok": true, "channels": all.get(at..=at).unwrap_or_default(), "response_metadata": { "next_cursor": next } })
            }
            "conversations.history" | "conversations.replies" => {
                if !asked["channel"].as_str().unwrap_or_default().starts_with('C') {
                    return refused("channel_not_found");
                }
                let (root, replies) = (asked["ts"].clone(), method.ends_with("replies"));
                let Some(messages) = self.channel(&asked["channel"]) else { return refused("channel_not_found") };
                let wanted =
                    |message: &&Posted| if replies { message.thread.as_deref() == root.as_str() } else { message.thread.is_none() };
                let shown = |message: &Posted| match asked["include_all_metadata"].as_str() {
                    Some("true") => json!({ "ts": message.ts, "text": message.text, "metadata": message.metadata }),
                    _ => json!({ "ts": message.ts, "text": message.text }),
                };
                json!({ "ok": true, "messages": messages.iter().filter(wanted).map(shown).collect::<Vec<_>>() })
            }
            "usergroups.list" => json!({ "ok": true, "usergroups": [{ "id": "S0614TZR7", "handle": "web-oncall" }] }),
            _ => refused("unknown_method"),
        }
    }
}

async fn called(
    State(fake): State<Fake>,
    Path(method): Path<String>,
    query: Query<BTreeMap<String, String>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut workspace = fake.0.lock().unwrap();
    workspace.calls.push(method.clone());
    if headers.get("authorization").and_then(|value| value.to_str().ok()) != Some(&format!("Bearer {TOKEN}")) {
        return axum::Json(refused("invalid_auth")).into_response();
    }
    let asked: Value = if body.is_empty() { json!(query.0) } else { serde_json::from_slice(&body).unwrap() };
    let fault = workspace.faults.iter().position(|(of, _)| *of == method).map(|at| workspace.faults.remove(at).1);
    match fault {
        Some(Fault::Status(status, retry)) => {
            let status = StatusCode::from_u16(status).unwrap();
            return match retry {
                Some(retry) => (status, [("retry-after", retry)], "{\"ok\":false,\"error\":\"ratelimited\"}").into_response(),
                None => (status, "").into_response(),
            };
        }
        Some(Fault::Error(error)) => return axum::Json(refused(error)).into_response(),
        Some(Fault::Lost) => {
            workspace.answer(&method, &asked);
            return (StatusCode::BAD_GATEWAY, "").into_response();
        }
        Some(Fault::Pass) | None => {}
    }
    axum::Json(workspace.answer(&method, &asked)).into_response()
}

async fn serve(fake: &Fake) -> String {
    let app = axum::Router::new().route("/api/{method}", any(called)).with_state(fake.clone());
    format!("{}/api", serve_app(app).await)
}

async fn listener(fake: &Fake, hidden: &Hidden) -> Listener {
    let token = Secret::new(Arc::new(Words(TOKEN)), hidden.clone());
    let settings =
        SlackSettings { name: "slack".into(), workspace: "example".into(), token, channel: None, start: true, api: serve(fake).await };
    let topics = [Topic::Started, Topic::Built, Topic::Stopped].into_iter().chain(Topic::USUAL).collect();
    Listener { sink: Arc::new(Slack::new(settings, http())), route: Route { topics, ..Route::default() } }
}

#[tokio::test]
async fn a_release_is_one_message_that_grows_with_answers_and_a_reaction_at_its_end() {
    let (_directory, ledger) = fresh().await;
    ledger.outbox_register("slack").await.unwrap();
    let (fake, hidden) = (Fake::with_channels(&["deploys"]), Hidden::default());
    let worker = Worker::start_with(&ledger, vec![listener(&fake, &hidden).await], town(&hidden, &["deploys"]));
    build(&ledger, 1).await;
    settled(&ledger, "slack").await;
    let seen = fake.messages("deploys");
    assert_eq!(seen.len(), 1, "{seen:#?}");
    deploy(&ledger, "stage", 1, 1, failed("probe")).await;
    settled(&ledger, "slack").await;
    let seen = fake.messages("deploys");
    assert_eq!((seen.len(), seen[0].reactions.clone()), (2, vec!["x".to_owned()]), "{seen:#?}");
    assert_eq!(seen[1].thread.as_ref(), Some(&seen[0].ts));
    assert!(seen[1].text.contains("Deploy of api / stage at 5f8f0e1 failed"), "{}", seen[1].text);
    insta::assert_json_snapshot!("slack_failure", seen[1].blocks);
    deploy(&ledger, "stage", 1, 2, deployed()).await;
    deploy(&ledger, "test", 1, 1, deployed()).await;
    merge(&ledger, 1).await;
    deploy(&ledger, "production", 1, 1, deployed()).await;
    settled(&ledger, "slack").await;
    worker.stop().await;
    let seen = fake.messages("deploys");
    let roots: Vec<&Posted> = seen.iter().filter(|message| message.thread.is_none()).collect();
    assert_eq!(roots.len(), 1, "{seen:#?}");
    assert_eq!(roots[0].reactions, ["white_check_mark"], "the reaction of the failure is gone");
    insta::assert_json_snapshot!("slack_release", roots[0].blocks);
    let answers: Vec<&str> = seen.iter().filter(|message| message.thread.is_some()).map(|message| message.text.as_str()).collect();
    insta::assert_json_snapshot!("slack_answers", answers);
}

#[tokio::test]
async fn whoever_dies_between_posting_and_noting_finds_the_message_again() {
    let (_directory, ledger) = fresh().await;
    ledger.outbox_register("slack").await.unwrap();
    let (fake, hidden) = (Fake::with_channels(&["deploys", "other"]), Hidden::default());
    // It is posted, but the answer never comes; so is the answer below it.
    fake.fault("chat.postMessage", Fault::Lost);
    let worker = Worker::start_with(&ledger, vec![listener(&fake, &hidden).await], town(&hidden, &["deploys"]));
    build(&ledger, 1).await;
    settled(&ledger, "slack").await;
    fake.fault("chat.postMessage", Fault::Lost);
    deploy(&ledger, "stage", 1, 1, failed("probe")).await;
    settled(&ledger, "slack").await;
    worker.stop().await;
    let seen = fake.messages("deploys");
    assert_eq!(seen.iter().filter(|message| message.thread.is_none()).count(), 1, "{seen:#?}");
    assert_eq!(seen.iter().filter(|message| message.thread.is_some()).count(), 1, "{seen:#?}");
    assert!(ledger.dead_letters(10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_process_that_was_killed_after_posting_posts_nothing_twice() {
    let (directory, ledger) = fresh().await;
    ledger.outbox_register("slack").await.unwrap();
    let (fake, hidden) = (Fake::with_channels(&["deploys", "other"]), Hidden::default());
    fail_a_build(&ledger, "api").await;
    // As a process that is killed leaves it: all is posted, and nothing of it was noted.
    let before = directory.path().join("before.db");
    ledger.backup(&before).await.unwrap();
    let listener = listener(&fake, &hidden).await;
    let worker = Worker::start_with(&ledger, vec![listener.clone()], town(&hidden, &["deploys"]));
    settled(&ledger, "slack").await;
    worker.stop().await;
    let posted = fake.messages("deploys");
    assert_eq!(posted.len(), 2, "{posted:#?}");

    let ledger = Ledger::open(&before).await.unwrap();
    let worker = Worker::start_with(&ledger, vec![listener], town(&hidden, &["deploys"]));
    settled(&ledger, "slack").await;
    assert_eq!(fake.messages("deploys").len(), 2, "both were found again");
    deploy(&ledger, "stage", 1, 1, deployed()).await;
    settled(&ledger, "slack").await;
    worker.stop().await;
    let seen = fake.messages("deploys");
    assert_eq!((seen.len(), seen[0].edits > 0), (3, true), "{seen:#?}");
}

#[tokio::test]
async fn slack_is_left_alone_for_as_long_as_it_asks() {
    let (_directory, ledger) = fresh().await;
    ledger.outbox_register("slack").await.unwrap();
    let (fake, hidden) = (Fake::with_channels(&["deploys"]), Hidden::default());
    fake.fault("chat.postMessage", Fault::Status(429, Some("1")));
    let begun = std::time::Instant::now();
    let worker = Worker::start_with(&ledger, vec![listener(&fake, &hidden).await], town(&hidden, &["deploys"]));
    build(&ledger, 1).await;
    settled(&ledger, "slack").await;
    assert!(begun.elapsed() >= std::time::Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!((fake.messages("deploys").len(), fake.calls("chat.postMessage")), (1, 2));
    worker.stop().await;
}

#[tokio::test]
async fn a_channel_that_is_not_there_costs_one_call_per_message_and_no_other_channel_anything() {
    let (_directory, ledger) = fresh().await;
    ledger.outbox_register("slack").await.unwrap();
    let (fake, hidden) = (Fake::with_channels(&["deploys"]), Hidden::default());
    let worker = Worker::start_with(&ledger, vec![listener(&fake, &hidden).await], town(&hidden, &["nowhere", "deploys"]));
    fail_a_build(&ledger, "api").await;
    settled(&ledger, "slack").await;
    worker.stop().await;
    assert_eq!(fake.messages("deploys").len(), 2, "the message, and the answer with the failure");
    assert_eq!(fake.calls("chat.postMessage"), 3);
    let dead = ledger.dead_letters(10).await.unwrap();
    assert_eq!(dead.len(), 1);
    assert!(dead[0].error.contains("channel nowhere: Slack answered channel_not_found: there is no such channel"), "{}", dead[0].error);
    assert_eq!(dead[0].attempts, 1);
}

#[tokio::test]
async fn a_message_that_somebody_deleted_is_posted_anew_and_refused_reactions_harm_nobody() {
    let (_directory, ledger) = fresh().await;
    ledger.outbox_register("slack").await.unwrap();
    let (fake, hidden) = (Fake::with_channels(&["deploys"]), Hidden::default());
    let worker = Worker::start_with(&ledger, vec![listener(&fake, &hidden).await], town(&hidden, &["deploys"]));
    build(&ledger, 1).await;
    settled(&ledger, "slack").await;
    fake.0.lock().unwrap().channels.get_mut("deploys").unwrap().clear();
    fake.fault("reactions.add", Fault::Error("missing_scope"));
    deploy(&ledger, "stage", 1, 1, failed("probe")).await;
    settled(&ledger, "slack").await;
    worker.stop().await;
    assert_eq!(fake.messages("deploys").len(), 2);
    assert!(ledger.dead_letters(10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_wrong_token_is_told_once_and_never_shown() {
    let (_directory, ledger) = fresh().await;
    ledger.outbox_register("slack").await.unwrap();
    let (fake, hidden) = (Fake::with_channels(&["deploys"]), Hidden::default());
    let mut listener = listener(&fake, &hidden).await;
    let token = Secret::new(Arc::new(Words("xoxb-wrong-token")), hidden.clone());
    let settings =
        SlackSettings { name: "slack".into(), workspace: "example".into(), token, channel: None, start: true, api: serve(&fake).await };
    listener.sink = Arc::new(Slack::new(settings, Http::new(None).unwrap()));
    let worker = Worker::start_with(&ledger, vec![listener], town(&hidden, &["deploys"]));
    fail_a_build(&ledger, "api").await;
    settled(&ledger, "slack").await;
    worker.stop().await;
    let dead = ledger.dead_letters(10).await.unwrap();
    assert_eq!((dead.len(), dead[0].attempts), (1, 1));
    assert!(dead[0].error.contains("the bot's token does not count") && !dead[0].error.contains("xoxb"), "{}", dead[0].error);
}

#[tokio::test]
async fn a_saas_file_that_wants_events_gets_a_message_for_each_and_one_that_skips_successes_only_failures() {
    let (_directory, ledger) = fresh().await;
    ledger.outbox_register("slack").await.unwrap();
    let (fake, hidden) = (Fake::with_channels(&["events", "failures"]), Hidden::default());
    let room =
        |channel: &str, successes, each| Room { workspace: "example".into(), channel: channel.into(), start: false, successes, each };
    let elsewhere = Room { workspace: "another".into(), ..room("events", true, true) };
    let settings = town_of(&hidden, vec![room("events", true, true), room("failures", false, false), elsewhere]);
    let worker = Worker::start_with(&ledger, vec![listener(&fake, &hidden).await], settings);
    build(&ledger, 1).await;
    deploy(&ledger, "stage", 1, 1, deployed()).await;
    settled(&ledger, "slack").await;
    assert_eq!((fake.messages("events").len(), fake.messages("failures").len()), (1, 0));
    deploy(&ledger, "test", 1, 1, failed("smoke")).await;
    deploy(&ledger, "test", 1, 2, deployed()).await;
    settled(&ledger, "slack").await;
    worker.stop().await;
    let (events, failures) = (fake.messages("events"), fake.messages("failures"));
    assert_eq!(events.len(), 3);
    assert!(events.iter().all(|message| message.thread.is_none() && message.edits == 0), "{events:#?}");
    assert_eq!(failures.len(), 2, "the message, and the failure below it: {failures:#?}");
    assert!(failures[0].blocks.to_string().contains("tested"), "it goes on showing how the release stands: {failures:#?}");
    assert!(failures[0].blocks.to_string().contains("built"), "and what came before it was posted");
}

#[tokio::test]
async fn a_user_group_is_called_by_its_id_and_nobody_by_what_a_message_says() {
    let (fake, hidden) = (Fake::with_channels(&["forum"]), Hidden::default());
    let token = Secret::new(Arc::new(Words(TOKEN)), hidden.clone());
    let (name, workspace, api) = ("slack".into(), "example".into(), serve(&fake).await);
    let slack = Slack::new(SlackSettings { name, workspace, token, channel: None, start: false, api }, http());
    let message = plain(Kind::Incident, "<!channel> is held by a failure", Value::Null);
    slack.call_group("forum", Some("@web-oncall"), &message).await.unwrap();
    slack.call_group("forum", Some("nobody"), &message).await.unwrap();
    slack.call_group("forum", None, &message).await.unwrap();
    let seen = fake.messages("forum");
    assert_eq!(seen[0].text, "<!subteam^S0614TZR7> &lt;!channel&gt; is held by a failure");
    assert_eq!(seen[0].blocks[0]["text"]["text"], "<!subteam^S0614TZR7>");
    assert_eq!(seen[1].text, "@nobody &lt;!channel&gt; is held by a failure");
    assert!(!seen[2].text.contains('@') && seen.iter().all(|message| !message.blocks.to_string().contains("<!channel>")));
}

#[tokio::test]
async fn a_channel_that_has_it_is_told_nothing_again_while_another_is_away() {
    let (_directory, ledger) = fresh().await;
    ledger.outbox_register("slack").await.unwrap();
    let (fake, hidden) = (Fake::with_channels(&["a", "b"]), Hidden::default());
    // The message and the answer below it in the one channel; then the other.
    for fault in [Fault::Pass, Fault::Pass, Fault::Status(503, None), Fault::Status(503, None)] {
        fake.fault("chat.postMessage", fault);
    }
    let worker = Worker::start_with(&ledger, vec![listener(&fake, &hidden).await], town(&hidden, &["a", "b"]));
    fail_a_build(&ledger, "api").await;
    settled(&ledger, "slack").await;
    worker.stop().await;
    for channel in ["a", "b"] {
        let seen = fake.messages(channel);
        assert_eq!((seen.len(), seen[0].edits), (2, 0), "{channel}: {seen:#?}");
    }
}

#[test]
fn a_release_of_hundreds_of_targets_and_a_failure_of_a_thousand_lines_keep_to_slacks_limits() {
    use towpath_notify::{Link, Release, ReleaseId, Stage, StageKind, StageState, render};
    let id = ReleaseId { name: "api".into(), repository: "r".into(), commit: commit(), subject: Some("<&>".repeat(2_000)), author: None };
    let mut release = Release::new(id, at(0));
    for number in 0..300 {
        let stage = Stage {
            key: format!("target:{number}"),
            kind: StageKind::Deploy,
            title: format!("{}<{number}>", "long & ".repeat(40)),
            state: StageState::Done,
            started: Some(at(0)),
            finished: Some(at(10)),
            run: "r".into(),
            link: Some(format!("https://towpath.example.com/runs/{number}")),
            attempt: 2,
            last: false,
        };
        release.apply(&stage, at(20));
    }
    let body = render::slack::release(&release);
    assert_eq!(check_blocks(&json!(body.blocks)), Ok(()));
    assert!(body.blocks.iter().any(|block| block.to_string().contains("… and more")));
    let mut message = plain(Kind::RunFailed, &"title & ".repeat(1_000), Value::Null);
    message.body = "a line of many & many words\n".repeat(10_000);
    message.last_lines = vec!["<".repeat(10_000)];
    message.links = (0..4).map(|number| Link { text: "Run".repeat(50), url: format!("https://e/{number}") }).collect();
    assert_eq!(check_blocks(&json!(render::slack::message(&message).blocks)), Ok(()));
}

#[tokio::test]
async fn what_is_shown_again_in_a_moment_is_not_shown_now_and_nothing_is_missing_in_the_end() {
    let (_directory, ledger) = fresh().await;
    ledger.outbox_register("slack").await.unwrap();
    let (fake, hidden) = (Fake::with_channels(&["deploys"]), Hidden::default());
    build(&ledger, 1).await;
    for number in 0..10 {
        deploy(&ledger, &format!("region-{number}"), 1, 1, deployed()).await;
    }
    let worker = Worker::start_with(&ledger, vec![listener(&fake, &hidden).await], town(&hidden, &["deploys"]));
    settled(&ledger, "slack").await;
    worker.stop().await;
    let root = fake.messages("deploys").remove(0);
    assert_eq!(root.edits, 10, "one for each piece of news: neither for what began nor for what was built");
    let shown = root.blocks.to_string();
    assert!(shown.contains("built") && (0..10).all(|number| shown.contains(&format!("region-{number}"))), "{shown}");
}
