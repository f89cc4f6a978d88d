use proptest::prelude::*;
use proptest::strategy::ValueTree;

use super::*;

const BODIES: [&str; 8] = ["/lgtm", "/lgtm cancel", "/hold", "/hold cancel", "/retest", "/why\n/lgtm", "> /lgtm", "/lgtm\n/hold cancel"];

/// What is said: by whom, what, when, edited when, and whether as a review.
type Said = (usize, usize, i64, Option<i64>, u8);

fn talk(length: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Said>> {
    prop::collection::vec((0usize..8, 0usize..BODIES.len(), 40i64..160, prop::option::weighted(0.2, 40i64..160), 0u8..6), length)
}

fn say(case: &mut Case, people: &[&str], talk: &[Said]) {
    for (who, what, second, edited, review) in talk {
        let by = people[who % people.len()];
        let of = [None, Some(head()), Some(commit(6))][what % 3];
        match review {
            0 => case.reviews(*second, by, Opinion::Approves, of),
            1 => case.reviews(*second, by, Opinion::Refuses, of),
            _ => case.says(*second, by, BODIES[*what]),
        };
        if let (Some(comment), Some(edited), 2..) = (case.change.comments.last_mut(), edited, review) {
            comment.edited = Some(at(*edited));
        }
    }
}

const EVERYBODY: [&str; 8] = ["ann", "bob", "cid", "dan", "eve", "kim", "zed", "stranger"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn nothing_that_those_who_may_not_approve_say_makes_a_change_mergeable(talk in talk(0..30), labels in prop::collection::vec(0usize..5, 0..4)) {
        // The author has the role, and the production owners have another one.
        let mut case = Case::new();
        say(&mut case, &["cid", "dan", "eve", "zed", "stranger", "towpath[bot]", "\u{212a}im", "b\u{43e}b"], &talk);
        for label in labels {
            case.label(["lgtm", "bot/approved", "bot/automerge", "bot/approved: critical", "x"][label], Some("zed"));
        }
        prop_assert!(!case.judge().may_merge());
    }

    #[test]
    fn a_hold_after_all_else_holds(talk in talk(0..30), by in 0usize..4, second in 160i64..170) {
        let mut case = Case::new();
        say(&mut case, &EVERYBODY, &talk);
        let by = ["ann", "bob", "cid", "kim"][by];
        case.says(second, by, "/hold");
        let holds = case.judge().holds;
        let held = holds.iter().any(|hold| matches!(hold, ReviewHold::Held { by: holder, .. } if holder == by));
        prop_assert!(held, "{:?}", holds);
    }

    #[test]
    fn no_approval_outlives_a_new_head(talk in talk(0..30)) {
        let mut case = Case::new();
        say(&mut case, &EVERYBODY, &talk);
        case.change.head = commit(8);
        case.change.head_since = at(160);
        case.change.checks.get_mut("validation").unwrap().commit = commit(8);
        let verdict = case.judge();
        prop_assert!(verdict.approved_by.is_empty() && !verdict.may_merge(), "{:?}", verdict);
    }

    #[test]
    fn the_order_in_which_things_are_listed_does_not_matter(talk in talk(0..20), seed: u64) {
        let mut case = Case::new();
        case.touches_target("prod");
        say(&mut case, &EVERYBODY, &talk);
        // Times are few, so that many fall together.
        for comment in &mut case.change.comments {
            comment.at = at(comment.at.as_millis() / 1000 / 30 * 30);
        }
        let one = case.judge();
        let mut other = case.clone();
        let key = |id: &str| { use std::hash::{DefaultHasher, Hash, Hasher}; let mut h = DefaultHasher::new(); (seed, id).hash(&mut h); h.finish() };
        other.change.comments.sort_by_key(|comment| key(&comment.id));
        other.change.reviews.sort_by_key(|review| key(&review.id));
        prop_assert_eq!(one, other.judge());
    }

    #[test]
    fn what_is_merged_has_an_approval_of_its_newest_commit_by_somebody_who_may(talk in talk(0..30)) {
        let mut case = Case::new();
        say(&mut case, &EVERYBODY, &talk);
        let verdict = case.judge();
        if verdict.may_merge() {
            prop_assert!(verdict.approved_by.iter().any(|by| ["ann", "bob", "kim"].contains(&by.as_str())), "{:?}", verdict);
            prop_assert!(talk.iter().any(|(who, ..)| ["ann", "bob", "kim"].contains(&EVERYBODY[who % 8])));
        }
    }
}

#[test]
fn the_properties_see_changes_that_merge() {
    // Otherwise they would hold of a judge that holds everything.
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let merged = (0..200).filter(|_| {
        let talk = talk(0..8).new_tree(&mut runner).unwrap().current();
        let mut case = Case::new();
        say(&mut case, &EVERYBODY, &talk);
        case.judge().may_merge()
    });
    assert!(merged.count() > 5);
}
