//! The guide's way from `towpath init` to a first promotion on a cluster, with the rights that the guide lists and no others.

use serde_json::Value;
use towpath_testbed::{Registry, missing_program, skipped};

use super::given::node;
use crate::installation::Installation;

/// The Role that people are told to make, as it stands in the document.
fn rules() -> String {
    let document = include_str!("../../../../../docs/operate.md");
    let (_, role) = document.split_once("apiVersion: rbac.authorization.k8s.io/v1\n").unwrap();
    let (_, rules) = role.split("```").next().unwrap().split_once("rules:\n").unwrap();
    rules.lines().map(|line| format!("{}\n", line.strip_prefix("  ").unwrap_or(line))).collect()
}

const CONTAINERFILE: &str = "\
FROM scratch
COPY bin /bin
COPY deploy /app/deploy
COPY index.html /app/
WORKDIR /app
ENTRYPOINT [\"sh\", \"-c\", \"httpd -f -p 8080 -h /app\"]
";

/// As in the guide; `bin` stands for the base image that a machine without a network has not got.
const BUILD: &str = "\
build:
  command: >-
    mkdir bin && cp /bin/busybox bin/ && for a in sh cat httpd; do ln -s busybox bin/$a; done &&
    buildah --root $PWD/.buildah/root --runroot $PWD/.buildah/run bud
    --label org.opencontainers.image.revision=$TOWPATH_COMMIT --tag $TOWPATH_IMAGE:$TOWPATH_IMAGE_TAG . &&
    buildah --root $PWD/.buildah/root --runroot $PWD/.buildah/run push --tls-verify=false $TOWPATH_IMAGE:$TOWPATH_IMAGE_TAG
  env: {BUILDAH_ISOLATION: chroot, STORAGE_DRIVER: vfs}
  push: true
";

#[test]
fn the_guides_way_to_a_cluster_leads_to_production_with_no_more_rights_than_it_lists() {
    if let Some(why) = missing_program(&["buildah"]) {
        return skipped(&format!("{why} is not installed")).unwrap_or(());
    }
    let Some(kube) = node() else { return };
    let Some(registry) = Registry::plain() else { return };
    let mut it = Installation::bare(&[("greeter", "main")]);
    it.write("greeter/index.html", "hello\n");
    it.write("greeter/Containerfile", CONTAINERFILE);
    it.commit("greeter", "A greeter");
    let image = format!("{}/team/greeter", registry.host);
    it.ok(&["init", "--source", "greeter", "--image", &image, "--start", "httpd -f -p 8080 -h /app", "--health", "/", "--yes"]);
    it.write("greeter/deploy/smoke-test.sh", "set -eu\ngrep -q hello index.html || cat index.html\necho it answers\n");
    it.git("greeter", &["add", "--all"]);
    it.git("greeter", &["commit", "--quiet", "--message", "Deploy with Towpath"]);
    let first = it.git("greeter", &["rev-parse", "HEAD"]);

    // Two namespaces, and an account that may do there what is listed.
    let (stage, production) = (kube.namespace("greeter-stage"), kube.namespace("greeter-production"));
    let kubeconfig = kube.limited_kubeconfig(&stage, &rules());
    let config: Value = serde_json::from_str(&std::fs::read_to_string(&kubeconfig).unwrap()).unwrap();
    let account = config["users"][0]["name"].as_str().unwrap();
    let indented: String = rules().lines().map(|line| format!("  {line}\n")).collect();
    kube.apply(&format!(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {{name: towpath, namespace: {production}}}\nrules:\n{indented}---\n\
         apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {{name: towpath, namespace: {production}}}\n\
         roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: towpath}}\n\
         subjects: [{{kind: ServiceAccount, name: {account}, namespace: {stage}}}]\n"
    ));

    // The config repository and the installation, as the guide has them changed.
    it.replace("clusters/local.yml", "name: local", "name: team");
    for (environment, namespace) in [("stage", &stage), ("production", &production)] {
        let file = format!("apps/greeter/namespaces/{environment}.yml");
        it.replace(&file, &format!("name: greeter-{environment}"), &format!("name: {namespace}"));
    }
    let source = it.read("config/data/apps/greeter/source.yml");
    it.write("config/data/apps/greeter/source.yml", &format!("{}{BUILD}", source.split_once("build:\n").unwrap().0));
    it.git("config", &["commit", "--quiet", "--all", "--message", "On the team's cluster"]);
    let toml = it.read("towpath.toml");
    let kubeconfig = kubeconfig.display();
    it.write(
        "towpath.toml",
        &format!("{toml}\n[clusters.team]\nkubeconfig = \"{kubeconfig}\"\n\n[registries.\"{}\"]\nplain_http = true\n", registry.host),
    );
    it.ok(&["validate"]);
    it.start(None);
    let doctor = it.until("the doctor to have looked at the cluster", |it| {
        let said = String::from_utf8(it.run(&["doctor"]).stdout).unwrap();
        said.lines().find(|line| line.contains("cluster") && line.contains("team")).map(str::to_owned)
    });
    assert!(doctor.starts_with("ok") && doctor.contains("v1."), "{doctor}");
    it.until_at(&format!("greeter/greeter/production/{production}"), &first);
    let pods = kube.get(&["pods", "-n", &production, "-l", "app=greeter"]);
    assert_eq!(pods["items"][0]["status"]["containerStatuses"][0]["ready"], true, "{pods}");
    let tests = &it.runs(&format!("greeter-tests/greeter-smoke-test/stage/{stage}"))[0];
    assert!(it.ok(&["logs", tests["id"].as_str().unwrap()]).contains("it answers"));
}
