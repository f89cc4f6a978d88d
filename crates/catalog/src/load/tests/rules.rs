use super::*;

/// Spoils the good tree; wants exactly these findings, and exactly these targets held.
#[track_caller]
fn check(spoil: impl FnOnce(&mut Tree), wanted: &[&str], wanted_held: &[&str]) -> Loaded {
    let mut tree = Tree::good();
    spoil(&mut tree);
    let loaded = tree.load();
    assert_eq!(found(&loaded), wanted, "{:#?}", loaded.diagnostics);
    assert_eq!(held(&loaded), wanted_held);
    for diagnostic in &loaded.diagnostics {
        assert!(!diagnostic.message.is_empty() && !diagnostic.mend.is_empty(), "{diagnostic:?}");
    }
    loaded
}

/// Spoils one file.
fn put(file: &'static str, from: &'static str, to: impl Into<String>) -> impl FnOnce(&mut Tree) {
    let to = to.into();
    move |tree| {
        tree.replace(file, from, &to);
    }
}

fn deploy(from: &'static str, to: &'static str) -> impl FnOnce(&mut Tree) {
    move |tree| {
        tree.replace("saas/deploy.yml", from, to);
    }
}

#[test]
fn the_good_tree_is_good() {
    check(|_| {}, &[], &[]);
}

#[test]
fn references_lead_to_a_file_of_the_right_type_or_are_told_with_what_was_meant() {
    let loaded = check(deploy("$ref: /ns/prod.yml", "$ref: /ns/prd.yml"), &["unknown-reference@saas/deploy.yml:17:27"], &[]);
    assert_eq!(loaded.diagnostics[0].mend, "Did you mean `/ns/prod.yml`?");
    assert_eq!(loaded.catalog.broken_saas_files.len(), 1);
    check(deploy("$ref: /ns/prod.yml", "$ref: /env/prod.yml"), &["wrong-reference-type@saas/deploy.yml:17:27"], &[]);
    check(deploy("$ref: /ns/prod.yml", "$ref: ns/prod.yml"), &["bad-ref@saas/deploy.yml:17:27"], &[]);
    check(deploy("$ref: /ns/prod.yml", "$ref: /ns/../ns/prod.yml"), &["bad-ref@saas/deploy.yml:17:27"], &[]);
    check(deploy("namespace: {$ref: /ns/prod.yml}", "namespace: /ns/prod.yml"), &["bad-ref@saas/deploy.yml:17:20"], &[]);
}

#[test]
fn fields_are_there_and_of_their_type() {
    check(deploy("        ref: main\n", ""), &["missing-field@saas/deploy.yml:11:9"], &[TEST]);
    check(deploy("ref: main", "ref:"), &["missing-field@saas/deploy.yml:12:9"], &[TEST]);
    check(deploy("ref: main", "ref: [main]"), &["wrong-type@saas/deploy.yml:12:14"], &[TEST]);
    check(deploy("ref: main", "ref: --upload-pack=x"), &["bad-git-ref@saas/deploy.yml:12:14"], &[TEST]);
    check(deploy("path: /deploy.yml", "path: /../secrets.yml"), &["bad-path@saas/deploy.yml:9:11"], &[TEST]);
    check(deploy("path: /deploy.yml", "path: deploy.yml"), &["bad-path@saas/deploy.yml:9:11"], &[TEST]);
    check(deploy("A: two", "A-B: two"), &["bad-name@saas/deploy.yml:23:11"], &[]);
    check(
        put("ns/prod.yml", "name: web-prod", "name: Web_Prod"),
        &["bad-name@ns/prod.yml:2:7", "broken-reference@saas/deploy.yml:17:27"],
        &[],
    );
    check(deploy("A: two", "A: yes"), &["ambiguous-scalar?@saas/deploy.yml:23:14"], &[]);
}

#[test]
fn b1_names_of_saas_files_are_short() {
    check(put("saas/test.yml", "name: web-test", format!("name: {}", "x".repeat(39))), &[], &[]);
    let loaded =
        check(put("saas/test.yml", "name: web-test", format!("name: {}", "x".repeat(40))), &["bad-name@saas/test.yml:2:7"], &[PROD]);
    assert_eq!(loaded.catalog.broken_saas_files[0].name.as_ref().unwrap().as_str(), "x".repeat(40));
}

#[test]
fn b2_two_saas_files_of_one_name_are_both_left_out_and_told() {
    let loaded = check(
        put("saas/test.yml", "name: web-test", "name: web"),
        &["duplicate-name@saas/deploy.yml:2:7", "duplicate-name@saas/test.yml:2:7"],
        &[],
    );
    assert!(loaded.catalog.targets.is_empty());
    assert_eq!(loaded.catalog.broken_saas_files.len(), 2);
    assert_eq!(&*loaded.diagnostics[0].related[0].0.file, "data/saas/test.yml");
}

#[test]
fn other_names_are_unique_as_well() {
    check(
        put("apps/other.yml", "name: other", "name: web"),
        &["duplicate-name@apps/other.yml:2:7", "duplicate-name@apps/web.yml:2:7"],
        &[],
    );
    check(put("env/prod.yml", "name: prod", "name: stage"), &["duplicate-name@env/prod.yml:2:7", "duplicate-name@env/stage.yml:2:7"], &[]);
    // The same namespace on another cluster is another namespace.
    check(put("ns/prod.yml", "name: web-prod", "name: web-stage"), &[], &[]);
    check(
        |tree| {
            tree.replace("ns/prod.yml", "name: web-prod", "name: web-stage").replace(
                "ns/prod.yml",
                "/clusters/prod.yml",
                "/clusters/stage.yml",
            );
        },
        &["duplicate-name@ns/prod.yml:2:7", "duplicate-name@ns/stage.yml:2:7", "duplicate-target@saas/deploy.yml:17:9"],
        &["web/web/stage/web-stage"],
    );
}

#[test]
fn b3_names_of_pipelines_do_not_collide() {
    let long = "e".repeat(60);
    let spoil = |tree: &mut Tree| {
        tree.replace("env/stage.yml", "name: stage", &format!("name: {long}1")).replace(
            "env/prod.yml",
            "name: prod",
            &format!("name: {long}2"),
        );
    };
    let (stage, prod) = (format!("web/web/{long}1/web-stage"), format!("web/web/{long}2/web-prod"));
    check(spoil, &["name-collision@saas/deploy.yml:2:7", "name-collision@saas/deploy.yml:2:7"], &[&stage, &prod]);
}

#[test]
fn b5_secrets_lie_below_allowed_paths() {
    let secret = |path: &str| {
        format!(
            "        secretParameters:\n          - {{name: S, secret: {{path: {path}, field: f}}}}\n      - namespace: {{$ref: /ns/prod.yml}}"
        )
    };
    let spoil = |path: &str| {
        let text = secret(path);
        put("saas/deploy.yml", "      - namespace: {$ref: /ns/prod.yml}", text)
    };
    check(spoil("web/creds/db"), &[], &[]);
    check(spoil("web/creds"), &[], &[]);
    check(spoil("web/credsX/db"), &["secret-path@saas/deploy.yml:18:38"], &[STAGE]);
    let loaded = check(
        put("env/prod.yml", "parameters:", "secretParameters:\n  - {name: S, secret: {path: env/x, field: f}}\nparameters:"),
        &["secret-path@saas/deploy.yml:17:27"],
        &[PROD],
    );
    assert!(loaded.diagnostics[0].message.contains("env/prod.yml"));
    check(
        |tree| {
            spoil("web/creds/db")(tree);
            tree.replace("saas/deploy.yml", "[web/creds]", "[web/creds/]");
        },
        &["secret-path@saas/deploy.yml:18:38"],
        &[STAGE],
    );
}

#[test]
fn b5_a_secret_path_that_climbs_out_of_its_folder_is_refused_however_it_came_about() {
    let with = |path: &str| {
        let secret =
            format!("          A: two\n        secretParameters:\n          - {{name: S, secret: {{path: \"{path}\", field: f}}}}");
        put("saas/deploy.yml", "          A: two", secret)
    };
    check(with("web/creds/db"), &[], &[]);
    for path in ["web/creds/../other", "web/creds/./db", "web/creds//db", "web/creds/"] {
        check(with(path), &["secret-path@saas/deploy.yml:25:38"], &[PROD]);
    }
    check(with("web/creds/{{{ resource.namespace.name }}}"), &[], &[]);
    check(
        |tree| {
            with("web/creds/{{{ resource.namespace.labels.where }}}")(tree);
            tree.replace("ns/prod.yml", "labels: {tier: one}", "labels: {tier: one, where: ../../other}");
        },
        &["secret-path@saas/deploy.yml:25:38"],
        &[PROD],
    );
}

#[test]
fn b6_to_b10_refs_fit_what_moves_them() {
    check(put("saas/test.yml", SHA, "main"), &["auto-needs-a-commit@saas/test.yml:11:14"], &[TEST]);
    let with = |line: &'static str| deploy("          A: two", line);
    check(
        with("          A: two\n        upstream: {name: job}"),
        &["ref-is-a-commit@saas/deploy.yml:24:19", "unsupported?@saas/deploy.yml:24:19"],
        &[PROD],
    );
    check(
        with("          A: two\n        images: [{name: web}]"),
        &["ref-is-a-commit@saas/deploy.yml:24:17", "unsupported?@saas/deploy.yml:24:17"],
        &[PROD],
    );
    check(
        deploy("          A: one", "          A: one\n        upstream: {name: job}\n        images: [{name: web}]"),
        &["unsupported?@saas/deploy.yml:17:19", "unsupported?@saas/deploy.yml:18:17", "upstream-and-images@saas/deploy.yml:18:17"],
        &[STAGE],
    );
    check(
        deploy(
            "subscribe: [tested]",
            "subscribe: [tested]\n          promotion_data:\n            - channel: other\n              data: []",
        ),
        &["dangling-promotion-data@saas/deploy.yml:23:24"],
        &[PROD],
    );
    check(deploy("          subscribe: [tested]\n", ""), &["auto-without-subscribe@saas/deploy.yml:20:17"], &[]);
}

#[test]
fn b11_to_b13_parameters_neither_repeat_nor_refer_to_themselves() {
    check(deploy("A: two", "IMAGE_TAG: 5f8f0e1"), &["redundant-image-tag@saas/deploy.yml:23:22"], &[PROD]);
    check(deploy("A: two", "IMAGE_TAG: latest"), &[], &[]);
    check(deploy("A: two", "A: x${A}"), &["self-referencing-parameter@saas/deploy.yml:23:14"], &[PROD]);
    check(deploy("A: two", "A: https://prod.example.com/x"), &["repeated-environment-parameter@saas/deploy.yml:23:14"], &[PROD]);
    // A value without a point is too short to be told from chance.
    check(deploy("A: two", "A: prod"), &[], &[]);
    check(
        |tree| {
            tree.replace("env/prod.yml", "parameters:\n  ENV: prod\n  DOMAIN: prod.example.com\n", "").replace(
                "saas/deploy.yml",
                "A: two",
                "A: x${A}",
            );
        },
        &["self-referencing-parameter?@saas/deploy.yml:23:14"],
        &[],
    );
}

#[test]
fn b14_a_channel_has_a_publisher() {
    let loaded = check(deploy("subscribe: [tested]", "subscribe: [testd]"), &["dangling-channel@saas/deploy.yml:21:23"], &[PROD]);
    assert_eq!(loaded.diagnostics[0].mend, "Did you mean `tested`?");
    // A target that is to be deleted publishes no more.
    check(deploy("ref: main", "ref: main\n        delete: true"), &["dangling-channel@saas/test.yml:14:23"], &[TEST]);
}

#[test]
fn b15_publisher_and_subscriber_share_a_repository() {
    let loaded = check(
        put("saas/test.yml", "url: https://git.example.com/web", "url: https://git.example.com/tests"),
        &["other-repository@saas/deploy.yml:21:23", "unknown-repository?@saas/test.yml:7:10", "other-repository@saas/test.yml:14:23"],
        &[TEST, PROD],
    );
    assert_eq!(loaded.diagnostics[0].related[0].0.to_string(), "data/saas/test.yml:7:10");
}

#[test]
fn b16_a_target_is_there_once() {
    let loaded = check(deploy("/ns/prod.yml", "/ns/stage.yml"), &["duplicate-target@saas/deploy.yml:17:9"], &[STAGE]);
    assert_eq!(loaded.catalog.broken_saas_files.len(), 1);
    // A name of its own makes it another target.
    check(deploy("      - namespace: {$ref: /ns/prod.yml}", "      - name: second\n        namespace: {$ref: /ns/stage.yml}"), &[], &[]);
}

#[test]
fn b17_where_asked_for_namespaces_belong_to_the_app_or_its_parent() {
    let ask = "managedResourceTypes: [Deployment]\nvalidateTargetsInApp: true";
    check(deploy("managedResourceTypes: [Deployment]", ask), &[], &[]);
    let elsewhere = |tree: &mut Tree| {
        tree.replace("saas/deploy.yml", "managedResourceTypes: [Deployment]", ask).replace(
            "ns/prod.yml",
            "/apps/web.yml",
            "/apps/other.yml",
        );
    };
    check(elsewhere, &["target-outside-app@saas/deploy.yml:18:27"], &[PROD]);
    // The parent's namespaces are the child's, too.
    let child = |tree: &mut Tree| {
        tree.replace("saas/deploy.yml", "managedResourceTypes: [Deployment]", ask).replace(
            "saas/deploy.yml",
            "/apps/web.yml",
            "/apps/other.yml",
        );
    };
    check(child, &[], &[]);
}

#[test]
fn cycles_are_told_with_all_their_members_and_held() {
    let loaded = check(
        deploy("publish: [deployed]", "publish: [deployed]\n          subscribe: [tested]"),
        &["channel-cycle@saas/deploy.yml:15:23"],
        &[TEST, STAGE],
    );
    let found = &loaded.diagnostics[0];
    assert!(found.message.contains(STAGE) && found.message.contains(TEST) && !found.message.contains(PROD), "{}", found.message);
    assert_eq!(found.related.len(), 1);
    let own = check(
        deploy("subscribe: [tested]", "subscribe: [tested, mine]\n          publish: [mine]"),
        &["channel-cycle@saas/deploy.yml:21:31"],
        &[PROD],
    );
    assert!(own.diagnostics[0].message.contains("its own success"));
}

#[test]
fn a_schedule_is_sound_and_a_target_without_its_schedule_is_held() {
    let with = |schedule: &'static str| deploy("auto: true", schedule);
    check(with("auto: true\n          schedule: 0 9 * * 1-5"), &[], &[]);
    check(with("auto: true\n          schedule: 99 99 99 99 99"), &["bad-schedule@saas/deploy.yml:21:21"], &[PROD]);
    check(with("auto: true\n          schedule: \"0 0 30 2 *\""), &["bad-schedule@saas/deploy.yml:21:21"], &[PROD]);
}

#[test]
fn disabled_publishers_are_a_warning() {
    check(deploy("ref: main", "ref: main\n        disable: true"), &["disabled-publisher?@saas/test.yml:14:23"], &[]);
}

#[test]
fn what_cannot_be_carried_out_holds_its_target_and_says_so() {
    let loaded = check(deploy("A: two", "A: '{{{ resource.namespace.name | upper }}}'"), &["unsupported@saas/deploy.yml:23:14"], &[PROD]);
    assert!(target(&loaded, PROD).unsupported[0].contains("expression"));
    check(deploy("A: two", "A: '{{{ resource.namespace.nam }}}'"), &["unknown-variable@saas/deploy.yml:23:14"], &[PROD]);
    let selector = deploy("namespace: {$ref: /ns/prod.yml}", "namespaceSelector: {jsonPathSelectors: {include: [x]}}");
    let loaded = check(selector, &["unsupported?@saas/deploy.yml:17:28"], &[]);
    assert_eq!(loaded.catalog.broken_saas_files.len(), 1);
    check(deploy("name: web\napp", "name: web\nclusterAdmin: true\ncompare: true\napp"), &["unsupported?@saas/deploy.yml:3:15"], &[]);
}

#[test]
fn types_of_our_own_are_known() {
    let mut tree = Tree::good();
    tree.put("x.yml", "$schema: /towpath/polcy-1.yml\nname: x\n")
        .put("y.yml", "$schema: /towpath/pool-1.yml\nname: smoke\n")
        .put("z.yml", "a: 1\n")
        .put("w.yml", "$schema: /other/thing-1.yml\n");
    let loaded = tree.load();
    assert_eq!(found(&loaded), ["unknown-schema@x.yml:1:10", "missing-field@y.yml:1:1", "missing-schema@z.yml:1:1"]);
    assert_eq!(loaded.diagnostics[0].mend, "Did you mean `/towpath/policy-1.yml`?");
}

#[test]
fn nothing_of_a_value_is_told_that_is_too_long_or_may_be_a_token() {
    let mut tree = Tree::good();
    tree.replace("saas/deploy.yml", "path: /deploy.yml", &format!("path: {}", "x".repeat(100_000)));
    tree.replace("saas/test.yml", "https://git.example.com/web", "\"https://u:hunter2@git.example.com/\\e\"");
    let loaded = tree.load();
    assert!(loaded.diagnostics.iter().all(|found| found.message.len() < 1000 && found.mend.len() < 1000));
    assert!(found(&loaded).contains(&"bad-url@saas/test.yml:7:10".to_owned()));
    assert!(!format!("{:?}", loaded.diagnostics).contains("hunter2"));
}

#[test]
fn whom_a_saas_file_wants_told_is_read_and_a_slip_in_it_holds_nothing() {
    use crate::model::Notices;
    const SLACK: &str = "slack:\n  workspace: {$ref: /slack/example.yml}\n  channel: deploys\n";
    const WORKSPACE: &str = "$schema: /dependencies/slack-workspace-1.yml\nname: example\n";
    let told = |slack: &str, workspace: &str, wanted: &[&str]| {
        let spoil = |tree: &mut Tree| {
            tree.replace("saas/deploy.yml", "resourceTemplates:", &format!("{slack}resourceTemplates:"));
            tree.put("slack/example.yml", workspace);
        };
        let loaded = check(spoil, wanted, &[]);
        let of = |target: &std::sync::Arc<crate::model::Target>| target.saas_file.notices.clone();
        loaded.catalog.targets.values().filter_map(of).next()
    };
    let usual = Notices { workspace: "example".into(), channel: "deploys".into(), start: false, successes: true, each: false };
    assert_eq!(told(SLACK, WORKSPACE, &[]), Some(usual.clone()));
    let all = format!("{SLACK}  output: events\n  notifications: {{start: true}}\nskipSuccessfulDeployNotifications: true\n");
    assert_eq!(told(&all, WORKSPACE, &[]), Some(Notices { start: true, successes: false, each: true, ..usual.clone() }));
    assert_eq!(told(SLACK, "$schema: /dependencies/slack-workspace-1.yml\n", &["no-notices?@saas/deploy.yml:7:21"]), None);
    assert_eq!(told("slack: {channel: deploys}\n", WORKSPACE, &["no-notices?@saas/deploy.yml:6:8"]), None);
    assert_eq!(told(&SLACK.replace("  channel: deploys\n", ""), WORKSPACE, &["no-notices?@saas/deploy.yml:7:3"]), None);
    assert_eq!(told(&format!("{SLACK}  output: loud\n"), WORKSPACE, &["no-notices?@saas/deploy.yml:9:11"]), Some(usual));
}

#[test]
fn whom_an_app_calls_is_read_level_by_level_and_a_slip_in_it_holds_nothing() {
    use crate::model::{EscalationLevel, UserGroup};
    let spoil = |second: &'static str| {
        move |tree: &mut Tree| {
            let app = tree.files().into_iter().find(|file| &*file.path == "data/apps/web.yml").unwrap();
            let app = String::from_utf8(app.bytes.to_vec()).unwrap();
            tree.put("apps/web.yml", &format!("{app}escalationPolicy: {{$ref: /teams/first.yml}}\n"));
            let policy = "$schema: /app-sre/escalation-policy-1.yml\nname";
            tree.put(
                "teams/first.yml",
                &format!("{policy}: first\nchannels:\n  slackUserGroup: [{{$ref: /teams/oncall.yml}}]\n  email: [team@example.com]\n  nextEscalationPolicy: {{$ref: /teams/second.yml}}\n"),
            );
            tree.put("teams/second.yml", &format!("{policy}: second\nchannels:\n  pagerduty: [{{$ref: /teams/pager.yml}}]\n{second}"));
            tree.put("teams/pager.yml", "$schema: /dependencies/pagerduty-target-1.yml\nname: hub\n");
            tree.put("teams/oncall.yml", "$schema: /access/permission-1.yml\nname: oncall\nservice: slack-usergroup\nhandle: web-oncall\nworkspace: {$ref: /slack/example.yml}\nchannels: [web-forum]\n");
            tree.put("slack/example.yml", "$schema: /dependencies/slack-workspace-1.yml\nname: example\n");
        }
    };
    let group = UserGroup { workspace: "example".into(), handle: "web-oncall".into(), channels: vec!["web-forum".into()] };
    let first =
        EscalationLevel { name: "first".into(), user_groups: vec![group], emails: vec!["team@example.com".into()], pagerduty: vec![] };
    let second = EscalationLevel { name: "second".into(), user_groups: vec![], emails: vec![], pagerduty: vec!["hub".into()] };
    let levels = |loaded: &Loaded| loaded.catalog.apps["web"].escalation.clone();
    assert_eq!(levels(&check(spoil(""), &[], &[])), [first.clone(), second.clone()]);
    let round = check(spoil("nextEscalationPolicy: {$ref: /teams/first.yml}\n"), &["no-notices?@teams/second.yml:5:30"], &[]);
    assert_eq!(levels(&round), [first.clone(), second.clone()]);
    let lost = check(spoil("nextEscalationPolicy: {$ref: /teams/third.yml}\n"), &["no-notices?@teams/second.yml:5:30"], &[]);
    assert_eq!(levels(&lost), [first, second]);
}
