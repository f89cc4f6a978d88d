use towpath_engine::ChangeKind;

use super::*;

const MISSING: &str = "0 of 1 approval for `data/web/deploy.yml`";

#[test]
fn a_change_waits_for_somebody_else_whose_role_covers_its_files() {
    let mut case = Case::new();
    case.held_by(MISSING);
    let holds = case.judge().holds;
    let [ReviewHold::Missing { could, roles, .. }] = holds.as_slice() else { panic!("{holds:?}") };
    assert_eq!((could.join(" "), roles.join(" ")), ("ann bob kim".to_owned(), "keepers web-owners".to_owned()));
    case.says(101, "cid", "/lgtm").held_by(MISSING);
    case.says(102, "zed", "/lgtm").held_by(MISSING);
    case.says(103, "dan", "/lgtm").held_by(MISSING);
    case.says(104, "BOB", "Fine.\n/lgtm").merges();
    assert_eq!(case.judge().approved_by, ["BOB"]);
}

#[test]
fn whoever_pushed_to_the_branch_or_asked_for_the_change_is_not_counted() {
    let mut case = Case::new();
    case.change.authors.insert(Account::new("Bob"));
    case.change.asked_by = Some(Account::new("kim"));
    case.says(101, "bob", "/lgtm").says(102, "kim", "/lgtm").held_by(MISSING);
    case.says(103, "ann", "/lgtm").merges();
}

#[test]
fn logins_that_only_look_alike_approve_nothing() {
    let mut case = Case::new();
    for by in ["\u{212a}im", "b\u{43e}b", "bob\u{200b}", "bob ", "ａnn", "ann-", "@ann"] {
        case.says(101, by, "/lgtm").reviews(101, by, Opinion::Approves, Some(head()));
    }
    case.held_by(MISSING);
}

#[test]
fn an_account_of_another_forge_approves_nothing() {
    let mut case = Case::new();
    case.change.forge = ForgeKind::GitLab;
    case.says(101, "bob", "/lgtm").held_by(MISSING);
    assert!(text::lift_text(&case.judge().holds[0]).starts_with("nobody could give it"));
    case.edit("access/bob.yml", "github_username: bob", "gitlab_username: Bob").merges();
}

#[test]
fn reviews_count_like_comments_and_for_the_commit_that_they_are_of() {
    Case::new().reviews(101, "bob", Opinion::Approves, Some(head())).merges();
    // Given before Towpath saw the commit, but of this commit.
    Case::new().reviews(60, "bob", Opinion::Approves, Some(head())).merges();
    Case::new().reviews(101, "bob", Opinion::Approves, None).merges();
    Case::new().reviews(101, "bob", Opinion::Remarks, Some(head())).held_by(MISSING);
    for (second, of) in [(101, Some(commit(6))), (100, None), (60, None)] {
        let mut case = Case::new();
        case.reviews(second, "bob", Opinion::Approves, of);
        assert_eq!(case.holds(), [MISSING.to_owned(), "what `bob` approved is not the newest commit".to_owned()]);
        // A late word on an old commit takes nothing back.
        case.says(101, "bob", "/lgtm").reviews(102, "bob", Opinion::Approves, Some(commit(6))).merges();
    }
}

#[test]
fn new_commits_make_approvals_stale() {
    let mut case = Case::new();
    case.says(101, "bob", "/lgtm").reviews(102, "ann", Opinion::Approves, Some(head())).merges();
    case.change.head = commit(8);
    case.change.head_since = at(200);
    case.change.checks.get_mut("validation").unwrap().commit = commit(8);
    assert_eq!(case.holds(), [MISSING.to_owned(), "what `ann` and `bob` approved is not the newest commit".to_owned()]);
    case.says(200, "bob", "/lgtm");
    assert_eq!(case.holds().len(), 2, "at the same time is not after");
    case.says(201, "bob", "/lgtm").merges();
}

#[test]
fn an_approval_is_taken_back_by_its_giver_or_somebody_of_the_same_role_only() {
    let mut case = Case::new();
    case.says(101, "bob", "/lgtm").says(102, "dan", "/lgtm cancel").says(103, "zed", "/lgtm cancel").merges();
    case.clone().says(104, "bob", "/lgtm cancel").held_by(MISSING);
    case.clone().says(104, "ann", "/lgtm cancel").held_by(MISSING);
    // Kim has another role; the author has the same one, and may be careful.
    case.clone().says(104, "kim", "/lgtm cancel").merges();
    case.clone().says(104, "cid", "/lgtm cancel").held_by(MISSING);
    // At the same time, the careful one counts, whichever came first in the list.
    case.clone().says(101, "bob", "/lgtm cancel").held_by(MISSING);
    case.says(104, "bob", "/lgtm cancel").says(105, "ann", "/lgtm").merges();
}

#[test]
fn each_file_needs_an_approver_of_its_own_and_none_is_forgotten() {
    let mut case = Case::new();
    case.touches("data/ns/prod.yml", false).touches("README.md", false).says(101, "bob", "/lgtm");
    case.held_by("0 of 1 approval for `README.md` and `data/ns/prod.yml`");
    case.says(102, "kim", "/lgtm").merges();
    let mut case = Case::new();
    case.touches("data/web-evil/deploy.yml", false).says(101, "bob", "/lgtm").held_by("0 of 1 approval for `data/web-evil/deploy.yml`");
    case.change.touched.clear();
    case.held_by("it is not known to touch any file");
}

#[test]
fn without_a_catch_all_role_what_no_role_covers_is_held_and_says_so() {
    let mut case = Case::new();
    case.edit("access/all.yml", "approves: all", "approves: [data/apps/]").touches("data/ns/prod.yml", false);
    for by in ["ann", "bob", "dan", "eve", "kim"] {
        case.says(101, by, "/lgtm");
    }
    case.held_by("nobody may approve `data/ns/prod.yml`: no role covers them");
    assert_eq!(text::lift_text(&case.judge().holds[0]), "give somebody a role that covers them, or one with `approves: all`");
}

#[test]
fn files_that_decide_who_approves_are_for_a_catch_all_role_wherever_they_stand() {
    let mut case = Case::new();
    case.change.touched = vec![Touched { path: "data/access/bob.yml".to_owned(), decides: true }];
    case.says(101, "bob", "/lgtm").says(102, "ann", "/lgtm").held_by("0 of 1 approval for `data/access/bob.yml`");
    case.clone().says(103, "kim", "/lgtm").merges();
    case.edit("access/all.yml", "approves: all", "approves: [data/]").says(103, "kim", "/lgtm");
    case.held_by("nobody may approve `data/access/bob.yml`: they decide who may approve what");
}

#[test]
fn a_policy_asks_for_a_quorum_of_its_roles_beside_the_files_approvers() {
    let mut case = Case::new();
    case.touches_target("prod").says(101, "bob", "/lgtm");
    case.held_by("0 of 2 approvals for `web/web/prod/web-prod` (policy `prod`, data/policies/prod.yml:4:");
    case.says(102, "dan", "/lgtm").says(103, "dan", "/lgtm").reviews(104, "dan", Opinion::Approves, Some(head()));
    case.held_by("1 of 2 approvals");
    // Kim covers every file, and has no production role: a quorum is of its roles.
    case.says(105, "kim", "/lgtm").held_by("1 of 2 approvals");
    case.says(106, "eve", "/lgtm").merges();
    // One person may count for several needs.
    let mut case = Case::new();
    case.touches_target("prod").says(101, "ann", "/lgtm").says(102, "eve", "/lgtm").merges();
    let mut case = Case::new();
    case.touches_target("stage").says(101, "bob", "/lgtm").merges();
}

#[test]
fn a_target_cannot_step_out_of_a_policys_reach_by_the_change_that_the_policy_is_about() {
    let mut case = Case::new();
    let mut after = Target::clone(&case.target("prod"));
    after.environment = towpath_domain::EnvironmentName::new("elsewhere").unwrap();
    case.change.targets = vec![Arc::new(after.clone())];
    case.says(101, "bob", "/lgtm").merges();
    case.change.targets = vec![case.target("prod"), Arc::new(after)];
    case.held_by("0 of 2 approvals");
}

#[test]
fn several_policies_all_count_and_a_role_that_is_not_there_is_nobodys() {
    let mut case = Case::new();
    let two = "$schema: /towpath/policy-1.yml\nname: two\nselect: {environments: [prod]}\napprovals: {roles: [{$ref: /access/none.yml}]}\n";
    case.files.insert("data/policies/two.yml".to_owned(), two.to_owned());
    case.touches_target("prod");
    for by in ["ann", "bob", "dan", "eve", "kim"] {
        case.says(101, by, "/lgtm");
    }
    case.held_by("0 of 1 approval for `web/web/prod/web-prod` (policy `two`");
}

#[test]
fn a_policy_that_cannot_be_read_holds_what_it_may_be_about() {
    let mut case = Case::new();
    case.edit("policies/prod.yml", "count: 2", "count: two").touches_target("prod").says(101, "ann", "/lgtm").says(102, "eve", "/lgtm");
    case.held_by("nobody can tell what the policy `prod` (data/policies/prod.yml:2:7) asks for");
    case.change.kind = Kind::Own(ChangeKind::Promotion);
    case.held_by("nobody can tell");
    case.change.targets.clear();
    case.change.kind = Kind::Person;
    case.merges();
}

#[test]
fn towpaths_own_promotions_of_auto_targets_merge_by_themselves_where_no_policy_makes_them_wait() {
    let case = Case::own(ChangeKind::Promotion);
    case.merges();
    assert!(case.judge().add.contains("bot/automerge"));

    let mut waits = case.clone();
    waits.edit("policies/prod.yml", ", promotions: pass", "").held_by("0 of 2 approvals for `web/web/prod/web-prod`");
    waits.says(101, "ann", "/lgtm").says(102, "dan", "/lgtm").merges();

    // What is not `auto: true` in the branch is not, whatever the change says.
    let mut manual = case.clone();
    manual.edit("web/deploy.yml", "auto: true, ", "");
    assert!(manual.change.targets[0].promotion.auto);
    assert_eq!(manual.holds().len(), 2);

    // A person's commit on the branch makes it a person's change, and so does a target more that is not automatic.
    let mut touched = case.clone();
    touched.change.authors.insert(Account::new("cid"));
    assert_eq!(touched.holds().len(), 2);
    let mut more = case;
    assert_eq!(more.touches_target("stage").holds().len(), 2);
}

#[test]
fn rollbacks_and_holds_wait_for_nobody_and_lifting_a_hold_waits() {
    Case::own(ChangeKind::Rollback).merges();
    Case::own(ChangeKind::Hold).merges();
    let mut release = Case::own(ChangeKind::Release);
    release.change.asked_by = Some(Account::new("kim"));
    assert_eq!(release.holds().len(), 2);
    release.says(101, "kim", "/lgtm").says(102, "ann", "/lgtm").says(103, "dan", "/lgtm").merges();
    let mut rollback = Case::own(ChangeKind::Rollback);
    rollback.says(101, "dan", "/hold").held_by("`dan` holds it");
}

#[test]
fn a_role_that_ended_or_was_lost_approves_nothing_whenever_it_was_said() {
    let mut case = Case::new();
    case.says(101, "bob", "/lgtm").edit("access/web.yml", "name:", "expirationDate: 1970-01-02\nname:");
    case.merges();
    assert_eq!(case.judge().valid_until, Some(at(86_400)));
    case.now = at(86_399);
    case.merges();
    case.now = at(86_400);
    case.held_by(MISSING);
    assert_eq!(case.judge().valid_until, None);
    let mut case = Case::new();
    case.says(101, "bob", "/lgtm").edit("access/bob.yml", "roles: [{$ref: /access/web.yml}]", "").held_by(MISSING);
}

#[test]
fn checks_must_have_passed_for_the_newest_commit_and_there_must_be_some() {
    let mut case = Case::new();
    case.says(101, "bob", "/lgtm");
    for (state, wanted) in [
        (CheckState::Missing, "the check `validation` has not run"),
        (CheckState::Running, "the check `validation` is under way"),
        (CheckState::Failed, "the check `validation` failed"),
        (CheckState::Skipped, "the check `validation` was skipped"),
    ] {
        case.change.checks.insert("validation".to_owned(), Check { commit: head(), state });
        case.held_by(wanted);
    }
    case.change.checks.insert("validation".to_owned(), Check { commit: commit(6), state: CheckState::Passed });
    case.held_by("the check `validation` has not run for the newest commit");
    case.change.checks.clear();
    case.held_by("the check `validation` has not run");
    case.change.required.clear();
    case.held_by("no check is required");
}
