//! A catalog with a source whose pull requests are checked, for tests.

use std::sync::Arc;

use towpath_catalog::{Catalog, InputFile, PullCheck, Source};
use towpath_domain::SourceName;
use towpath_engine::check::{CheckWork, Overrides};

use super::merge::Merged;

const FILES: [(&str, &str); 9] = [
    ("c.yml", "$schema: /openshift/cluster-1.yml\nname: c\nserverUrl: local\n"),
    ("stage.yml", "$schema: /app-sre/environment-1.yml\nname: stage\nparameters: {ENV_NAME: stage}\n"),
    (
        "app.yml",
        "$schema: /app-sre/app-1.yml\nname: web\ncodeComponents:\n  - {name: web, resource: upstream, url: 'https://e.com/web'}\n  \
         - {name: db, resource: upstream, url: 'https://e.com/db'}\n",
    ),
    (
        "ns.yml",
        "$schema: /openshift/namespace-1.yml\nname: web-stage\ncluster: {$ref: /c.yml}\napp: {$ref: /app.yml}\nenvironment: {$ref: /stage.yml}\n",
    ),
    ("pool.yml", "$schema: /towpath/pool-1.yml\nname: smoke\ncluster: {$ref: /c.yml}\nsize: 1\nlimit: 2\n"),
    (
        "source.yml",
        "$schema: /towpath/source-1.yml\nname: web\napp: {$ref: /app.yml}\nurl: https://e.com/web\nbranch: main\nimage: e.com/web\nbuild: {command: make}\n\
         check:\n  pool: {$ref: /pool.yml}\n  environment: {$ref: /stage.yml}\n  dependencies: [{$ref: /db.yml}, {$ref: /web.yml}]\n  \
         parameters: {HOST: 'web.${NAMESPACE}.example.com', TOKEN: none}\n  \
         tests:\n    - {name: smoke, saas_file: {$ref: /test.yml}, resource_template: smoke}\n    \
         - {name: full, saas_file: {$ref: /test.yml}, resource_template: full}\n",
    ),
    (
        "db.yml",
        "$schema: /app-sre/saas-file-2.yml\nname: db\napp: {$ref: /app.yml}\nmanagedResourceTypes: [Deployment]\nresourceTemplates:\n  \
         - name: db\n    url: https://e.com/db\n    path: /db.yaml\n    targets:\n      - {namespace: {$ref: /ns.yml}, ref: main}\n      \
         - {namespace: {$ref: /ns.yml}, name: off, ref: main, disable: true}\n",
    ),
    (
        "web.yml",
        "$schema: /app-sre/saas-file-2.yml\nname: web\napp: {$ref: /app.yml}\nmanagedResourceTypes: [Deployment]\n\
         allowedSecretParameterPaths: [team]\nresourceTemplates:\n  - name: web\n    url: https://e.com/web\n    path: /web.yaml\n    \
         parameters: {IMAGE: e.com/web, HOST: stage}\n    secretParameters:\n      - {name: TOKEN, secret: {path: team/web, field: token}}\n      \
         - {name: KEY, secret: {path: team/web, field: key}}\n    targets:\n      - {namespace: {$ref: /ns.yml}, ref: main}\n",
    ),
    (
        "test.yml",
        "$schema: /app-sre/saas-file-2.yml\nname: test\napp: {$ref: /app.yml}\nmanagedResourceTypes: [Job]\nresourceTemplates:\n  - name: smoke\n    \
         url: https://e.com/web\n    path: /smoke.yaml\n    targets: [{namespace: {$ref: /ns.yml}, ref: main}]\n  - name: full\n    \
         url: https://e.com/db\n    path: /full.yaml\n    targets: [{namespace: {$ref: /ns.yml}, ref: main}]\n",
    ),
];

/// What the config repository says.
#[track_caller]
pub(super) fn catalog() -> Arc<Catalog> {
    let files = FILES.iter().map(|(path, text)| InputFile::new(format!("data/{path}"), text.as_bytes().to_vec())).collect();
    let loaded = towpath_catalog::load(files);
    let problems: Vec<String> = loaded.diagnostics.iter().map(|found| format!("{found:?}")).collect();
    assert_eq!(loaded.catalog.targets.len(), 5, "{problems:#?}");
    Arc::new(loaded.catalog)
}

/// The source, and how it is checked.
pub(super) fn source(catalog: &Catalog) -> (Arc<Source>, Arc<PullCheck>) {
    let source = Arc::clone(&catalog.sources["web"]);
    let said = Arc::clone(source.check.as_ref().unwrap());
    (source, said)
}

/// A check of pull request 17.
pub(super) fn work() -> CheckWork {
    CheckWork {
        id: "web#17".parse().unwrap(),
        source: SourceName::new("web").unwrap(),
        number: Some(17),
        head: "a".repeat(40).parse().unwrap(),
        seen_at: Default::default(),
        from_fork: false,
        check_hash: String::new(),
        tests: Vec::new(),
        anew: false,
        urgent: false,
        overrides: Overrides::default(),
    }
}

/// The pull request, merged.
pub(super) fn merged(tree: &str, digit: char) -> Merged {
    Merged { commit: digit.to_string().repeat(40).parse().unwrap(), base: None, tree: tree.to_owned() }
}
