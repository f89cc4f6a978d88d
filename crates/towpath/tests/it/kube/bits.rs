//! The same bits: what was tested is what runs, and what runs is what was tested. By the names they have among the attacks.

use std::fmt::Write as _;

use towpath_testbed::{missing_program, skipped};

use super::given::{BUSYBOX, OnKube, move_tag};

/// A tag that is pushed anew between the tests on stage and the deploy to production.
#[test]
fn j6_a_tag_that_moved_after_the_tests_never_comes_to_production_and_put_back_it_goes() {
    let Some(mut on) = OnKube::new() else { return };
    let (tests, production) = (on.test_title(), on.production_title());
    let first = on.it.release("first", true);
    on.it.start(None);
    on.it.until_at(&production, &first);
    on.it.asks(&["hold", "environment/production", "--reason", "not yet"]);
    let second = on.it.release("second", true);
    on.it.until_at(&tests, &second);
    on.it.until_held(&production, "frozen");
    let before = on.running(&on.production);

    // Somebody's build job pushes something else under the tag that was tested.
    let repository = on.stage.clone();
    move_tag(&on.registry, &repository, &second[..7], "kept");
    move_tag(&on.registry, &repository, &first[..7], &second[..7]);
    on.it.asks(&["release", "environment/production", "--reason", "now"]);
    let held = on.it.until_held(&production, "failed");
    assert!(held.contains("the tag was moved after the tests") && held.contains(&second[..7]), "{held}");
    let run = &on.it.runs(&production)[0];
    assert_eq!((&run["class"], &run["commit"]["id"]), (&"own".into(), &second.as_str().into()));
    assert_eq!(on.running(&on.production), before, "production was not touched");

    move_tag(&on.registry, &repository, "kept", &second[..7]);
    on.it.ok(&["retry", &production, "--reason", "the tag is back", "--by", "Ada"]);
    on.it.until_at(&production, &second);
    assert_eq!(on.running(&on.stage), on.running(&on.production));
}

/// A smoke test that ran against other pods than the candidate's.
#[test]
fn j8_a_test_counts_only_if_the_candidates_pods_ran_from_its_beginning_to_its_end() {
    let Some(mut on) = OnKube::new() else { return };
    let (tests, production) = (on.test_title(), on.production_title());
    let first = on.it.release("first", true);
    on.it.start(None);
    on.it.until_at(&production, &first);
    let old = on.running(&on.stage)[0].clone();

    on.it.replace_in("web/deploy/smoke.yaml", "cat verdict; grep", "echo begun; sleep 5; grep");
    let second = on.it.release("second", true);
    let run = on.it.until("a test under way", |it| {
        let run = it.runs(&tests).first().filter(|run| run["commit"]["id"] == second.as_str())?["id"].as_str()?.to_owned();
        String::from_utf8_lossy(&it.run(&["logs", &run]).stdout).contains("begun").then_some(run)
    });
    // Behind its back, the old pods come back.
    let (stage, image) = (on.stage.clone(), format!("web={old}"));
    on.kube.kubectl(&["set", "image", "deployment/web", "-n", &stage, &image]);
    on.kube.kubectl(&["rollout", "status", "deployment/web", "-n", &stage, "--timeout=60s"]);

    let held = on.it.until_held(&tests, "backoff");
    assert!(held.contains("inconclusive") && held.contains("tests that ran against other pods do not count"), "{held}");
    let ended = on.it.runs(&tests).into_iter().find(|known| known["id"] == run.as_str()).unwrap();
    assert_eq!((&ended["state"], &ended["class"]), (&"failed".into(), &"environment".into()));
    assert_eq!(on.it.current(&production).as_deref(), Some(first.as_str()), "what passed counts for nothing");

    // As long as the old ones run, no test of the new one begins.
    on.it.ok(&["retry", &tests, "--reason", "once more", "--by", "Ada"]);
    let again = on.it.until("the next try to end", |it| {
        let newest = it.runs(&tests).first()?.clone();
        (newest["id"] != run.as_str() && newest["state"] == "failed").then_some(newest)
    });
    assert!(again["message"].as_str().unwrap().contains("do not count"), "{again}");
    let made = on.jobs(&stage).iter().filter(|job| job["metadata"]["annotations"]["towpath.dev/run"] == again["id"]).count();
    assert_eq!(made, 0, "it did not begin");

    on.kube.kubectl(&["rollout", "undo", "deployment/web", "-n", &stage]);
    on.kube.kubectl(&["rollout", "status", "deployment/web", "-n", &stage, "--timeout=60s"]);
    on.it.ok(&["retry", &tests, "--reason", "the right pods are back", "--by", "Ada"]);
    on.it.until_at(&production, &second);
}

#[test]
fn an_image_that_buildah_builds_and_pushes_is_deployed_by_its_digest() {
    if let Some(why) = missing_program(&["buildah"]) {
        return skipped(&format!("{why} is not installed")).unwrap_or(());
    }
    let Some(mut on) = OnKube::new() else { return };
    on.it.write("web/Containerfile", "FROM scratch\nCOPY bin /bin\nCOPY verdict /verdict\nRUN [\"sh\", \"-c\", \"cat /verdict && echo built by buildah > /by\"]\nENTRYPOINT [\"sh\"]\n");
    let places = "--root $PWD/.buildah/root --runroot $PWD/.buildah/run";
    let mut command = format!("command: {BUSYBOX} && buildah {places} bud --label org.opencontainers.image.revision=$TOWPATH_COMMIT ");
    write!(command, "-t $TOWPATH_IMAGE:$TOWPATH_IMAGE_TAG . && buildah {places} push --tls-verify=false $TOWPATH_IMAGE:$TOWPATH_IMAGE_TAG")
        .unwrap();
    let source = on.it.read("config/data/web/source.yml");
    let (head, _) = source.split_once("build:\n").unwrap();
    // As root without a daemon and without mounts of its own.
    let env = "{STORAGE_DRIVER: vfs, BUILDAH_ISOLATION: chroot}";
    on.it.write("config/data/web/source.yml", &format!("{head}build:\n  {command}\n  push: true\n  env: {env}\n"));
    on.it.commit("config", "Built by buildah");
    on.it.replace_in("web/deploy/smoke.yaml", "cat verdict;", "cat by;");
    let first = on.it.release("first", true);
    on.it.start(None);
    let (tests, production) = (on.test_title(), on.production_title());
    on.it.until_at(&production, &first);

    let build = on.it.runs("web").into_iter().find(|run| run["kind"] == "build").unwrap();
    let log = on.it.ok(&["logs", build["id"].as_str().unwrap()]);
    let digest = log.split("the command pushed ").nth(1).and_then(|rest| rest.split_whitespace().nth(2)).unwrap_or_else(|| panic!("{log}"));
    for namespace in [&on.stage, &on.production] {
        let running = on.running(namespace);
        assert!(running.len() == 1 && running[0].ends_with(digest), "{namespace}: {running:?}, not {digest}");
    }
    let run = on.it.runs(&tests)[0]["id"].as_str().unwrap().to_owned();
    assert!(on.it.ok(&["logs", &run]).contains("built by buildah"));
}
