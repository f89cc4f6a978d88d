//! What the loader makes of trees, rule by rule. Each test takes the good tree and spoils one thing.

mod access;
mod catalog;
mod mutation;
mod radius;
mod reload;
mod rules;

use crate::diagnostic::Severity;
use crate::input::InputFile;
use crate::load::{Loaded, load};
use crate::model::Target;

/// A commit for refs.
pub(super) const SHA: &str = "5f8f0e1d2c3b4a5968778695a4b3c2d1e0f9a8b7";

/// A tree with a whole chain: stage publishes, tests subscribe and publish, production subscribes.
#[derive(Clone)]
pub(super) struct Tree(Vec<(String, String)>);

impl Tree {
    pub fn good() -> Self {
        let mut tree = Self(Vec::new());
        tree.put(
            "apps/web.yml",
            "$schema: /app-sre/app-1.yml\nname: web\ncodeComponents:\n  - name: web\n    url: https://git.example.com/web\n",
        );
        tree.put("apps/other.yml", "$schema: /app-sre/app-1.yml\nname: other\nparentApp:\n  $ref: /apps/web.yml\n");
        for phase in ["stage", "prod"] {
            tree.put(
                &format!("clusters/{phase}.yml"),
                &format!("$schema: /openshift/cluster-1.yml\nname: c-{phase}\nserverUrl: https://{phase}.example.com\n"),
            );
            tree.put(
                &format!("env/{phase}.yml"),
                &format!(
                    "$schema: /app-sre/environment-1.yml\nname: {phase}\nparameters:\n  ENV: {phase}\n  DOMAIN: {phase}.example.com\n"
                ),
            );
            let namespace = format!(
                "$schema: /openshift/namespace-1.yml\nname: web-{phase}\nlabels: {{tier: one}}\ncluster: {{$ref: /clusters/{phase}.yml}}\napp: {{$ref: /apps/web.yml}}\nenvironment: {{$ref: /env/{phase}.yml}}\n"
            );
            tree.put(&format!("ns/{phase}.yml"), &namespace);
        }
        let deploy = format!(
            "$schema: /app-sre/saas-file-2.yml
name: web
app: {{$ref: /apps/web.yml}}
managedResourceTypes: [Deployment]
allowedSecretParameterPaths: [web/creds]
resourceTemplates:
  - name: web
    url: https://git.example.com/web
    path: /deploy.yml
    targets:
      - namespace: {{$ref: /ns/stage.yml}}
        ref: main
        promotion:
          publish: [deployed]
        parameters:
          A: one
      - namespace: {{$ref: /ns/prod.yml}}
        ref: {SHA}
        promotion:
          auto: true
          subscribe: [tested]
        parameters:
          A: two
"
        );
        tree.put("saas/deploy.yml", &deploy);
        let test = format!(
            "$schema: /app-sre/saas-file-2.yml
name: web-test
app: {{$ref: /apps/web.yml}}
managedResourceTypes: [Job]
resourceTemplates:
  - name: smoke
    url: https://git.example.com/web
    path: /smoke.yml
    targets:
      - namespace: {{$ref: /ns/stage.yml}}
        ref: {SHA}
        promotion:
          auto: true
          subscribe: [deployed]
          publish: [tested]
"
        );
        tree.put("saas/test.yml", &test);
        tree
    }

    /// Adds or replaces a file below `data/`.
    pub fn put(&mut self, path: &str, text: &str) -> &mut Self {
        let path = format!("data/{path}");
        self.0.retain(|(known, _)| *known != path);
        self.0.push((path, text.to_owned()));
        self
    }

    /// Replaces a text that must be there, everywhere in one file.
    #[track_caller]
    pub fn replace(&mut self, path: &str, from: &str, to: &str) -> &mut Self {
        let file = self.0.iter_mut().find(|(known, _)| *known == format!("data/{path}")).expect("the file is there");
        assert!(file.1.contains(from), "{path} holds no {from:?}");
        file.1 = file.1.replace(from, to);
        self
    }

    pub fn remove(&mut self, path: &str) -> &mut Self {
        self.0.retain(|(known, _)| *known != format!("data/{path}"));
        self
    }

    pub fn files(&self) -> Vec<InputFile> {
        self.0.iter().map(|(path, text)| InputFile::new(path.as_str(), text.as_bytes())).collect()
    }

    pub fn load(&self) -> Loaded {
        load(self.files())
    }
}

/// The target with this title.
#[track_caller]
pub(super) fn target<'a>(loaded: &'a Loaded, title: &str) -> &'a Target {
    let titles = || loaded.catalog.targets.values().map(|target| target.title()).collect::<Vec<_>>();
    loaded.catalog.targets.values().find(|target| target.title() == title).unwrap_or_else(|| panic!("no {title} among {:?}", titles()))
}

/// All findings as `rule@file:line:column`, warnings with a `?`.
pub(super) fn found(loaded: &Loaded) -> Vec<String> {
    let mark = |severity| if severity == Severity::Warning { "?" } else { "" };
    loaded
        .diagnostics
        .iter()
        .map(|found| format!("{}{}@{}", found.rule, mark(found.severity), found.place.to_string().trim_start_matches("data/")))
        .collect()
}

/// Titles of held targets.
pub(super) fn held(loaded: &Loaded) -> Vec<String> {
    let mut titles: Vec<_> =
        loaded.catalog.targets.values().filter(|target| !target.unsupported.is_empty()).map(|target| target.title()).collect();
    titles.sort();
    titles
}

pub(super) const STAGE: &str = "web/web/stage/web-stage";
pub(super) const PROD: &str = "web/web/prod/web-prod";
pub(super) const TEST: &str = "web-test/smoke/stage/web-stage";
