//! Checks of pull requests: what they refer to, looked up.

use std::fmt::Write as _;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::findings::Findings;
use super::index::Index;
use crate::model::{CheckTest, ForkCheck, PullCheck};
use crate::read::{RawCheck, RawEnvironment, RawPool, RawSaas, Ref};

/// The check of a source; none when something that it refers to is not there, which is told.
pub(super) fn link(file: &Arc<str>, raw: &RawCheck, index: &Index<'_>, findings: &mut Findings) -> Option<Arc<PullCheck>> {
    let mut pool = |to: &Ref, findings: &mut Findings| index.find::<RawPool>(file, to, findings).map(|(_, pool)| pool);
    let own = match &raw.pool {
        Some(to) => Some(pool(to, findings)?.name.value.clone()),
        None => None,
    };
    let forks = match &raw.forks {
        Some(forks) => Some(ForkCheck { pool: fork_pool(file, forks.pool.as_ref(), &mut pool, findings)? }),
        None => None,
    };
    let environment = match &raw.environment {
        Some(to) => Some(index.find::<RawEnvironment>(file, to, findings)?.1.name.value.clone()),
        None => None,
    };
    let mut dependencies = Vec::with_capacity(raw.dependencies.len());
    for to in &raw.dependencies {
        dependencies.push(index.find::<RawSaas>(file, to, findings)?.1.name.value.clone());
    }
    let mut tests = Vec::with_capacity(raw.tests.len());
    for test in &raw.tests {
        let saas = index.find::<RawSaas>(file, &test.saas_file, findings)?.1;
        let (name, saas_file) = (test.name.value.clone(), saas.name.value.clone());
        tests.push(CheckTest { name, saas_file, resource_template: test.resource_template.clone() });
    }
    let mut check = PullCheck {
        pool: own,
        environment,
        dependencies,
        parameters: raw.parameters.clone(),
        tests,
        command: raw.command.clone(),
        definition: raw.definition.clone(),
        env: raw.env.clone(),
        reports: raw.reports.clone(),
        timeout: raw.timeout,
        concurrency: raw.concurrency,
        urgent: raw.urgent.clone(),
        merged: raw.merged,
        retries: raw.retries,
        forks,
        hash: Arc::from(""),
    };
    check.hash = hash(&check).into();
    Some(Arc::new(check))
}

/// The pool of forks: one that copies no secrets, since whoever runs something in a namespace reads what is in it.
fn fork_pool<'a>(
    file: &Arc<str>,
    to: Option<&Ref>,
    pool: &mut dyn FnMut(&Ref, &mut Findings) -> Option<&'a RawPool>,
    findings: &mut Findings,
) -> Option<Option<towpath_domain::PoolName>> {
    let Some(to) = to else { return Some(None) };
    let found = pool(to, findings)?;
    if found.secrets.is_some() || found.operator.is_some() {
        let message = format!(
            "the pool `{}` {}: a fork's pull request could read them",
            found.name.value,
            match found.operator {
                Some(_) => "is an operator's, which may copy secrets into its namespaces",
                None => "copies secrets into its namespaces",
            }
        );
        findings.error("secrets-for-forks", to.spot.place(file), message, "Name a pool of Towpath's own without `secrets`.");
        return None;
    }
    Some(Some(found.name.value.clone()))
}

/// The hash over all that says how something is checked; how many at a time, and who goes first, says nothing of the result.
fn hash(check: &PullCheck) -> String {
    let PullCheck { pool, environment, dependencies, parameters, tests, command, definition, env, reports, timeout, merged, .. } = check;
    let said = format!(
        "towpath-check-1\n{pool:?}\n{environment:?}\n{dependencies:?}\n{parameters:?}\n{tests:?}\n{command:?}\n{definition:?}\n{env:?}\n{reports:?}\n{timeout}\n{merged}"
    );
    Sha256::digest(said.as_bytes()).iter().take(8).fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use crate::{InputFile, load};

    const SOURCE: &str = "$schema: /towpath/source-1.yml\nname: web\napp: {$ref: /app.yml}\nurl: https://git.example.com/web\nimage: r.example.com/web\nbuild: {command: make}\n";
    const SAAS: &str =
        "$schema: /app-sre/saas-file-2.yml\nname: db\napp: {$ref: /app.yml}\nmanagedResourceTypes: [Deployment]\nresourceTemplates: []\n";

    fn loaded(check: &str) -> crate::Loaded {
        let source = format!("{SOURCE}check:\n{check}");
        let files = [
            ("data/app.yml", "$schema: /app-sre/app-1.yml\nname: shop\n"),
            ("data/cluster.yml", "$schema: /openshift/cluster-1.yml\nname: local\n"),
            ("data/stage.yml", "$schema: /app-sre/environment-1.yml\nname: stage\n"),
            ("data/db.yml", SAAS),
            ("data/plain.yml", "$schema: /towpath/pool-1.yml\nname: plain\ncluster: {$ref: /cluster.yml}\n"),
            (
                "data/secret.yml",
                "$schema: /towpath/pool-1.yml\nname: secret\ncluster: {$ref: /cluster.yml}\nsecrets: {namespace: base, names: [pull]}\n",
            ),
            ("data/source.yml", &source),
        ];
        load(files.map(|(path, text)| InputFile::new(path, text.as_bytes())).to_vec())
    }

    fn rules(loaded: &crate::Loaded) -> Vec<&str> {
        // What the little saas file lacks is none of this.
        loaded.diagnostics.iter().filter(|found| found.place.file.starts_with("data/source")).map(|found| found.rule).collect()
    }

    const WHOLE: &str = "  pool: {$ref: /secret.yml}\n  environment: {$ref: /stage.yml}\n  dependencies: [{$ref: /db.yml}]\n  parameters: {ENV: 'env-${NAMESPACE}'}\n  tests: [{name: smoke, saas_file: {$ref: /db.yml}, resource_template: smoke}]\n  command: ./pr_check.sh\n  definition: [pr_check.sh]\n  reports: [artifacts/junit-*.xml]\n  concurrency: 3\n  forks: {pool: {$ref: /plain.yml}}\n";

    #[test]
    fn a_check_that_says_little_has_what_most_want() {
        let loaded = loaded("  command: make check\n");
        assert_eq!(rules(&loaded), [""; 0]);
        let check = loaded.catalog.sources["web"].check.clone().unwrap();
        assert_eq!(check.command.as_deref().unwrap(), ["sh", "-c", "make check"]);
        assert_eq!((check.concurrency, check.retries, check.merged, check.forks.is_none()), (1, 1, true, true));
        assert_eq!((check.timeout.to_string().as_str(), check.urgent.as_slice()), ("1h", ["urgent".to_owned()].as_slice()));
    }

    #[test]
    fn what_it_refers_to_is_looked_up() {
        let loaded = loaded(WHOLE);
        assert_eq!(rules(&loaded), [""; 0]);
        let check = loaded.catalog.sources["web"].check.clone().unwrap();
        assert_eq!(check.pool.as_ref().unwrap().as_str(), "secret");
        assert_eq!(check.forks.as_ref().unwrap().pool.as_ref().unwrap().as_str(), "plain");
        assert_eq!((check.dependencies[0].as_str(), check.tests[0].saas_file.as_str()), ("db", "db"));
    }

    #[test]
    fn how_something_is_checked_is_told_by_one_hash_and_how_many_at_a_time_is_not() {
        let hash = |text: &str| loaded(text).catalog.sources["web"].check.clone().unwrap().hash.clone();
        let whole = hash(WHOLE);
        assert_eq!(hash(&WHOLE.replace("concurrency: 3", "concurrency: 4")), whole);
        for (from, to) in [("command: ./pr_check.sh", "command: ./other.sh"), ("name: smoke", "name: quick"), ("ENV: ", "OTHER: ")] {
            assert_ne!(hash(&WHOLE.replace(from, to)), whole, "{to}");
        }
    }

    #[test]
    fn nonsense_is_refused_where_it_stands() {
        for (bad, rule) in [
            // A fork's pull request would read them.
            (WHOLE.replace("forks: {pool: {$ref: /plain.yml}}", "forks: {pool: {$ref: /secret.yml}}"), "secrets-for-forks"),
            (WHOLE.replace("forks: {pool: {$ref: /plain.yml}}", "forks: {}"), "missing-field"),
            (WHOLE.replace("definition: [pr_check.sh]", "definition: [../pr_check.sh]"), "bad-path"),
            (WHOLE.replace("reports: [artifacts", "reports: [/artifacts"), "bad-path"),
            (WHOLE.replace("/db.yml", "/gone.yml"), "unknown-reference"),
            (WHOLE.replace("name: smoke", "name: 'a b'"), "bad-name"),
            (WHOLE.replace("concurrency: 3", "concurrency: 0"), "wrong-type"),
            ("  command: make\n  tests: []\n".to_owned(), "missing-field"),
            ("  reports: [a.xml]\n  pool: {$ref: /plain.yml}\n".to_owned(), "nonsense"),
            ("  command: make\n  pools: {$ref: /plain.yml}\n".to_owned(), "unknown-field"),
        ] {
            let loaded = loaded(&bad);
            assert!(rules(&loaded).contains(&rule), "{bad}: {:?}", rules(&loaded));
            assert!(loaded.catalog.sources.get("web").is_none_or(|source| source.check.is_none()), "{bad}");
        }
    }
}
