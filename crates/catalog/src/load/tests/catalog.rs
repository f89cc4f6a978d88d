//! What a good tree becomes.

use serde_json::json;

use super::*;
use crate::model::{Provider, QueuePolicy};
use crate::signature::Signer;

#[test]
fn parameters_are_resolved_in_app_interfaces_order_and_secrets_take_their_place() {
    let mut tree = Tree::good();
    tree.replace("env/prod.yml", "  ENV: prod\n", "  ENV: prod\n  FROM: env\n  B: env\n  C: env\n  SECRET: plain\n")
        .replace("saas/deploy.yml", "resourceTemplates:", "parameters: {B: saas, C: saas, D: saas}\nsecretParameters:\n  - {name: SECRET, secret: {path: web/creds/x, field: f, version: 3, format: base64}}\n  - {name: D2, secret: {path: web/creds/y, field: f}}\nresourceTemplates:")
        .replace("saas/deploy.yml", "    targets:", "    parameters: {C: template, NUMBER: 3, FLAG: true, MAP: {b: 1, a: [x]}}\n    targets:")
        .replace("saas/deploy.yml", "A: two", "D: target\n          D2: target\n          URL: 'https://{{{ resource.namespace.name }}}.{{{resource.namespace.cluster.name}}}'\n          GO: '{{ .Values }}'");
    let loaded = tree.load();
    assert_eq!(found(&loaded), [""; 0]);
    let prod = target(&loaded, PROD);
    let wanted = json!({"ENV": "prod", "DOMAIN": "prod.example.com", "FROM": "env", "B": "saas", "C": "template", "D": "target", "D2": "target", "NUMBER": 3, "FLAG": true, "MAP": {"b": 1, "a": ["x"]}, "URL": "https://web-prod.c-prod", "GO": "{{ .Values }}"});
    assert_eq!(serde_json::to_value(&prod.parameters).unwrap(), wanted);
    assert_eq!(prod.secret_parameters.keys().collect::<Vec<_>>(), ["SECRET"]);
    let secret = &prod.secret_parameters["SECRET"];
    assert_eq!((secret.path.as_str(), secret.field.as_str(), secret.version, secret.base64), ("web/creds/x", "f", Some(3), true));
}

#[test]
fn a_saas_file_says_how_its_objects_are_applied_and_what_its_deploys_ask_for() {
    let mut tree = Tree::good();
    tree.replace(
        "saas/deploy.yml",
        "managedResourceTypes",
        "takeover: true\ndeployResources:\n  requests: {cpu: 100m, memory: 256Mi}\n  limits: {memory: 1Gi}\nmanagedResourceTypes",
    )
    .replace("saas/deploy.yml", "    path: /deploy.yml", "    path: /overlays/all\n    provider: kustomize");
    let loaded = tree.load();
    assert_eq!(found(&loaded), [""; 0]);
    let saas_file = &target(&loaded, PROD).saas_file;
    let resources = saas_file.deploy_resources.as_ref().unwrap();
    assert!(saas_file.takeover);
    assert_eq!(resources.requests.cpu.as_ref().unwrap().thousandths(), 100);
    assert_eq!((resources.limits.cpu.as_ref(), resources.limits.memory.as_ref().unwrap().units()), (None, 1 << 30));
    assert_eq!((target(&loaded, PROD).provider, target(&loaded, PROD).path.as_str()), (Provider::Kustomize, "/overlays/all"));
    let test = &target(&loaded, TEST).saas_file;
    assert_eq!((test.takeover, &test.deploy_resources), (false, &None));
}

#[test]
fn amounts_that_no_cluster_runs_are_told() {
    for (bad, place) in
        [("{requests: {cpu: fast}}", "saas/deploy.yml:4:35"), ("{requests: {memory: 2Gi}, limits: {memory: 1Gi}}", "saas/deploy.yml:4:18")]
    {
        let mut tree = Tree::good();
        tree.replace("saas/deploy.yml", "managedResourceTypes", &format!("deployResources: {bad}\nmanagedResourceTypes"));
        assert!(found(&tree.load()).contains(&format!("bad-quantity@{place}")), "{bad}: {:?}", found(&tree.load()));
    }
}

#[test]
fn a_build_may_push_by_itself_and_says_where_it_runs() {
    let source = |build: &str| {
        let mut tree = Tree::good();
        tree.put("source.yml", &format!("$schema: /towpath/source-1.yml\nname: web\napp: {{$ref: /apps/web.yml}}\nurl: https://git.example.com/web\nimage: registry.example.com/web\nbuild: {build}\n"));
        tree.load()
    };
    let loaded = source("{command: ./push.sh, push: true, image: 'quay.io/buildah/stable:v1', resources: {limits: {memory: 4Gi}}}");
    assert_eq!(found(&loaded), [""; 0]);
    let build = &loaded.catalog.sources.values().next().unwrap().build;
    assert!(build.push && build.pack.is_none());
    assert_eq!(build.image.as_ref().unwrap().to_string(), "quay.io/buildah/stable:v1");
    assert_eq!(build.resources.as_ref().unwrap().limits.memory.as_ref().unwrap().as_str(), "4Gi");
    assert_eq!(found(&source("{command: make, push: true, pack: {files: []}}"))[0], "push-and-pack@source.yml:6:30");
    assert!(found(&source("{push: true}")).contains(&"missing-field@source.yml:6:15".to_owned()));
}

#[test]
fn a_policy_says_who_must_have_signed_and_one_with_a_bad_key_freezes_what_it_selects() {
    let signed = |required: &str| {
        let mut tree = Tree::good();
        tree.put(
            "p.yml",
            &format!("$schema: /towpath/policy-1.yml\nname: signed\nselect: {{environments: [prod]}}\nrequireSigned:\n{required}\n"),
        );
        tree.load()
    };
    let loaded =
        signed("  identity: {issuer: https://issuer.example.com, subject: ann@example.com}\n  attestations: [https://b, https://a]");
    assert_eq!(found(&loaded), [""; 0]);
    let required = loaded.catalog.policies[0].require_signed.as_ref().unwrap();
    assert!(matches!(&required.signer, Signer::Identity { subject, .. } if &**subject == "ann@example.com"));
    assert_eq!(
        (required.attestations.as_slice(), required.place.to_string().as_str()),
        (["https://a".to_owned(), "https://b".to_owned()].as_slice(), "data/p.yml:5:3")
    );

    let loaded = signed("  key: hunter2");
    assert_eq!(found(&loaded), ["bad-key@p.yml:5:8"]);
    assert!(!format!("{:?}", loaded.diagnostics).contains("hunter2"), "what stands for a key is not repeated");
    let policy = &loaded.catalog.policies[0];
    assert!(policy.require_signed.is_none() && policy.freezes.len() == 1 && policy.select.selects(target(&loaded, PROD)));
}

#[test]
fn a_target_knows_its_branch_and_source() {
    let mut tree = Tree::good();
    let loaded = tree.load();
    // Down the channels: stage follows main, the tests subscribe to it, production to them.
    for title in [STAGE, TEST, PROD] {
        assert_eq!(target(&loaded, title).branch.as_ref().unwrap().as_str(), "main", "{title}");
        assert_eq!(target(&loaded, title).source, None);
    }
    tree.put("source.yml", "$schema: /towpath/source-1.yml\nname: web\napp: {$ref: /apps/web.yml}\nurl: https://git.example.com/web.git\nbranch: release\nimage: registry.example.com/web\nbuild: {command: make}\n");
    let loaded = tree.load();
    assert_eq!(found(&loaded), [""; 0]);
    // Its own branch first, then the source's.
    assert_eq!(target(&loaded, STAGE).branch.as_ref().unwrap().as_str(), "main");
    assert_eq!(target(&loaded, PROD).branch.as_ref().unwrap().as_str(), "release");
    assert_eq!(target(&loaded, PROD).source.as_ref().unwrap().as_str(), "web");
    let source = loaded.catalog.sources.values().next().unwrap();
    assert_eq!(source.build.command.as_deref().unwrap(), ["sh", "-c", "make"]);
    assert_eq!((source.hash_length, source.build.timeout.to_string().as_str()), (7, "30m"));
}

#[test]
fn channels_know_who_uses_them() {
    let loaded = Tree::good().load();
    let tested = &loaded.catalog.channels["tested"];
    assert_eq!(
        (tested.publishers.as_slice(), tested.subscribers.as_slice()),
        ([target(&loaded, TEST).id.clone()].as_slice(), [target(&loaded, PROD).id.clone()].as_slice())
    );
}

#[test]
fn the_input_hash_tells_what_redeploys() {
    let hash = |spoil: &dyn Fn(&mut Tree)| {
        let mut tree = Tree::good();
        spoil(&mut tree);
        std::sync::Arc::clone(&target(&tree.load(), PROD).input_hash)
    };
    let usual = hash(&|_| {});
    let other_sha = SHA.replace('5', "6");
    for (from, to) in [
        (SHA, other_sha.as_str()),
        ("auto: true", "auto: false"),
        ("auto: true", "auto: true\n          soakDays: 3"),
        ("A: two", "A: two\n        disable: true"),
        ("A: one", "A: three"),
        ("name: web\napp", "name: web\n# remark\napp"),
    ] {
        assert_eq!(
            hash(&|tree| {
                tree.replace("saas/deploy.yml", from, to);
            }),
            usual,
            "{to}"
        );
    }
    let mut seen = vec![usual];
    for (file, from, to) in [
        ("saas/deploy.yml", "A: two", "A: 2"),
        ("saas/deploy.yml", "A: two", "A: '2'"),
        ("saas/deploy.yml", "A: two", "A: two\n        delete: true"),
        ("saas/deploy.yml", "path: /deploy.yml", "path: /other.yml"),
        ("saas/deploy.yml", "path: /deploy.yml", "path: /deploy.yml\n    hash_length: 8"),
        ("saas/deploy.yml", "path: /deploy.yml", "path: /deploy.yml\n    provider: directory"),
        ("saas/deploy.yml", "[Deployment]", "[Deployment, Job]"),
        ("saas/deploy.yml", "[Deployment]", "[Deployment]\nimagePatterns: [registry.example.com]"),
        ("saas/deploy.yml", "[Deployment]", "[Deployment]\nuse_channel_in_image_tag: true"),
        ("saas/deploy.yml", "[Deployment]", "[Deployment]\nmanagedResourceNames: [{resource: Deployment, resourceNames: [x]}]"),
        ("env/prod.yml", "ENV: prod", "ENV: production"),
        ("clusters/prod.yml", "name: c-prod", "name: c-other"),
        ("ns/prod.yml", "name: web-prod", "name: web-other"),
    ] {
        let mut tree = Tree::good();
        tree.replace(file, from, to);
        let loaded = tree.load();
        let prod = loaded.catalog.targets.values().find(|target| target.environment.as_str() == "prod").unwrap();
        assert!(!seen.contains(&prod.input_hash), "{to}");
        seen.push(std::sync::Arc::clone(&prod.input_hash));
    }
}

#[test]
fn a_target_may_stand_in_a_file_of_its_own() {
    let mut tree = Tree::good();
    tree.put(
        "targets/prod.yml",
        &format!("$schema: /app-sre/saas-file-target-1.yml\nnamespace: {{$ref: /ns/prod.yml}}\nref: {SHA}\nparameters: {{A: two}}\n"),
    );
    tree.replace("saas/deploy.yml", "resourceTemplates:\n", "resourceTemplates:\n  - name: second\n    url: https://git.example.com/web\n    path: /x.yml\n    targets: [{$ref: /targets/prod.yml}]\n");
    let loaded = tree.load();
    assert_eq!(found(&loaded), [""; 0]);
    let second = target(&loaded, "web/second/prod/web-prod");
    assert_eq!(second.ref_place.to_string(), "data/targets/prod.yml:3:6");
    tree.replace("targets/prod.yml", "\nref:", "\nreff:");
    let loaded = tree.load();
    assert_eq!(found(&loaded), ["broken-reference@saas/deploy.yml:10:22", "missing-field@targets/prod.yml:1:1"]);
    assert_eq!(loaded.catalog.broken_saas_files.len(), 1);
    tree.remove("targets/prod.yml");
    assert_eq!(found(&tree.load()), ["unknown-reference@saas/deploy.yml:10:22"]);
}

#[test]
fn policies_say_what_they_mean() {
    let mut tree = Tree::good();
    tree.put(
        "policies/one.yml",
        "$schema: /towpath/policy-1.yml\nname: one\nselect: {targets: [web/web/prod/web-prod]}\nqueue: every\nrollback: automatic\nretries: {attempts: 2}\nbatching: {window: 90s}\nfreezes:\n  - {from: 2026-12-24, until: 2026-12-26, timezone: Europe/Prague, reason: Christmas}\n  - {until: 2026-12-24T10:00:00+02:00, reason: r}\nwindows:\n  - {days: [fri, mon], from: \"09:00\", until: \"02:30\"}\n",
    );
    let loaded = tree.load();
    assert_eq!(found(&loaded), [""; 0]);
    let policy = &loaded.catalog.policies[0];
    assert!(policy.select.selects(target(&loaded, PROD)) && !policy.select.selects(target(&loaded, STAGE)));
    assert_eq!((policy.queue, policy.automatic_rollback, policy.retries.unwrap().attempts), (Some(QueuePolicy::Every), Some(true), 2));
    let batching = policy.batching.as_ref().unwrap();
    assert_eq!((batching.window.to_string().as_str(), batching.limit, batching.place.line), ("1m30s", 20, 7));
    let shown = |at: Option<towpath_domain::Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
    assert_eq!(shown(policy.freezes[0].from), "2026-12-23T23:00:00.000Z");
    assert_eq!(shown(policy.freezes[0].until), "2026-12-26T23:00:00.000Z");
    assert_eq!(shown(policy.freezes[1].until), "2026-12-24T08:00:00.000Z");
    let window = &policy.windows[0];
    assert_eq!((window.days.as_slice(), window.from_minute, window.until_minute), ([1, 5].as_slice(), 540, 150));
}

#[test]
fn a_batch_that_never_ends_or_never_begins_is_told_where_it_is_written_and_freezes_what_it_is_about() {
    for (written, told) in [
        ("{window: 0s}", "bad-batching@policies/one.yml:3:20"),
        ("{window: 25h}", "bad-batching@policies/one.yml:3:20"),
        ("{window: 10m, limit: 1}", "wrong-type@policies/one.yml:3:32"),
        ("{limit: 3}", "missing-field@policies/one.yml:3:12"),
    ] {
        let mut tree = Tree::good();
        tree.put("policies/one.yml", &format!("$schema: /towpath/policy-1.yml\nname: one\nbatching: {written}\n"));
        let loaded = tree.load();
        assert_eq!(found(&loaded), [told], "{written}");
        let policy = &loaded.catalog.policies[0];
        assert!(policy.batching.is_none() && policy.freezes.len() == 1, "{written}");
    }
}

#[test]
fn saas_files_and_targets_keep_what_they_say() {
    let mut tree = Tree::good();
    tree.replace("saas/deploy.yml", "path: /deploy.yml", "path: /deploy.yml\n    provider: helm\n    hash_length: 9").replace(
        "saas/deploy.yml",
        "name: web\napp",
        "name: web\nlabels: {team: a}\ntimeout: 2h\npublishJobLogs: true\napp",
    );
    let loaded = tree.load();
    let prod = target(&loaded, PROD);
    assert_eq!(
        (prod.provider, prod.hash_length, prod.saas_file.timeout.to_string().as_str(), prod.saas_file.publish_job_logs),
        (Provider::Helm, 9, "2h", true)
    );
    assert_eq!(
        (prod.saas_file.labels["team"].as_str(), prod.namespace_labels["tier"].as_str(), prod.saas_file.app.as_str()),
        ("a", "one", "web")
    );
    assert!(prod.promotion.auto && prod.promotion.soak_days == 0);
    assert_eq!(loaded.catalog.apps["other"].parent.as_ref().unwrap().as_str(), "web");
}
