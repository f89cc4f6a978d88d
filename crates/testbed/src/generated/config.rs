//! The config repository: the catalog's own generated tree, with names that people would give, refs where the past left them, a second
//! production for every third app, teams, and a freeze.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use towpath_catalog::InputFile;
use towpath_catalog::generate::{Shape as Tree, tree_of};
use towpath_domain::{CommitId, Timestamp};

use super::apps::{App, Fate};
use super::{Shape, git, said};

/// What the addresses of sources begin with.
pub(super) const HOST: &str = "https://git.example.com/org/";

/// What a build does here: it is under way for as long as its server is, and needs nothing.
const BUILD: &str = "command: [sh, -c, \"echo compiling; while kill -0 $PPID 2>/dev/null; do sleep 1; done\"]";

const ENVIRONMENTS: [(&str, &str, &str); 3] = [
    ("stage", "Where every merge goes first", "stage"),
    ("production", "What customers see", "production"),
    ("production-us", "What customers see across the ocean", "production"),
];

/// Files below `data`.
pub(super) fn tree(shape: Shape, apps: &[App]) -> Vec<InputFile> {
    let generated = tree_of(Tree { services: apps.len(), sources: true, seed: shape.seed });
    let mut files: Vec<(String, String)> = Vec::with_capacity(generated.len() + apps.len());
    let mut teams: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for file in generated {
        let (path, text) = (file.path.to_string(), String::from_utf8_lossy(&file.bytes).into_owned());
        if path.starts_with("data/environments/") {
            continue;
        }
        let Some(number) = number_of(&path) else {
            files.push((path, text));
            continue;
        };
        let app = &apps[number];
        let generated = format!("svc-{number:05}");
        let text = text.replace(&generated, &app.name);
        let text = in_environments(&settled(&path, &text, app), number);
        if path.ends_with("/app.yml")
            && let Some((_, rest)) = text.split_once("- name: Team ")
        {
            teams.entry(rest.lines().next().unwrap_or_default().to_owned()).or_default().push(&app.name);
        }
        files.push((path.replace(&generated, &app.name), text));
    }
    for (name, description, phase) in ENVIRONMENTS {
        let text = format!(
            "---\n$schema: /app-sre/environment-1.yml\nlabels:\n  phase: {phase}\nname: {name}\ndescription: {description}\n\
             product:\n  $ref: /products/product-0.yml\nservicePhase: {phase}\nparameters:\n  ENV_NAME: {name}\n  LOG_LEVEL: info\n"
        );
        files.push((format!("data/environments/{name}.yml"), text));
    }
    apps.iter().enumerate().filter(|(_, app)| app.twice).for_each(|(number, app)| second(number, app, &mut files));
    for (team, apps) in &teams {
        people(team, apps, &mut files);
    }
    files.push(("data/policies/stocktaking.yml".to_owned(), freeze(apps)));
    files.sort();
    files.into_iter().map(|(path, text)| InputFile::new(path, text.into_bytes())).collect()
}

/// Which service a file is of.
fn number_of(path: &str) -> Option<usize> {
    path.split_once("svc-")?.1.get(..5)?.parse().ok()
}

fn in_environments(text: &str, number: usize) -> String {
    let product = number % 8;
    text.replace(&format!("/environments/product-{product}-stage.yml"), "/environments/stage.yml")
        .replace(&format!("/environments/product-{product}-prod.yml"), "/environments/production.yml")
}

/// Refs where the past left them, and what the fate wants.
fn settled(path: &str, text: &str, app: &App) -> String {
    let (test, production) = app.refs();
    let at = if path.ends_with("/test.yml") { test } else { production };
    let lines = text.lines().map(|line| match line.split_once("ref: ") {
        Some((before, was)) if was.len() == 40 => format!("{before}ref: {at}\n"),
        _ => format!("{line}\n"),
    });
    let text: String = lines.collect();
    let text = text.replace("command: make release", BUILD);
    if app.fate == Fate::Manual && path.ends_with("/deploy.yml") { text.replace("auto: true", "auto: false") } else { text }
}

/// A saas file and a namespace of the second production.
fn second(number: usize, app: &App, files: &mut Vec<(String, String)>) {
    let of = |path: String| files.iter().find(|(known, _)| *known == path).map(|(_, text)| text.clone()).unwrap_or_default();
    let (name, folder) = (&app.name, format!("data/services/{}", app.name));
    let namespace = of(format!("{folder}/namespaces/{name}-prod.yml"))
        .replace(&format!("name: {name}-prod"), &format!("name: {name}-us"))
        .replace("/environments/production.yml", "/environments/production-us.yml");
    let namespace =
        namespace.replace(&format!("/clusters/c-{}-prod.yml", number % 8), &format!("/clusters/c-{}-prod.yml", (number + 1) % 8));
    let deploy = of(format!("{folder}/deploy.yml"));
    let (head, targets) = deploy.split_once("    targets:\n").unwrap_or_default();
    let production = targets.split_once("      # production follows").map_or("", |(_, rest)| rest);
    let head = head.replace(&format!("name: saas-{name}\n"), &format!("name: saas-{name}-us\n"));
    let targets = production.replace(&format!("{name}-prod"), &format!("{name}-us"));
    files.push((format!("{folder}/namespaces/{name}-us.yml"), namespace));
    files.push((format!("{folder}/deploy-us.yml"), format!("{head}    targets:\n      # production follows{targets}")));
}

/// A team's role, and two people who have it.
fn people(team: &str, apps: &[&str], files: &mut Vec<(String, String)>) {
    let paths: String = apps.iter().map(|app| format!("  - data/services/{app}/\n")).collect();
    files.push((format!("data/access/{team}.yml"), format!("---\n$schema: /access/role-1.yml\nname: {team}\napproves:\n{paths}")));
    for (person, name) in [("first", "Robin"), ("second", "Sascha")] {
        let text = format!(
            "---\n$schema: /access/user-1.yml\nname: {name} of {team}\norg_username: {team}-{person}\ngithub_username: {team}-{person}\n\
             roles:\n  - $ref: /access/{team}.yml\n"
        );
        files.push((format!("data/access/{team}-{person}.yml"), text));
    }
}

fn freeze(apps: &[App]) -> String {
    let frozen: Vec<&str> = apps.iter().filter(|app| app.fate == Fate::Frozen).map(|app| app.name.as_str()).collect();
    format!(
        "---\n$schema: /towpath/policy-1.yml\nname: stocktaking\nselect:\n  environments: [production, production-us]\n  apps: [{}]\n\
         freezes:\n  - {{reason: stocktaking in the warehouses, by: harbour-first}}\n",
        frozen.join(", ")
    )
}

/// Puts the files into a bare repository in `folder`; its head.
pub(super) fn commit(folder: &Path, tree: &[InputFile], at: Timestamp) -> CommitId {
    let work = folder.join("config");
    for file in tree {
        let path = work.join(&*file.path);
        fs::create_dir_all(path.parent().expect("files lie in folders")).expect("the tests' cache folder can be written");
        fs::write(path, &file.bytes).expect("the tests' cache folder can be written");
    }
    let run = |arguments: &[&str]| {
        let mut git = git(&work, arguments);
        let moment = format!("{} +0000", at.as_millis() / 1000);
        for who in ["AUTHOR", "COMMITTER"] {
            git.env(format!("GIT_{who}_NAME"), "Towpath").env(format!("GIT_{who}_EMAIL"), "towpath@localhost");
            git.env(format!("GIT_{who}_DATE"), &moment);
        }
        said(git)
    };
    run(&["init", "--quiet", "--template=", "--initial-branch=main"]);
    run(&["add", "--all"]);
    run(&["commit", "--quiet", "--message", "Where everything stands"]);
    run(&["clone", "--quiet", "--bare", "--template=", ".", "../config.git"]);
    run(&["rev-parse", "HEAD"]).parse().expect("git prints ids")
}
