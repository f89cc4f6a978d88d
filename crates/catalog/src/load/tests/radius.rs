//! What is broken holds its own and nobody else's, and nothing that might depend on it moves.

use super::*;

#[test]
fn a_bad_target_leaves_the_others_of_its_file() {
    let mut tree = Tree::good();
    tree.replace("saas/deploy.yml", "ref: main", "ref: a..b");
    let loaded = tree.load();
    assert_eq!(target(&loaded, PROD).unsupported, [""; 0]);
    let [broken] = loaded.catalog.broken_saas_files.as_slice() else { panic!("one broken file") };
    assert_eq!((&*broken.path, broken.name.as_ref().unwrap().as_str()), ("data/saas/deploy.yml", "web"));
    assert!(broken.error.contains("a..b"), "{}", broken.error);
    // The lost target published `deployed`: nobody knows what else should vouch, so its subscribers wait.
    assert_eq!(held(&loaded), [TEST]);
    assert!(target(&loaded, TEST).unsupported[0].contains("data/saas/deploy.yml"));
}

#[test]
fn a_file_that_is_no_yaml_is_broken_by_name_and_its_channels_are_in_doubt() {
    let mut tree = Tree::good();
    tree.replace("saas/test.yml", "ref: 5f8f0e1d", "ref: [5f8f0e1d");
    let loaded = tree.load();
    assert_eq!(loaded.diagnostics[0].rule, "invalid-yaml");
    let [broken] = loaded.catalog.broken_saas_files.as_slice() else { panic!("one broken file") };
    assert_eq!(broken.name.as_ref().unwrap().as_str(), "web-test");
    assert_eq!(held(&loaded), [PROD]);
    assert_eq!(loaded.catalog.targets.len(), 2);
}

#[test]
fn one_of_two_publishers_lost_closes_the_channel() {
    let mut tree = Tree::good();
    let second = format!(
        "      - name: second\n        namespace: {{$ref: /ns/stag.yml}}\n        ref: {SHA}\n        promotion: {{publish: [tested]}}\n"
    );
    let good = second.replace("stag.yml", "stage.yml");
    tree.replace("saas/test.yml", "    targets:\n", &format!("    targets:\n{good}"));
    assert_eq!(held(&tree.load()), [""; 0]);
    tree.replace(
        "saas/test.yml",
        "      - name: second\n        namespace: {$ref: /ns/stage.yml}",
        "      - name: second\n        namespace: {$ref: /ns/stag.yml}",
    );
    assert_eq!(held(&tree.load()), [PROD]);
}

#[test]
fn a_file_of_unknown_type_may_be_a_saas_file() {
    let mut tree = Tree::good();
    tree.put("saas/what.yml", "\u{0}\u{1}: [");
    assert_eq!(&*tree.load().catalog.broken_saas_files[0].path, "data/saas/what.yml");
    tree.put("saas/what.yml", "$schema: /app-sre/environment-1.yml\n\u{1}: [");
    assert!(tree.load().catalog.broken_saas_files.is_empty());
}

#[test]
fn a_broken_policy_freezes_what_it_selects() {
    let policy = |select: &str, freeze: &str| format!("$schema: /towpath/policy-1.yml\nname: p\n{select}{freeze}");
    let mut tree = Tree::good();
    tree.put("p.yml", &policy("select: {environments: [prod]}\n", "freezes:\n  - {from: never, reason: x}\n"));
    let loaded = tree.load();
    assert_eq!(found(&loaded), ["bad-time@p.yml:5:12"]);
    let [policy_] = loaded.catalog.policies.as_slice() else { panic!("one policy") };
    assert!(policy_.freezes[0].reason.contains("p.yml") && policy_.freezes[0].until.is_none());
    assert!(policy_.select.selects(target(&loaded, PROD)) && !policy_.select.selects(target(&loaded, STAGE)));

    for spoiled in [
        policy("selct: {environments: [prod]}\n", ""),
        policy("select: {environment: [prod]}\n", ""),
        "$schema: /towpath/policy-1.yml\nname: [".to_owned(),
    ] {
        tree.put("p.yml", &spoiled);
        let loaded = tree.load();
        assert_eq!(loaded.catalog.policies.len(), 1, "{spoiled}");
        assert!(loaded.catalog.policies[0].select.selects(target(&loaded, STAGE)), "{spoiled}");
    }
}

#[test]
fn a_policy_that_names_nobody_is_told() {
    let mut tree = Tree::good();
    tree.put("p.yml", "$schema: /towpath/policy-1.yml\nname: p\nselect:\n  environments: [prd]\n  targets: [web/web/prod/web-prd]\n");
    let loaded = tree.load();
    assert_eq!(found(&loaded), ["unknown-selection@p.yml:4:18", "unknown-selection?@p.yml:5:13"]);
    assert_eq!(loaded.diagnostics[0].mend, "Did you mean `prod`?");
    assert_eq!(loaded.diagnostics[1].mend, format!("Did you mean `{PROD}`?"));
    assert!(!loaded.catalog.policies[0].select.selects(target(&loaded, STAGE)));
}

const SOURCE: &str = "$schema: /towpath/source-1.yml\nname: web\napp: {$ref: /apps/web.yml}\nurl: https://git.example.com/web.git\nbranch: release\nimage: registry.example.com/web\nbuild: {command: make}\n";

#[test]
fn a_broken_source_holds_the_targets_that_wait_for_its_images() {
    let mut tree = Tree::good();
    tree.put("source.yml", SOURCE);
    assert_eq!(held(&tree.load()), [""; 0]);
    for (from, to) in [("name: web", "name: Web!"), ("/apps/web.yml", "/apps/wb.yml"), ("build: {", "build: [")] {
        let mut tree = tree.clone();
        tree.replace("source.yml", from, to);
        assert_eq!(held(&tree.load()).len(), 3, "{to}");
    }
    // A source of another repository is none of their business.
    tree.replace("source.yml", "web.git", "other.git").replace("source.yml", "name: web", "name: Web!");
    assert_eq!(held(&tree.load()), [""; 0]);
}
