//! Trees that were handed down: the seed's own installation, and whole trees with the ids and hashes that app-interface
//! gives their targets.

use std::path::PathBuf;

use serde_json::Value;
use towpath_catalog::{InputFile, folder, load};

/// The folder with the given material; skips loudly without it, and fails where it must be there.
fn shared(path: &str) -> Option<PathBuf> {
    let root = std::env::var_os("TOWPATH_SHARED")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")), PathBuf::from);
    let found = root.join(path);
    if found.exists() {
        return Some(found);
    }
    assert!(std::env::var_os("CI").is_none(), "{} is missing", found.display());
    eprintln!("SKIPPED: {} is missing; set TOWPATH_SHARED", found.display());
    None
}

#[test]
fn the_seed_loads_without_a_word() {
    let Some(root) = shared("seed-config") else { return };
    let loaded = load(folder::read(&root).unwrap());
    assert_eq!(loaded.diagnostics, []);
    let mut titles: Vec<_> = loaded.catalog.targets.values().map(|target| target.title()).collect();
    titles.sort();
    assert_eq!(
        titles,
        [
            "cloudigrade-clowder/cloudigrade/insights-production/cloudigrade-prod",
            "cloudigrade-clowder/cloudigrade/insights-stage/cloudigrade-stage",
            "cloudigrade-test/cloudigrade-stage-smoke/insights-stage/cloudigrade-stage",
        ]
    );
    for target in loaded.catalog.targets.values() {
        assert_eq!(target.branch.as_ref().map(|branch| branch.as_str()), Some("master"), "{}", target.title());
        assert_eq!(target.unsupported, [""; 0]);
        let bytes = loaded.bytes(&target.ref_place.file).unwrap();
        let written = &bytes[target.ref_place.start as usize..target.ref_place.end as usize];
        assert_eq!(written, target.git_ref.to_string().as_bytes());
    }
    assert_eq!(loaded.catalog.channels.len(), 2);
    assert!(loaded.catalog.broken_saas_files.is_empty());
}

#[test]
fn ids_and_hashes_are_those_of_app_interface() {
    let Some(file) = shared("spec/vectors/saas-files.json") else { return };
    let cases: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let mut checked = 0;
    for case in cases.as_array().unwrap() {
        let tree = case["tree"].as_object().unwrap();
        let files = tree.iter().map(|(path, text)| InputFile::new(path.as_str(), text.as_str().unwrap().as_bytes())).collect();
        let loaded = load(files);
        assert_eq!(loaded.diagnostics, [], "{}", case["name"]);
        for wanted in case["expect"].as_array().unwrap() {
            let uid = wanted["uid"].as_str().unwrap();
            let target = loaded.catalog.targets.get(uid).unwrap_or_else(|| panic!("{}: no target {uid}", case["name"]));
            assert_eq!(*target.target_config_hash, *wanted["targetConfigHash"].as_str().unwrap(), "{}", case["name"]);
            assert_eq!(target.resource_template, wanted["resourceTemplate"].as_str().unwrap());
            assert_eq!(target.name.as_deref(), wanted["target"].as_str());
            checked += 1;
        }
        assert_eq!(loaded.catalog.targets.len(), case["expect"].as_array().unwrap().len());
    }
    assert!(checked >= 9, "only {checked}");
}
