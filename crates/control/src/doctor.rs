//! What is well and what is not, with how to mend it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use towpath_catalog::{Catalog, Source};
use towpath_cluster::{Cluster, ClusterError, Examination};
use towpath_domain::{ClusterName, NamespaceName};
use towpath_forge::{Address, ForgeError};
use towpath_runs::World;

use crate::steer::Control;
use crate::view::Finding;
use crate::{messages, words};

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
                findings.push(bad("repository", format!("{branch} of {url} cannot be looked at since {since}: {error}"), MEND_REPOSITORY));
            }
        }
        // All at once: what is away costs its own time only.
        let (forge, forges, clusters, pools, builders, registries, secrets) = tokio::join!(
            forge(world),
            self.forges(&snapshot.catalog),
            self.clusters(&snapshot.catalog),
            self.pool_findings(&snapshot.catalog),
            builders(world),
            registries(world),
            secrets(world)
        );
        findings.extend(forge.into_iter().chain(forges).chain(clusters).chain(pools).chain(builders).chain(registries).chain(secrets));
        findings.extend(messages::findings(&world.ledger, world.clock.now()).await);
        findings.push(disk(world.ledger.file().parent().unwrap_or(Path::new("."))));
        findings
    }
}

/// What helps where Git does not come to a repository.
const MEND_REPOSITORY: &str = "check the address and the credentials that git uses for it";

/// What helps where the forge of a source does not answer as it should.
const MEND_FORGES: &str = "correct [[forges]] in towpath.toml, or make the forge reachable; docs/operate.md says what the account needs";

/// How many forges are asked at the same time.
const FORGES_AT_ONCE: usize = 8;

impl Control {
    /// The hosted forges of sources that have their pull requests checked: one of each owner is asked as whom, and those are told that could not be
    /// looked at the last time.
    async fn forges(&self, catalog: &Catalog) -> Vec<Finding> {
        let checked = catalog.sources.values().filter(|source| source.check.is_some());
        let mut by_server: BTreeMap<String, Vec<&Arc<Source>>> = BTreeMap::new();
        for source in checked.filter(|source| self.world.forges.kind(&source.url).is_some()) {
            // Whoever Towpath is may be another for each owner. One whose repository is a folder here is on a server of its own.
            let owner = |address: Address| format!("{}/{}", address.origin, address.path.split('/').next().unwrap_or_default());
            let server = Address::of(source.url.expose()).map_or_else(|| source.url.to_string(), owner);
            by_server.entry(server).or_default().push(source);
        }
        let troubled = self.troubled.all();
        let asked: Vec<Arc<Source>> = by_server.values().filter_map(|sources| sources.first().map(|source| Arc::clone(source))).collect();
        let asked = asked.into_iter().filter(|source| !troubled.contains_key(&source.name)).map(|source| account(&self.world, source));
        let mut findings: Vec<Finding> = futures_util::stream::iter(asked).buffered(FORGES_AT_ONCE).collect().await;
        findings.extend(troubled.iter().map(|(name, (since, error))| {
            let hosted = catalog.sources.get(name).is_some_and(|source| self.world.forges.kind(&source.url).is_some());
            let mend = if hosted { MEND_FORGES } else { MEND_REPOSITORY };
            bad(&format!("pull requests of {name}"), format!("they cannot be looked at since {since}: {error}"), mend)
        }));
        findings
    }

    /// Each cluster of the catalog and of `towpath.toml`: whether it is reached, which version it is, and what Towpath may not do there.
    async fn clusters(&self, catalog: &Catalog) -> Vec<Finding> {
        let mut wanted: BTreeMap<ClusterName, BTreeMap<NamespaceName, BTreeSet<String>>> =
            self.world.clusters.names().map(|name| (name.clone(), BTreeMap::new())).collect();
        for target in catalog.targets.values().filter(|target| !target.disable) {
            let kinds = wanted.entry(target.cluster.clone()).or_default().entry(target.namespace.clone()).or_default();
            kinds.extend(target.saas_file.managed_resource_types.iter().cloned());
        }
        let looks = wanted.into_iter().map(|(name, namespaces)| async move {
            let needs: Vec<(NamespaceName, Vec<String>)> =
                namespaces.into_iter().map(|(namespace, kinds)| (namespace, kinds.into_iter().collect())).collect();
            cluster(name.as_str(), &*self.world.clusters.get(&name), &needs).await
        });
        futures_util::future::join_all(looks).await.into_iter().flatten().collect()
    }
}

/// A cluster: whether it is reached, which version it is, and what Towpath may not do in these namespaces with these kinds.
pub async fn cluster(name: &str, cluster: &dyn Cluster, needs: &[(NamespaceName, Vec<String>)]) -> Vec<Finding> {
    let what = format!("cluster {name}");
    match tokio::time::timeout(LOOK_WITHIN, cluster.examine(needs)).await {
        Ok(Ok(examination)) => examined(&what, examination),
        Ok(Err(error)) => vec![unwell(&what, &error)],
        Err(_) => vec![silent(&what)],
    }
}

/// How long a cluster or store may take: one that hangs does not hold up what is told of the others.
const LOOK_WITHIN: Duration = Duration::from_secs(20);

fn silent(what: &str) -> Finding {
    let text = format!("did not answer within {} s", LOOK_WITHIN.as_secs());
    bad(what, text, "see from this machine whether its address can be reached: firewalls and wrong addresses look like this")
}

/// A cluster that cannot be used, with the most likely way to mend it.
fn unwell(what: &str, error: &ClusterError) -> Finding {
    match error {
        ClusterError::Unreachable { cluster, why } => {
            // What went wrong in words, without the layers that it came through.
            let said = why.trim_start_matches("ServiceError: ").trim_start_matches("client error (Connect): ");
            bad(what, format!("cluster {cluster} does not answer: {said}"), mend(why))
        }
        ClusterError::Forbidden { cluster, why } if why.contains("Unauthorized") => bad(
            what,
            format!("cluster {cluster} does not take the credentials: {why}"),
            "the token or client certificate is wrong or has expired: put a valid one where towpath.toml says that it is",
        ),
        error => bad(what, error.to_string(), "correct [clusters] in towpath.toml"),
    }
}

/// What most likely helps, by the words of those who tried.
fn mend(why: &str) -> &'static str {
    const KNOWN: [(&[&str], &str); 8] = [
        (&["its token cannot be had"], "mend what the message says: the token is read where towpath.toml says that it is"),
        (
            &["UnknownIssuer", "unknown issuer"],
            "the server's certificate goes back to an authority that is not trusted here: name the cluster's own, by `ca` or in the kubeconfig",
        ),
        (&["NotValidForName", "not valid for name"], "the address is none of the names in the server's certificate: use one that is"),
        (&["certificate expired", "Expired"], "the server's certificate has expired: renew it"),
        (&["dns error", "lookup address"], "no such host is known here: correct the server's address, or the name service of this machine"),
        (&["refused"], "nothing listens at that address: correct it, or start the server"),
        (
            &["timed out", "deadline", "no answer within"],
            "see from this machine whether the address can be reached: firewalls look like this",
        ),
        (&["No such file", "os error 2"], "correct the file's name in towpath.toml"),
    ];
    let known = KNOWN.iter().find(|(words, _)| words.iter().any(|word| why.contains(word)));
    known.map_or("correct [clusters] in towpath.toml, or make the cluster reachable", |(_, mend)| mend)
}

/// The forge of the config repository: whether it is reached, as whom, how much of its patience is left, and what the config branch demands.
async fn forge(world: &World) -> Vec<Finding> {
    const WHAT: &str = "forge";
    let forge = &world.config.forge;
    if !forge.abilities().comments {
        return Vec::new();
    }
    let name = forge.name();
    let account = match tokio::time::timeout(LOOK_WITHIN, forge.account()).await {
        Ok(Ok(account)) => account,
        Ok(Err(error)) => return vec![bad(WHAT, error.to_string(), "correct [forge] in towpath.toml: where it is, and Towpath's token")],
        Err(_) => return vec![silent(WHAT)],
    };
    let mut findings = vec![ok(WHAT, format!("{name}, as {account}"))];
    if forge.abilities().protection {
        findings.push(match tokio::time::timeout(LOOK_WITHIN, forge.protection()).await {
            Ok(Ok(protection)) => protected(&world.config.branch, &protection),
            Ok(Err(error)) => warning(
                "config branch",
                format!("{name} does not say what {} demands: {error}", world.config.branch),
                "let Towpath's account read the branch's protection; what it demands is then known before a merge is refused",
            ),
            Err(_) => silent("config branch"),
        });
    }
    findings.extend(forge.budget().map(|budget| {
        let text = format!("{} of {} requests are left until {}", budget.left, budget.limit, budget.resets_at);
        match budget.left.saturating_mul(10) < budget.limit {
            true => warning("requests to the forge", text, "Towpath waits when none are left; see who else uses the same account"),
            false => ok("requests to the forge", text),
        }
    }));
    findings
}

/// The forge that a source is on: whether it is reached, and as whom.
async fn account(world: &World, source: Arc<Source>) -> Finding {
    let what = format!("forge of {}", source.name);
    let account = async {
        let forge = world.forges.of(&source.url, &source.branch).await?;
        Ok::<_, ForgeError>(format!("{}, as {}", forge.name(), forge.account().await?))
    };
    match tokio::time::timeout(LOOK_WITHIN, account).await {
        Ok(Ok(account)) => ok(&what, account),
        Ok(Err(error)) => bad(&what, error.to_string(), MEND_FORGES),
        Err(_) => silent(&what),
    }
}

/// What the config branch demands, and whether Towpath can live with it.
fn protected(branch: &towpath_domain::BranchName, protection: &towpath_forge::Protection) -> Finding {
    let mut demands: Vec<String> = Vec::new();
    demands.extend((!protection.required_statuses.is_empty()).then(|| format!("the checks {}", protection.required_statuses.join(", "))));
    demands.extend((protection.required_approvals > 0).then(|| words::count(protection.required_approvals, "approval")));
    demands.extend(protection.up_to_date.then(|| "branches that are up to date".to_owned()));
    demands.extend(protection.queue.then(|| "its queue".to_owned()));
    demands.extend(protection.no_direct_push.then(|| "no direct pushes".to_owned()));
    let text = if demands.is_empty() { format!("{branch} demands nothing") } else { format!("{branch} demands {}", demands.join(", ")) };
    if protection.no_direct_push && !protection.up_to_date && !protection.queue {
        let mend = "let Towpath's account push to it, or demand branches that are up to date (or a queue): else what is merged may not be what was checked";
        return warning("config branch", text, mend);
    }
    ok("config branch", text)
}

/// The store of secret parameters.
async fn secrets(world: &World) -> Vec<Finding> {
    const WHAT: &str = "secret store";
    match tokio::time::timeout(LOOK_WITHIN, world.secrets.examine()).await {
        Ok(Ok(health)) => {
            let warning = |text: String| Finding {
                what: WHAT.to_owned(),
                level: "warning".to_owned(),
                text,
                mend: "docs/operate.md says how secrets are read".to_owned(),
            };
            std::iter::once(ok(WHAT, health.summary)).chain(health.warnings.into_iter().map(warning)).collect()
        }
        Ok(Err(error)) => vec![bad(WHAT, error.why().to_owned(), error.mend())],
        Err(_) => vec![silent(WHAT)],
    }
}

fn examined(what: &str, examination: Examination) -> Vec<Finding> {
    let mut findings = vec![ok(what, examination.version)];
    let last = examination.missing.len().saturating_sub(1);
    for (at, missing) in examination.missing.into_iter().enumerate() {
        let place = missing.namespace.map(|namespace| format!(" in namespace {namespace}")).unwrap_or_default();
        let text = format!("{}: {} is not allowed{place}", missing.resource, missing.verbs.join(", "));
        // Said once, below the last.
        let mend = "grant it to the account that towpath.toml names for this cluster; docs/operate.md has a role";
        findings.push(bad(what, text, if at == last { mend } else { "" }));
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

/// Where builds are carried out, when it is not this machine.
async fn builders(world: &World) -> Vec<Finding> {
    let Some(executor) = world.builders.executor() else { return Vec::new() };
    let what = format!("builds as {}", executor.place());
    match tokio::time::timeout(LOOK_WITHIN, executor.examine()).await {
        Ok(Ok(examination)) => examined(&what, examination),
        Ok(Err(error)) => vec![unwell(&what, &error)],
        Err(_) => vec![silent(&what)],
    }
}

/// Each registry over the network.
async fn registries(world: &World) -> Vec<Finding> {
    let looks = world.registry.remotes().map(|registry| async move {
        let what = format!("registry {}", registry.host());
        const MEND: &str = "correct [registries] in towpath.toml, or make the registry reachable";
        match tokio::time::timeout(LOOK_WITHIN, registry.examine()).await {
            Ok(Ok(())) => ok(&what, "answers".to_owned()),
            Ok(Err(error)) => bad(&what, error.to_string(), MEND),
            Err(_) => bad(&what, format!("did not answer within {} s", LOOK_WITHIN.as_secs()), MEND),
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

pub(crate) fn ok(what: &str, text: String) -> Finding {
    Finding { what: what.to_owned(), level: "ok".to_owned(), text, mend: String::new() }
}

fn warning(what: &str, text: String, mend: &str) -> Finding {
    Finding { level: "warning".to_owned(), ..bad(what, text, mend) }
}

pub(crate) fn bad(what: &str, text: String, mend: &str) -> Finding {
    Finding { what: what.to_owned(), level: "error".to_owned(), text, mend: mend.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_helps_follows_from_what_went_wrong() {
        for (why, helps) in [
            ("error trying to connect: invalid peer certificate: UnknownIssuer", "name the cluster's own, by `ca`"),
            ("error trying to connect: dns error: failed to lookup address information", "no such host"),
            ("tcp connect error: Connection refused (os error 111)", "nothing listens"),
            ("client error (Connect): deadline has elapsed", "firewalls"),
            ("its token cannot be had: secret `ci/hub`: Vault has no such secret", "where towpath.toml says"),
            ("something else", "correct [clusters]"),
        ] {
            assert!(mend(why).contains(helps), "{why}: {}", mend(why));
        }
        let error = ClusterError::Forbidden { cluster: "hub".to_owned(), why: "Unauthorized".to_owned() };
        assert!(unwell("cluster hub", &error).mend.contains("has expired"));
    }
}
