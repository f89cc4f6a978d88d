//! What the files hold. Comments in them are for people who see such a file for the first time.

use towpath_domain::CommitId;

use super::Service;
use super::write::Written;

/// Text as a YAML scalar: JSON's strings are YAML's, too.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// `towpath.toml`.
pub(super) fn toml(config: &str) -> String {
    format!(
        "\
# This installation. What is wanted where is in the config repository.
[config]
url = {config:?}
branch = \"main\"

[state]
directory = \".towpath\"

[server]
listen = \"127.0.0.1:0\"
"
    )
}

/// The config repository's files.
pub(super) fn config(service: &Service) -> Vec<(String, String)> {
    let name = &service.name;
    let home = format!("apps/{name}");
    let mut files = vec![
        (format!("data/{home}/app.yml"), format!("---\n$schema: /app-sre/app-1.yml\nname: {name}\ndescription: {name}\n")),
        (
            "data/clusters/local.yml".to_owned(),
            "---\n$schema: /openshift/cluster-1.yml\nname: local\ndescription: This machine\n".to_owned(),
        ),
        (format!("data/{home}/source.yml"), source(service, &home)),
        (format!("data/{home}/deploy.yml"), deploy(service, &home)),
        (format!("data/{home}/tests.yml"), tests(service, &home)),
        ("README.md".to_owned(), readme(service)),
    ];
    for (environment, phase) in [("stage", "stage"), ("production", "prod")] {
        files.push((
            format!("data/environments/{environment}.yml"),
            format!(
                "---\n$schema: /app-sre/environment-1.yml\nname: {environment}\ndescription: {environment}\nservicePhase: {phase}\nparameters: {{}}\n"
            ),
        ));
        files.push((
            format!("data/{home}/namespaces/{environment}.yml"),
            format!(
                "---\n$schema: /openshift/namespace-1.yml\nname: {name}-{environment}\ndescription: {name} in {environment}\n\
                 cluster:\n  $ref: /clusters/local.yml\napp:\n  $ref: /{home}/app.yml\nenvironment:\n  $ref: /environments/{environment}.yml\n"
            ),
        ));
    }
    files
}

fn source(service: &Service, home: &str) -> String {
    let Service { name, url, branch, image, build, start, .. } = service;
    let (url, image) = (quoted(url), quoted(image));
    let command = build.as_ref().map(|build| format!("  command: {}\n", quoted(build))).unwrap_or_default();
    let entrypoint = quoted(&format!("exec {start}"));
    format!(
        "\
---
# The service's repository, and how its image is made: each commit on the branch is built once.
$schema: /towpath/source-1.yml
name: {name}
app:
  $ref: /{home}/app.yml
url: {url}
branch: {branch}
image: {image}
build:
{command}  pack:
    files:
      - from: .
        to: /app
    workdir: /app
    entrypoint:
      - sh
      - -c
      - {entrypoint}
",
        branch = quoted(branch),
    )
}

fn deploy(service: &Service, home: &str) -> String {
    let Service { name, url, branch, image, .. } = service;
    let nothing_yet = CommitId::NULL;
    format!(
        "\
---
# What runs where. Every commit on the branch goes to stage; production follows once the tests on stage passed.
$schema: /app-sre/saas-file-2.yml
name: {name}
displayName: {name}
description: Deploys {name} to stage and production
app:
  $ref: /{home}/app.yml
managedResourceTypes:
  - Deployment
  - Service
imagePatterns:
  - {image}
resourceTemplates:
  - name: {name}
    url: {url}
    path: /deploy/service.yml
    hash_length: 7
    parameters:
      IMAGE: {image}
    targets:
      - namespace:
          $ref: /{home}/namespaces/stage.yml
        ref: {branch}
        promotion:
          publish:
            - {name}-stage-deployed
      - namespace:
          $ref: /{home}/namespaces/production.yml
        # Towpath moves this to the newest commit whose tests passed. Zeros say that there was none yet.
        ref: \"{nothing_yet}\"
        promotion:
          auto: true
          subscribe:
            - {name}-stage-tested
",
        image = quoted(image),
        url = quoted(url),
        branch = quoted(branch),
    )
}

fn tests(service: &Service, home: &str) -> String {
    let Service { name, url, image, .. } = service;
    let nothing_yet = CommitId::NULL;
    format!(
        "\
---
# The tests that run on stage after each deploy. What they pass may go to production.
$schema: /app-sre/saas-file-2.yml
name: {name}-tests
displayName: {name} tests
description: Runs the smoke test of {name} on stage after each deploy
app:
  $ref: /{home}/app.yml
publishJobLogs: true
managedResourceTypes:
  - Job
imagePatterns:
  - {image}
resourceTemplates:
  - name: {name}-smoke-test
    url: {url}
    path: /deploy/smoke-test.yml
    hash_length: 7
    parameters:
      IMAGE: {image}
    targets:
      - namespace:
          $ref: /{home}/namespaces/stage.yml
        # Towpath moves this, too, to what stage runs.
        ref: \"{nothing_yet}\"
        promotion:
          auto: true
          subscribe:
            - {name}-stage-deployed
          publish:
            - {name}-stage-tested
",
        image = quoted(image),
        url = quoted(url),
    )
}

fn readme(service: &Service) -> String {
    let name = &service.name;
    format!(
        "\
# What {name} runs where

This repository says what is wanted; Towpath makes it so. Every promotion is a commit here, and so is every rollback.

- `data/apps/{name}/deploy.yml`: stage and production.
- `data/apps/{name}/tests.yml`: the tests between them.
- `data/apps/{name}/source.yml`: how the image is made.

`towpath validate` checks it, and `towpath plan --branch BRANCH` shows what a branch would do before it is merged.
"
    )
}

/// The files of the service's own repository.
pub(super) fn service(service: &Service) -> Vec<(String, String)> {
    vec![
        ("deploy/service.yml".to_owned(), template(service)),
        ("deploy/smoke-test.yml".to_owned(), test_template(service)),
        ("deploy/smoke-test.sh".to_owned(), test_script(service)),
    ]
}

fn template(service: &Service) -> String {
    let Service { name, image, health, .. } = service;
    format!(
        "\
# How {name} is deployed: an OpenShift template. Towpath fills in IMAGE_TAG for the commit that is deployed.
apiVersion: template.openshift.io/v1
kind: Template
metadata:
  name: {name}
parameters:
  - name: IMAGE
    value: {image}
  - name: IMAGE_TAG
    required: true
  - name: REPLICAS
    value: \"1\"
objects:
  - apiVersion: apps/v1
    kind: Deployment
    metadata:
      name: {name}
    spec:
      replicas: ${{{{REPLICAS}}}}
      selector:
        matchLabels:
          app: {name}
      template:
        metadata:
          labels:
            app: {name}
        spec:
          containers:
            - name: {name}
              image: ${{IMAGE}}:${{IMAGE_TAG}}
              # On this machine, the port to listen on is told in PORT; it is another one for each copy.
              ports:
                - name: http
                  containerPort: 8080
              env:
                - name: VERSION
                  value: ${{IMAGE_TAG}}
              # A new version gets requests once this answers; until then, the old one goes on serving.
              readinessProbe:
                httpGet:
                  path: {health}
                  port: http
  - apiVersion: v1
    kind: Service
    metadata:
      name: {name}
    spec:
      selector:
        app: {name}
      ports:
        - name: http
          port: 8080
          targetPort: http
",
        image = quoted(image),
        health = quoted(health),
    )
}

fn test_template(service: &Service) -> String {
    let Service { name, image, .. } = service;
    format!(
        "\
# The smoke test of {name}: a job in the namespace of stage. It passes when it exits with 0.
apiVersion: template.openshift.io/v1
kind: Template
metadata:
  name: {name}-smoke-test
parameters:
  - name: IMAGE
    value: {image}
  - name: IMAGE_TAG
    required: true
objects:
  - apiVersion: batch/v1
    kind: Job
    metadata:
      name: {name}-smoke-test
    spec:
      backoffLimit: 0
      template:
        spec:
          restartPolicy: Never
          containers:
            - name: smoke-test
              image: ${{IMAGE}}:${{IMAGE_TAG}}
              command:
                - sh
                - deploy/smoke-test.sh
",
        image = quoted(image),
    )
}

fn test_script(service: &Service) -> String {
    let variable = service.name.to_uppercase().replace('-', "_");
    let health = &service.health;
    format!(
        "\
#!/bin/sh
# Runs on stage after each deploy. Make it check whatever a version must do to be fit for production.
set -eu
host=\"${{{variable}_SERVICE_HOST}}\"
port=\"${{{variable}_SERVICE_PORT}}\"
path='{health}'
echo \"asking http://$host:$port$path\"
if command -v curl >/dev/null; then
    curl --fail --silent --show-error --max-time 10 --output /dev/null \"http://$host:$port$path\"
elif command -v wget >/dev/null; then
    wget --quiet --timeout=10 --output-document=/dev/null \"http://$host:$port$path\"
else
    bash -c 'exec 3<>\"/dev/tcp/$0/$1\"; printf \"GET %s HTTP/1.0\\r\\nHost: %s\\r\\n\\r\\n\" \"$2\" \"$0\" >&3; head -n 1 <&3 | grep -q \" 200\"' \\
        \"$host\" \"$port\" \"$path\"
fi
echo \"it answers\"
"
    )
}

/// What was done and what to do next.
pub(super) fn story(service: &Service, written: &Written) -> String {
    let shown = |path: &std::path::Path| path.display().to_string();
    let mut text = format!(
        "Written in {}:\n  towpath.toml\n  config/           the config repository, with its first commit\n",
        shown(&written.folder)
    );
    if !written.added.is_empty() {
        text.push_str(&format!("Written in {}:\n", shown(&written.service)));
        written.added.iter().for_each(|path| text.push_str(&format!("  {path}\n")));
    }
    if !written.kept.is_empty() {
        text.push_str(&format!("There already in {}, and left as they are:\n", shown(&written.service)));
        written.kept.iter().for_each(|path| text.push_str(&format!("  {path}\n")));
    }
    let commit = match &service.folder {
        Some(folder) if written.added.is_empty() => {
            format!(
                "see that {}/deploy says how your service is deployed and tested, and is committed on {}",
                shown(folder),
                service.branch
            )
        }
        Some(folder) => format!(
            "look at the files in {0}/deploy, then commit them on {1}:\n     git -C {0} add deploy && git -C {0} commit -m 'Deploy with Towpath'",
            shown(folder),
            service.branch
        ),
        None => format!(
            "put the folder {}/deploy into a checkout of {}, commit it on {} and push it",
            shown(&written.service),
            towpath_domain::RepoUrl::new(&service.url).map(|url| url.to_string()).unwrap_or_default(),
            service.branch
        ),
    };
    text.push_str(&format!(
        "\nNext:\n  1. {commit}\n  2. check the config:           towpath validate {config}\n  3. start the server:           cd {folder} && towpath serve\n  \
         4. in another terminal, watch: cd {folder} && towpath status\n\n\
         From then on, every commit on {branch} is built, deployed to stage, tested there, and then deployed to production.\n",
        config = shown(&written.config),
        folder = shown(&written.folder),
        branch = service.branch,
    ));
    text
}
