//! What becomes of objects when targets are disabled, deleted, removed, renamed or get other parameters.

use std::path::Path;

use crate::installation::{Installation, PRODUCTION, STAGE, TESTS};

/// An installation whose pods write `environment pid` to a file when they start.
fn noted() -> (Installation, String) {
    let mut it = Installation::new();
    let text = it.read("web/deploy/web.yaml");
    let marks = it.path("pids").display().to_string();
    let text = text.replace(
        "  - {name: IMAGE_TAG, required: true}\n",
        "  - {name: IMAGE_TAG, required: true}\n  - {name: WHERE, required: true}\n  - {name: UNUSED}\n",
    );
    let text = text.replace("echo up;", &format!("echo ${{WHERE}} $$$$ >> {marks};"));
    it.write("web/deploy/web.yaml", &text);
    it.configure("Where", |it| {
        for environment in ["stage", "production"] {
            let path = format!("environments/{environment}.yml");
            it.replace(&path, "name: ", &format!("parameters: {{WHERE: {environment}}}\nname: "));
        }
    });
    let first = it.release("first", true);
    it.start(None);
    it.until_at(PRODUCTION, &first);
    (it, first)
}

/// The pods that run there, and how many ever did.
fn pods(it: &Installation, environment: &str) -> (Vec<String>, usize) {
    let all = std::fs::read_to_string(it.path("pids")).unwrap_or_default();
    let pids: Vec<String> = all.lines().filter_map(|line| line.strip_prefix(environment)?.strip_prefix(' ')).map(str::to_owned).collect();
    let count = pids.len();
    (pids.into_iter().filter(|pid| Path::new("/proc").join(pid).exists()).collect(), count)
}

/// The lines of `web/deploy.yml` that make up the production target.
const PRODUCTION_LINES: &str = "      - namespace: {$ref: /web/production.yml}\n";

#[test]
fn a_disabled_target_keeps_what_it_has_and_gets_nothing_new() {
    let (mut it, first) = noted();
    let before = pods(&it, "production");
    let commit =
        it.configure("Off", |it| it.replace("web/deploy.yml", PRODUCTION_LINES, &format!("{PRODUCTION_LINES}        disable: true\n")));
    it.until_read(&commit);
    let second = it.release("second", true);
    it.until_at(TESTS, &second);
    let text = it.until_held(PRODUCTION, "disabled");
    assert!(text.contains("data/web/deploy.yml:"), "{text}");
    assert_eq!((it.current(PRODUCTION), pods(&it, "production")), (Some(first), before));
    it.configure("On", |it| it.replace("web/deploy.yml", "        disable: true\n", ""));
    it.until_at(PRODUCTION, &second);
}

#[test]
fn delete_takes_its_own_objects_and_the_plan_says_which_before() {
    let (mut it, _) = noted();
    let stage = pods(&it, "stage");
    it.git("config", &["pull", "--quiet", "origin", "main"]);
    it.git("config", &["checkout", "--quiet", "-b", "gone"]);
    it.replace("web/deploy.yml", PRODUCTION_LINES, &format!("{PRODUCTION_LINES}        delete: true\n"));
    it.git("config", &["commit", "--quiet", "--all", "--message", "Production goes"]);
    it.git("config", &["push", "--quiet", "origin", "gone"]);
    it.git("config", &["checkout", "--quiet", "main"]);
    let plan = it.ask(&["plan", "--branch", "gone"]).unwrap();
    assert!(plan["of"].as_str().unwrap().contains("gone"), "{plan}");
    let line = |title: &str| plan["lines"].as_array().unwrap().iter().find(|line| line["title"] == title).cloned().unwrap();
    let deletes = line(PRODUCTION)["deletes"].clone();
    assert_eq!(deletes.as_array().map(Vec::len), Some(1), "{plan}");
    assert!(deletes[0].as_str().unwrap().contains("web"), "{deletes}");
    assert_eq!(line(STAGE)["deletes"].as_array().map(Vec::len), Some(0), "{plan}");
    assert_eq!(pods(&it, "production").0.len(), 1, "a plan does nothing");
    let human = it.ok(&["plan", "--branch", "gone"]);
    assert!(human.contains("delete"), "{human}");
    it.configure("Production goes", |it| {
        it.replace("web/deploy.yml", PRODUCTION_LINES, &format!("{PRODUCTION_LINES}        delete: true\n"))
    });
    it.until("production's pods to be gone", |it| pods(it, "production").0.is_empty().then_some(()));
    assert_eq!(pods(&it, "stage"), stage);
    let second = it.release("second", true);
    it.until_at(TESTS, &second);
    assert_eq!(pods(&it, "production").0.len(), 0, "it does not come back");
    let unknown = it.refused(&["plan", "--branch", "nowhere"]);
    assert!(unknown.contains("no branch nowhere"), "{unknown}");
}

#[test]
fn a_removed_target_loses_nothing_and_one_that_is_renamed_goes_on_with_its_objects() {
    let (mut it, first) = noted();
    let before = pods(&it, "production");
    let whole = it.read("config/data/web/deploy.yml");
    let start = whole.find(PRODUCTION_LINES).unwrap();
    let removed = it.configure("No production", |it| {
        let text = it.read("config/data/web/deploy.yml");
        it.write("config/data/web/deploy.yml", &text[..start]);
    });
    it.until_read(&removed);
    let second = it.release("second", true);
    it.until_at(TESTS, &second);
    assert_eq!(pods(&it, "production"), before, "nothing is deleted");
    assert!(it.target(PRODUCTION).is_none());

    // It comes back under another name, at what it ran.
    let lines =
        format!("{PRODUCTION_LINES}        name: front\n        ref: {first}\n        promotion: {{auto: true, subscribe: [tested]}}\n");
    it.configure("Production again", |it| {
        let text = it.read("config/data/web/deploy.yml");
        it.write("config/data/web/deploy.yml", &format!("{text}{lines}"));
    });
    it.until_at(&format!("{PRODUCTION}/front"), &second);
    it.until("the old pods to be gone", |it| (pods(it, "production").0.len() == 1).then_some(()));
    // What differs in name only goes on running.
    let now = pods(&it, "production");
    let commit = it.configure("Another name", |it| it.replace("web/deploy.yml", "name: front", "name: shop"));
    it.until_at(&format!("{PRODUCTION}/shop"), &second);
    assert_eq!(pods(&it, "production"), now);
    it.until_read(&commit);
    assert!(it.target(&format!("{PRODUCTION}/front")).is_none());
}

#[test]
fn a_changed_parameter_redeploys_and_an_edit_that_changes_nothing_does_not() {
    let (mut it, first) = noted();
    let count = |it: &Installation, title: &str| it.deployed(title).len();
    it.configure("Words", |it| {
        it.replace("web/deploy.yml", "managedResourceTypes", "description: in other words\nlabels: {team: ours}\nmanagedResourceTypes");
        it.replace("web/deploy.yml", "        ref: main\n", "        ref: main # as it comes\n        parameters: {UNUSED: something}\n");
    });
    it.configure("Production only", |it| it.replace("environments/production.yml", "WHERE: production", "WHERE: live"));
    it.until("production to be deployed anew", |it| (count(it, PRODUCTION) == 2).then_some(()));
    assert_eq!((count(&it, STAGE), it.current(PRODUCTION)), (1, Some(first)), "stage's words changed nothing");
    it.until("the new pod alone", |it| (pods(it, "production").0.is_empty() && pods(it, "live").0.len() == 1).then_some(()));
    assert_eq!(pods(&it, "stage").1, 1);
}
