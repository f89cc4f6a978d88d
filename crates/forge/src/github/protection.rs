//! What a branch demands: by rulesets, which everybody who may read the repository sees, and by branch protection, which only administrators see
//! whole.
//!
//! Only what binds Towpath's own account counts as a promise. What an account may override as an administrator, without being named, is taken
//! for what it is meant to be: a rule.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{GitHub, PAGE, encoded, is_limit};
use crate::hosted::api::Api;
use crate::{ForgeError, Protection};

const WHAT: &str = "reading what a branch demands";

/// A branch, as everybody sees it.
#[derive(Debug, Deserialize)]
pub(super) struct Branch {
    #[serde(default)]
    protected: bool,
    protection: Option<Summary>,
}

#[derive(Debug, Default, Deserialize)]
struct Summary {
    required_status_checks: Option<Statuses>,
}

/// Statuses and checks that must be well.
#[derive(Debug, Default, Deserialize)]
struct Statuses {
    #[serde(default)]
    strict: bool,
    #[serde(default)]
    contexts: Vec<String>,
}

/// Branch protection, as administrators see it. What is absent is not demanded.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Classic {
    required_status_checks: Option<Statuses>,
    enforce_admins: Option<Switch>,
    required_pull_request_reviews: Option<Reviews>,
    restrictions: Option<Actors>,
    required_linear_history: Option<Switch>,
    required_signatures: Option<Switch>,
    lock_branch: Option<Switch>,
}

#[derive(Debug, Deserialize)]
struct Switch {
    #[serde(default)]
    enabled: bool,
}

#[derive(Debug, Deserialize)]
struct Reviews {
    #[serde(default)]
    required_approving_review_count: u32,
    bypass_pull_request_allowances: Option<Actors>,
}

/// Who may do something. Teams are not looked into: whoever is let in by one is not known to be.
#[derive(Debug, Default, Deserialize)]
struct Actors {
    #[serde(default)]
    users: Vec<super::answers::User>,
    #[serde(default)]
    apps: Vec<AppActor>,
}

#[derive(Debug, Deserialize)]
struct AppActor {
    slug: Option<String>,
}

impl Actors {
    fn name(&self, account: &str) -> bool {
        let same = |name: &str| name.eq_ignore_ascii_case(account);
        self.users.iter().any(|user| same(&user.login))
            || self.apps.iter().filter_map(|app| app.slug.as_deref()).any(|slug| account.strip_suffix("[bot]").is_some_and(|of| of == slug))
    }
}

/// One rule of a ruleset that is in force for a branch.
#[derive(Debug, Deserialize)]
pub(super) struct Rule {
    #[serde(rename = "type")]
    kind: String,
    ruleset_id: Option<u64>,
    #[serde(default)]
    parameters: Parameters,
}

#[derive(Debug, Default, Deserialize)]
struct Parameters {
    #[serde(default)]
    required_approving_review_count: u32,
    #[serde(default)]
    required_status_checks: Vec<Check>,
    #[serde(default)]
    strict_required_status_checks_policy: bool,
}

#[derive(Debug, Deserialize)]
struct Check {
    context: String,
}

/// How far a ruleset binds Towpath's account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Bypass {
    /// It may do anything.
    Always,
    /// The same, and nobody is told.
    Exempt,
    /// It may merge changes whatever they lack, and not push.
    PullRequestsOnly,
    /// It is bound.
    #[serde(other)]
    Never,
}

#[derive(Debug, Deserialize)]
pub(super) struct Ruleset {
    current_user_can_bypass: Option<Bypass>,
}

#[derive(Debug, Deserialize)]
struct Permissions {
    #[serde(default)]
    admin: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct Repository {
    permissions: Option<Permissions>,
}

pub(super) async fn read(github: &GitHub, name: &str) -> Result<Protection, ForgeError> {
    let path = github.at(&format!("/branches/{}", encoded(name)));
    let reply = github.client.get::<Branch>(&path).await?;
    let Some(branch) = reply.body else { return Err(github.refused(WHAT, &reply)) };
    let mut found = Protection::default();
    let rules = rules(github, name).await?;
    by_rulesets(github, &rules, &mut found).await?;
    if branch.protected {
        by_classic(github, name, branch.protection.unwrap_or_default(), &mut found).await?;
        // The queue of branch protection is shown by GraphQL alone.
        found.queue = found.queue || github.has_queue(name).await?.unwrap_or(false);
        found.no_direct_push = found.no_direct_push || found.queue;
    }
    found.required_statuses.sort();
    found.required_statuses.dedup();
    Ok(found)
}

/// The rules of all rulesets that are in force for a branch.
async fn rules(github: &GitHub, name: &str) -> Result<Vec<Rule>, ForgeError> {
    let path = github.at(&format!("/rules/branches/{}?per_page={PAGE}", encoded(name)));
    let reply = github.client.get::<Vec<Rule>>(&path).await?;
    match (reply.body, reply.status) {
        (Some(rules), _) if rules.len() < PAGE => Ok(rules),
        (Some(_), _) => github.client.get_all(&path).await,
        // An Enterprise Server from before there were rulesets.
        (None, 404) => Ok(Vec::new()),
        (None, status) => Err(github.said_no(WHAT, status, &reply.text)),
    }
}

async fn by_rulesets(github: &GitHub, rules: &[Rule], found: &mut Protection) -> Result<(), ForgeError> {
    let mut bypasses: BTreeMap<u64, Bypass> = BTreeMap::new();
    for rule in rules {
        let bypass = match rule.ruleset_id {
            None => Bypass::Never,
            Some(id) => match bypasses.get(&id) {
                Some(bypass) => *bypass,
                None => *bypasses.entry(id).or_insert(bypass(github, id).await?),
            },
        };
        let keeps_out = match rule.kind.as_str() {
            "pull_request" => {
                found.required_approvals = found.required_approvals.max(rule.parameters.required_approving_review_count);
                true
            }
            "required_status_checks" => {
                let contexts = || rule.parameters.required_status_checks.iter().map(|check| check.context.clone());
                found.required_statuses.extend(contexts());
                // It has no effect where nothing must be well, and none for an account that it does not bind.
                let strict = rule.parameters.strict_required_status_checks_policy && contexts().next().is_some();
                found.up_to_date |= strict && bypass == Bypass::Never;
                // A merge that was made a moment ago has no status.
                contexts().next().is_some()
            }
            "merge_queue" => {
                found.queue = true;
                true
            }
            "update" | "required_linear_history" | "required_signatures" => true,
            _ => false,
        };
        found.no_direct_push |= keeps_out && !matches!(bypass, Bypass::Always | Bypass::Exempt);
    }
    Ok(())
}

/// How far a ruleset binds Towpath's account; where it may not be looked at, it does.
async fn bypass(github: &GitHub, id: u64) -> Result<Bypass, ForgeError> {
    let reply = github.client.get::<Ruleset>(&github.at(&format!("/rulesets/{id}?includes_parents=true"))).await?;
    match (reply.body, reply.status) {
        (Some(ruleset), _) => Ok(ruleset.current_user_can_bypass.unwrap_or(Bypass::Never)),
        (None, 403 | 404) if !is_limit(reply.status, &reply.text) => Ok(Bypass::Never),
        (None, status) => Err(github.said_no(WHAT, status, &reply.text)),
    }
}

async fn by_classic(github: &GitHub, name: &str, summary: Summary, found: &mut Protection) -> Result<(), ForgeError> {
    let reply = github.client.get::<Classic>(&github.at(&format!("/branches/{}/protection", encoded(name)))).await?;
    let classic = match (reply.body, reply.status) {
        (Some(classic), _) => classic,
        // It is protected by rulesets alone.
        (None, 404) if reply.text.contains("Branch not protected") => return Ok(()),
        (None, 403 | 404) if !is_limit(reply.status, &reply.text) => {
            if !github.unseen.swap(true, std::sync::atomic::Ordering::Relaxed) {
                let forge = github.name.as_str();
                tracing::warn!(
                    forge,
                    branch = name,
                    "what branch protection demands beside statuses may not be read, and shows when something is refused; \
                     let Towpath's account read the repository's administration"
                );
            }
            found.required_statuses.extend(summary.required_status_checks.unwrap_or_default().contexts);
            return Ok(());
        }
        (None, status) => {
            return Err(github.said_no(WHAT, status, &reply.text));
        }
    };
    let is_on = |switch: &Option<Switch>| switch.as_ref().is_some_and(|switch| switch.enabled);
    let statuses = classic.required_status_checks.unwrap_or_default();
    let strict = statuses.strict && !statuses.contexts.is_empty();
    // What GitHub itself does not hold an administrator to is no promise.
    let overrides = strict && !is_on(&classic.enforce_admins) && is_administrator(github).await?;
    if overrides {
        tracing::warn!(
            forge = github.name.as_str(),
            branch = name,
            "Towpath's account may override what the branch demands; let protection hold for administrators, too, or take that right away"
        );
    }
    found.up_to_date |= strict && !overrides;
    let account = if classic.restrictions.is_some() || classic.required_pull_request_reviews.is_some() {
        github.account().await?
    } else {
        String::new()
    };
    if let Some(reviews) = &classic.required_pull_request_reviews {
        found.required_approvals = found.required_approvals.max(reviews.required_approving_review_count);
        found.no_direct_push |= !reviews.bypass_pull_request_allowances.as_ref().is_some_and(|actors| actors.name(&account));
    }
    found.no_direct_push |= classic.restrictions.as_ref().is_some_and(|actors| !actors.name(&account));
    found.no_direct_push |= !statuses.contexts.is_empty()
        || is_on(&classic.lock_branch)
        || is_on(&classic.required_linear_history)
        || is_on(&classic.required_signatures);
    found.required_statuses.extend(statuses.contexts);
    Ok(())
}

async fn is_administrator(github: &GitHub) -> Result<bool, ForgeError> {
    let reply = github.client.get::<Repository>(&github.path).await?;
    match reply.body {
        Some(repository) => Ok(repository.permissions.is_some_and(|permissions| permissions.admin)),
        None => Err(github.refused(WHAT, &reply)),
    }
}
