//! The checks that every change to the config repository must pass, whoever made it: what they find, given the config repository before and
//! after. Pure; asked when a change is looked at, and once more right before it is merged.
//!
//! Policies, blocks and hotfixes are those of the config repository as it is before: nobody changes a rule and breaks it in one change.

use towpath_catalog::{Catalog, Severity, Target};
use towpath_domain::{CommitId, GitRef, Timestamp};
use towpath_engine::{ChangeKind, ChangeSpec, ConfigEdit, Facts, Passed};

use crate::world::Snapshot;

/// What the promotion gate says of a change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gate {
    /// What speaks against it, for people, one line each. Empty when it passes.
    pub refused: Vec<String>,
    /// What passes though its channels do not vouch for it, for people: who says so in Git.
    pub overridden: Vec<String>,
    /// How many refs were asked for.
    pub asked: usize,
}

/// The errors that a change brings; those that were there before are nobody's of this change. For people, with place and rule.
#[must_use]
pub fn validation(before: &Snapshot, after: &Snapshot) -> Vec<String> {
    let new = after.diagnostics.iter().filter(|new| new.severity == Severity::Error);
    new.filter(|new| !before.diagnostics.iter().any(|old| old.rule == new.rule && old.message == new.message))
        .map(|new| format!("{}: {}: {}", new.place, new.rule, new.message))
        .collect()
}

/// Asks the promotion gate for every subscriber whose ref a change sets. A target that sheds its subscriptions in the same change is asked for
/// with those that it had.
#[must_use]
pub fn gate(facts: &Facts, now: Timestamp, before: &Catalog, after: &Catalog) -> Gate {
    let mut gate = Gate::default();
    for target in after.targets.values() {
        let GitRef::Commit(to) = target.git_ref else { continue };
        let known = before.targets.get(&target.id);
        if to.is_null() || known.is_some_and(|known| known.git_ref == target.git_ref) {
            continue;
        }
        let mut asked: Vec<&Target> = vec![target];
        asked.extend(known.map(|known| &**known).filter(|known| known.promotion.subscribe != target.promotion.subscribe));
        asked.retain(|target| !target.promotion.subscribe.is_empty());
        if let Some(refused) = asked.iter().find_map(|asked| towpath_engine::gate(before, facts, now, asked, to).err()) {
            gate.refused.extend(refused.iter().map(|hold| format!("{}: {}", target.title(), towpath_engine::hold_text(hold, before))));
        } else if let Some(passed) = asked.first().and_then(|asked| towpath_engine::gate(before, facts, now, asked, to).ok()) {
            gate.overridden.extend(overridden(target, to, &passed));
        }
        gate.asked += usize::from(!asked.is_empty());
    }
    gate
}

/// How a ref passes without a voucher.
fn overridden(target: &Target, to: CommitId, passed: &Passed) -> Option<String> {
    let says = || format!("{}: {} passes as a hotfix (the app's `hotfixVersions` name it)", target.title(), to.short(12));
    passed.hotfix.then(says)
}

/// What speaks against one of Towpath's own changes. Empty when it passes.
#[must_use]
pub fn refusals(facts: &Facts, now: Timestamp, before: &Snapshot, after: &Snapshot, spec: &ChangeSpec) -> Vec<String> {
    let mut refused = validation(before, after);
    // A rollback leads to what ran well before; the gate vouches for what is new.
    if spec.kind == ChangeKind::Rollback {
        return refused;
    }
    let moved = spec.edits.iter().filter_map(|edit| match edit {
        ConfigEdit::SetRef { target, .. } => Some(target),
        ConfigEdit::WriteFile { .. } | ConfigEdit::RemoveFile { .. } => None,
    });
    refused.extend(moved.filter(|id| !after.catalog.targets.contains_key(*id)).map(|id| format!("the target {id} is no longer there")));
    refused.extend(gate(facts, now, &before.catalog, &after.catalog).refused);
    refused
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use towpath_catalog::InputFile;

    use super::*;

    const NEW: &str = "2222222222222222222222222222222222222222";

    /// A config repository: `app` is what the app says of versions, `production` is how the promotion of production goes.
    fn at(app: &str, production: &str) -> Snapshot {
        let namespace = |name: &str| {
            format!(
                "$schema: /openshift/namespace-1.yml\nname: web-{name}\ncluster: {{$ref: /c.yml}}\napp: {{$ref: /app.yml}}\nenvironment: {{$ref: /{name}.yml}}\n"
            )
        };
        let saas = format!(
            "$schema: /app-sre/saas-file-2.yml\nname: web\napp: {{$ref: /app.yml}}\nmanagedResourceTypes: [ConfigMap]\nresourceTemplates:\n\
             - name: web\n  url: https://git.example.com/web\n  path: /web.yaml\n  targets:\n\
             \x20 - namespace: {{$ref: /ns-stage.yml}}\n    ref: main\n    promotion: {{publish: [deployed]}}\n\
             \x20 - namespace: {{$ref: /ns-production.yml}}\n{production}"
        );
        let app = format!(
            "$schema: /app-sre/app-1.yml\nname: web\ncodeComponents: [{{name: web, resource: upstream, url: https://git.example.com/web{app}}}]\n"
        );
        let files = [
            ("data/c.yml", "$schema: /openshift/cluster-1.yml\nname: c\nserverUrl: local\n".to_owned()),
            ("data/stage.yml", "$schema: /app-sre/environment-1.yml\nname: stage\n".to_owned()),
            ("data/production.yml", "$schema: /app-sre/environment-1.yml\nname: production\n".to_owned()),
            ("data/app.yml", app),
            ("data/ns-stage.yml", namespace("stage")),
            ("data/ns-production.yml", namespace("production")),
            ("data/web.yml", saas),
        ];
        let loaded = towpath_catalog::load(files.into_iter().map(|(path, text)| InputFile::new(path, text.into_bytes())).collect());
        Snapshot { commit: None, catalog: Arc::new(loaded.catalog), diagnostics: loaded.diagnostics }
    }

    fn production(commit: char) -> String {
        format!("    ref: '{}'\n    promotion: {{auto: true, subscribe: [deployed]}}\n", commit.to_string().repeat(40))
    }

    fn asked(before: &Snapshot, after: &Snapshot) -> Gate {
        assert!(validation(before, after).is_empty(), "{:?}", validation(before, after));
        gate(&Facts::default(), Timestamp::default(), &before.catalog, &after.catalog)
    }

    #[test]
    fn a_promotion_by_hand_that_no_channel_vouches_for_is_refused_with_the_channel() {
        let gate = asked(&at("", &production('1')), &at("", &production('2')));
        assert_eq!((gate.asked, gate.overridden.len()), (1, 0));
        let [refused] = gate.refused.as_slice() else { panic!("{:?}", gate.refused) };
        assert!(refused.contains("web/web/production") && refused.contains("deployed") && refused.contains("2222222"), "{refused}");
    }

    #[test]
    fn a_hotfix_passes_and_is_shown_as_one_but_not_by_the_change_that_names_it() {
        let named = format!(", hotfixVersions: ['{NEW}']");
        let gate = asked(&at(&named, &production('1')), &at(&named, &production('2')));
        assert!(gate.refused.is_empty());
        assert!(gate.overridden[0].contains("hotfix"), "{:?}", gate.overridden);
        let gate = asked(&at("", &production('1')), &at(&named, &production('2')));
        assert_eq!(gate.refused.len(), 1, "whoever changes a rule and breaks it at once is refused");
    }

    #[test]
    fn a_target_that_sheds_its_subscriptions_is_asked_for_with_those_it_had() {
        let free = format!("    ref: '{NEW}'\n");
        let gate = asked(&at("", &production('1')), &at("", &free));
        assert_eq!((gate.asked, gate.refused.len()), (1, 1));
        // What never had any needs nobody's word.
        let gate = asked(&at("", &format!("    ref: '{}'\n", "1".repeat(40))), &at("", &free));
        assert_eq!((gate.asked, gate.refused.len()), (0, 0));
    }

    #[test]
    fn only_the_errors_that_a_change_brings_are_held_against_it() {
        let broken = "    ref: '2'\n    promotion: {auto: true, subscribe: [deployed]}\n";
        let errors = validation(&at("", &production('1')), &at("", broken));
        assert!(!errors.is_empty() && errors.iter().all(|error| error.starts_with("data/web.yml:")), "{errors:?}");
        assert!(validation(&at("", broken), &at("", broken)).is_empty());
    }
}
