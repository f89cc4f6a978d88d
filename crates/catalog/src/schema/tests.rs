use serde_json::Value;

use super::*;
use crate::{InputFile, Severity, load};

const GOOD_SOURCE: &str = "\
$schema: /towpath/source-1.yml
name: web
description: The web service
app:
  $ref: /app.yml
url: https://git.example.com/org/web
branch: release/1
image: registry.example.com:5000/org/web
hash_length: 8
build:
  command: [make, release]
  env: {CGO: \"0\"}
  timeout: 10m
  push: false
  image: registry.example.com/builders/go:1
  resources: {requests: {cpu: 500m, memory: 1Gi}, limits: {cpu: 2, memory: 2.5Gi}}
  pack:
    base: registry.example.com/base:1
    files:
      - {from: out/web, to: /usr/bin/web, mode: \"0755\"}
      - {from: ., to: /src}
    entrypoint: [/usr/bin/web]
    cmd: [--serve]
    env: {HOME: /}
    workdir: /srv
";

const GOOD_POLICY: &str = "\
$schema: /towpath/policy-1.yml
name: production
description: Nobody works at Christmas
select: {apps: [web], labels: {tier: one}}
freezes:
  - {from: 2026-12-24, until: 2027-01-01, timezone: Europe/Prague, reason: holidays, by: Ann}
  - {from: 2026-12-24T18:00:00Z, reason: until lifted}
windows:
  - {days: [mon, fri], from: \"09:00\", until: \"24:00\", timezone: Europe/Prague}
queue: every
retries: {attempts: 3, backoff: 1s, backoffLimit: 10m}
batching: {window: 10m, limit: 20}
tests:
  flaky: {retries: 2}
  quarantine:
    - {test: shop › check*, owner: Ann, until: 2027-01-31, why: the payment stub is slow}
rollback: automatic
block:
  - {url: https://git.example.com/org/web, ref: 5f8f0e1d2c3b4a5968778695a4b3c2d1e0f9a8b7, reason: it eats data, rollback: true}
requireSigned:
  key: |
    -----BEGIN PUBLIC KEY-----
    MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEdlHnXVQaCITOXOhj1CBWvi2cma7Q
    E+ybUoSr0ZpdV3+oR/aCyslaew7fwpBBezfWwHFI49qyTeRQ1KJyO4UsLQ==
    -----END PUBLIC KEY-----
  attestations: [https://slsa.dev/provenance/v1]
approvals: {count: 2, roles: [{$ref: /role.yml}], promotions: pass}
";

const GOOD_PERMISSION: &str = "\
$schema: /towpath/permission-1.yml
name: operate web in stage
description: What the people of web may do
may: [retry, hold, promote]
apps: [{$ref: /app.yml}]
environments: [{$ref: /stage.yml}]
";

const BAD_PERMISSIONS: &[(&str, &str)] = &[
    ("name: operate web in stage\n", ""),
    ("name: operate web in stage", "name: \"\""),
    ("may: [retry, hold, promote]\n", ""),
    ("[retry, hold, promote]", "[]"),
    ("[retry, hold, promote]", "retry"),
    ("retry", "rety"),
    ("retry", "administer"),
    ("[{$ref: /app.yml}]", "[]"),
    ("[{$ref: /app.yml}]", "[web]"),
    ("[{$ref: /app.yml}]", "{$ref: /app.yml}"),
    ("[{$ref: /app.yml}]", ""),
    ("$ref: /stage.yml", "$ref: stage.yml"),
    ("apps:", "app:"),
];

const GOOD_POOL: &str = "\
$schema: /towpath/pool-1.yml
name: smoke
description: For checks of pull requests
labels: {team: platform}
cluster: {$ref: /cluster.yml}
app: {$ref: /app.yml}
environment: {$ref: /stage.yml}
size: 3
limit: 10
lease: 1h
longest: 6h
warn: 5m
each: 2
quotas:
  - hard: {pods: 20, limits.memory: 8Gi}
limit_ranges:
  - limits: [{type: Container, default: {memory: 512Mi}}]
secrets:
  namespace: ephemeral-base
  names: [pull-secret]
expected: [ConfigMap/istio-ca-root-cert, Secret/strimzi-*]
manifests:
  - apiVersion: cloud.redhat.com/v1alpha1
    kind: ClowdEnvironment
    metadata:
      name: env-${NAMESPACE}
      namespace: ${NAMESPACE}
    spec: {targetNamespace: \"${NAMESPACE}\"}
";

const BAD_POOLS: &[(&str, &str)] = &[
    ("name: smoke\n", ""),
    ("name: smoke\n", "name: Smoke\n"),
    ("name: smoke\n", "name: a-name-that-is-much-too-long-for-namespaces\n"),
    ("cluster: {$ref: /cluster.yml}\n", ""),
    ("$ref: /cluster.yml", "$ref: cluster.yml"),
    ("size: 3", "size: -1"),
    ("size: 3", "size: 501"),
    ("limit: 10", "limit: 0"),
    ("lease: 1h", "lease: long"),
    ("warn: 5m", "warn: 5"),
    ("each: 2", "each: 0"),
    ("- hard:", "- soft:"),
    ("- limits:", "- limit:"),
    ("names: [pull-secret]", "names: []"),
    ("names: [pull-secret]", "names: [Pull_Secret]"),
    ("  namespace: ephemeral-base\n", ""),
    ("  names: [pull", "  name: [pull"),
    ("    kind: ClowdEnvironment\n", ""),
    ("      name: env-${NAMESPACE}\n", ""),
    ("namespace: ${NAMESPACE}", "namespace: kube-system"),
    ("each: 2\n", "each: 2\noperator: {pool: default}\n"),
    ("labels: {team", "labls: {team"),
    ("Secret/strimzi-*", "Secret"),
    ("Secret/strimzi-*", "Secret/a*b"),
];

/// What is put in the place of what, so that the file is wrong.
const BAD_SOURCES: &[(&str, &str)] = &[
    ("name: web\n", ""),
    ("name: web\n", "name: Web_1\n"),
    ("app:\n  $ref: /app.yml\n", ""),
    ("$ref: /app.yml", "$ref: app.yml"),
    ("url: https", "url: -https"),
    ("branch: release/1", "branch: -x"),
    ("image: registry.example.com:5000/org/web\n", ""),
    ("image: registry.example.com:5000/org/web", "image: a@b"),
    ("hash_length: 8", "hash_length: 3"),
    ("hash_length: 8", "hash_length: 41"),
    ("hash_length: 8", "hash_length: seven"),
    ("command: [make, release]", "command: []"),
    ("command: [make, release]", "command: {make: release}"),
    ("timeout: 10m", "timeout: ten"),
    ("  env: {CGO", "  env: {1CGO"),
    ("from: out/web", "from: ../web"),
    ("from: out/web", "from: out/../../web"),
    ("from: out/web", "from: /etc/passwd"),
    ("to: /src", "to: src"),
    ("to: /src", "to: /src/../.."),
    ("mode: \"0755\"", "mode: \"rwx\""),
    ("push: false", "push: true"),
    ("push: false", "push: perhaps"),
    ("image: registry.example.com/builders/go:1", "image: \"go 1\""),
    ("cpu: 500m", "cpu: 500x"),
    ("cpu: 500m", "cores: 500m"),
    ("memory: 1Gi", "memory: 1GiB"),
    ("memory: 1Gi", "memory: -1"),
    ("limits:", "limit:"),
    ("workdir: /srv", "workdir: srv"),
    ("entrypoint: [/usr/bin/web]", "entrypoint: /usr/bin/web"),
    ("    cmd:", "    comand:"),
    ("build:\n", "builds:\n"),
    ("description: The", "descripton: The"),
];

const BAD_POLICIES: &[(&str, &str)] = &[
    ("name: production\n", ""),
    ("name: production", "name: Prod!"),
    ("select: {apps: [web]", "select: {app: [web]"),
    ("select: {apps: [web]", "select: {apps: []"),
    ("select: {apps: [web]", "select: {apps: web"),
    ("from: 2026-12-24,", "from: Christmas,"),
    ("reason: holidays, ", ""),
    ("reason: holidays", "resaon: holidays"),
    ("days: [mon, fri]", "days: [monday]"),
    ("from: \"09:00\"", "from: \"9:00\""),
    ("from: \"09:00\"", "from: \"24:00\""),
    ("until: \"24:00\", ", ""),
    ("queue: every", "queue: all"),
    ("attempts: 3", "attempts: 0"),
    ("attempts: 3", "attempts: many"),
    ("backoff: 1s", "backoff: soon"),
    ("backoffLimit", "backofflimit"),
    ("batching: {window: 10m, limit: 20}", "batching: 10m"),
    ("batching: {window: 10m, limit: 20}", "batching: {limit: 20}"),
    ("window: 10m", "window: ten"),
    ("window: 10m", "windows: 10m"),
    ("limit: 20", "limit: 1"),
    ("limit: 20", "limit: 101"),
    ("limit: 20", "limit: all"),
    ("flaky: {retries: 2}", "flaky: {retries: 4}"),
    ("flaky: {retries: 2}", "flaky: {retries: some}"),
    ("flaky: {retries: 2}", "flaky: {}"),
    ("flaky: {retries: 2}", "flaky: 2"),
    ("flaky: {retries: 2}", "flakey: {retries: 2}"),
    ("test: shop › check*", "test: \"**\""),
    ("test: shop › check*", "test: \"\""),
    ("test: shop › check*, ", ""),
    ("owner: Ann, ", ""),
    ("until: 2027-01-31, ", ""),
    ("until: 2027-01-31", "until: soon"),
    ("why: the payment stub is slow", "reason: the payment stub is slow"),
    ("rollback: automatic", "rollback: always"),
    ("ref: 5f8f0e1", "ref: 5F8F0E1"),
    ("ref: 5f8f0e1d2c3b4a5968778695a4b3c2d1e0f9a8b7", "ref: 5f8f0e1"),
    ("reason: it eats data, ", ""),
    ("rollback: true", "rollback: maybe"),
    ("freezes:", "freeze:"),
    ("BEGIN PUBLIC KEY", "BEGIN EC PRIVATE KEY"),
    ("-----END PUBLIC KEY-----", "-----"),
    ("  key: |", "  keyFile: |"),
    ("  attestations:", "  identity: {issuer: https://issuer.example.com, subject: ann@example.com}\n  attestations:"),
    ("https://slsa.dev/provenance/v1", "provenance v1"),
    ("count: 2", "count: 0"),
    ("count: 2", "count: two"),
    ("roles: [{$ref: /role.yml}], ", ""),
    ("[{$ref: /role.yml}]", "[]"),
    ("[{$ref: /role.yml}]", "[/role.yml]"),
    ("$ref: /role.yml", "$ref: role.yml"),
    ("promotions: pass", "promotions: always"),
    ("approvals:", "approval:"),
];

/// Wrong in a way that only the loader sees.
const BAD_FOR_THE_LOADER: &[(&str, &str)] = &[
    ("timezone: Europe/Prague, reason", "timezone: Europe/Atlantis, reason"),
    ("timezone: Europe/Prague, reason", "reason"),
    ("until: 2027-01-01", "until: 2026-01-01"),
    ("backoff: 1s", "backoff: 1h"),
    ("-----BEGIN PUBLIC KEY-----\n    M", "-----BEGIN PUBLIC KEY-----\n    Mx"),
];

fn errors(text: &str) -> Vec<String> {
    let app = "$schema: /app-sre/app-1.yml\nname: web\n";
    let role = "$schema: /access/role-1.yml\nname: owners\n";
    let stage = "$schema: /app-sre/environment-1.yml\nname: stage\nproduct: {$ref: /product.yml}\n";
    let cluster = "$schema: /openshift/cluster-1.yml\nname: local\n";
    let files =
        [("data/app.yml", app), ("data/role.yml", role), ("data/stage.yml", stage), ("data/cluster.yml", cluster), ("data/x.yml", text)];
    let files = files.map(|(path, text)| InputFile::new(path, text.as_bytes())).to_vec();
    load(files).diagnostics.into_iter().filter(|found| found.severity == Severity::Error).map(|found| found.rule.to_owned()).collect()
}

fn as_json(text: &str) -> Value {
    let tree = crate::yaml::parse(text.as_bytes()).unwrap();
    crate::yaml::to_json(tree.root(), &mut |_| {})
}

#[test]
fn what_a_schema_refuses_the_loader_refuses() {
    for (schema, good, bads) in [
        (SOURCE, GOOD_SOURCE, BAD_SOURCES),
        (POLICY, GOOD_POLICY, BAD_POLICIES),
        (POOL, GOOD_POOL, BAD_POOLS),
        (PERMISSION, GOOD_PERMISSION, BAD_PERMISSIONS),
    ] {
        let schema: Value = serde_json::from_str(schema).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        assert!(
            validator.is_valid(&as_json(good)),
            "{:?}",
            validator.iter_errors(&as_json(good)).map(|error| error.to_string()).collect::<Vec<_>>()
        );
        assert_eq!(errors(good), [""; 0]);
        for (from, to) in bads {
            assert!(good.contains(from), "{from}");
            let bad = good.replacen(from, to, 1);
            assert!(!validator.is_valid(&as_json(&bad)), "the schema takes {to:?} for {from:?}");
            assert!(!errors(&bad).is_empty(), "the loader takes {to:?} for {from:?}");
        }
    }
    for (from, to) in BAD_FOR_THE_LOADER {
        assert!(!errors(&GOOD_POLICY.replacen(from, to, 1)).is_empty(), "the loader takes {to:?} for {from:?}");
    }
}

#[test]
fn every_field_of_the_schemas_is_described() {
    fn walk(value: &Value, path: &str) {
        for (name, field) in value.get("properties").and_then(Value::as_object).into_iter().flatten() {
            assert!(field.get("description").is_some_and(Value::is_string), "{path}/{name} has no description");
            walk(field, &format!("{path}/{name}"));
        }
        if let Some(items) = value.get("items") {
            walk(items, path);
        }
    }
    for schema in [SOURCE, POLICY, POOL, PERMISSION] {
        let schema: Value = serde_json::from_str(schema).unwrap();
        assert!(schema["description"].is_string());
        walk(&schema, "");
    }
}
