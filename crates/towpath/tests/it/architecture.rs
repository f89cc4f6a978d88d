//! The invariants of ARCHITECTURE.md, held against the code itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The parts from the ground up: each may use those before it.
const ORDER: [&str; 19] = [
    "domain",
    "catalog",
    "template",
    "junit",
    "engine",
    "ledger",
    "git",
    "forge",
    "registry",
    "cluster",
    "notify",
    "secrets",
    "artifacts",
    "ibutsu",
    "runs",
    "control",
    "pool",
    "web",
    "towpath",
];

/// Crates that are no part of the product: what tests stand on.
const FOR_TESTS: [&str; 1] = ["testbed"];

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The parts that a crate's code depends on; what only its tests use does not count.
fn dependencies(part: &str) -> BTreeSet<String> {
    let manifest = fs::read_to_string(crates().join(part).join("Cargo.toml")).unwrap();
    let section = manifest.split("[dependencies]").nth(1).unwrap_or_default();
    let section = section.split("\n[").next().unwrap_or_default();
    section.lines().filter_map(|line| line.strip_prefix("towpath-")?.split(['.', ' ']).next().map(str::to_owned)).collect()
}

/// The lines of a crate's code that are not of its tests, with where they are. Programs below `src/bin/` are no part of the
/// library: they read their own arguments.
fn code(part: &str) -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut folders = vec![crates().join(part).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if !path.ends_with("src/bin") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|end| end == "rs")
                && !path.ends_with("tests.rs")
                && !path.components().any(|c| c.as_os_str() == "tests")
            {
                files.push(path);
            }
        }
    }
    let mut lines = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let name = file.file_name().unwrap().to_string_lossy();
        if name.ends_with("_tests.rs") {
            continue;
        }
        for (number, line) in text.split("#[cfg(test)]\nmod tests").next().unwrap().lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            lines.push((format!("{}:{}", file.display(), number + 1), code.to_owned()));
        }
    }
    lines
}

/// Every part but `allowed` is free of `words` in its code.
#[track_caller]
fn only_in(allowed: &[&str], words: &[&str]) {
    let mut found = Vec::new();
    for part in ORDER.iter().filter(|part| !allowed.contains(part)) {
        for (place, line) in code(part) {
            // What stands in for a server in tests does as the server does.
            if place.contains("/src/fake/") {
                continue;
            }
            found.extend(words.iter().filter(|word| line.contains(**word)).map(|word| format!("{place}: {word}")));
        }
    }
    assert!(found.is_empty(), "only {allowed:?} may say this:\n{}", found.join("\n"));
}

#[test]
fn dependencies_point_down_the_list_of_parts() {
    let rank: BTreeMap<&str, usize> = ORDER.iter().enumerate().map(|(rank, part)| (*part, rank)).collect();
    for part in ORDER {
        for used in dependencies(part) {
            assert!(rank[used.as_str()] < rank[part], "{part} uses {used}, which stands below it");
        }
    }
    let listed: BTreeSet<String> = ORDER.iter().chain(&FOR_TESTS).map(|part| (*part).to_owned()).collect();
    let there: BTreeSet<String> = fs::read_dir(crates()).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    assert_eq!(listed, there, "every crate has its place in the list");
}

#[test]
fn the_engine_knows_only_domain_and_catalog_and_does_nothing_but_compute() {
    assert_eq!(dependencies("engine"), BTreeSet::from(["catalog".to_owned(), "domain".to_owned()]));
    for (place, line) in code("engine") {
        for word in [
            "std::fs",
            "std::net",
            "std::process",
            "std::env",
            "SystemTime",
            "Instant::now",
            "Timestamp::now",
            "async ",
            "tokio",
            "getrandom",
            "rand::",
        ] {
            assert!(!line.contains(word), "{place}: {word}");
        }
    }
}

#[test]
fn only_the_ledger_names_a_database() {
    only_in(&["ledger"], &["sqlx", "rusqlite", "SELECT ", "INSERT INTO"]);
}

#[test]
fn only_the_binary_prints_reads_the_environment_and_parses_arguments() {
    only_in(&["towpath"], &["println!", "eprintln!", "std::env::var", "std::env::args", "env::vars", "clap::"]);
}

#[test]
fn only_the_cluster_names_kubernetes_client_and_only_some_parts_speak_http_to_others() {
    only_in(&["cluster"], &["k8s_openapi", "use kube::", "kube::Client"]);
    // The binary does as a client of a server elsewhere.
    only_in(&["registry", "secrets", "artifacts", "ibutsu", "forge", "notify", "web", "towpath"], &["reqwest"]);
    only_in(&["artifacts"], &["rusty_s3"]);
    only_in(&["web"], &["jsonwebtoken"]);
}

#[test]
fn only_lists_make_routes() {
    // Who may what is tested over these lists: a route beside them would be one that nobody looked at.
    let makes = |line: &str| line.contains(".route(") || line.contains("route_service(");
    let made: Vec<String> = code("web").into_iter().filter(|(_, line)| makes(line)).map(|(place, _)| place).collect();
    assert!(made.len() == 1 && made[0].contains("route.rs"), "{made:?}");
}

#[test]
fn nothing_of_the_product_stands_on_what_is_for_tests() {
    for part in ORDER {
        assert!(FOR_TESTS.iter().all(|for_tests| !dependencies(part).contains(*for_tests)), "{part}");
    }
}

#[test]
fn only_git_starts_the_git_program() {
    // The demonstration plays the people, who have git, too; `init` makes a repository as they would.
    only_in(&["git", "towpath"], &["Command::new(\"git\")"]);
}

#[test]
fn only_control_queues_runs() {
    let mut found = Vec::new();
    for part in ORDER.iter().filter(|part| !["engine", "ledger", "control"].contains(part)) {
        found.extend(code(part).into_iter().filter(|(_, line)| line.contains("RunQueued(")).map(|(place, _)| place));
    }
    let told: Vec<&String> = found.iter().filter(|place| !place.contains("notify")).collect();
    assert!(told.is_empty(), "{told:?}");
}
