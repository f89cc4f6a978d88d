use towpath_engine::ChangeKind;

use super::*;

#[track_caller]
fn check(case: &Case, add: &[&str], remove: &[&str]) {
    let verdict = case.judge();
    let plain = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>();
    assert_eq!(
        (plain(&verdict.add), plain(&verdict.remove)),
        (add.iter().map(|x| x.to_string()).collect(), remove.iter().map(|x| x.to_string()).collect())
    );
}

#[test]
fn labels_tell_what_is_so_and_none_approves() {
    let mut case = Case::new();
    check(&case, &[], &[]);
    case.label("lgtm", Some("bob")).label("bot/approved", None).label("bot/automerge", Some("zed"));
    assert!(!case.judge().may_merge());
    check(&case, &[], &["bot/approved", "bot/automerge", "lgtm"]);
    let mut case = Case::new();
    case.says(101, "bob", "/lgtm");
    check(&case, &["bot/approved", "lgtm"], &[]);
    case.label("LGTM", Some("towpath[bot]")).label("bot/approved", Some("towpath[bot]"));
    check(&case, &[], &[]);
    case.touches("README.md", false);
    check(&case, &[], &["bot/approved"]);
    check(&Case::own(ChangeKind::Promotion), &["bot/automerge"], &[]);
}

#[test]
fn the_hold_label_follows_the_holds_and_one_of_a_person_is_theirs() {
    let mut case = Case::new();
    case.says(101, "bob", "/lgtm\n/hold");
    check(&case, &["bot/approved", "bot/hold", "lgtm"], &[]);
    case.label("bot/hold", Some("towpath[bot]")).says(102, "bob", "/hold cancel").merges();
    check(&case, &["bot/approved", "lgtm"], &["bot/hold"]);
    case.change.labels[0].by = Some(Account::new("zed"));
    check(&case, &["bot/approved", "lgtm"], &[]);
}

#[test]
fn hotfixes_go_first_then_priorities_then_age() {
    let order = |label: Option<(&str, Option<&str>)>, hotfix: bool, opened: i64, number: u64| {
        let mut case = Case::new();
        if let Some((name, by)) = label {
            case.label(name, by);
        }
        (case.change.hotfix, case.change.opened, case.change.number) = (hotfix, at(opened), number);
        case.judge().order
    };
    let sorted = [
        order(None, true, 90, 9),
        order(Some(("bot/approved: critical", None)), false, 80, 1),
        order(Some(("Bot/Approved: Urgent", None)), false, 80, 1),
        order(Some(("bot/approved: high", Some("kim"))), false, 80, 1),
        order(Some(("bot/approved: progressive-delivery", None)), false, 80, 1),
        order(Some(("bot/approved: medium", None)), false, 80, 1),
        order(Some(("bot/approved: low", None)), false, 80, 1),
        order(None, false, 50, 3),
        order(None, false, 50, 4),
        order(Some(("bot/approved: critical", Some("zed"))), false, 51, 1),
    ];
    assert!(sorted.is_sorted_by(|a, b| a < b), "{sorted:#?}");
    let mut case = Case::new();
    case.label("bot/approved: critical", Some("zed"));
    check(&case, &[], &["bot/approved: critical"]);
}
