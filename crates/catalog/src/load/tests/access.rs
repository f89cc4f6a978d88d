//! Who may approve what.

use towpath_domain::Verb;

use super::*;
use crate::access::{Access, Account, ForgeKind};

const USER: &str = "$schema: /access/user-1.yml\nlabels: {}\nname: Ann Example\norg_username: ann\ngithub_username: Ann-E\ngitlab_username: ann.e\nquay_username: whatever\nroles:\n  - $ref: /access/owners.yml\n";
const ROLE: &str = "$schema: /access/role-1.yml\nlabels: {}\nname: owners\npermissions: []\napproves: [data/saas/, README.md]\n";

fn tree() -> Tree {
    let mut tree = Tree::good();
    tree.put("access/ann.yml", USER).put("access/owners.yml", ROLE);
    tree
}

fn role(access: &Access) -> &crate::access::Role {
    &access.roles["data/access/owners.yml"]
}

#[test]
fn people_their_accounts_and_what_their_roles_approve_are_read() {
    let loaded = tree().load();
    assert_eq!(found(&loaded), [""; 0]);
    let access = &loaded.catalog.access;
    let ann = access.person(ForgeKind::GitHub, &Account::new("ann-E")).unwrap();
    assert_eq!((&*ann.name, &*ann.org_username, ann.roles.len()), ("Ann Example", "ann", 1));
    assert!(access.person(ForgeKind::GitLab, &Account::new("ANN.e")).is_some());
    assert!(access.person(ForgeKind::GitLab, &Account::new("ann-e")).is_none(), "an account counts at its own forge only");
    assert!(access.person(ForgeKind::Forgejo, &Account::new("ann-e")).is_none());
    let owners = role(access);
    assert_eq!((&*owners.name, &*owners.members), ("owners", ["data/access/ann.yml".into()].as_slice()));
    assert!(
        owners.approves.covers("data/saas/deploy.yml")
            && owners.approves.covers("README.md")
            && !owners.approves.covers("data/saasx/a.yml")
    );
    assert!(!owners.approves.all);

    let loaded = tree().replace("access/owners.yml", "[data/saas/, README.md]", "all").load();
    assert!(role(&loaded.catalog.access).approves.all);
    let loaded = tree().replace("access/owners.yml", "name:", "expirationDate: '2026-12-24'\nname:").load();
    assert_eq!(role(&loaded.catalog.access).expires.unwrap().to_string(), "2026-12-24T00:00:00.000Z");
}

#[test]
fn what_is_wrong_gives_nobody_anything_and_is_told() {
    let spoilt = |file: &str, from: &str, to: &str, wanted: &[&str]| {
        let loaded = tree().replace(file, from, to).load();
        assert_eq!(found(&loaded), wanted, "{:#?}", loaded.diagnostics);
        loaded.catalog.access
    };
    let access = spoilt("access/ann.yml", "Ann-E", "\"@Ann\"", &["bad-name@access/ann.yml:5:18"]);
    assert_eq!(access.accounts.len(), 1);
    spoilt("access/ann.yml", "Ann-E", "\u{212a}im", &["bad-name@access/ann.yml:5:18"]);
    let access = spoilt("access/ann.yml", "/owners.yml", "/owner.yml", &["unknown-reference@access/ann.yml:9:11"]);
    assert!(role(&access).members.is_empty());
    spoilt("access/ann.yml", "/access/owners.yml", "/apps/web.yml", &["wrong-reference-type@access/ann.yml:9:11"]);
    let access = spoilt("access/ann.yml", "org_username: ann\n", "", &["missing-field@access/ann.yml:1:1"]);
    assert!(access.people.is_empty() && access.accounts.is_empty());
    for bad in ["data/../x", "/data/saas", "data//saas", "\"\"", "data/saas/*"] {
        let access = spoilt("access/owners.yml", "data/saas/", bad, &["bad-path@access/owners.yml:5:12"]);
        assert_eq!(role(&access).approves.paths, ["README.md".into()], "{bad}");
    }
    let access = spoilt("access/owners.yml", "[data/saas/, README.md]", "everything", &["wrong-type@access/owners.yml:5:11"]);
    assert!(!role(&access).approves.all && role(&access).approves.paths.is_empty());
    spoilt("access/owners.yml", "data/saas/", "data/saass/", &["unknown-selection?@access/owners.yml:5:12"]);
    let expired = spoilt(
        "access/owners.yml",
        "permissions: []",
        "expirationDate: soon",
        &["broken-reference@access/ann.yml:9:11", "bad-time@access/owners.yml:4:17"],
    );
    assert!(expired.roles.is_empty());
}

#[test]
fn an_account_that_two_files_claim_is_nobodys_and_a_person_with_two_files_counts_not_twice() {
    let other = USER.replace("org_username: ann", "org_username: bob").replace("ann.e", "bob.e").replace("Ann-E", "ANN-E");
    let loaded = tree().put("access/bob.yml", &other).load();
    assert_eq!(found(&loaded), ["duplicate-account@access/ann.yml:5:18", "duplicate-account@access/bob.yml:5:18"]);
    let access = &loaded.catalog.access;
    assert!(access.person(ForgeKind::GitHub, &Account::new("Ann-E")).is_none());
    assert!(access.person(ForgeKind::GitLab, &Account::new("bob.e")).is_some());

    let twin = USER.replace("Ann-E", "ann2").replace("ann.e", "ann.two");
    let loaded = tree().put("access/ann2.yml", &twin).load();
    assert_eq!(found(&loaded), ["duplicate-name@access/ann.yml:4:15", "duplicate-name@access/ann2.yml:4:15"]);
    assert!(loaded.catalog.access.accounts.is_empty());
}

#[test]
fn of_app_interfaces_self_service_what_gives_whole_files_counts() {
    let owners = format!(
        "{ROLE}self_service:\n  - change_type: {{$ref: /ct.yml}}\n    datafiles: [{{$ref: /env/stage.yml}}, {{$ref: /ns/stage.yml}}]\n"
    );
    let change_type = "$schema: /app-interface/change-type-1.yml\nname: environments\ncontextType: datafile\ncontextSchema: /app-sre/environment-1.yml\nchanges:\n  - {provider: jsonPath, jsonPathSelectors: [$]}\n";
    let covers = |change_type: &str| {
        let loaded = tree().put("access/owners.yml", &owners).put("ct.yml", change_type).load();
        assert_eq!(found(&loaded), [""; 0]);
        let role = role(&loaded.catalog.access);
        assert!(!role.approves.covers("data/ns/stage.yml"), "the change type is for environments");
        role.approves.covers("data/env/stage.yml")
    };
    assert!(covers(change_type));
    for (from, to) in [
        ("[$]", "[parameters.A]"),
        ("jsonPath,", "change-type,"),
        ("[$]}", "[$], context: {selector: namespace}}"),
        ("[$]}", "[$], changeSchema: /app-sre/app-1.yml}"),
        ("name: env", "disabled: true\nname: env"),
        ("name: env", "restrictive: true\nname: env"),
        ("contextType: datafile", "contextType: resourcefile"),
    ] {
        assert!(!covers(&change_type.replace(from, to)), "{to}");
    }
    let loaded = tree().put("access/owners.yml", &owners).load();
    assert_eq!(found(&loaded), ["unknown-reference@access/owners.yml:7:25"]);
}

#[test]
fn policies_ask_for_approvals_and_a_role_that_is_not_there_asks_for_more_not_less() {
    let policy = "$schema: /towpath/policy-1.yml\nname: prod\nselect: {environments: [prod]}\napprovals: {count: 2, roles: [{$ref: /access/owners.yml}]}\n";
    let loaded = tree().put("policies/prod.yml", policy).load();
    assert_eq!(found(&loaded), [""; 0]);
    let approvals = loaded.catalog.policies[0].approvals.clone().unwrap();
    assert_eq!((approvals.count, approvals.promotions, approvals.roles.len()), (2, true, 1));
    assert!(loaded.catalog.access.roles.contains_key(&approvals.roles[0]));

    let loaded = tree().put("policies/prod.yml", &policy.replace("/owners", "/owner")).load();
    assert_eq!(found(&loaded), ["unknown-reference@policies/prod.yml:4:38"]);
    let approvals = loaded.catalog.policies[0].approvals.clone().unwrap();
    assert_eq!((approvals.count, &*approvals.roles[0]), (2, "data/access/owner.yml"));

    for bad in [policy.replace("count: 2", "count: 21"), policy.replace("name: prod", "name: [prod")] {
        let loaded = tree().put("policies/prod.yml", &bad).load();
        assert!(loaded.catalog.policies[0].broken.is_some(), "{bad}");
    }
}

#[test]
fn files_that_decide_who_may_approve_are_told_from_others_by_what_they_are_read_as() {
    let says = |path: &str, text: &str| InputFile::new(path, text.as_bytes()).says_who_approves();
    for text in [
        USER,
        ROLE,
        "$schema: /towpath/policy-1.yml\n",
        "$schema: /app-interface/change-type-1.yml\n",
        "$schema: /towpath/permission-1.yml\n",
        "name: x\n",
        "{",
        "",
        "\"$schema\": \"/access/role-1.yml\"\n",
    ] {
        assert!(says("data/x.yml", text), "{text}");
    }
    assert!(!says("data/x.yml", "$schema: /app-sre/app-1.yml\nname: web\n"));
    assert!(!says("docs/x.yml", ROLE) && !says("data/x.txt", ROLE), "no data: nothing is read of it");
}

const PERMISSION: &str = "$schema: /towpath/permission-1.yml\nname: web\nmay: [retry, hold]\napps: [{$ref: /apps/web.yml}]\nenvironments: [{$ref: /env/stage.yml}]\n";

/// A tree whose role refers to a permission of Towpath's, and to one of another service.
fn permitted() -> Tree {
    let mut tree = tree();
    tree.put("access/web.yml", PERMISSION)
        .put("access/aws.yml", "$schema: /access/permission-1.yml\nname: aws\nservice: aws-group\n")
        .replace("access/owners.yml", "permissions: []", "permissions: [{$ref: /access/aws.yml}, {$ref: /access/web.yml}]");
    tree
}

#[test]
fn a_role_gives_the_permissions_that_are_towpaths_and_says_nothing_of_others() {
    let loaded = permitted().load();
    assert_eq!(found(&loaded), [""; 0]);
    let access = &loaded.catalog.access;
    assert_eq!(role(access).permissions, ["data/access/web.yml".into()]);
    let permission = &access.permissions["data/access/web.yml"];
    assert_eq!(permission.may, [Verb::Retry, Verb::Hold].into());
    assert_eq!((permission.apps.as_deref(), permission.environments.as_deref()), (Some(&["web".into()][..]), Some(&["stage".into()][..])));
    let loaded = permitted().replace("access/web.yml", "apps: [{$ref: /apps/web.yml}]\n", "").load();
    assert_eq!(loaded.catalog.access.permissions["data/access/web.yml"].apps, None, "absent stands for all");
}

#[test]
fn what_is_wrong_in_a_permission_is_told_and_never_makes_it_allow_more() {
    let spoilt = |from: &str, to: &str, wanted: &[&str]| {
        let loaded = permitted().replace("access/web.yml", from, to).load();
        assert_eq!(found(&loaded), wanted, "{:#?}", loaded.diagnostics);
        loaded.catalog.access.permissions.get("data/access/web.yml").map(|permission| (**permission).clone())
    };
    let none = Some(Vec::new());
    assert_eq!(spoilt("/apps/web.yml", "/apps/wbe.yml", &["unknown-reference@access/web.yml:4:15"]).unwrap().apps, none);
    assert_eq!(spoilt("/env/stage.yml", "/apps/web.yml", &["wrong-reference-type@access/web.yml:5:23"]).unwrap().environments, none);
    assert_eq!(spoilt("[{$ref: /apps/web.yml}]", "web", &["wrong-type@access/web.yml:4:7"]).unwrap().apps, none);
    assert_eq!(spoilt("[{$ref: /apps/web.yml}]", "", &["wrong-type@access/web.yml:4:5"]).unwrap().apps, none);
    assert_eq!(spoilt("[{$ref: /apps/web.yml}]", "[]", &["nonsense@access/web.yml:4:7"]).unwrap().apps, none);
    assert_eq!(spoilt("retry", "rety", &["unknown-verb@access/web.yml:3:7"]).unwrap().may, [Verb::Hold].into());
    assert_eq!(spoilt("retry", "administer", &["nonsense@access/web.yml:3:7"]).unwrap().may, [Verb::Administer, Verb::Hold].into());
    spoilt("retry", "hold", &["nonsense?@access/web.yml:3:13"]);
    assert_eq!(spoilt("name: web\n", "", &["broken-reference@access/owners.yml:4:47", "missing-field@access/web.yml:1:1"]), None);
    let loaded = permitted().replace("access/owners.yml", "/access/web.yml", "/access/wb.yml").load();
    assert_eq!(found(&loaded), ["unknown-reference@access/owners.yml:4:47"]);
    assert_eq!(loaded.diagnostics[0].mend, "Did you mean `/access/web.yml`?");
    let loaded = permitted().replace("access/web.yml", "retry", "promot").load();
    assert_eq!(loaded.diagnostics[0].mend, "Did you mean `promote`?");
}

#[test]
fn whoever_signs_in_is_one_person_by_letter_or_nobody() {
    let load = |more: &str| tree().replace("access/ann.yml", "labels: {}\n", more).load().catalog.access;
    let access = load("");
    assert_eq!(access.signed_in("8271", "ann").map(|person| &*person.name), Some("Ann Example"));
    for (subject, username) in [("ann", "ANN"), ("8271", "Ann Example"), ("8271", "ann "), ("8271", "\u{430}nn"), ("8271", "")] {
        assert!(access.signed_in(subject, username).is_none(), "{username:?}");
    }
    let pinned = load("oidc_subject: '8271'\n");
    assert!(pinned.signed_in("8271", "whatever").is_some(), "a username may change");
    assert!(pinned.signed_in("666", "ann").is_none(), "whoever got the username later is somebody else");

    let twin = USER.replace("Ann-E", "ann2").replace("ann.e", "ann.two");
    let access = tree().put("access/ann2.yml", &twin).load().catalog.access;
    assert!(access.signed_in("8271", "ann").is_none() && access.named("ann").is_none(), "two files claim it");
    let bob = twin.replace("org_username: ann", "oidc_subject: '8271'\norg_username: bob");
    let access =
        tree().replace("access/ann.yml", "labels: {}\n", "oidc_subject: '8271'\n").put("access/bob.yml", &bob).load().catalog.access;
    assert!(access.signed_in("8271", "ann").is_none() && access.signed_in("8271", "bob").is_none(), "two files claim the subject");
    assert!(access.named("bob").is_some());
}
