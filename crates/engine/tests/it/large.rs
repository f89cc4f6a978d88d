//! Installations so large that planning is shared among threads.

use std::sync::Arc;

use towpath_catalog::generate::{Shape, tree_of};
use towpath_catalog::load;
use towpath_domain::{CommitId, Timestamp};
use towpath_engine::*;

#[test]
fn planning_in_several_threads_says_what_planning_in_one_says() {
    let catalog = Arc::new(load(tree_of(Shape { services: 900, sources: true, seed: 5 })).catalog);
    let now = Timestamp::from_millis(1_700_000_000_000);
    let mut facts = Facts::default();
    let mut planner = Planner::new(catalog.clone(), &facts, now);
    for (source, number) in catalog.sources.values().zip(1_u64..) {
        let id: CommitId = format!("{number:040x}").parse().unwrap();
        let commits = vec![CommitInfo { id, subject: "Mend the lock gate".to_owned(), author: "Ann".to_owned(), at: now }];
        let keys = facts.apply(now, &Event::BranchSeen { url: source.url.clone(), branch: source.branch.clone(), commits });
        // One event at a time is planned in one thread.
        planner.touch(&facts, &keys, now);
    }

    let all = plan(&catalog, &facts, now);
    assert!(all.verdicts.len() > 3_000, "{} subjects are too few to be shared", all.verdicts.len());
    assert!(all.actions.len() > 900, "{} actions: too little is going on", all.actions.len());
    assert!(planner.verdicts().map(|(subject, verdict)| (subject, verdict.clone())).eq(all.verdicts.clone()));
    assert_eq!(planner.actions(), all.actions);

    planner.plan_again(&facts, now);
    assert!(planner.verdicts().map(|(subject, verdict)| (subject, verdict.clone())).eq(all.verdicts));
    assert_eq!(planner.actions(), all.actions);
}
