//! Stories.

use towpath_domain::FailureClass;
use towpath_runs::render::{RenderError, Rendered};
use towpath_testbed::Kube;

use super::given::{Given, has};

const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: NAME}\n";

fn map(name: &str) -> String {
    MAP.replace("NAME", name)
}

fn names(rendered: Result<Rendered, RenderError>) -> Vec<String> {
    rendered.unwrap().objects.iter().map(|object| object["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

fn refusal(rendered: Result<Rendered, RenderError>) -> String {
    rendered.expect_err("it is refused").message
}

/// `path` and `provider` of a resource template.
fn at(path: &str, provider: &str) -> String {
    format!("    path: {path}\n    provider: {provider}\n")
}

#[tokio::test]
async fn a_directory_gives_all_documents_of_its_own_files_in_the_order_of_their_names() {
    let given = Given::new();
    given
        .file("deploy/b.yaml", &format!("{}---\n{}", map("b-one"), map("b-two")))
        .file("deploy/a.yml", &map("a"))
        .file(
            "deploy/c.json",
            r#"{"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}]}"#,
        )
        .file("deploy/README.md", "# no object")
        .file("deploy/nested/d.yaml", &map("d"))
        .file("deployment/e.yaml", &map("e"));
    let directory = at("/deploy", "directory");
    assert_eq!(names(given.rendered(&directory, "").await), ["a", "b-one", "b-two", "c"]);
    given.file("deploy/a.yml", "a: 1\na: 2\n");
    let twice = refusal(given.rendered(&directory, "").await);
    assert!(twice.contains("deploy/a.yml") && twice.contains("duplicate"), "{twice}");
}

#[tokio::test]
async fn a_directory_that_is_not_there_or_leads_elsewhere_is_refused_and_never_taken_for_empty() {
    let given = Given::new();
    given.file("deploy/a.yml", &map("a"));
    for (path, said) in [("/deplyo", "has no folder /deplyo"), ("/deploy/a.yml", "is a file")] {
        let refused = refusal(given.rendered(&at(path, "directory"), "").await);
        assert!(refused.contains(said), "{path}: {refused}");
    }
    let leaving = refusal(given.rendered_from("/deploy/../../etc", &at("/deploy", "directory")).await);
    assert!(leaving.contains("/deploy/../../etc"), "{leaving}");
    given.link("deploy/b.yml", "/etc/hostname").link("linked", "deploy");
    assert!(refusal(given.rendered(&at("/deploy", "directory"), "").await).contains("deploy/b.yml"));
    assert!(refusal(given.rendered(&at("/linked", "directory"), "").await).contains("symbolic link"));
}

const TEMPLATE: &str = "apiVersion: template.openshift.io/v1\nkind: Template\nmetadata: {name: t}\nobjects:\n";

#[tokio::test]
async fn a_template_that_leaves_the_repository_by_path_or_link_is_refused() {
    let given = Given::new();
    given
        .file("t.yml", &format!("{TEMPLATE}  - {{apiVersion: v1, kind: ConfigMap, metadata: {{name: a}}}}\n"))
        .link("out.yml", "../../secret.yml");
    assert_eq!(names(given.rendered("    path: /t.yml\n", "").await), ["a"]);
    for path in ["/out.yml", "/--output=x"] {
        let refused = refusal(given.rendered(&format!("    path: {path}\n"), "").await);
        assert!(refused.contains(path.trim_start_matches('/')), "{path}: {refused}");
    }
    for path in ["/../secret.yml", "/x/../../secret.yml", "/a/../../../../etc/passwd"] {
        let refused = refusal(given.rendered_from(path, "    path: /t.yml\n").await);
        assert!(refused.contains(path), "{path}: {refused}");
    }
}

#[tokio::test]
async fn nothing_but_what_the_saas_file_manages_and_no_image_but_those_it_allows() {
    let given = Given::new();
    let pod = |images: &str| {
        format!(
            "{TEMPLATE}  - apiVersion: apps/v1\n    kind: Deployment\n    metadata: {{name: web}}\n    spec: {{template: {{spec: {{{images}}}}}}}\n  - {{apiVersion: v1, kind: Secret, metadata: {{name: s}}}}\n"
        )
    };
    let patterns = "imagePatterns: [quay.io/org]\n";
    given.file("t.yml", &pod("containers: [{name: a, image: 'quay.io/org/web:1'}]"));
    let good = given.rendered("    path: /t.yml\n", patterns).await.unwrap();
    assert_eq!(good.objects.len(), 1, "a Secret is not managed: {:?}", good.left_out);
    for images in [
        "containers: [{name: a, image: 'quay.io/org-evil/web:1'}]",
        "containers: [{name: a, image: 'quay.io/org/web:1'}], initContainers: [{name: b, image: 'docker.io/evil'}]",
        "containers: [{name: a, image: 'quay.io/org/web:1'}], ephemeralContainers: [{name: b, image: evil}]",
        "containers: [{name: a, image: 'QUAY.IO/org/web:1'}]",
        "containers: [{name: a, image: web}]",
        "containers: [{name: a, image: 'quay.io/org/web:1', lifecycle: {unheard: {image: 'evil/of:1'}}}]",
    ] {
        given.file("t.yml", &pod(images));
        let refused = refusal(given.rendered("    path: /t.yml\n", patterns).await);
        assert!(refused.contains("imagePatterns"), "{images}: {refused}");
    }
    let named = "managedResourceNames: [{resource: Deployment, resourceNames: [other]}]\n";
    given.file("t.yml", &pod("containers: []"));
    assert_eq!(names(given.rendered("    path: /t.yml\n", named).await), [""; 0]);
}

const CHART: &str = "apiVersion: v2\nname: web\nversion: 0.1.0\n";

#[tokio::test]
async fn a_chart_is_rendered_with_values_that_are_on_no_disk_and_without_its_tests() {
    if !has("helm") {
        return;
    }
    let given = Given::new();
    given.file("chart/Chart.yaml", CHART).file("chart/values.yaml", "web: {replicas: 1}\nsecret: none\n");
    given.file(
        "chart/templates/all.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}, namespace: {{ .Release.Namespace }}}\n\
         data: {tag: {{ .Values.image.tag | quote }}, replicas: \"{{ .Values.web.replicas }}\", packed: {{ .Values.TOKEN | b64enc }}}\n---\n\
         apiVersion: v1\nkind: ConfigMap\nmetadata: {name: tested, annotations: {\"helm.sh/hook\": test}}\n---\n\
         apiVersion: v1\nkind: ConfigMap\nmetadata: {name: from-cluster-{{ len (lookup \"v1\" \"Namespace\" \"\" \"\") }}}\n",
    );
    let chart = format!(
        "{}    parameters: {{image: {{tag: '${{IMAGE_TAG}}'}}, web: {{replicas: 3}}}}\n    secretParameters:\n      - {{name: TOKEN, secret: {{path: web/t, field: f}}}}\n",
        at("/chart", "helm")
    );
    let rendered = given.rendered(&chart, "allowedSecretParameterPaths: [web]\n").await.unwrap();
    let data = &rendered.objects[0]["data"];
    assert_eq!(rendered.objects[0]["metadata"]["namespace"], "web-stage");
    assert_eq!((data["replicas"].as_str(), data["packed"].as_str()), (Some("3"), Some("aHVudGVyMi1odW50ZXIy")));
    assert_eq!(data["tag"].as_str().map(str::len), Some(7), "{data}");
    assert_eq!(names(Ok(rendered)), ["web", "from-cluster-0"], "neither tests nor anything of a cluster");

    // What it says of a value that it cannot use does not say the value.
    given.file("chart/templates/all.yaml", "{{ fail (printf \"cannot use %s\" .Values.TOKEN) }}\n");
    let refused = refusal(given.rendered(&chart, "allowedSecretParameterPaths: [web]\n").await);
    assert!(refused.contains("cannot use (secret)") && !refused.contains("hunter2"), "{refused}");
}

#[tokio::test]
async fn a_chart_reads_no_file_but_its_own_and_fetches_nothing() {
    if !has("helm") {
        return;
    }
    let given = Given::new();
    given.file("chart/Chart.yaml", CHART);
    given.file(
        "chart/templates/all.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: \"x{{ .Files.Get \"../../../etc/hostname\" | len }}{{ .Files.Get \"/etc/hostname\" | len }}\"}\n",
    );
    assert_eq!(names(given.rendered(&at("/chart", "helm"), "").await), ["x00"]);
    given.file(
        "chart/Chart.yaml",
        &format!("{CHART}dependencies:\n  - {{name: other, version: 1.0.0, repository: 'https://charts.example.com'}}\n"),
    );
    let refused = refusal(given.rendered(&at("/chart", "helm"), "").await);
    assert!(refused.contains("commit the folder charts/"), "{refused}");
    let leaving = refusal(given.rendered_from("/chart/../..", &at("/chart", "helm")).await);
    assert!(leaving.contains("what leaves it"), "{leaving}");
    given.file("chart/Chart.yaml", CHART).link("chart/templates/out.yaml", "../../../../etc/hostname");
    let linked = refusal(given.rendered(&at("/chart", "helm"), "").await);
    assert!(linked.contains("chart/templates/out.yaml"), "{linked}");
}

#[tokio::test]
async fn a_kustomization_is_built_from_its_commit_alone() {
    let Some(kube) = Kube::api() else { return };
    let mut given = Given::new();
    // The one that kubectl carries.
    given.path = format!("{}:/usr/bin:/bin", kube.kubectl.parent().unwrap().display());
    given
        .file("base/kustomization.yaml", "resources: [map.yaml]\n")
        .file("base/map.yaml", &format!("{}data: {{tag: '${{IMAGE_TAG}}', where: '${{WHERE}}'}}\n", map("web")))
        .file("overlays/stage/kustomization.yaml", "namePrefix: stage-\nresources: [../../base]\n");
    let overlay = format!("{}    parameters: {{WHERE: here}}\n", at("/overlays/stage", "kustomize"));
    let rendered = given.rendered(&overlay, "").await.unwrap();
    assert_eq!(rendered.objects[0]["metadata"]["name"], "stage-web");
    assert_eq!(rendered.objects[0]["data"]["where"], "here");
    assert_eq!(rendered.objects[0]["data"]["tag"].as_str().map(str::len), Some(7));
    for bad in ["../../../..", "https://github.com/org/repo//base?ref=main", "git@example.com:org/repo.git", "/etc"] {
        given.file("overlays/stage/kustomization.yaml", &format!("resources: ['{bad}']\n"));
        let refused = refusal(given.rendered(&overlay, "").await);
        assert!(refused.contains(bad) && refused.contains("fetches nothing while it renders"), "{bad}: {refused}");
    }
    // Files outside its own folder, and programs, kustomize itself refuses.
    given.file("overlays/stage/kustomization.yaml", "configMapGenerator:\n  - {name: out, files: [../../../../etc/hostname]}\n");
    assert!(refusal(given.rendered(&overlay, "").await).contains("kustomize ."));
    given.file("overlays/stage/kustomization.yaml", "generators: [run.yaml]\n").file(
        "overlays/stage/run.yaml",
        "apiVersion: x/v1\nkind: Run\nmetadata:\n  name: run\n  annotations: {config.kubernetes.io/function: \"exec: {path: ./run.sh}\"}\n",
    );
    given.file("overlays/stage/run.sh", "#!/bin/sh\ntouch ran\n");
    assert!(given.rendered(&overlay, "").await.is_err() && !given.at("code/overlays/stage/ran").exists());
}

#[tokio::test]
async fn a_program_that_is_missing_is_named() {
    let mut given = Given::new();
    given.file("chart/Chart.yaml", CHART).file("chart/kustomization.yaml", "resources: []\n");
    given.path = String::from("/nowhere");
    for (provider, program) in [("helm", "`helm`"), ("kustomize", "`kustomize`")] {
        let error = given.rendered(&at("/chart", provider), "").await.unwrap_err();
        assert!(error.message.contains(&format!("the program {program} is not installed where Towpath runs")), "{error}");
        assert_eq!(error.class, FailureClass::Unknown, "trying again does not help");
    }
}

#[tokio::test]
async fn a_program_gets_nothing_of_ours_and_is_ended_when_it_prints_without_end() {
    let mut given = Given::new();
    given.file("chart/Chart.yaml", CHART);
    let seen = given.at("seen").display().to_string();
    given.program("helm", &format!("env > {seen}; echo \"$@\" >> {seen}; cat >> {seen}; echo '{{\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\", \"metadata\": {{\"name\": \"x\"}}}}'"));
    let chart = format!("{}    parameters: {{A: b}}\n", at("/chart", "helm"));
    assert_eq!(names(given.rendered(&chart, "").await), ["x"]);
    let text = std::fs::read_to_string(&seen).unwrap();
    assert!(
        !text.contains("/home/somebody") && text.contains("KUBECONFIG=/dev/null") && text.contains("GIT_ALLOW_PROTOCOL=none"),
        "{text}"
    );
    assert!(text.contains("template --namespace=web-stage --include-crds --values=- -- web .\n{\"A\":\"b\"}"), "{text}");

    let pid = given.at("pid").display().to_string();
    given.program("helm", &format!("sleep 1000 & echo $! > {pid}; exec yes"));
    let refused = refusal(given.rendered(&chart, "").await);
    assert!(refused.contains("printed more than 32 MiB and was ended"), "{refused}");
    let child = std::fs::read_to_string(&pid).unwrap();
    let gone = || {
        let state = std::fs::read_to_string(format!("/proc/{}/stat", child.trim()));
        state.map_or(true, |state| state.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('Z')))
    };
    let begun = std::time::Instant::now();
    while !gone() {
        assert!(begun.elapsed().as_secs() < 10, "what it started is still there");
        tokio::task::yield_now().await;
    }
}
