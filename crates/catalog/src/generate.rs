//! Config trees of any size, for tests and measurements. The same shape always gives the same bytes.
//!
//! Each service has an app, two namespaces, a saas file with a stage and a production target, and one with post-deploy
//! tests: stage publishes, the tests subscribe and publish, production subscribes.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use crate::input::InputFile;

/// How large a tree is, and what is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// How many services; each has three targets.
    pub services: usize,
    /// Whether each service has a source.
    pub sources: bool,
    /// Where the refs and parameters come from.
    pub seed: u64,
}

impl Shape {
    /// `services` services without sources.
    #[must_use]
    pub fn of(services: usize) -> Self {
        Self { services, sources: false, seed: 1 }
    }
}

/// Environments that services are spread over, in pairs of stage and production.
const PRODUCTS: usize = 8;

/// A tree of `services` services.
#[must_use]
pub fn tree(services: usize) -> Vec<InputFile> {
    tree_of(Shape::of(services))
}

/// A tree of this shape, in the order of paths.
#[must_use]
pub fn tree_of(shape: Shape) -> Vec<InputFile> {
    let mut files = Vec::with_capacity(shape.services * 5 + PRODUCTS * 5 + 2);
    let workspace = "---\n$schema: /dependencies/slack-workspace-1.yml\nname: example\n";
    push(&mut files, "data/slack/example.yml".to_owned(), workspace.to_owned());
    for product in 0..PRODUCTS {
        shared(product, &mut files);
    }
    for number in 0..shape.services {
        service(shape, number, &mut files);
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

/// Writes a tree of `services` services below `folder`.
///
/// # Errors
/// What the file system says.
pub fn write(folder: &Path, services: usize) -> io::Result<()> {
    for file in tree(services) {
        let path = folder.join(&*file.path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, &file.bytes)?;
    }
    Ok(())
}

/// Numbers that look random and are not (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn commit(&mut self) -> String {
        let mut text = format!("{:016x}{:016x}{:016x}", self.next(), self.next(), self.next());
        text.truncate(40);
        text
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        let at = usize::try_from(self.next() % of.len().max(1) as u64).unwrap_or_default();
        of.get(at).copied().unwrap_or_default()
    }
}

fn push(files: &mut Vec<InputFile>, path: String, text: String) {
    files.push(InputFile::new(path, text.into_bytes()));
}

fn shared(product: usize, files: &mut Vec<InputFile>) {
    for phase in ["stage", "prod"] {
        let name = format!("product-{product}-{phase}");
        let text = format!(
            "---\n$schema: /app-sre/environment-1.yml\nlabels:\n  phase: {phase}\nname: {name}\ndescription: The {phase} phase of product {product}\n\
             product:\n  $ref: /products/product-{product}.yml\nservicePhase: {phase}\nparameters:\n  ENV_NAME: {name}\n  LOG_LEVEL: info\n  ZONE: eu-{product}\n"
        );
        push(files, format!("data/environments/{name}.yml"), text);
        let text = format!(
            "---\n$schema: /openshift/cluster-1.yml\nlabels: {{}}\nname: c-{product}-{phase}\ndescription: A cluster of {phase}\n\
             serverUrl: https://api.c-{product}-{phase}.example.com:6443\nconsoleUrl: https://console.c-{product}-{phase}.example.com\ninternal: false\nauth: []\n"
        );
        push(files, format!("data/clusters/c-{product}-{phase}.yml"), text);
    }
    let text = format!(
        "---\n$schema: /app-sre/product-1.yml\nlabels: {{}}\nname: product-{product}\ndescription: Product {product}\nproductOwners: []\n"
    );
    push(files, format!("data/products/product-{product}.yml"), text);
}

fn service(shape: Shape, number: usize, files: &mut Vec<InputFile>) {
    let mut numbers = Numbers(shape.seed.wrapping_mul(0x0005_DEEC_E66D).wrapping_add(number as u64));
    let name = format!("svc-{number:05}");
    let product = number % PRODUCTS;
    let team = numbers.pick(&["harbour", "lock", "barge", "weir", "bridge"]);
    let folder = format!("data/services/{name}");
    let text = format!(
        "---\n$schema: /app-sre/app-1.yml\nlabels: {{}}\nname: {name}\ndescription: The service {number}\nonboardingStatus: OnBoarded\n\
         serviceOwners:\n  - name: Team {team}\n    email: {team}@example.com\ncodeComponents:\n  - name: {name}\n    resource: upstream\n    url: https://git.example.com/org/{name}\n"
    );
    push(files, format!("{folder}/app.yml"), text);
    for phase in ["stage", "prod"] {
        let text = format!(
            "---\n$schema: /openshift/namespace-1.yml\nlabels:\n  team: {team}\nname: {name}-{phase}\ndescription: {name} in {phase}\n\
             cluster:\n  $ref: /clusters/c-{product}-{phase}.yml\napp:\n  $ref: /services/{name}/app.yml\nenvironment:\n  $ref: /environments/product-{product}-{phase}.yml\n\
             managedRoles: true\nnetworkPoliciesAllow: []\n"
        );
        push(files, format!("{folder}/namespaces/{name}-{phase}.yml"), text);
    }
    let commit = numbers.commit();
    push(files, format!("{folder}/deploy.yml"), deploy(&name, team, &commit, &mut numbers));
    push(files, format!("{folder}/test.yml"), tests(&name, team, &commit));
    if shape.sources {
        let text = format!(
            "---\n$schema: /towpath/source-1.yml\nname: {name}\napp:\n  $ref: /services/{name}/app.yml\nurl: https://git.example.com/org/{name}\n\
             image: registry.example.com/org/{name}\nbuild:\n  command: make release\n  pack:\n    files:\n      - {{from: out/{name}, to: /app}}\n    entrypoint: [/app]\n"
        );
        push(files, format!("{folder}/source.yml"), text);
    }
}

fn head(name: &str, suffix: &str, team: &str) -> String {
    format!(
        "---\n$schema: /app-sre/saas-file-2.yml\nlabels:\n  team: {team}\nname: saas-{name}{suffix}\ndisplayName: {name}\ndescription: Brings {name} to its environments\n\n\
         app:\n  $ref: /services/{name}/app.yml\n\npipelinesProvider:\n  $ref: /pipelines/tekton.yml\n\nslack:\n  workspace:\n    $ref: /slack/example.yml\n  channel: {team}-deploys\n\n"
    )
}

fn deploy(name: &str, team: &str, commit: &str, numbers: &mut Numbers) -> String {
    let mut text = head(name, "", team);
    let _ = write!(
        text,
        "managedResourceTypes:\n  - Deployment\n  - Service\n  - ConfigMap\n\nimagePatterns:\n  - registry.example.com/org/{name}\n\ntimeout: 1h\n\n\
         parameters:\n  APP: {name}\n  CPU: {}m\n  MEMORY: {}Mi\n\n\
         resourceTemplates:\n  - name: {name}\n    url: https://git.example.com/org/{name}\n    path: /deploy/template.yml\n    hash_length: 7\n\
         \x20   parameters:\n      IMAGE: registry.example.com/org/{name}\n    targets:\n",
        100 + numbers.next() % 900,
        64 << (numbers.next() % 5)
    );
    for (phase, remark, git_ref) in
        [("stage", "every merge goes straight to stage", "main"), ("prod", "production follows once the tests passed on stage", commit)]
    {
        let _ = write!(
            text,
            "      # {remark}\n      - namespace:\n          $ref: /services/{name}/namespaces/{name}-{phase}.yml\n        ref: {git_ref}\n        promotion:\n{}\
             \x20       parameters:\n          REPLICAS: {}\n          HOST: {name}.{phase}.example.com\n          FEATURE_A: {}\n          FEATURE_B: \"{}\"\n\
             \x20         TIMEOUT: {}\n          CACHE: {}Mi # measured in spring\n          NOTE: a longer value that is carried around\n          POOL: {}\n",
            if phase == "stage" {
                format!("          publish:\n            - {name}-stage-deploy-success-channel\n")
            } else {
                format!("          auto: true\n          subscribe:\n            - {name}-stage-tests-success-channel\n")
            },
            1 + numbers.next() % 9,
            numbers.next().is_multiple_of(2),
            numbers.next().is_multiple_of(2),
            10 + numbers.next() % 50,
            32 << (numbers.next() % 4),
            numbers.pick(&["small", "medium", "large"]),
        );
    }
    text
}

fn tests(name: &str, team: &str, commit: &str) -> String {
    let mut text = head(name, "-test", team);
    let _ = write!(
        text,
        "publishJobLogs: true\n\nmanagedResourceTypes:\n  - Job\n\nimagePatterns: []\n\n\
         resourceTemplates:\n  - name: {name}-smoke\n    url: https://git.example.com/org/{name}\n    path: /deploy/smoke.yml\n    targets:\n\
         \x20     - namespace:\n          $ref: /services/{name}/namespaces/{name}-stage.yml\n        ref: {commit}\n        promotion:\n          auto: true\n\
         \x20         redeployOnPublisherConfigChange: true\n          subscribe:\n            - {name}-stage-deploy-success-channel\n\
         \x20         publish:\n            - {name}-stage-tests-success-channel\n"
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_tree_loads_without_a_word_and_is_always_the_same() {
        let shape = Shape { services: 20, sources: true, seed: 7 };
        let loaded = crate::load(tree_of(shape));
        assert_eq!(loaded.diagnostics, []);
        assert_eq!(loaded.catalog.targets.len(), 60);
        assert_eq!(loaded.catalog.sources.len(), 20);
        assert!(
            loaded
                .catalog
                .targets
                .values()
                .all(|target| target.source.is_some() && target.branch.is_some() && target.unsupported.is_empty())
        );
        assert_eq!(tree_of(shape), tree_of(shape));
        assert_ne!(tree_of(shape), tree_of(Shape { seed: 8, ..shape }));
    }
}
