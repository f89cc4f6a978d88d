//! Pull requests of a source on hosted forges: what people see on them, what they ask for there, and what nobody gets at by one.

mod attacks;
mod stage;

use stage::{Hosted, PAGES, Speaks};

/// What every check of the installation is told of, beside the whole.
const PARTS: [&str; 5] = ["build", "namespace", "deploy", "test smoke", "command"];

#[test]
fn on_forgejo_each_part_has_its_status_and_what_came_of_it_is_kept_up_to_date() {
    told_on(Speaks::Forgejo);
}

#[test]
fn and_on_github_each_part_has_its_check_run() {
    told_on(Speaks::GitHub);
}

#[test]
fn and_on_gitlab_so_it_is() {
    told_on(Speaks::GitLab);
}

fn told_on(speaks: Speaks) {
    let Some(mut on) = Hosted::new(speaks) else { return };
    on.hold(1);
    on.it.start(None);
    let one = on.open("one", "bea", &[("verdict", "good\n"), ("changes/1", "")]);
    on.until_said(&one.head, "towpath/check/command", "pending", "under way");
    let run = on.runs(1)[0].id.clone();
    let page = format!("{PAGES}/runs/{run}");
    for part in &PARTS[..4] {
        let said = on.until_said(&one.head, &format!("towpath/check/{part}"), "success", "done");
        assert_eq!(said.url, page, "{part}");
    }
    // GitLab takes new words of what waits once, and no more.
    if speaks != Speaks::GitLab {
        assert_eq!(on.until_said(&one.head, "towpath/check", "pending", &format!("{run} is under way")).url, page);
    }

    // Who waits sees their place; urgent ones go first.
    let two = on.open("two", "bea", &[("verdict", "bad\n"), ("changes/2", "")]);
    let waits = on.until_said(&two.head, "towpath/check", "pending", "1 of 1 in the queue, 1 at a time; under way: web#1");
    assert_eq!(waits.url, format!("{PAGES}/checks/web%232"));
    let three = on.open("three", "cyd", &[("verdict", "good\n"), ("changes/3", "")]);
    on.until_said(&three.head, "towpath/check", "pending", "2 of 2 in the queue");
    on.label(3, "urgent");
    if speaks != Speaks::GitLab {
        on.until_said(&three.head, "towpath/check", "pending", "1 of 2 in the queue, urgent");
        on.until_said(&two.head, "towpath/check", "pending", "2 of 2 in the queue");
    }
    on.until("the urgent one to be seen", |on| on.it.ask(&["check", "show", "web#3"]).filter(|view| view["urgent"] == true));

    on.let_go_on(1);
    on.until_said(&one.head, "towpath/check", "success", "passed");
    for part in PARTS {
        assert_eq!(on.until_said(&one.head, &format!("towpath/check/{part}"), "success", "passed").url, page, "{part}");
    }
    let (_, text) = on.until_written(1, "passed");
    assert!(text.contains(&one.head[..12]) && text.contains(&format!("]({page})")) && text.contains("/retest"), "{text}");

    // Whose fault it is, and where.
    let whole = on.until_said(&two.head, "towpath/check", "failure", "by the fault of the pull request itself");
    assert!(whole.text.contains("test smoke"), "{whole:?}");
    on.until_said(&two.head, "towpath/check/test smoke", "failure", "");
    on.until_said(&two.head, "towpath/check/deploy", "success", "passed");
    on.until_said(&two.head, "towpath/check/command", "error", "was not come to");
    let (comment, text) = on.until_written(2, "failed");
    assert!(text.contains("At **test smoke**, by the fault of **the pull request itself**"), "{text}");
    if speaks == Speaks::GitHub {
        let world = on.forge.world();
        let run = world.github.checks.iter().rev().find(|run| run.commit == two.head && run.name == "towpath/check").unwrap();
        assert!(run.summary.as_deref().is_some_and(|text| text.contains("by the fault of **the pull request itself**")), "{run:?}");
    }
    let queued = on.it.events().into_iter().map(|line| line["event"].clone()).filter(|event| event["event"] == "run-queued");
    let order: Vec<u64> = queued.filter_map(|event| event["work"]["number"].as_u64()).collect();
    assert_eq!(order, [1, 3, 2], "the urgent one went first");

    // A mended one has its words in the place of the old.
    let mended = on.push("two", &[("verdict", "good\n"), ("changes/2", "mended")]);
    on.until_said(&mended, "towpath/check", "success", "passed");
    let (same, text) = on.until_written(2, "passed");
    assert!(same == comment && text.contains(&mended[..12]) && !text.contains("failed"), "{text}");
    assert_eq!([1, 2, 3].map(|number| on.written(number).len()), [1, 1, 1]);
    on.nothing_is_held();
    on.it.stop();
    on.it.ok(&["ledger", "verify"]);
}

#[test]
fn a_forge_that_cannot_be_asked_is_told_wherever_its_pull_requests_are_shown() {
    let Some(mut on) = Hosted::new(Speaks::Forgejo) else { return };
    on.it.start(None);
    let one = on.open("one", "bea", &[("verdict", "good\n"), ("changes/1", "")]);
    on.until_said(&one.head, "towpath/check", "success", "passed");
    let well = on.it.ok(&["doctor"]);
    assert!(well.contains("forge of web") && well.contains("as towpath"), "{well}");
    let of = |on: &Hosted| Some(on.it.ask(&["check", "show", "web#1"])?["unreachable"].clone());
    assert_eq!(of(&on), Some(serde_json::Value::Null));
    // Its owner takes the token back.
    let token = std::mem::replace(&mut on.forge.world().token, "another one".to_owned());
    on.until("the trouble to be told", |on| of(on).filter(|why| why.as_str().is_some_and(|why| why.contains("401"))));
    let (list, show) = (on.it.ok(&["check", "list"]), on.it.ok(&["check", "show", "web#1"]));
    assert!(list.contains("The forge of web cannot be asked since ") && show.contains("cannot be asked since "), "{list}{show}");
    let doctor = on.it.run(&["doctor"]);
    let said = String::from_utf8_lossy(&doctor.stdout);
    assert!(doctor.status.code() == Some(5) && said.contains("pull requests of web") && said.contains("[[forges]]"), "{said}");
    on.forge.world().token = token;
    on.until("the trouble to be over", |on| of(on).filter(serde_json::Value::is_null));
}

#[test]
fn on_forgejo_what_people_ask_for_is_done_once() {
    asked_on(Speaks::Forgejo);
}

#[test]
fn and_so_it_is_on_github() {
    asked_on(Speaks::GitHub);
}

fn asked_on(speaks: Speaks) {
    let Some(mut on) = Hosted::new(speaks) else { return };
    on.it.start(None);
    let one = on.open("one", "bea", &[("verdict", "good\n"), ("changes/1", "")]);
    on.until_said(&one.head, "towpath/check", "success", "passed");
    // A stranger is refused, and told so once.
    on.say(1, "stan", "/retest");
    on.say(1, "stan", "/cancel");
    on.until("both answers", |on| (on.answers(1, "this was not heard") == 2).then_some(()));
    on.say(1, "bea", "/test smok");
    on.until_written(1, "there is no test smok; there are: smoke");
    assert_eq!(on.runs(1).len(), 1);

    on.say(1, "bea", "/retest");
    assert_eq!(on.until_ran(1, 2).ended(), "checked");
    on.say(1, "ada", "/test smoke");
    let third = on.until_ran(1, 3);
    assert_eq!((third.ended(), third.tests.as_slice(), on.ran().lines().count()), ("checked", ["smoke".to_owned()].as_slice(), 2));
    on.hold(1);
    on.say(1, "bea", "/retest");
    on.until_said(&one.head, "towpath/check/command", "pending", "under way");
    on.say(1, "ada", "/cancel");
    on.until_said(&one.head, "towpath/check", "error", "cancelled by ada");
    assert_eq!(on.until_ran(1, 4).ended(), "cancelled");
    on.nothing_is_held();

    // What was heard before a restart is not heard again; what was written meanwhile is.
    let before = on.written(1);
    on.it.kill();
    on.let_go_on(1);
    on.say(1, "bea", "/retest");
    on.say(1, "stan", "/retest");
    on.it.start(None);
    assert_eq!(on.until_ran(1, 5).ended(), "checked");
    on.until("one more answer", |on| (on.answers(1, "this was not heard") == 3).then_some(()));
    on.it.stop();
    on.it.start(None);
    on.until_looked();
    assert_eq!(on.runs(1).len(), 5);
    assert_eq!(on.written(1).len(), before.len() + 1);
}

#[test]
fn one_test_that_passes_does_not_make_up_for_the_rest_that_failed_or_never_ran() {
    let Some(mut on) = Hosted::new(Speaks::Forgejo) else { return };
    on.hold(1);
    on.it.start(None);
    on.open("one", "bea", &[("verdict", "good\n"), ("changes/1", "")]);
    on.until("the first to be under way", |on| on.ran().starts_with('1').then_some(()));
    // Asked for while all of it waits, a test is part of that.
    let two = on.open("two", "bea", &[("verdict", "good\n"), ("broken", "")]);
    on.until_said(&two.head, "towpath/check", "pending", "1 of 1 in the queue");
    on.say(2, "bea", "/test smoke");
    on.until_looked();
    on.let_go_on(1);
    let first = on.until_ran(2, 1);
    assert_eq!((first.ended(), first.tests.len()), ("failed", 0));
    on.until_said(&two.head, "towpath/check", "failure", "command");

    on.say(2, "bea", "/test smoke");
    let second = on.until_ran(2, 2);
    assert_eq!((second.ended(), second.tests.len()), ("checked", 1));
    on.until_said(&two.head, "towpath/check/test smoke", "success", "passed");
    on.until_written(2, "smoke passed since, and");
    on.until_said(&two.head, "towpath/check", "failure", "command");
    on.until_said(&two.head, "towpath/check/command", "failure", "");
    let is_whole = |body: &serde_json::Value| body["context"] == "towpath/check" && body["state"] == "success";
    let asked = on.forge.take_asked();
    let path = format!("statuses/{}", two.head);
    assert!(!asked.iter().any(|(asked, _)| asked.path.join("/").ends_with(&path) && is_whole(&asked.body)), "never told as well");

    let mended = on.push("two", &[("verdict", "good\n"), ("changes/2", "mended")]);
    on.until_said(&mended, "towpath/check", "success", "passed");
    // Where all of it passed, one that fails afterwards counts, and so does one that passes again.
    on.say(2, "bea", "/test smoke");
    assert_eq!(on.until_ran(2, 4).ended(), "checked");
    on.until_said(&mended, "towpath/check", "success", "passed");
}

#[test]
fn a_webhook_has_a_pull_request_looked_at_at_once_and_one_that_is_closed_ends() {
    announced_on(Speaks::Forgejo);
}

#[test]
fn and_so_it_is_on_github_whose_looks_are_hours_apart() {
    announced_on(Speaks::GitHub);
}

fn announced_on(speaks: Speaks) {
    let Some(mut on) = Hosted::new(speaks) else { return };
    on.looks_only_when_told();
    on.hold(1);
    on.it.start(None);
    let one = on.open("one", "bea", &[("verdict", "good\n"), ("changes/1", "")]);
    on.until("the server to answer", |on| on.it.ask(&["status"]));
    assert_eq!(on.announce("a"), "202");
    on.until_said(&one.head, "towpath/check/command", "pending", "under way");
    on.say(1, "stan", "/cancel");
    assert_eq!(on.announce("b"), "202");
    on.until_written(1, "this was not heard");
    on.close(1);
    assert_eq!(on.announce("c"), "202");
    let run = on.until_ran(1, 1);
    assert_eq!(run.ended(), "superseded");
    assert!(run.outcome.unwrap()["by"].as_str().unwrap().contains("no longer open"));
    on.nothing_is_held();
    assert_eq!(on.it.ask(&["check", "list"]).unwrap().as_array().unwrap().len(), 0);
}
