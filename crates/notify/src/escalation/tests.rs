use std::collections::BTreeSet;

use proptest::prelude::*;
use towpath_domain::TargetId;

use super::*;

const STEP: Span = Span::from_secs(600);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + seconds * 1000)
}

fn incident() -> Incident {
    Incident {
        subject: Subject::Target(TargetId::new("4fd1").unwrap()),
        run: "deploy-1".into(),
        title: "api / production failed".into(),
        detail: "probe".into(),
        app: None,
        environment: None,
        links: Vec::new(),
    }
}

fn standing() -> Standing {
    Standing {
        incident: incident(),
        opened: at(0),
        told: Vec::new(),
        acknowledged: None,
        heard: Vec::new(),
        ended: false,
        failed: 0,
        not_before: at(0),
    }
}

/// What a climber does with what is next, when all goes well.
fn follow(standing: &mut Standing, rung: &str, action: &Action) {
    match action {
        Action::Trigger => standing.told.push(rung.to_owned()),
        Action::Acknowledge { .. } => standing.heard.push(rung.to_owned()),
        Action::Resolve => standing.told.retain(|told| told != rung),
    }
}

#[test]
fn an_incident_is_named_by_what_failed_and_by_the_run() {
    let next = Incident { run: "deploy-2".into(), ..incident() };
    assert_eq!(incident().key(), incident().key());
    assert_ne!(incident().key(), next.key());
}

proptest! {
    #[test]
    fn rungs_are_told_in_order_once_each_never_early_and_none_after_somebody_sees_to_it(
        count in 0..5usize,
        looks in prop::collection::vec(0..400i64, 1..60),
        acknowledged in prop::option::of(0..60usize),
        ended in prop::option::of(0..60usize),
        under_way in prop::collection::btree_set(0..60usize, 0..20),
    ) {
        let rungs: Vec<String> = (0..count).map(|number| format!("rung {number}")).collect();
        let (mut standing, mut now, mut called, mut resolved) = (standing(), 0, Vec::new(), BTreeSet::new());
        for (look, pause) in looks.iter().enumerate() {
            now += pause;
            if acknowledged == Some(look) {
                standing.acknowledged = Some("Ada".into());
            }
            standing.ended |= ended == Some(look);
            while let Next::Tell { rung, action } = next(&standing, &rungs, STEP, under_way.contains(&look), at(now)) {
                match action {
                    Action::Trigger => {
                        prop_assert!(standing.acknowledged.is_none() && !standing.ended && !under_way.contains(&look));
                        prop_assert_eq!(&rung, &rungs[called.len()]);
                        prop_assert!(at(now) >= at(600 * i64::try_from(called.len()).unwrap()));
                        called.push(rung.clone());
                    }
                    Action::Acknowledge { .. } => prop_assert!(called.contains(&rung) && !standing.heard.contains(&rung)),
                    Action::Resolve => prop_assert!(called.contains(&rung) && resolved.insert(rung.clone())),
                }
                follow(&mut standing, &rung, &action);
            }
        }
        if standing.ended {
            prop_assert_eq!(next(&standing, &rungs, STEP, false, at(now)), Next::Forget);
            prop_assert_eq!(resolved.len(), called.len(), "whoever was called knows that it is mended");
        } else if standing.acknowledged.is_none() && under_way.is_empty() {
            let due = usize::try_from(now / 600).unwrap() + 1;
            prop_assert_eq!(called.len(), due.min(rungs.len()), "nobody is called late");
        }
    }

    #[test]
    fn what_is_waited_for_comes(count in 1..5usize, now in 0..5_000i64) {
        let rungs: Vec<String> = (0..count).map(|number| format!("rung {number}")).collect();
        let mut standing = standing();
        let mut now = at(now);
        for _ in 0..20 {
            match next(&standing, &rungs, STEP, false, now) {
                Next::Tell { rung, action } => follow(&mut standing, &rung, &action),
                Next::Wait(until) => {
                    prop_assert!(until > now);
                    now = until;
                }
                Next::Rest => break,
                Next::Forget => prop_assert!(false, "it is not over"),
            }
        }
        prop_assert_eq!(&standing.told, &rungs);
    }
}
