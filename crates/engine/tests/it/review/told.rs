use super::*;

fn answers(case: &Case) -> Vec<(String, Vec<String>)> {
    let words = |answer: &Answer| {
        let asked = [(answer.retest, "retest"), (answer.rebase, "rebase"), (answer.why, "why")];
        let asked = asked.into_iter().filter(|(asked, _)| *asked).map(|(_, name)| name.to_owned());
        asked.chain(answer.told.iter().map(text::told_text)).collect()
    };
    case.judge().answers.iter().map(|answer| (answer.comment.clone(), words(answer))).collect()
}

#[track_caller]
fn check(case: &Case, wanted: &[(&str, &str)]) {
    let found = answers(case);
    let alike = found.len() == wanted.len()
        && found.iter().zip(wanted).all(|((id, words), (wanted_id, wanted))| id == wanted_id && words.join("; ").starts_with(wanted));
    assert!(alike, "{found:#?}");
}

#[test]
fn commands_are_answered_once_each() {
    let mut case = Case::new();
    case.says(101, "cid", "/retest\n/why").says(102, "bob", "/rebase").says(103, "bob", "/rebase").says(104, "bob", "Thanks.");
    check(&case, &[("c0", "retest; why"), ("c1", "rebase"), ("c2", "rebase")]);
    case.change.answered = ["c0", "c1"].map(ToOwned::to_owned).into();
    check(&case, &[("c2", "rebase")]);
    case.change.answered.insert("c2".to_owned());
    check(&case, &[]);
}

#[test]
fn who_may_not_and_what_is_unknown_is_told_once_and_cannot_be_made_a_flood() {
    let mut case = Case::new();
    for second in 101..200 {
        case.says(second, "zed", "/lgtm\n/retest\n/hold cancel").says(second, "eve", "/lgtmm").says(second, "eve", "/foo");
    }
    check(&case, &[("c0", "`/lgtm` is for those who may approve this change"), ("c1", "there is no command `/lgtmm`")]);
    case.change.answered = ["c0", "c1"].map(ToOwned::to_owned).into();
    check(&case, &[]);
    // Not even by editing what was answered.
    case.change.comments[0].body.clear();
    check(&case, &[("c3", "`/lgtm` is for")]);
    case.change.answered = (0..10).map(|n| format!("c{}", n * 3)).collect();
    case.change.answered.insert("c1".to_owned());
    for n in 0..10 {
        case.change.comments[n * 3].body.clear();
    }
    check(&case, &[]);
}

#[test]
fn towpath_answers_neither_itself_nor_what_is_no_command() {
    let mut case = Case::new();
    case.says(101, "towpath[bot]", "/lgtm\n/why\n/foo").says(102, "Towpath[Bot]", "/hold").says(
        103,
        "bob",
        "> /lgtm\n\nsee /why\n/a/b.yml",
    );
    check(&case, &[]);
    // Even where somebody gave its account every role.
    case.edit("access/kim.yml", "github_username: kim", "gitlab_username: kim");
    case.change.own = Account::new("bob");
    case.says(104, "bob", "/lgtm").held_by("0 of 1 approval");
}

#[test]
fn a_command_without_effect_says_why() {
    let mut case = Case::new();
    case.says(101, "cid", "/lgtm").says(102, "kim", "/hold").says(103, "bob", "/hold cancel").says(104, "ann", "/lgtm");
    case.change.comments[3].edited = Some(at(105));
    check(
        &case,
        &[
            ("c0", "who wrote a change or asked for it does not approve it"),
            ("c2", "only `kim` or somebody of the same role may lift that hold"),
            ("c3", "`/lgtm` in a comment that was edited does not count"),
        ],
    );
}

#[test]
fn why_tells_each_hold_and_what_lifts_it_and_calls_nobody() {
    let mut case = Case::new();
    case.says(101, "bob", "/hold @everyone `look` https://evil.example\u{7}").touches_target("prod");
    let told = text::why(&case.judge());
    insta::assert_snapshot!(told, @r"
    This change waits:

    - 0 of 1 approval for `data/web/deploy.yml`. To lift it: a review that approves, or `/lgtm`, by `ann`, `bob` or `kim`.
    - 0 of 2 approvals for `web/web/prod/web-prod` (policy `prod`, data/policies/prod.yml:4:12). To lift it: a review that approves, or `/lgtm`, by `ann`, `dan` or `eve`.
    - `bob` holds it since 1970-01-01T00:01:41.000Z: `@everyone 'look' https://evil.example `. To lift it: `/hold cancel` by `bob` or somebody else with the role `web-owners`.
    ");
    let mut case = Case::new();
    assert_eq!(text::why(&case.says(101, "bob", "/lgtm").judge()), "Nothing holds this change: it is merged when its turn comes.");
}
