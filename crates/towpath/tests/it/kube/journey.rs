//! Stories.

use super::given::OnKube;

#[test]
fn a_push_comes_to_production_pods_with_the_bits_that_were_tested_and_a_bad_version_never_does() {
    let Some(mut on) = OnKube::new() else { return };
    let (stage, production, tests) = (on.stage_title(), on.production_title(), on.test_title());
    let first = on.it.release("first", true);
    on.it.start(None);
    on.it.until_at(&production, &first);

    let digest = on.it.target(&production).unwrap()["current"]["digests"].to_string();
    for namespace in [on.stage.clone(), on.production.clone()] {
        let running = on.running(&namespace);
        assert_eq!(running.len(), 1, "{namespace}: {running:?}");
        let found = running[0].rsplit_once('@').unwrap().1.to_owned();
        assert!(digest.is_empty() || digest == "null" || digest.contains(&found), "{namespace} runs {found}, not {digest}");
    }
    assert_eq!(on.running(&on.stage)[0], on.running(&on.production)[0], "the same bits");
    let live = on.kube.get(&["deployment", "web", "-n", &on.production]);
    assert_eq!(live["metadata"]["annotations"]["towpath.dev/ref"], first);
    assert_eq!(live["metadata"]["annotations"]["towpath.dev/environment"], "production");

    // What the test printed is kept in its run, and its pod may go.
    let run = on.it.runs(&tests)[0]["id"].as_str().unwrap().to_owned();
    assert!(on.it.ok(&["logs", &run]).contains("good"), "{}", on.it.ok(&["logs", &run]));

    let bad = on.it.release("bad", false);
    on.it.until_at(&stage, &bad);
    let held = on.it.until_held(&tests, "failed");
    assert!(held.contains("exit code"), "{held}");
    assert_eq!(on.it.current(&production).unwrap(), first);

    let third = on.it.release("third", true);
    on.it.until_at(&production, &third);
    assert_eq!(on.it.deployed(&production), [first, third]);
    assert_eq!(on.running(&on.stage)[0], on.running(&on.production)[0]);
}

#[test]
fn a_server_that_is_killed_while_it_waits_makes_no_second_job_and_loses_no_line() {
    let Some(mut on) = OnKube::new() else { return };
    on.it.replace_in("web/deploy/smoke.yaml", "cat verdict; grep", "for i in 1 2 3 4 5 6; do echo line $i; sleep 1; done; grep");
    let first = on.it.release("first", true);
    on.it.start(None);
    let (tests, production) = (on.test_title(), on.production_title());
    let run = on.it.until("a test that prints", |it| {
        let run = it.runs(&tests).first()?["id"].as_str()?.to_owned();
        let log = it.run(&["logs", &run]);
        String::from_utf8_lossy(&log.stdout).contains("line 2").then_some(run)
    });
    on.it.kill();
    on.it.start(None);
    on.it.until_at(&production, &first);
    assert_eq!(on.jobs(&on.stage).len(), 1, "one job");
    let log = on.it.ok(&["logs", &run]);
    for line in 1..=6 {
        assert_eq!(log.matches(&format!("line {line}")).count(), 1, "line {line} once:\n{log}");
    }
}

#[test]
fn a_cluster_that_nobody_named_takes_nothing() {
    let Some(mut on) = OnKube::new() else { return };
    let text = on.it.read("towpath.toml").replace("[clusters.laptop]", "[clusters.other]");
    on.it.write("towpath.toml", &text);
    on.it.release("first", true);
    on.it.start(None);
    let stage = on.stage_title();
    let held = on.it.until_held(&stage, "failed");
    assert!(held.contains("cluster laptop is not named in towpath.toml"), "{held}");
    assert!(on.running(&on.stage).is_empty());
}
