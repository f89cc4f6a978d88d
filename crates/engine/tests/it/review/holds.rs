use super::*;

fn approved() -> Case {
    let mut case = Case::new();
    case.says(101, "bob", "/lgtm");
    case
}

#[test]
fn the_author_and_approvers_hold_and_nobody_else() {
    approved().says(102, "cid", "/hold until Monday").held_by("`cid` holds it since 1970-01-01T00:01:42.000Z: `until Monday`");
    approved().says(102, "kim", "/hold").held_by("`kim` holds it");
    approved().says(102, "zed", "/hold").says(103, "dan", "/hold").says(104, "nobody", "/hold").merges();
    approved().says(90, "ann", "/hold").held_by("`ann` holds it");
}

#[test]
fn a_hold_is_lifted_by_its_holder_or_the_same_role_and_the_authors_by_any_approver() {
    let cid = || approved().says(102, "cid", "/hold").clone();
    cid().says(103, "cid", "/hold cancel").merges();
    cid().says(103, "kim", "/hold cancel").merges();
    cid().says(103, "zed", "/hold cancel").held_by("`cid` holds it");
    let kim = || approved().says(102, "kim", "/hold").clone();
    kim().says(103, "kim", "/hold cancel").merges();
    kim().says(103, "cid", "/hold cancel").held_by("`kim` holds it");
    kim().says(103, "bob", "/hold cancel").held_by("`kim` holds it");
    let ann = || approved().says(102, "ann", "/hold").clone();
    ann().says(103, "bob", "/hold cancel").merges();
    ann().says(103, "kim", "/hold cancel").held_by("`ann` holds it");
    // Held anew, or at the same time.
    ann().says(103, "ann", "/hold cancel").says(103, "ann", "/hold").held_by("`ann` holds it");
    ann().says(103, "ann", "/hold cancel\n/hold").held_by("`ann` holds it");
    ann().says(103, "ann", "/hold\n/hold cancel").held_by("`ann` holds it");
    approved().says(103, "ann", "/hold").says(103, "ann", "/hold cancel").held_by("`ann` holds it");
}

#[test]
fn a_hold_outlives_new_commits() {
    let mut case = Case::new();
    case.says(60, "ann", "/hold").says(101, "bob", "/lgtm").held_by("`ann` holds it");
}

#[test]
fn a_review_that_asks_for_changes_holds_until_its_author_approves() {
    let mut case = approved();
    case.reviews(90, "ann", Opinion::Refuses, Some(commit(6))).held_by("`ann` asks for changes");
    case.clone().says(102, "kim", "/lgtm").held_by("`ann` asks for changes");
    case.clone().reviews(103, "ann", Opinion::Remarks, None).held_by("`ann` asks for changes");
    case.clone().reviews(103, "ann", Opinion::Approves, Some(head())).merges();
    case.clone().says(103, "ann", "/lgtm").merges();
    case.change.reviews[0].opinion = Opinion::Remarks;
    case.merges();
    approved().reviews(102, "zed", Opinion::Refuses, Some(head())).merges();
    let mut both = Case::new();
    both.reviews(101, "bob", Opinion::Refuses, Some(head())).reviews(101, "bob", Opinion::Approves, Some(head()));
    assert_eq!(both.holds().len(), 2, "at the same time, the careful one counts");
}

#[test]
fn an_edited_comment_neither_approves_nor_lifts_but_holds_from_its_edit_on() {
    let mut case = Case::new();
    case.says(101, "bob", "/lgtm");
    case.change.comments[0].edited = Some(at(102));
    assert_eq!(case.holds().len(), 1);
    let mut case = approved();
    case.says(102, "ann", "/hold").says(103, "ann", "/hold cancel").merges();
    let mut held = case.clone();
    held.change.comments[2].edited = Some(at(104));
    held.held_by("`ann` holds it");
    case.change.comments[1].edited = Some(at(104));
    case.held_by("`ann` holds it since 1970-01-01T00:01:44.000Z");
    let mut case = approved();
    case.says(101, "ann", "/lgtm cancel");
    case.change.comments[1].edited = Some(at(105));
    assert_eq!(case.holds().len(), 1);
}

#[test]
fn drafts_conflicts_and_labels_that_hold_hold() {
    let mut case = approved();
    case.change.draft = true;
    case.held_by("it is a draft");
    let mut case = approved();
    case.change.conflict = true;
    case.held_by("it conflicts with its branch");
    for label in [
        "awaiting-approval",
        "blocked/bot-access",
        "changes-requested",
        "bot/hold",
        "do-not-merge/hold",
        "do-not-merge/pending-review",
        "needs-rebase",
        "Bot/Hold",
    ] {
        approved().label(label, Some("zed")).held_by(&format!("`zed` gave it the label `{label}`"));
        approved().label(label, None).held_by(&format!("it has the label `{label}`"));
    }
    approved().label("bug", None).merges();
}
