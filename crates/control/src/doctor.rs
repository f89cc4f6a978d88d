//! What is well and what is not, with how to mend it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use towpath_catalog::Catalog;
use towpath_cluster::Examination;
use towpath_domain::{ClusterName, NamespaceName};
use towpath_runs::World;

use crate::steer::Control;
use crate::view::Finding;
use crate::words;

impl Control {
    /// Looks at what the server depends on.
    pub async fn doctor(&self) -> Vec<Finding> {
        let world = &self.world;
        let mut findings = Vec::new();
        findings.push(match world.mirrors.git().version().await {
            Ok(version) => ok("git", format!("git version {version}")),
            Err(error) => bad("git", error.to_string(), "install git 2.38 or newer"),
        });
        let snapshot = world.current();
        findings.push(match snapshot.commit {
            Some(commit) => ok("config repository", format!("{} at {}", world.config.url, commit.short(12))),
            None => bad("config repository", format!("{} has not been read", world.config.url), "check the URL and branch in towpath.toml"),
        });
        let errors = snapshot.errors();
        if errors > 0 {
            findings.push(Finding {
                what: "config files".to_owned(),
                level: "warning".to_owned(),
                text: words::count(u32::try_from(errors).unwrap_or(u32::MAX), "error"),
                mend: "`towpath status` shows them; `towpath validate` before pushing finds them sooner".to_owned(),
            });
        } else {
            findings.push(ok("config files", format!("{} targets, no errors", snapshot.catalog.targets.len())));
        }
        {
            let facts = world.ledger.facts();
            let mut away: Vec<_> =
                facts.branches.iter().filter_map(|((url, branch), b)| b.unreachable.as_ref().map(|why| (url, branch, why))).collect();
            away.sort_by_key(|(url, branch, _)| ((*url).clone(), (*branch).clone()));
            for (url, branch, (since, error)) in away {
                findings.push(bad(
                    "repository",
                    format!("{branch} of {url} cannot be looked at since {since}: {error}"),
                    "check the address and the credentials that git uses for it",
                ));
            }
        }
        findings.extend(self.clusters(&snapshot.catalog).await);
        findings.extend(registries(world).await);
        findings.push(disk(world.ledger.file().parent().unwrap_or(Path::new("."))));
        findings
    }
}

impl Control {
    /// Each cluster of the catalog: whether it is reached, which version it is, and what Towpath may not do there.
    async fn clusters(&self, catalog: &Catalog) -> Vec<Finding> {
        let mut wanted: BTreeMap<ClusterName, BTreeMap<NamespaceName, BTreeSet<String>>> = BTreeMap::new();
        for target in catalog.targets.values().filter(|target| !target.disable) {
            let kinds = wanted.entry(target.cluster.clone()).or_default().entry(target.namespace.clone()).or_default();
            kinds.extend(target.saas_file.managed_resource_types.iter().cloned());
        }
        let looks = wanted.into_iter().map(|(name, namespaces)| async move {
            let what = format!("cluster {name}");
            let needs: Vec<(NamespaceName, Vec<String>)> =
                namespaces.into_iter().map(|(namespace, kinds)| (namespace, kinds.into_iter().collect())).collect();
            let cluster = self.world.clusters.get(&name);
            match tokio::time::timeout(CLUSTER_WITHIN, cluster.examine(&needs)).await {
                Ok(Ok(examination)) => examined(&what, examination),
                Ok(Err(error)) => vec![bad(&what, error.to_string(), "correct [clusters] in towpath.toml, or make the cluster reachable")],
                Err(_) => {
                    let text = format!("did not answer within {} s", CLUSTER_WITHIN.as_secs());
                    vec![bad(&what, text, "correct [clusters] in towpath.toml, or make the cluster reachable")]
                }
            }
        });
        futures_util::future::join_all(looks).await.into_iter().flatten().collect()
    }
}

/// How long a cluster may take: one that hangs does not hold up what is told of the others.
const CLUSTER_WITHIN: Duration = Duration::from_secs(20);

fn examined(what: &str, examination: Examination) -> Vec<Finding> {
    let mut findings = vec![ok(what, examination.version)];
    for missing in examination.missing {
        let place = missing.namespace.map(|namespace| format!(" in namespace {namespace}")).unwrap_or_default();
        let text = format!("{}: {} is not allowed{place}", missing.resource, missing.verbs.join(", "));
        findings.push(bad(what, text, "grant it to the account that towpath.toml names for this cluster; docs/operate.md has a role"));
    }
    for note in examination.notes {
        findings.push(Finding {
            what: what.to_owned(),
            level: "warning".to_owned(),
            text: note,
            mend: "install what defines it, or leave it out of managedResourceTypes".to_owned(),
        });
    }
    findings
}

/// How long a registry may take, for the same reason.
const REGISTRY_WITHIN: Duration = Duration::from_secs(20);

/// Each registry over the network.
async fn registries(world: &World) -> Vec<Finding> {
    let looks = world.registry.remotes().map(|registry| async move {
        let what = format!("registry {}", registry.host());
        const MEND: &str = "correct [registries] in towpath.toml, or make the registry reachable";
        match tokio::time::timeout(REGISTRY_WITHIN, registry.examine()).await {
            Ok(Ok(())) => ok(&what, "answers".to_owned()),
            Ok(Err(error)) => bad(&what, error.to_string(), MEND),
            Err(_) => bad(&what, format!("did not answer within {} s", REGISTRY_WITHIN.as_secs()), MEND),
        }
    });
    futures_util::future::join_all(looks).await
}

/// Free space below which nothing can be recorded any more, and below which a build or a log may fill it, in bytes.
const FREE_BYTES: (u64, u64) = (256 << 20, 2 << 30);

/// Free space where `folder` is, or will be.
pub fn disk(folder: &Path) -> Finding {
    const WHAT: &str = "disk space";
    let there = folder.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("."));
    let free = match rustix::fs::statvfs(there) {
        Ok(stat) => stat.f_bavail.saturating_mul(stat.f_frsize),
        Err(error) => return bad(WHAT, format!("{}: {error}", there.display()), "check that the state directory is there"),
    };
    let tenths = free.saturating_mul(10) >> 30;
    let text = format!("{}.{} GiB free at {}", tenths / 10, tenths % 10, there.display());
    let mend = "make room: images, mirrors and logs are kept there, and without room nothing can be recorded";
    match free {
        _ if free < FREE_BYTES.0 => bad(WHAT, text, mend),
        _ if free < FREE_BYTES.1 => Finding { what: WHAT.to_owned(), level: "warning".to_owned(), text, mend: mend.to_owned() },
        _ => ok(WHAT, text),
    }
}

fn ok(what: &str, text: String) -> Finding {
    Finding { what: what.to_owned(), level: "ok".to_owned(), text, mend: String::new() }
}

fn bad(what: &str, text: String, mend: &str) -> Finding {
    Finding { what: what.to_owned(), level: "error".to_owned(), text, mend: mend.to_owned() }
}
