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

#[test]
fn a_secret_reaches_its_pods_and_no_file_of_ours_and_a_new_one_deploys_again() {
    let Some(mut on) = OnKube::new() else { return };
    let secret = "  - apiVersion: v1\n    kind: Secret\n    metadata: {name: creds}\n    stringData: {password: '${PASSWORD}'}\n";
    let template = on
        .it
        .read("web/deploy/web.yaml")
        .replace("  - {name: IMAGE, required: true}", "  - {name: PASSWORD, required: true}\n  - {name: IMAGE, required: true}");
    on.it.write("web/deploy/web.yaml", &(template + secret));
    let secrets = "managedResourceTypes: [Deployment, Secret]\nallowedSecretParameterPaths: [web]\nsecretParameters:\n  - {name: PASSWORD, secret: {path: web/db, field: password}}";
    on.it.replace("web/deploy.yml", "managedResourceTypes: [Deployment]", secrets);
    on.it.commit("config", "A password");
    on.it.write("vault/web/db.yaml", "password: correct-horse-battery\n");
    let config = on.it.read("towpath.toml");
    on.it.write("towpath.toml", &format!("{config}[secrets.files]\ndirectory = \"vault\"\n"));
    let first = on.it.release("first", true);
    on.it.start(None);
    let production = on.production_title();
    on.it.until_at(&production, &first);
    let namespace = on.production.clone();
    let password =
        |on: &OnKube| on.kube.get(&["secret", "creds", "-n", &namespace])["data"]["password"].as_str().unwrap_or_default().to_owned();
    assert_eq!(password(&on), "Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5");

    on.it.write("vault/web/db.yaml", "password: another-staple\n");
    on.it.stop();
    on.it.start(None);
    let mut changed = None;
    on.it.until("the new password in production", |it| {
        let _answers = it.ask(&["status"])?;
        changed = Some(on.kube.get(&["secret", "creds", "-n", &namespace])["data"]["password"].clone());
        (changed.as_ref()? == "YW5vdGhlci1zdGFwbGU=").then_some(())
    });
    on.it.stop();
    // Neither value, nor what it is in base64, is in any file that Towpath keeps: database, logs, mirrors.
    for text in ["correct-horse-battery", "another-staple", "Y29ycmVjdC1ob3JzZ", "YW5vdGhlci1zdGFw"] {
        let found = std::process::Command::new("grep")
            .args(["-rlaF", text, ".towpath", "server.log"])
            .current_dir(on.it.path("."))
            .output()
            .unwrap();
        assert!(found.stdout.is_empty(), "{text} is in {}", String::from_utf8_lossy(&found.stdout));
    }
}

#[test]
fn a_test_is_judged_by_its_report_also_when_it_ends_well() {
    let Some(mut on) = OnKube::new() else { return };
    let report = "echo -----BEGIN JUNIT REPORT smoke.xml-----; cat report.xml; echo -----END JUNIT REPORT-----";
    on.it.replace_in("web/deploy/smoke.yaml", "cat verdict; grep -q good verdict", report);
    on.it.replace("web/source.yml", "{from: built", "{from: report.xml, to: /report.xml}, {from: built");
    on.it.commit("config", "A report");
    on.it.write("web/report.xml", "<testsuite name=\"smoke\" tests=\"2\" failures=\"1\"><testcase name=\"front page\"/><testcase name=\"checkout\"><failure message=\"no such button\">x</failure></testcase></testsuite>\n");
    on.it.release("first", true);
    on.it.start(None);
    let tests = on.test_title();
    let held = on.it.until_held(&tests, "failed");
    assert!(held.contains("checkout") && held.contains("no such button"), "{held}");
    on.it.write("web/report.xml", "<testsuite name=\"smoke\" tests=\"1\"><testcase name=\"front page\"/></testsuite>\n");
    let second = on.it.release("second", true);
    let production = on.production_title();
    on.it.until_at(&production, &second);
}
