//! Making tokens, listing them, and taking them back: one way for API and pages.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use towpath_control::{Scope, Verb};
use towpath_domain::{Span, Timestamp};
use towpath_ledger::Token;

use super::token::{Secret, hex, random};
use super::tokens::{Allows, GENERATIONS_MAX};
use super::{Auth, KeeperError, NoRandomness, Who, own_identity};
use crate::caller::Caller;
use crate::limits;
use crate::problem::Refusal;

/// The longest name of a token, in characters.
const NAME_MAX: usize = 64;

/// The most apps or environments that a token names.
const NAMES_MAX: usize = 200;

/// A token that somebody wants.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewToken {
    /// Its name for people, such as `deploy-bot`.
    #[schemars(length(min = 1, max = 64))]
    pub name: String,
    /// After how many days it ends.
    #[schemars(range(min = 1, max = 36500))]
    pub expires_in_days: u32,
    /// What it may do. It never may more than its owner, at any time.
    #[schemars(length(min = 1, max = 7))]
    pub may: BTreeSet<Verb>,
    /// For which apps, by name; without it, for all of them.
    #[serde(default)]
    #[schemars(length(min = 1, max = 200))]
    pub apps: Option<Vec<String>>,
    /// In which environments, by name; without it, in all of them.
    #[serde(default)]
    #[schemars(length(min = 1, max = 200))]
    pub environments: Option<Vec<String>>,
    /// Whether it is nobody's own: it stays when whoever made it leaves. Only those make one who administer the installation, and it may no more than
    /// they may when they make it.
    #[serde(default)]
    pub machine: bool,
}

/// A token, as it is shown: its secret is not in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenView {
    /// What it is called by when it is taken back. It is no secret.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// Whose it is; none for a machine's.
    pub owner: Option<String>,
    /// What it may do at most.
    pub may: BTreeSet<Verb>,
    /// For which apps; none stands for all of them.
    pub apps: Option<Vec<Arc<str>>>,
    /// In which environments; none stands for all of them.
    pub environments: Option<Vec<Arc<str>>>,
    /// The token that it was made with; it ends with it.
    pub parent: Option<String>,
    /// Who made it.
    pub made_by: String,
    /// When.
    #[schemars(with = "String")]
    pub made: Timestamp,
    /// When it ends.
    #[schemars(with = "String")]
    pub ends: Timestamp,
    /// When it was last used, to the minute.
    #[schemars(with = "Option<String>")]
    pub used: Option<Timestamp>,
    /// When it was taken back.
    #[schemars(with = "Option<String>")]
    pub revoked: Option<Timestamp>,
    /// Whether it counts now.
    pub counts: bool,
}

/// A token that was just made.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct MadeToken {
    /// The token itself: it is shown this once, and kept nowhere. Empty when the answer is told again for its Idempotency-Key.
    pub token: String,
    /// The token as it will be listed.
    #[serde(flatten)]
    pub about: TokenView,
}

/// The answer where nobody signs in.
pub(crate) fn no_sign_in() -> Refusal {
    let mend = "on this machine no token is needed; set up [auth] in towpath.toml where others are to connect";
    let detail = "whoever can connect to this server may do everything, and tokens would keep nobody out";
    Refusal::new(StatusCode::CONFLICT, "no-sign-in", "Nobody signs in here", detail, mend)
}

fn unknown_token() -> Refusal {
    let mend = "`towpath token list` and the page of your tokens list yours";
    Refusal::new(StatusCode::NOT_FOUND, "unknown-token", "There is no such token", "no token of yours has this id", mend)
}

fn refused(detail: impl Into<String>, mend: &str) -> Refusal {
    Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "bad-token-request", "No such token can be made", detail, mend)
}

impl From<KeeperError> for Refusal {
    fn from(error: KeeperError) -> Self {
        tracing::error!(%error, "sessions or tokens cannot be kept");
        let mend = "`towpath doctor` looks at disk and database";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "ledger", "It could not be written down", "the ledger cannot be written", mend)
    }
}

impl From<NoRandomness> for Refusal {
    fn from(error: NoRandomness) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "ledger", "Nothing was made", error.to_string(), "try again")
    }
}

/// Makes a token.
///
/// # Errors
/// [`Refusal`] when the request makes no sense, is for more than its maker may do, or cannot be kept.
pub(crate) async fn make(auth: &Auth, caller: &Caller, who: &Who, wanted: NewToken) -> Result<MadeToken, Refusal> {
    let name = wanted.name.trim();
    if name.is_empty() || name.chars().count() > NAME_MAX || name.chars().any(char::is_control) {
        return Err(refused(format!("`name` is not one line of 1 to {NAME_MAX} characters"), "give it the name of what will use it"));
    }
    let lists = [("apps", &wanted.apps), ("environments", &wanted.environments)];
    if let Some((list, _)) = lists.iter().find(|(_, list)| list.as_ref().is_some_and(|list| list.is_empty() || list.len() > NAMES_MAX)) {
        return Err(refused(format!("`{list}` names none, or more than {NAMES_MAX}"), "leave it out for all of them"));
    }
    if wanted.may.is_empty() {
        return Err(refused("`may` is empty", "say what it may do, such as look"));
    }
    let (now, span) = (auth.keeper.now(), Span::from_days(wanted.expires_in_days.into()));
    if wanted.expires_in_days == 0 || span.as_millis() > auth.settings.token_max.as_millis() {
        let most = auth.settings.token_max.as_millis() / Span::from_days(1).as_millis();
        return Err(refused(format!("`expiresInDays` is {}", wanted.expires_in_days), &format!("ask for 1 to {most} days")));
    }
    let names = |list: &Option<Vec<String>>| list.as_ref().map(|list| list.iter().map(|name| Arc::from(name.as_str())).collect());
    let allows = Allows { may: wanted.may.clone(), apps: names(&wanted.apps), environments: names(&wanted.environments) };
    let owner = if wanted.machine {
        caller.check(Verb::Administer, &[Scope::INSTALLATION])?;
        // What it may stays its own afterwards, so its maker must have all of it.
        if !caller.grants.covers(&allows.grants()) {
            let mend = "ask for less, or have somebody make it who may do all that it is to do";
            let detail = "it would be allowed more than you are";
            return Err(Refusal::new(StatusCode::FORBIDDEN, "not-allowed", "You may not do that", detail, mend));
        }
        None
    } else {
        let owner = own_identity(who).cloned();
        Some(owner.ok_or_else(|| refused("nobody who signs in would own it", "make it with --machine, or sign in and make it there"))?)
    };
    let parent = match who {
        Who::Token { id, .. } => Some(id.clone()),
        Who::Local | Who::Session { .. } => None,
    };
    let mut ends = now.plus(span);
    if let Some(parent) = &parent {
        let (line, _) = auth.tokens.still(parent).ok_or_else(crate::caller::not_signed_in)?;
        if line.len() >= GENERATIONS_MAX {
            return Err(refused("too many tokens were made each with the one before", "sign in and make it there"));
        }
        ends = line.iter().map(|token| token.ends).fold(ends, Timestamp::min);
    }
    let all = auth.tokens.all();
    if all.iter().filter(|token| token.owner == owner && auth.tokens.counts(&token.id)).count() >= limits::TOKENS_OF_ONE {
        return Err(refused(format!("there are {} already", limits::TOKENS_OF_ONE), "take back those that are no longer used"));
    }
    let secret = Secret::make()?;
    let token = Token {
        id: format!("tok-{}", hex(&random::<8>()?)),
        hash: secret.hash(),
        name: name.to_owned(),
        owner,
        allows: serde_json::to_string(&allows).unwrap_or_default(),
        parent,
        made_by: caller.name.as_deref().unwrap_or("local user").to_owned(),
        made: now,
        ends,
        used: None,
        revoked: None,
    };
    auth.tokens.add(token.clone()).await?;
    tracing::info!(token = token.id, name = token.name, by = token.made_by, machine = wanted.machine, "a token was made");
    Ok(MadeToken { token: secret.text().to_owned(), about: view(auth, &token) })
}

/// Whether a caller may see a token and take it back.
fn is_theirs(caller: &Caller, who: &Who, token: &Token) -> bool {
    let own = own_identity(who).is_some_and(|own| token.owner.as_ref() == Some(own));
    own || caller.grants.may(Verb::Administer, &Scope::INSTALLATION)
}

/// The caller's own tokens, newest first; all of them for those who administer the installation.
pub(crate) fn list(auth: &Auth, caller: &Caller, who: &Who) -> Vec<TokenView> {
    auth.tokens.all().iter().filter(|token| is_theirs(caller, who, token)).map(|token| view(auth, token)).collect()
}

/// Takes a token back, and those that were made with it.
///
/// # Errors
/// 404 `unknown-token` for what is not there and for what is another's.
pub(crate) async fn revoke(auth: &Auth, caller: &Caller, who: &Who, id: &str) -> Result<TokenView, Refusal> {
    auth.tokens.find(id).filter(|token| is_theirs(caller, who, token)).ok_or_else(unknown_token)?;
    let token = auth.tokens.revoke(id).await?.ok_or_else(unknown_token)?;
    tracing::info!(token = token.id, name = token.name, by = caller.name.as_deref().unwrap_or("local user"), "a token was taken back");
    Ok(view(auth, &token))
}

fn view(auth: &Auth, token: &Token) -> TokenView {
    let Allows { may, apps, environments } = Allows::of(token);
    let owner = token.owner.as_ref().map(|owner| auth.standings.of(&*auth.keeper, owner, auth.settings.everybody).name.to_string());
    TokenView {
        id: token.id.clone(),
        name: token.name.clone(),
        owner,
        may,
        apps,
        environments,
        parent: token.parent.clone(),
        made_by: token.made_by.clone(),
        made: token.made,
        ends: token.ends,
        used: token.used,
        revoked: token.revoked,
        counts: auth.tokens.counts(&token.id),
    }
}
