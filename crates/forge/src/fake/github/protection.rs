//! What the config branch demands, as it is told: by rulesets, and by branch protection where a test sets it.

use serde_json::{Value, json};

use super::{Told, World, not_found};

/// A check that is always well: a demand to be up to date has no effect where nothing must be well.
const ALWAYS_WELL: &str = "ci/always-well";

fn contexts(world: &World) -> Vec<String> {
    let mut contexts = world.rules.required_statuses.clone();
    if contexts.is_empty() && world.rules.up_to_date {
        contexts.push(ALWAYS_WELL.to_owned());
    }
    contexts
}

pub(super) fn branch(world: &World, name: &str) -> Told {
    let Some(head) = world.repository.head(name) else { return Told::no(404, "Branch not found") };
    let classic = world.github.protection.as_ref().filter(|_| name == world.into);
    let statuses =
        classic.and_then(|classic| classic.get("required_status_checks")).cloned().unwrap_or(json!({"contexts": [], "checks": []}));
    Told::json(
        200,
        json!({
            "name": name, "commit": {"sha": head}, "protected": classic.is_some() || has_rules(world),
            "protection": {"enabled": classic.is_some(), "required_status_checks": {
                "enforcement_level": if classic.is_some() { "non_admins" } else { "off" },
                "contexts": statuses["contexts"], "checks": statuses["checks"],
            }},
        }),
    )
}

fn has_rules(world: &World) -> bool {
    !listed(world).is_empty()
}

pub(super) fn classic(world: &World) -> Told {
    match &world.github.protection {
        _ if world.github.is_hidden => not_found(),
        Some(protection) => Told::json(200, protection.clone()),
        None => Told::no(404, "Branch not protected"),
    }
}

pub(super) fn rules(world: &World) -> Told {
    Told::json(200, listed(world).into())
}

fn listed(world: &World) -> Vec<Value> {
    let rules = &world.rules;
    let rule = |kind: &str, parameters: Value| {
        json!({
            "type": kind, "ruleset_source_type": "Repository", "ruleset_source": super::REPOSITORY, "ruleset_id": 77, "parameters": parameters,
        })
    };
    let mut listed = Vec::new();
    if (rules.no_push && !rules.hides_that) || rules.required_approvals > 0 {
        listed.push(rule(
            "pull_request",
            json!({
                "required_approving_review_count": rules.required_approvals, "dismiss_stale_reviews_on_push": true,
                "require_code_owner_review": false, "require_last_push_approval": false, "required_review_thread_resolution": false,
            }),
        ));
    }
    let contexts = contexts(world);
    if !contexts.is_empty() {
        let checks: Vec<Value> = contexts.iter().map(|context| json!({"context": context})).collect();
        listed.push(rule(
            "required_status_checks",
            json!({"strict_required_status_checks_policy": rules.up_to_date, "required_status_checks": checks}),
        ));
    }
    if rules.queue {
        listed.push(rule(
            "merge_queue",
            json!({
                "check_response_timeout_minutes": 60, "grouping_strategy": "ALLGREEN", "max_entries_to_build": 5, "max_entries_to_merge": 5,
                "merge_method": "MERGE", "min_entries_to_merge": 1, "min_entries_to_merge_wait_minutes": 5,
            }),
        ));
    }
    listed
}

pub(super) fn ruleset(world: &World) -> Told {
    let bypass = if world.github.bypass.is_empty() { "never" } else { &world.github.bypass };
    Told::json(
        200,
        json!({
            "id": 77, "name": "config", "target": "branch", "source_type": "Repository", "source": super::REPOSITORY, "enforcement": "active",
            "current_user_can_bypass": bypass,
        }),
    )
}
