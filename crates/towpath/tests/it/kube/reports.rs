//! Reports of tests that lie elsewhere than in the log: in a bucket, and in a volume.

use towpath_testbed::S3;

use super::given::OnKube;
use crate::reports::{BAD, GOOD, leaves, told};

/// Mounts a volume into the test's container.
fn mounts(on: &OnKube, volume: &str, path: &str) {
    let container = "          containers:\n            - name: smoke\n";
    let mounted = format!(
        "          volumes: [{{name: left, {volume}}}]\n{container}              volumeMounts: [{{name: left, mountPath: {path}}}]\n"
    );
    on.it.replace_in("web/deploy/smoke.yaml", container, &mounted);
}

/// Production never gets the first version, whose report has a failed test, and gets the second one.
fn judged_by_its_report(on: &mut OnKube, start: impl FnOnce(&mut OnKube, &str), while_second: impl FnOnce(&mut OnKube)) {
    let (tests, production) = (on.test_title(), on.production_title());
    on.it.write("web/report.xml", BAD);
    let first = on.it.release("first", true);
    start(on, &first);
    let held = on.it.until_held(&tests, "failed");
    assert!(held.contains("checkout") && held.contains("no such button"), "{held}");
    assert_eq!(on.it.current(&production), None);
    on.it.write("web/report.xml", GOOD);
    let second = on.it.release("second", true);
    while_second(on);
    on.it.until_at(&production, &second);
    let run = on.it.runs(&tests)[0]["id"].as_str().unwrap().to_owned();
    let log = on.it.ok(&["logs", &run]);
    assert!(log.contains("tests: 1 passed"), "{log}");
}

#[test]
fn a_report_in_the_pods_bucket_holds_production_or_lets_it_go() {
    let Some(mut on) = OnKube::new() else { return };
    let s3 = S3::start();
    // The pod uploads by writing where the server keeps its buckets: what is read is read by the protocol, with signatures.
    mounts(&on, &format!("hostPath: {{path: {}}}", s3.folder().display()), "/buckets");
    leaves(&on.it, "mkdir /buckets/$HOSTNAME-artifacts && cp report.xml /buckets/$HOSTNAME-artifacts/junit-smoke-sequential.xml");
    on.it.replace("web/source.yml", "for a in sh cat", "for a in mkdir cp sh cat");
    on.it.commit("config", "Programs that upload");
    told(&on.it, &s3, "required = true");
    judged_by_its_report(&mut on, |on, _| on.it.start(None), |_| {});
}

#[test]
fn a_report_in_a_volume_holds_production_or_lets_it_go_also_when_the_server_dies_while_it_is_read() {
    let Some(mut on) = OnKube::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    let volume = on.kube.new_name("smoke-reports");
    on.kube.apply(&format!(
        "apiVersion: v1\nkind: PersistentVolume\nmetadata: {{name: {volume}}}\nspec:\n  storageClassName: \"\"\n  accessModes: [ReadWriteOnce]\n  \
         capacity: {{storage: 1Gi}}\n  hostPath: {{path: {}}}\n---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: smoke-reports, \
         namespace: {}}}\nspec:\n  storageClassName: \"\"\n  volumeName: {volume}\n  accessModes: [ReadWriteOnce]\n  resources: {{requests: {{storage: 1Gi}}}}\n",
        folder.path().display(),
        on.stage
    ));
    mounts(&on, "persistentVolumeClaim: {claimName: smoke-reports}", "/left");
    let annotated = "name: 'smoke-${IMAGE_TAG}', annotations: {towpath.dev/reports-volume: smoke-reports/junit}";
    on.it.replace_in("web/deploy/smoke.yaml", "name: 'smoke-${IMAGE_TAG}'", annotated);
    // Each version writes a file of its own: what earlier ones left must not count.
    leaves(&on.it, "mkdir -p /left/junit && cp report.xml /left/junit/junit-$HOSTNAME.xml");
    on.it.replace("web/source.yml", "for a in sh cat", "for a in mkdir cp find date wc gzip base64 sh cat");
    on.it.commit("config", "Programs that read");
    let start = |on: &mut OnKube, first: &str| {
        let config = on.it.read("towpath.toml");
        let image = format!("{}/{}:{}", on.registry.host, on.stage, &first[..7]);
        on.it.write("towpath.toml", &format!("{config}[clusters.laptop.artifacts.volumes]\nimage = \"{image}\"\n"));
        on.it.start(None);
    };
    // The server dies while the second version's volume is read.
    let tests = on.test_title();
    judged_by_its_report(&mut on, start, |on| {
        on.it.until("a volume that is read", |it| {
            let runs = it.runs(&tests);
            let run = runs.first().filter(|_| runs.len() > 1)?["id"].as_str()?.to_owned();
            let log = it.run(&["logs", &run]);
            String::from_utf8_lossy(&log.stdout).contains("looking for reports in the volume").then_some(())
        });
        on.it.kill();
        on.it.start(None);
    });
    let run = on.it.runs(&on.test_title())[0]["id"].as_str().unwrap().to_owned();
    let log = on.it.ok(&["logs", &run]);
    assert!(log.contains("reports that are older than the test, and passed over: 1"), "{log}");
    let (stage, kube) = (on.stage.clone(), on.kube);
    on.it.until("nothing but tests", |_| {
        let names = kube.kubectl(&["get", "jobs,pods", "-n", &stage, "-o", "name"]);
        (!names.contains("reports-")).then_some(())
    });
}

#[test]
fn every_container_of_every_pod_is_heard_also_one_that_is_started_again() {
    let Some(mut on) = OnKube::new() else { return };
    let smoke = on.it.read("web/deploy/smoke.yaml");
    let (before, _) = smoke.split_once("    spec:\n      backoffLimit").unwrap();
    let script = "if [ -e /left/once ]; then echo second start; cat report.xml; else echo first start; cp verdict /left/once; exit 1; fi";
    let script =
        script.replace("cat report.xml", "echo -----BEGIN JUNIT REPORT a.xml-----; cat report.xml; echo -----END JUNIT REPORT-----");
    let container = |name: &str, command: &str| {
        let mounts = "volumeMounts: [{name: left, mountPath: /left}]";
        format!("            - {{name: {name}, image: '${{IMAGE}}:${{IMAGE_TAG}}', command: [sh, -c, '{command}'], {mounts}}}\n")
    };
    let pods = "    spec:\n      backoffLimit: 6\n      parallelism: 2\n      completions: 2\n      template:\n        spec:\n          \
                restartPolicy: OnFailure\n          volumes: [{name: left, emptyDir: {}}]\n";
    let containers = [
        "          initContainers:\n".to_owned(),
        container("prepare", "echo prepared"),
        "          containers:\n".to_owned(),
        container("smoke", &script),
        container("beside", "echo beside"),
    ];
    on.it.write("web/deploy/smoke.yaml", &format!("{before}{pods}{}", containers.concat()));
    on.it.replace("web/source.yml", "{from: built", "{from: report.xml, to: /report.xml}, {from: built");
    on.it.replace("web/source.yml", "for a in sh cat", "for a in cp sh cat");
    on.it.commit("config", "Many containers");
    on.it.write("web/report.xml", BAD);
    on.it.release("first", true);
    on.it.start(None);
    // The report is of the second start of a container: it counts, and so does everything that was said before it.
    let tests = on.test_title();
    let held = on.it.until_held(&tests, "failed");
    assert!(held.contains("1 failed of 2") && held.contains("checkout"), "{held}");
    let run = on.it.runs(&tests)[0]["id"].as_str().unwrap().to_owned();
    let log = on.it.ok(&["logs", &run]);
    for line in ["/prepare] prepared", "/beside] beside", "/smoke] first start", "/smoke#2] second start"] {
        assert_eq!(log.matches(line).count(), 2, "{line}:\n{log}");
    }
}
