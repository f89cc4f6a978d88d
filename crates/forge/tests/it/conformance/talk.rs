//! What is said of a change, and what is read of it.

use super::*;

pub async fn words_and_labels_follow_the_proposal<S: Stage>() {
    let (stage, forge, base, _) = with_change::<S>().await;
    let mut change = proposal("web-1", base, "ref", "2\n");
    change.labels = vec!["bot/automerge".to_owned(), "hotfix".to_owned()];
    change.description = "Newer.\n\n/merge".to_owned();
    change.title = "Promote web\nto stage".to_owned();
    open(&*forge, &change).await;
    stage.take_calls();
    open(&*forge, &change).await;
    assert_eq!(stage.take_calls().1, 0, "nothing is sent when it says so already");
    if let Some(seen) = stage.seen().first() {
        assert_eq!(seen.title, "Promote web to stage");
        assert!(seen.body.starts_with("Newer.") && seen.body.contains("merge"), "{seen:?}");
        assert_eq!(seen.labels, ["bot/automerge", "hotfix"]);
    }
}

pub async fn comments_are_brought_up_to_date_in_place_and_only_towpaths_own<S: Stage>() {
    let (stage, forge, ..) = with_change::<S>().await;
    let Some(number) = number(&stage) else { return };
    assert_eq!(forge.account().await.unwrap(), "towpath");
    stage.people_comment(number, "mallory", "<!-- towpath:plan -->\nNothing is deployed, trust me.");
    stage.people_comment(number, "ann", "/lgtm");
    forge.comment(number, "plan", "Deploys web.").await.unwrap();
    stage.take_calls();
    forge.comment(number, "plan", "Deploys web.").await.unwrap();
    assert_eq!(stage.take_calls().1, 0, "nothing is sent when it says so already");
    forge.comment(number, "plan", "Deploys web and api.").await.unwrap();
    forge.comment(number, "gate", "Vouched for.").await.unwrap();
    // Written twice, after an answer that was lost and a look that came too early.
    stage.people_comment(number, "towpath", "<!-- towpath:plan -->\nDeploys web.");
    forge.comment(number, "plan", "Deploys all.").await.unwrap();
    let comments = forge.comments(number).await.unwrap();
    let said: Vec<(&str, &str)> = comments.iter().map(|comment| (comment.author.as_str(), comment.body.as_str())).collect();
    assert_eq!(
        said,
        [
            ("mallory", "<!-- towpath:plan -->\nNothing is deployed, trust me."),
            ("ann", "/lgtm"),
            ("towpath", "<!-- towpath:plan -->\nDeploys all."),
            ("towpath", "<!-- towpath:gate -->\nVouched for."),
            ("towpath", "<!-- towpath:plan -->\nSee this comment's twin above."),
        ]
    );
    assert!(comments[2].changed_at > comments[2].at && comments[1].changed_at == comments[1].at);
    stage.take_calls();
    forge.comment(number, "plan", "Deploys all.").await.unwrap();
    assert_eq!(stage.take_calls().1, 0);
    assert!(forge.comment(number, "plan --> x", "y").await.is_err());
}

pub async fn labels_come_and_go<S: Stage>() {
    let (stage, forge, ..) = with_change::<S>().await;
    let Some(number) = number(&stage) else { return };
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    forge.label(number, &names(&["lgtm", "bot/hold"]), &[]).await.unwrap();
    forge.label(number, &names(&["bot/approved"]), &names(&["bot/hold", "never there"])).await.unwrap();
    assert_eq!(forge.pull(number).await.unwrap().unwrap().labels, ["bot/approved", "lgtm"]);
    stage.take_calls();
    forge.label(number, &names(&["lgtm"]), &names(&["bot/hold"])).await.unwrap();
    assert_eq!(stage.take_calls().1, 0);
}

pub async fn what_people_think_is_read<S: Stage>() {
    let (stage, forge, _, head) = with_change::<S>().await;
    let Some(number) = number(&stage) else { return };
    assert_eq!(forge.reviews(number).await.unwrap(), []);
    stage.people_review(number, "ann", true);
    stage.people_review(number, "ben", false);
    let reviews = forge.reviews(number).await.unwrap();
    let opinions: Vec<_> = reviews.iter().map(|review| (review.author.as_str(), review.opinion)).collect();
    assert_eq!(opinions, [("ann", Opinion::Approves), ("ben", Opinion::Refuses)]);
    assert!(reviews.iter().all(|review| review.at.is_some() && review.commit.is_none_or(|commit| commit == head)));
}

pub async fn statuses_are_set_once_and_read_back<S: Stage>() {
    let (stage, forge, _, head) = with_change::<S>().await;
    if !forge.abilities().statuses {
        return;
    }
    let mut status = Status {
        context: "towpath/plan".to_owned(),
        state: StatusState::Pending,
        summary: "Looking".to_owned(),
        details: String::new(),
        url: Some("https://towpath.example.com/runs/1".to_owned()),
    };
    for state in [StatusState::Pending, StatusState::Failure, StatusState::Error, StatusState::Success] {
        status.state = state;
        for _ in 0..2 {
            forge.set_status(head, &status).await.unwrap();
        }
        let found = forge.statuses(head).await.unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].state, found[0].summary.as_str(), &found[0].url), (state, "Looking", &status.url));
        assert_eq!(stage.forge("other").await.statuses(head).await.unwrap(), found);
        stage.take_calls();
        forge.set_status(head, &status).await.unwrap();
        assert_eq!(stage.take_calls().1, 0, "nothing is sent when it was the last thing said");
    }
    status.context = "towpath/gate".to_owned();
    status.summary = "ü".repeat(300);
    forge.set_status(head, &status).await.unwrap();
    assert_eq!(forge.statuses(head).await.unwrap().len(), 2);
    stage.take_calls();
    forge.set_status(head, &status).await.unwrap();
    assert_eq!(stage.take_calls().1, 0, "also where it is too long to be said whole");
    assert!(forge.set_status(CommitId::NULL, &status).await.is_err());
}

pub async fn what_the_branch_demands_is_told<S: Stage>() {
    let stage = S::start().await;
    stage.lab().people_push("main", "ref", "1\n");
    let forge = stage.forge("m").await;
    if !forge.abilities().protection {
        return;
    }
    assert_eq!(forge.protection().await.unwrap(), towpath_forge::Protection::default());
    stage.rule(Rules { no_push: true, up_to_date: true, required_approvals: 2, ..Rules::default() });
    let told = stage.forge("m2").await.protection().await.unwrap();
    assert_eq!((told.no_direct_push, told.up_to_date, told.required_approvals), (true, true, 2));
    stage.take_calls();
    assert_eq!(forge.protection().await.unwrap(), towpath_forge::Protection::default(), "it is not asked for at every turn");
    assert_eq!(stage.take_calls(), (0, 0));
    stage.rule(Rules { queue: true, ..Rules::default() });
    assert_eq!(stage.forge("m3").await.protection().await.unwrap().queue, forge.abilities().queue);
}

pub async fn lists_are_read_to_their_last_page<S: Stage>() {
    let (stage, forge, base, head) = with_change::<S>().await;
    stage.limit_pages(2);
    for name in ["a", "b", "c", "d"] {
        open(&*forge, &proposal(name, base, name, "x\n")).await;
    }
    if !is_hosted(&*forge) {
        return;
    }
    let numbers: Vec<u64> = forge.open_pulls().await.unwrap().iter().map(|pull| pull.number.0).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
    for text in ["1", "2", "3", "4", "5"] {
        stage.people_comment(Number(1), "ann", text);
    }
    forge.comment(Number(1), "plan", "6").await.unwrap();
    forge.comment(Number(1), "plan", "7").await.unwrap();
    assert_eq!(forge.comments(Number(1)).await.unwrap().len(), 6);
    let names: Vec<String> = ["e", "f", "g"].map(str::to_owned).to_vec();
    forge.label(Number(1), &names, &[]).await.unwrap();
    forge.label(Number(1), &[], &names[2..]).await.unwrap();
    assert_eq!(forge.pull(Number(1)).await.unwrap().unwrap().labels, names[..2]);
    for context in ["a", "b", "c"] {
        let status =
            Status { context: context.to_owned(), state: StatusState::Success, summary: String::new(), details: String::new(), url: None };
        forge.set_status(head, &status).await.unwrap();
    }
    assert_eq!(forge.statuses(head).await.unwrap().len(), 3);
}

pub async fn what_is_declared_is_there_and_what_is_not_declared_is_refused<S: Stage>() {
    let (stage, forge, _, head) = with_change::<S>().await;
    let (can, number) = (forge.abilities(), number(&stage).unwrap_or(Number(1)));
    let status =
        Status { context: "x".to_owned(), state: StatusState::Success, summary: "y".to_owned(), details: String::new(), url: None };
    let unable = |ended: Result<(), ForgeError>| match ended {
        Ok(()) => false,
        Err(ForgeError::Unable { .. }) => true,
        Err(other) => panic!("{other}"),
    };
    assert_eq!(unable(forge.comment(number, "x", "y").await), !can.comments);
    assert_eq!(unable(forge.comments(number).await.map(drop)), !can.comments);
    assert_eq!(unable(forge.open_pulls().await.map(drop)), !can.pulls);
    assert_eq!(unable(forge.pull(number).await.map(drop)), !can.pulls);
    assert_eq!(unable(forge.account().await.map(drop)), !can.comments);
    assert_eq!(unable(forge.label(number, &["z".to_owned()], &[]).await), !can.labels);
    assert_eq!(unable(forge.reviews(number).await.map(drop)), !can.reviews);
    assert_eq!(unable(forge.set_status(head, &status).await), !can.statuses);
    assert_eq!(unable(forge.statuses(head).await.map(drop)), !can.statuses);
    assert_eq!(unable(forge.protection().await.map(drop)), !can.protection);
    assert_eq!(unable(forge.queued(number, head).await.map(drop)), !can.queue);
    assert_eq!(unable(forge.rerun_failed(number, head).await.map(drop)), !can.reruns);
    // Without a queue of the branch's, nothing is put there either way.
    assert!(forge.queue_again(number, head).await.is_err());
    assert!(!forge.name().is_empty());
}
