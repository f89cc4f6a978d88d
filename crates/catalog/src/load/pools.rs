//! Pools: what they refer to, looked up.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use towpath_domain::PoolName;

use super::findings::Findings;
use super::index::Index;
use crate::canon::{self, Form};
use crate::diagnostic::Severity;
use crate::model::{BrokenPool, Pool};
use crate::read::{Content, RawApp, RawCluster, RawEnvironment, RawPool, schema};

/// All pools by name, and those that cannot be used. What a broken one keeps is left as it is: a slip of the pen must not end what people work with.
pub(super) fn link(index: &Index<'_>, findings: &mut Findings) -> (BTreeMap<PoolName, Arc<Pool>>, Vec<BrokenPool>) {
    let (mut pools, mut broken) = (BTreeMap::new(), Vec::new());
    for file in index.files {
        let path = Arc::clone(&file.path);
        match &file.content {
            Content::Pool(raw) => match pool(&path, raw, index, findings) {
                Some(pool) if !pools.contains_key(&pool.name) => {
                    pools.insert(pool.name.clone(), Arc::new(pool));
                }
                Some(_) => {}
                None => {
                    let error = "something it refers to is not there".to_owned();
                    broken.push(BrokenPool { path, name: Some(raw.name.value.clone()), error });
                }
            },
            Content::Broken if file.schema.as_deref() == Some(schema::POOL) => {
                let error = file.diagnostics.iter().find(|found| found.severity == Severity::Error);
                let error = error.map_or_else(|| "it cannot be read".to_owned(), |found| found.message.clone());
                let name = file.broken_name.as_deref().and_then(|name| PoolName::new(name).ok());
                broken.push(BrokenPool { path, name, error });
            }
            _ => {}
        }
    }
    (pools, broken)
}

fn pool(file: &Arc<str>, raw: &RawPool, index: &Index<'_>, findings: &mut Findings) -> Option<Pool> {
    let (_, cluster) = index.find::<RawCluster>(file, &raw.cluster, findings)?;
    let app = match &raw.app {
        Some(app) => Some(index.find::<RawApp>(file, app, findings)?.1.name.value.clone()),
        None => None,
    };
    let environment = match &raw.environment {
        Some(environment) => Some(index.find::<RawEnvironment>(file, environment, findings)?.1.name.value.clone()),
        None => None,
    };
    let mut pool = Pool {
        name: raw.name.value.clone(),
        cluster: cluster.name.value.clone(),
        app,
        environment,
        size: raw.size,
        limit: raw.limit,
        lease: raw.lease,
        longest: raw.longest,
        warn: raw.warn,
        each: raw.each,
        quotas: raw.quotas.clone(),
        limit_ranges: raw.limit_ranges.clone(),
        secrets: raw.secrets.clone(),
        manifests: raw.manifests.clone(),
        expected: raw.expected.clone(),
        operator: raw.operator.clone(),
        made_hash: Arc::from(""),
        place: raw.name.spot.place(file),
    };
    pool.made_hash = made_hash(&pool).into();
    Some(pool)
}

/// The hash over all that goes into making a namespace of the pool.
fn made_hash(pool: &Pool) -> String {
    let mut out = String::from("towpath-pool-1\n");
    canon::text(pool.cluster.as_str(), &mut out);
    for list in [&pool.quotas, &pool.limit_ranges, &pool.manifests] {
        out.push('\n');
        for value in list {
            canon::json(value, Form::Compact, &mut out);
        }
    }
    if let Some(secrets) = &pool.secrets {
        for name in std::iter::once(secrets.namespace.as_str()).chain(secrets.names.iter().map(String::as_str)) {
            out.push('\n');
            canon::text(name, &mut out);
        }
    }
    Sha256::digest(out.as_bytes()).iter().take(8).fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{InputFile, load};

    const POOL: &str = "$schema: /towpath/pool-1.yml\nname: smoke\ncluster: {$ref: /cluster.yml}\nsize: 2\nlimit: 5\n";

    fn loaded(pool: &str) -> crate::Loaded {
        let files = [("data/cluster.yml", "$schema: /openshift/cluster-1.yml\nname: local\n"), ("data/pool.yml", pool)];
        load(files.map(|(path, text)| InputFile::new(path, text.as_bytes())).to_vec())
    }

    fn rules(loaded: &crate::Loaded) -> Vec<&str> {
        loaded.diagnostics.iter().map(|found| found.rule).collect()
    }

    #[test]
    fn a_pool_that_says_little_has_what_most_want() {
        let loaded = loaded(POOL);
        assert_eq!(rules(&loaded), [""; 0]);
        let pool = &loaded.catalog.pools["smoke"];
        assert_eq!((pool.size, pool.limit, pool.each), (2, 5, None));
        let spans = [pool.lease, pool.longest, pool.warn].map(|span| span.to_string());
        assert_eq!(spans, ["1h", "12h", "10m"]);
    }

    #[test]
    fn what_goes_into_its_namespaces_is_told_by_one_hash_and_nothing_else_is() {
        let hash = |text: &str| loaded(text).catalog.pools["smoke"].made_hash.clone();
        let plain = hash(POOL);
        for other in [
            "quotas: [{hard: {pods: 5}}]",
            "secrets: {namespace: base, names: [pull]}",
            "manifests: [{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}]",
        ] {
            assert_ne!(hash(&format!("{POOL}{other}\n")), plain, "{other}");
        }
        assert_eq!(hash(&format!("{POOL}lease: 2h\neach: 1\n")), plain);
    }

    #[test]
    fn a_broken_pool_is_known_by_its_name_and_is_not_gone() {
        for (bad, rule) in [
            (POOL.replace("size: 2", "size: many"), "wrong-type"),
            (POOL.replace("limit: 5", "limit: 1"), "nonsense"),
            (POOL.replace("/cluster.yml", "/other.yml"), "unknown-reference"),
            (format!("{POOL}operator: {{pool: default}}\n"), "nonsense"),
            (format!("{POOL}lease: 13h\nlongest: 12h\n"), "nonsense"),
        ] {
            let loaded = loaded(&bad);
            assert!(loaded.catalog.pools.is_empty(), "{bad}");
            assert_eq!(loaded.catalog.broken_pools[0].name.as_ref().map(PoolName::as_str), Some("smoke"), "{bad}");
            assert!(rules(&loaded).contains(&rule), "{bad}: {:?}", rules(&loaded));
        }
        let torn = loaded("$schema: /towpath/pool-1.yml\nname: smoke\n  x: [\n");
        assert_eq!(torn.catalog.broken_pools[0].name.as_ref().map(PoolName::as_str), Some("smoke"));
    }
}
