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
