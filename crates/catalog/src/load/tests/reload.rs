//! Loading again gives what loading from scratch gives, and costs what changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::load::Loader;

#[track_caller]
pub(super) fn assert_same(one: &Loaded, other: &Loaded) {
    assert_eq!(one.diagnostics, other.diagnostics);
    assert_eq!(one.files, other.files);
    let (a, b) = (&one.catalog, &other.catalog);
    assert_eq!((&a.sources, &a.apps, &a.environments), (&b.sources, &b.apps, &b.environments));
    assert_eq!((&a.channels, &a.policies, &a.broken_saas_files), (&b.channels, &b.policies, &b.broken_saas_files));
    let sorted = |loaded: &Loaded| loaded.catalog.targets.clone().into_iter().collect::<BTreeMap<_, _>>();
    assert_eq!(sorted(one), sorted(other));
}

/// A change to the good tree: file, from, to. An empty `from` removes the file.
const CHANGES: &[(&str, &str, &str)] = &[
    ("saas/deploy.yml", "A: one", "A: other"),
    ("saas/deploy.yml", "publish: [deployed]", "publish: [deployed, also]"),
    ("saas/deploy.yml", "subscribe: [tested]", "subscribe: [also]"),
    ("saas/deploy.yml", "ref: main", "ref: dev"),
    ("saas/deploy.yml", "ref: main", "ref: ["),
    ("saas/deploy.yml", "/ns/prod.yml", "/ns/stage.yml"),
    ("saas/test.yml", "publish: [tested]", "publish: [other]"),
    ("saas/test.yml", "name: web-test", "name: web"),
    ("saas/test.yml", "", ""),
    ("env/prod.yml", "ENV: prod", "ENV: changed"),
    ("env/prod.yml", "name: prod", "name: other"),
    ("clusters/stage.yml", "", ""),
    ("ns/prod.yml", "tier: one", "tier: two"),
    ("ns/prod.yml", "/apps/web.yml", "/apps/other.yml"),
    ("apps/web.yml", "name: web\ncode", "name: renamed\ncode"),
    ("apps/other.yml", "/apps/web.yml", "/apps/none.yml"),
    ("source.yml", "branch: release", "branch: other"),
    ("source.yml", "name: web", "name: Web!"),
    ("source.yml", "", ""),
    ("policy.yml", "environments: [prod]", "environments: [stage]"),
    ("policy.yml", "name: p", "nam: p"),
];

fn changed(changes: &[usize]) -> Tree {
    let mut tree = Tree::good();
    tree.put("source.yml", "$schema: /towpath/source-1.yml\nname: web\napp: {$ref: /apps/web.yml}\nurl: https://git.example.com/web\nbranch: release\nimage: r.example.com/web\nbuild: {command: make}\n");
    tree.put("policy.yml", "$schema: /towpath/policy-1.yml\nname: p\nselect: {environments: [prod]}\nfreezes: [{reason: x}]\n");
    for (path, from, to) in changes.iter().filter_map(|at| CHANGES.get(*at)) {
        let path = format!("data/{path}");
        if from.is_empty() {
            tree.0.retain(|(known, _)| *known != path);
        } else if let Some((_, text)) = tree.0.iter_mut().find(|(known, _)| *known == path) {
            *text = text.replace(from, to);
        }
    }
    tree
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn whatever_was_loaded_before_the_outcome_is_that_of_the_files(steps in prop::collection::vec(prop::collection::vec(0..CHANGES.len(), 0..4), 1..6), blobs: bool) {
        let mut loader = Loader::default();
        for step in &steps {
            let mut files = changed(step).files();
            if blobs {
                for file in &mut files {
                    file.blob = Some(format!("{:?}", file.bytes));
                }
            }
            assert_same(&loader.load(files.clone()), &load(files));
        }
    }
}

#[test]
fn a_target_that_did_not_change_is_the_same_object() {
    let mut loader = Loader::default();
    let files = crate::generate::tree(4);
    let before = loader.load(files.clone());
    let mut changed = files.clone();
    let at = changed.iter().position(|file| &*file.path == "data/services/svc-00002/deploy.yml").unwrap();
    let text = String::from_utf8_lossy(&changed[at].bytes).replace("CPU: ", "CPU: 1");
    changed[at] = InputFile::new(Arc::clone(&changed[at].path), text.into_bytes());
    let after = loader.load(changed);
    let mut fresh: Vec<_> = after
        .catalog
        .targets
        .iter()
        .filter(|(id, target)| !Arc::ptr_eq(target, &before.catalog.targets[*id]))
        .map(|(_, target)| target.title())
        .collect();
    fresh.sort();
    assert_eq!(
        fresh,
        ["saas-svc-00002/svc-00002/product-2-prod/svc-00002-prod", "saas-svc-00002/svc-00002/product-2-stage/svc-00002-stage"]
    );
}
