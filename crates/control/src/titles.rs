//! Targets in the order in which people look for them, by names as short as they can be.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use towpath_catalog::{Catalog, Target};
use towpath_domain::TargetId;

/// Whether `what` is made of whole parts of `title`, in order: `web/stage` is no part of `web/web/stage2/web`.
pub fn is_part(title: &str, what: &str) -> bool {
    if what.split('/').any(str::is_empty) {
        return false;
    }
    // In order, but not necessarily side by side: `web/production` finds `web/web/production/web-prod`.
    let mut rest = title.split('/');
    what.split('/').all(|word| rest.any(|part| part == word))
}

/// Short names of targets: the saas file and the environment where no other target is meant by them, the whole title elsewhere.
pub(crate) struct ShortNames {
    /// How many titles each pair of parts is a part of.
    pairs: HashMap<(String, String), usize>,
}

impl ShortNames {
    pub(crate) fn new(catalog: &Catalog) -> Self {
        let mut pairs = HashMap::new();
        for target in catalog.targets.values() {
            let title = target.title();
            let parts: Vec<&str> = title.split('/').collect();
            let ahead = parts.iter().enumerate().flat_map(|(at, one)| parts.iter().skip(at + 1).map(move |other| (*one, *other)));
            // A title that holds a pair twice is still one title.
            for (one, other) in ahead.collect::<BTreeSet<_>>() {
                *pairs.entry((one.to_owned(), other.to_owned())).or_insert(0) += 1;
            }
        }
        Self { pairs }
    }

    /// What people can type for this target.
    pub(crate) fn name(&self, target: &Target) -> String {
        let pair = (target.saas_file.name.to_string(), target.environment.to_string());
        match self.pairs.get(&pair) {
            Some(1) => format!("{}/{}", pair.0, pair.1),
            _ => target.title(),
        }
    }
}

/// All targets: by app, and within an app in the order in which a commit reaches them, publishers before their subscribers.
pub(crate) fn in_order(catalog: &Catalog) -> Vec<&Arc<Target>> {
    let mut depths = HashMap::new();
    let mut sorted: Vec<(usize, &Arc<Target>)> =
        catalog.targets.values().map(|target| (depth(catalog, &target.id, &mut BTreeSet::new(), &mut depths), target)).collect();
    sorted.sort_by_cached_key(|(depth, target)| (target.saas_file.app.to_string(), *depth, target.title()));
    sorted.into_iter().map(|(_, target)| target).collect()
}

/// How many promotions lead to each target at most.
pub(crate) fn depths(catalog: &Catalog) -> HashMap<TargetId, usize> {
    let mut known = HashMap::new();
    for id in catalog.targets.keys() {
        depth(catalog, id, &mut BTreeSet::new(), &mut known);
    }
    known
}

/// How many promotions lead to the target at most. A cycle is an error of the catalog; here it only must come to an end.
fn depth(catalog: &Catalog, id: &TargetId, above: &mut BTreeSet<TargetId>, known: &mut HashMap<TargetId, usize>) -> usize {
    if let Some(depth) = known.get(id) {
        return *depth;
    }
    if !above.insert(id.clone()) {
        return 0;
    }
    let channels = catalog.targets.get(id).into_iter().flat_map(|target| &target.promotion.subscribe);
    let publishers: Vec<&TargetId> =
        channels.filter_map(|channel| catalog.channels.get(channel)).flat_map(|usage| &usage.publishers).collect();
    let deepest = publishers.into_iter().map(|publisher| 1 + depth(catalog, publisher, above, known)).max().unwrap_or(0);
    above.remove(id);
    known.insert(id.clone(), deepest);
    deepest
}

#[cfg(test)]
mod tests {
    use towpath_catalog::InputFile;

    use super::*;

    /// A saas file whose targets are `(environment, subscribes, publishes)`.
    fn saas(name: &str, targets: &[(&str, &str, &str)]) -> InputFile {
        let mut text = format!(
            "$schema: /app-sre/saas-file-2.yml\nname: {name}\napp: {{$ref: /app.yml}}\nmanagedResourceTypes: [Job]\nresourceTemplates:\n- name: t\n  url: https://git.example.com/a\n  path: /t.yml\n  targets:\n"
        );
        for (environment, subscribes, publishes) in targets {
            let list = |name: &str| if name.is_empty() { String::new() } else { format!("[{name}]") };
            text.push_str(&format!(
                "  - namespace: {{$ref: /{environment}.yml}}\n    ref: \"{}\"\n    promotion: {{auto: {}",
                "0".repeat(40),
                !subscribes.is_empty()
            ));
            for (key, value) in [("subscribe", list(subscribes)), ("publish", list(publishes))] {
                if !value.is_empty() {
                    text.push_str(&format!(", {key}: {value}"));
                }
            }
            text.push_str("}\n");
        }
        InputFile::new(format!("data/{name}.yml"), text.into_bytes())
    }

    fn catalog(saas_files: Vec<InputFile>) -> Catalog {
        let file = |path: &str, text: String| InputFile::new(format!("data/{path}.yml"), text.into_bytes());
        let mut files = saas_files;
        files.push(file("app", "$schema: /app-sre/app-1.yml\nname: a\n".to_owned()));
        files.push(file("cluster", "$schema: /openshift/cluster-1.yml\nname: c\n".to_owned()));
        for environment in ["stage", "production"] {
            files.push(file(&format!("env-{environment}"), format!("$schema: /app-sre/environment-1.yml\nname: {environment}\n")));
            files.push(file(
                environment,
                format!("$schema: /openshift/namespace-1.yml\nname: ns-{environment}\ncluster: {{$ref: /cluster.yml}}\napp: {{$ref: /app.yml}}\nenvironment: {{$ref: /env-{environment}.yml}}\n"),
            ));
        }
        towpath_catalog::load(files).catalog
    }

    #[test]
    fn targets_stand_in_the_order_in_which_a_commit_reaches_them() {
        let catalog = catalog(vec![
            saas("web", &[("production", "tested", ""), ("stage", "", "deployed")]),
            saas("a-test", &[("stage", "deployed", "tested")]),
        ]);
        let names = ShortNames::new(&catalog);
        let shown: Vec<String> = in_order(&catalog).into_iter().map(|target| names.name(target)).collect();
        assert_eq!(shown, ["web/stage", "a-test/stage", "web/production"]);
    }

    #[test]
    fn targets_that_wait_for_each_other_have_an_order_too() {
        let catalog = catalog(vec![saas("web", &[("production", "one", "two"), ("stage", "two", "one")])]);
        assert_eq!(in_order(&catalog).len(), 2);
    }

    #[test]
    fn a_short_name_means_one_target_or_is_the_whole_title() {
        let twice = catalog(vec![saas("web", &[("stage", "", "a")]), saas("t", &[("stage", "", "b")])]);
        let names = ShortNames::new(&twice);
        for target in twice.targets.values() {
            let name = names.name(target);
            let meant = twice.targets.values().filter(|other| is_part(&other.title(), &name)).count();
            assert_eq!(meant, 1, "{name}");
        }
    }

    #[test]
    fn a_part_of_a_title_is_made_of_whole_words_in_order() {
        let title = "web/web/production/web-prod";
        for part in ["production", "web/production", "web/web-prod", "web/web/production/web-prod"] {
            assert!(is_part(title, part), "{part}");
        }
        for other in ["prod", "production/web", "", "web//production", "web/stage"] {
            assert!(!is_part(title, other), "{other}");
        }
    }
}
