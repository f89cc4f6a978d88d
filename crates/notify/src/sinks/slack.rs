//! Slack by a bot's token: one message per release, answers below it, a reaction when it has ended.

use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use towpath_domain::Span;

use crate::about::Room;
use crate::hidden::Secret;
use crate::message::Message;
use crate::release::Standing;
use crate::render::slack::{Body, message, release};
use crate::sink::{DeliveryError, Follower, Sink, Telling, Told};

use super::http::Http;

mod group;

/// Pages of channels that are looked through for a name.
const PAGES_MAX: usize = 20;

/// What passes by itself, of what Slack answers with `ok: false`.
const PASSING: [&str; 7] =
    ["ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout", "accesslimited"];

/// What says that a message which was posted is not there any more, or can no longer be changed.
const GONE: [&str; 4] = ["message_not_found", "cant_update_message", "edit_window_closed", "thread_not_found"];

/// How one workspace is spoken to.
#[derive(Debug, Clone)]
pub struct SlackSettings {
    /// The sink's name.
    pub name: String,
    /// The workspace's name in the config repository: saas files that name it are told of here.
    pub workspace: String,
    /// The bot's token: `chat:write`, `reactions:write`, and `channels:read`, `channels:history` where messages are to be found again.
    pub token: Secret,
    /// Where what no saas file claims is told; and digests.
    pub channel: Option<String>,
    /// In that channel, that something begins is told, too.
    pub start: bool,
    /// The API's address, without a slash at the end.
    pub api: String,
}

/// Slack by a bot's token.
#[derive(Debug, Clone)]
pub struct Slack {
    settings: SlackSettings,
    http: Http,
}

/// Where a release's message stands in Slack.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Place {
    /// The channel's id.
    channel: String,
    /// The message's name in it.
    ts: String,
    /// The last message that was told as an answer below it.
    #[serde(default)]
    replied: Option<String>,
    /// The reaction that it carries.
    #[serde(default)]
    reaction: Option<String>,
}

/// What Slack refused, or why it was not reached.
enum Refusal {
    /// `ok: false`, with this word.
    Said(String),
    Other(DeliveryError),
}

impl From<Refusal> for DeliveryError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Other(error) => error,
            Refusal::Said(word) if PASSING.contains(&word.as_str()) => Self::passing(format!("Slack answered {word}")),
            Refusal::Said(word) => Self::permanent(format!("Slack answered {word}{}", help(&word))),
        }
    }
}

/// How to mend what Slack refuses.
fn help(word: &str) -> &'static str {
    match word {
        "channel_not_found" => ": there is no such channel, or it is private and the bot was not invited",
        "not_in_channel" => ": invite the bot to the channel, or grant it chat:write.public",
        "is_archived" => ": the channel is archived",
        "invalid_auth" | "not_authed" | "account_inactive" | "token_revoked" | "token_expired" => ": the bot's token does not count",
        "missing_scope" => ": grant the bot chat:write and reactions:write, and install it again",
        _ => "",
    }
}

impl Slack {
    /// A sink over `http`.
    #[must_use]
    pub fn new(settings: SlackSettings, http: Http) -> Self {
        Self { settings, http }
    }

    /// Calls a method that takes JSON.
    async fn call(&self, method: &str, body: &Value) -> Result<Value, Refusal> {
        let request = self.http.post(&format!("{}/{method}", self.settings.api)).json(body);
        self.answered(request).await
    }

    /// Calls a method that only reads.
    async fn look(&self, method: &str, query: &[(&str, &str)]) -> Result<Value, Refusal> {
        self.answered(self.http.get(&format!("{}/{method}", self.settings.api)).query(query)).await
    }

    async fn answered(&self, request: reqwest::RequestBuilder) -> Result<Value, Refusal> {
        let no_token = |why| Refusal::Other(DeliveryError::passing(format!("Slack's token cannot be had: {why}")));
        let token = self.settings.token.get().await.map_err(no_token)?;
        let answer = self.http.ask(request.bearer_auth(token.expose_secret())).await.map_err(Refusal::Other)?;
        let no_answer = |_| Refusal::Other(DeliveryError::permanent("what answered is not Slack's API: its answer is no JSON"));
        let value: Value = serde_json::from_str(&answer.body).map_err(no_answer)?;
        if value["ok"] == json!(true) {
            return Ok(value);
        }
        let word = value["error"].as_str().unwrap_or("nothing that is known").to_owned();
        match answer.retry_after() {
            Some(wait) => Err(Refusal::Other(DeliveryError::limited(format!("Slack answered {word}"), wait))),
            None if word == "ratelimited" => Err(Refusal::Other(DeliveryError::limited("Slack answered ratelimited", Span::from_secs(30)))),
            None => Err(Refusal::Said(word)),
        }
    }

    /// Posts a message, in a thread when one is named; `key` finds it again.
    async fn post(&self, channel: &str, thread: Option<&str>, body: &Body, key: &str) -> Result<Place, Refusal> {
        let mut request = json!({
            "channel": channel, "text": body.text, "blocks": body.blocks, "unfurl_links": false, "unfurl_media": false,
            "metadata": metadata(key),
        });
        if let Some(thread) = thread {
            request["thread_ts"] = json!(thread);
        }
        let answer = self.call("chat.postMessage", &request).await?;
        match (answer["channel"].as_str(), answer["ts"].as_str()) {
            (Some(channel), Some(ts)) => Ok(Place { channel: channel.to_owned(), ts: ts.to_owned(), ..Place::default() }),
            _ => Err(Refusal::Other(DeliveryError::permanent("Slack did not say where it posted the message"))),
        }
    }

    /// Makes the release's message show how it stands: changes it where it is, and posts it where it is not.
    async fn show(&self, told: Told<'_>, body: &Body, key: &str, place: &mut Option<Place>) -> Result<(), DeliveryError> {
        if place.is_none() && told.again {
            *place = self.find_again(&told.room.channel, key).await;
        }
        if let Some(there) = place.as_ref() {
            let request = json!({
                "channel": there.channel, "ts": there.ts, "text": body.text, "blocks": body.blocks, "metadata": metadata(key),
            });
            match self.call("chat.update", &request).await {
                Ok(_) => return Ok(()),
                Err(Refusal::Said(word)) if GONE.contains(&word.as_str()) => {}
                Err(refusal) => return Err(refusal.into()),
            }
        }
        *place = Some(self.post(&told.room.channel, None, body, key).await?);
        Ok(())
    }

    /// The message that carries `key`, in the channel's last ones: posted by a process that died before it could note so. What cannot be
    /// looked at is not there: then it is told twice rather than never.
    async fn find_again(&self, channel: &str, key: &str) -> Option<Place> {
        let id = self.channel_id(channel).await?;
        let query = [("channel", id.as_str()), ("limit", "100"), ("include_all_metadata", "true")];
        let answer = self.look("conversations.history", &query).await;
        let ts = self.carrying(answer, key)?;
        Some(Place { channel: id, ts, ..Place::default() })
    }

    /// Whether an answer that carries `key` is below the message already.
    async fn is_answered(&self, place: &Place, key: &str) -> bool {
        let query = [("channel", place.channel.as_str()), ("ts", &place.ts), ("limit", "200"), ("include_all_metadata", "true")];
        let answer = self.look("conversations.replies", &query).await;
        self.carrying(answer, key).is_some()
    }

    fn carrying(&self, answer: Result<Value, Refusal>, key: &str) -> Option<String> {
        let answer = match answer {
            Ok(answer) => answer,
            Err(refusal) => {
                let error = DeliveryError::from(refusal);
                tracing::info!(sink = self.settings.name, %error, "Slack cannot be asked for what was posted; it may be told twice.");
                return None;
            }
        };
        let carries = |message: &&Value| message["metadata"]["event_payload"]["key"].as_str() == Some(key);
        Some(answer["messages"].as_array()?.iter().find(carries)?["ts"].as_str()?.to_owned())
    }

    /// A channel's id, from its name or from itself.
    async fn channel_id(&self, channel: &str) -> Option<String> {
        let name = channel.trim_start_matches('#');
        let is_id = name.starts_with(['C', 'G']) && name.len() >= 9 && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        if is_id {
            return Some(name.to_owned());
        }
        let mut cursor = String::new();
        for _ in 0..PAGES_MAX {
            let query = [("limit", "1000"), ("exclude_archived", "true"), ("types", "public_channel,private_channel"), ("cursor", &cursor)];
            let answer = self.look("conversations.list", &query).await.ok()?;
            if let Some(found) = answer["channels"].as_array()?.iter().find(|channel| channel["name"].as_str() == Some(name)) {
                return found["id"].as_str().map(str::to_owned);
            }
            cursor = answer["response_metadata"]["next_cursor"].as_str().filter(|cursor| !cursor.is_empty())?.to_owned();
        }
        None
    }

    /// The reaction of where the release stands, in the place of the one before. One that Slack refuses is done without: it is
    /// a decoration.
    async fn react(&self, standing: Standing, place: &mut Place) -> Result<(), DeliveryError> {
        let wanted = match standing {
            Standing::Moving => None,
            Standing::Failed => Some("x"),
            Standing::Live => Some("white_check_mark"),
        };
        if place.reaction.as_deref() == wanted {
            return Ok(());
        }
        let request = |name: &str| json!({ "channel": place.channel, "timestamp": place.ts, "name": name });
        let calls = [("reactions.remove", place.reaction.as_deref()), ("reactions.add", wanted)];
        for (method, name) in calls {
            let Some(name) = name else { continue };
            match self.call(method, &request(name)).await {
                Ok(_) => {}
                Err(Refusal::Said(word)) if matches!(word.as_str(), "already_reacted" | "no_reaction") => {}
                Err(refusal) => {
                    let error = DeliveryError::from(refusal);
                    if !error.permanent {
                        return Err(error);
                    }
                    tracing::info!(sink = self.settings.name, %error, "Slack takes no reaction.");
                }
            }
        }
        place.reaction = wanted.map(str::to_owned);
        Ok(())
    }

    async fn tell_in(&self, told: Told<'_>, place: &mut Option<Place>) -> Result<(), DeliveryError> {
        let channel = &told.room.channel;
        let Some(state) = told.release else {
            if told.again && self.find_again(channel, &told.message.key).await.is_some() {
                return Ok(());
            }
            self.post(channel, None, &message(told.message), &told.message.key).await?;
            return Ok(());
        };
        let of = |error: DeliveryError| DeliveryError { why: format!("channel {channel}: {}", error.why), ..error };
        self.show(told, &release(state), &state.id.key(), place).await.map_err(of)?;
        let Some(there) = place else { return Ok(()) };
        let key = &told.message.key;
        if told.reply && there.replied.as_ref() != Some(key) {
            if !(told.again && self.is_answered(there, key).await) {
                self.post(&there.channel, Some(&there.ts), &message(told.message), key).await.map_err(|refusal| of(refusal.into()))?;
            }
            there.replied = Some(key.clone());
        }
        self.react(state.standing(), there).await.map_err(of)
    }
}

/// By what a message is found again.
fn metadata(key: &str) -> Value {
    json!({ "event_type": "towpath_message", "event_payload": { "key": key } })
}

impl Sink for Slack {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn deliver<'a>(&'a self, told: &'a Message) -> Telling<'a> {
        Box::pin(async move {
            let Some(channel) = &self.settings.channel else {
                return Err(DeliveryError::permanent("no channel is named for it: set `channel` in towpath.toml"));
            };
            self.post(channel, None, &message(told), &told.key).await?;
            Ok(())
        })
    }

    fn follower(&self) -> Option<&dyn Follower> {
        Some(self)
    }
}

impl Follower for Slack {
    fn rooms(&self, message: &Message) -> Vec<Room> {
        let own = &self.settings;
        let rooms: Vec<Room> = message.about.rooms.iter().filter(|room| room.workspace == own.workspace).cloned().collect();
        match &own.channel {
            Some(channel) if rooms.is_empty() => {
                let (workspace, channel) = (own.workspace.clone(), channel.clone());
                vec![Room { workspace, channel, start: own.start, successes: true, each: false }]
            }
            _ => rooms,
        }
    }

    fn tell<'a>(&'a self, told: Told<'a>, place: &'a mut Option<Value>) -> Telling<'a> {
        Box::pin(async move {
            let mut there: Option<Place> = place.take().and_then(|value| serde_json::from_value(value).ok());
            let result = self.tell_in(told, &mut there).await;
            *place = there.and_then(|there| serde_json::to_value(there).ok());
            result
        })
    }
}
