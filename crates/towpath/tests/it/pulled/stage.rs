//! A source on a hosted forge, whose pull requests are checked as a config repository on plain Git says.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use towpath_forge::fake::github::FakeApp;
use towpath_forge::fake::{FakeForge, Fate, forgejo, github, gitlab};

use crate::installation::Installation;

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap());

/// Where people would find the server's pages.
pub const PAGES: &str = "https://towpath.example.com";

/// What webhooks are signed with.
pub const HOOK_SECRET: &str = "what the forge and Towpath know";

/// The App's number.
const APP: u64 = 123_456;

/// Ada may have pull requests of the app checked; Bea and everybody else may do nothing.
const PEOPLE: [(&str, &str); 4] = [
    (
        "people/ada.yml",
        "$schema: /access/user-1.yml\nname: Ada\norg_username: ada\nforgejo_username: ada\ngithub_username: ada\ngitlab_username: ada\nroles: [{$ref: /people/checkers.yml}]\n",
    ),
    (
        "people/bea.yml",
        "$schema: /access/user-1.yml\nname: Bea\norg_username: bea\nforgejo_username: bea\ngithub_username: bea\ngitlab_username: bea\nroles: []\n",
    ),
    ("people/checkers.yml", "$schema: /access/role-1.yml\nname: checkers\npermissions: [{$ref: /people/check.yml}]\n"),
    ("people/check.yml", "$schema: /towpath/permission-1.yml\nname: check\nmay: [check]\napps: [{$ref: /web/app.yml}]\n"),
];

/// The pools: of the source's own branches, and of forks.
const POOLS: [(&str, &str); 2] = [
    ("pools/own.yml", "$schema: /towpath/pool-1.yml\nname: own\ncluster: {$ref: /clusters/laptop.yml}\nsize: 1\nlimit: 2\n"),
    ("pools/forks.yml", "$schema: /towpath/pool-1.yml\nname: forks\ncluster: {$ref: /clusters/laptop.yml}\nsize: 1\nlimit: 1\n"),
];

/// How pull requests are checked. The command is a file of the repository.
const CHECK: &str = "\
check:
  pool: {$ref: /pools/own.yml}
  environment: {$ref: /environments/stage.yml}
  tests: [{name: smoke, saas_file: {$ref: /web/test.yml}, resource_template: smoke}]
  command: sh ci/check.sh
  definition: [ci]
  env: {OUT: '@OUT@'}
  forks: {pool: {$ref: /pools/forks.yml}}
";

/// Says that it ran, waits as long as it is told to, and fails where there is a file for that.
const COMMAND: &str = "\
echo \"$TOWPATH_PULL_REQUEST the branch's own\" >> \"$OUT/ran\"
while [ -e \"$OUT/hold-$TOWPATH_PULL_REQUEST\" ]; do sleep 0.05; done
test ! -e broken
";

/// Which language a forge speaks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    Forgejo,
    GitHub,
    GitLab,
}

impl Speaks {
    /// A forge over this bare repository.
    pub fn start(self, folder: &Path, name: &str) -> FakeForge {
        let forge = RUNTIME.block_on(async {
            match self {
                Self::Forgejo => forgejo::start_as(folder, name).await,
                Self::GitHub => github::start_as(folder, name).await,
                Self::GitLab => gitlab::start_as(folder, name).await,
            }
        });
        forge.unwrap()
    }

    pub fn kind(self) -> &'static str {
        match self {
            Self::Forgejo => "forgejo",
            Self::GitHub => "github",
            Self::GitLab => "gitlab",
        }
    }

    fn api(self) -> &'static str {
        match self {
            Self::Forgejo => "/api/v1",
            Self::GitHub => "/api/v3",
            Self::GitLab => "/api/v4",
        }
    }
}

/// How a status or check run stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// `pending`, `success`, `failure`, `error`: whatever the forge calls it.
    pub state: &'static str,
    pub text: String,
    pub url: String,
}

/// A pull request, at its newest commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    pub number: u64,
    pub head: String,
}

pub struct Hosted {
    pub it: Installation,
    pub forge: FakeForge,
    pub speaks: Speaks,
    out: TempDir,
}

impl Hosted {
    /// Nothing runs yet. On GitHub, Towpath is an App.
    pub fn new(speaks: Speaks) -> Option<Self> {
        if let Some(program) = towpath_testbed::missing_program(&["openssl", "curl"]) {
            return towpath_testbed::skipped(&format!("{program} is missing"));
        }
        let (it, out) = (Installation::new(), tempfile::tempdir().unwrap());
        it.write("web/ci/check.sh", COMMAND);
        it.write("web/build.sh", "cp verdict built\n");
        for (path, text) in PEOPLE.into_iter().chain(POOLS) {
            it.write(&format!("config/data/{path}"), text);
        }
        it.replace("web/source.yml", "command: cp verdict built", "command: sh build.sh");
        let source = it.read("config/data/web/source.yml");
        it.write("config/data/web/source.yml", &(source + &CHECK.replace("@OUT@", &out.path().display().to_string())));
        it.commit("config", "Pull requests are checked");
        it.release("first", true);
        // What a forge calls a repository is the end of its URL: the folder stands for the organisation.
        let name = format!("{}/web", folder(&it));
        let forge = speaks.start(&it.path("web.git"), &name);
        let on = Self { it, forge, speaks, out };
        on.settle(&name);
        Some(on)
    }

    /// Writes towpath.toml, and who Towpath is on the forge.
    fn settle(&self, name: &str) {
        let Self { it, forge, speaks, .. } = self;
        let who = match speaks {
            Speaks::GitHub => {
                forge.world().account = "towpath-cd[bot]".to_owned();
                forge.world().github.app = Some(FakeApp {
                    id: APP,
                    slug: "towpath-cd".to_owned(),
                    page: PAGES.to_owned(),
                    public_key: self.key(),
                    installed: true,
                    token_lasts: 3600,
                    tokens: Vec::new(),
                });
                format!("app_id = {APP}\nprivate_key_file = \"key.pem\"")
            }
            _ => "token_file = \"token\"".to_owned(),
        };
        it.write("token", "fake-token\n");
        it.write("hook-secret", HOOK_SECRET);
        let (kind, url) = (speaks.kind(), forge.url());
        let table = format!(
            "[server]\nbase_url = \"{PAGES}\"\n[webhooks.{kind}]\nsecret_file = \"hook-secret\"\n\
             [[forges]]\nfor = [\"{}\"]\nkind = \"{kind}\"\nbase_url = \"{url}{}\"\nrepository = \"{name}\"\n{who}\npatience = \"5s\"\n",
            it.path("web.git").display(),
            speaks.api(),
        );
        let config = it.read("towpath.toml").replace("local = \"50ms\"", "local = \"50ms\"\nremote = \"300ms\"");
        it.write("towpath.toml", &(config + &table));
    }

    /// Makes a key for the App; its public half.
    fn key(&self) -> Vec<u8> {
        let openssl = |arguments: &[&str]| {
            let output = Command::new("openssl").args(arguments).current_dir(self.it.path(".")).output().unwrap();
            assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
            output.stdout
        };
        openssl(&["genrsa", "-out", "key.pem", "2048"]);
        openssl(&["rsa", "-in", "key.pem", "-RSAPublicKey_out", "-outform", "DER"])
    }

    /// Looks come only when something says so.
    pub fn looks_only_when_told(&self) {
        self.it.replace_in("towpath.toml", "remote = \"300ms\"", "remote = \"1h\"");
    }

    /// What commands write, and are told by.
    pub fn out(&self, name: &str) -> PathBuf {
        self.out.path().join(name)
    }

    /// The command of this pull request stays under way until it is let go on.
    pub fn hold(&self, number: u64) {
        fs::write(self.out(&format!("hold-{number}")), "").unwrap();
    }

    pub fn let_go_on(&self, number: u64) {
        fs::remove_file(self.out(&format!("hold-{number}"))).unwrap();
    }

    /// The definitions that commands were run by, in their order.
    pub fn ran(&self) -> String {
        fs::read_to_string(self.out("ran")).unwrap_or_default()
    }

    /// Pushes these files on top of the source's branch; the commit.
    pub fn push(&self, branch: &str, files: &[(&str, &str)]) -> String {
        change(&self.it, "web", branch, files);
        self.it.git("web", &["push", "--quiet", "--force", "origin", &format!("HEAD:refs/heads/{branch}")]);
        self.it.git("web", &["rev-parse", "HEAD"])
    }

    /// Somebody pushes these files to a branch of the repository and opens a pull request.
    pub fn open(&self, branch: &str, who: &str, files: &[(&str, &str)]) -> Opened {
        let head = self.push(branch, files);
        let mut world = self.forge.world();
        let number = world.open(branch, "main", branch, "").unwrap().number;
        let index = world.index(number).unwrap();
        who.clone_into(&mut world.pulls[index].author);
        Opened { number, head }
    }

    /// Somebody opens a pull request from a fork of theirs.
    pub fn open_from_fork(&self, branch: &str, who: &str, files: &[(&str, &str)]) -> Opened {
        self.it.git(".", &["clone", "--quiet", "web.git", "fork"]);
        change(&self.it, "fork", branch, files);
        let number = self.forge.world().fork_opens(who, branch, &self.it.path("fork"));
        Opened { number, head: self.it.git("fork", &["rev-parse", "HEAD"]) }
    }

    /// They push to their fork.
    pub fn push_to_fork(&self, pull: &Opened, files: &[(&str, &str)]) -> Opened {
        let branch = self.it.git("fork", &["branch", "--show-current"]);
        change(&self.it, "fork", &branch, files);
        self.forge.world().fork_pushes(pull.number, &self.it.path("fork"));
        Opened { number: pull.number, head: self.it.git("fork", &["rev-parse", "HEAD"]) }
    }

    pub fn label(&self, number: u64, label: &str) {
        let mut world = self.forge.world();
        world.label(label);
        let index = world.index(number).unwrap();
        world.pulls[index].labels.insert(label.to_owned());
    }

    pub fn close(&self, number: u64) {
        let mut world = self.forge.world();
        let index = world.index(number).unwrap();
        world.pulls[index].fate = Fate::Closed;
    }

    /// Somebody writes a comment, a moment from now.
    pub fn say(&self, number: u64, who: &str, text: &str) {
        self.comment(number, who, text, true, false);
    }

    /// Somebody wrote a comment: now or years ago, and left it so or changed it afterwards.
    pub fn comment(&self, number: u64, who: &str, text: &str, is_new: bool, is_edited: bool) {
        let mut world = self.forge.world();
        let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
        world.epoch = if is_new { now } else { 1_700_000_000 };
        let index = world.index(number).unwrap();
        world.comment(index, who, text);
        let comment = world.pulls[index].comments.last_mut().unwrap();
        comment.changed_at += i64::from(is_edited);
    }

    /// What Towpath wrote on a pull request: each comment with its id.
    pub fn written(&self, number: u64) -> Vec<(u64, String)> {
        let world = self.forge.world();
        let own = world.pulls[world.index(number).unwrap()].comments.iter().filter(|comment| comment.author == world.account);
        own.map(|comment| (comment.id, comment.body.clone())).collect()
    }

    /// The answers to people's comments that hold this.
    pub fn answers(&self, number: u64, text: &str) -> usize {
        self.written(number).iter().filter(|(_, body)| body.contains(text)).count()
    }

    #[track_caller]
    pub fn until_written(&mut self, number: u64, text: &str) -> (u64, String) {
        self.until(&format!("{text:?} on {number}"), |on| on.written(number).into_iter().find(|(_, body)| body.contains(text)))
    }

    /// What a commit's status or check run of this name says.
    pub fn said(&self, head: &str, context: &str) -> Option<Said> {
        let world = self.forge.world();
        let (state, text) = world.said_of(head, context)?;
        let run = world.github.checks.iter().rev().find(|run| run.commit == head && run.name == context);
        let status = world.statuses.iter().find(|status| status.commit == head && status.context == context);
        let url = run.map_or_else(|| status.and_then(|status| status.url.clone()), |run| run.url.clone());
        let state = match state.as_str() {
            "success" => "success",
            "failure" | "failed" => "failure",
            "pending" | "running" | "in_progress" | "queued" => "pending",
            _ => "error",
        };
        Some(Said { state, text, url: url.unwrap_or_default() })
    }

    /// Waits until a status stands so and says this.
    #[track_caller]
    pub fn until_said(&mut self, head: &str, context: &str, state: &str, text: &str) -> Said {
        let mut last = None;
        let what = format!("{context} of {head}: {state}, {text:?}");
        let begun = std::time::Instant::now();
        self.until(&what, |on| {
            last = on.said(head, context);
            if begun.elapsed() > crate::installation::PATIENCE {
                println!("it said {last:?}");
            }
            last.clone().filter(|said| said.state == state && said.text.contains(text))
        })
    }

    #[track_caller]
    pub fn until<T>(&mut self, what: &str, mut wanted: impl FnMut(&Self) -> Option<T>) -> T {
        // The installation waits and tells where things stand; what is asked for may be asked of all.
        let begun = std::time::Instant::now();
        loop {
            if let Some(found) = wanted(self) {
                return found;
            }
            if begun.elapsed() > crate::installation::PATIENCE {
                let checks = self.it.run(&["check", "list"]);
                let world = self.forge.world();
                panic!(
                    "never came: {what}\n{}\n{:#?}\n{:#?}\nserver:\n{}",
                    String::from_utf8_lossy(&checks.stdout),
                    world.statuses,
                    world.pulls,
                    self.it.read("server.log")
                );
            }
            std::thread::park_timeout(std::time::Duration::from_millis(25));
        }
    }

    /// Waits until the comments of all open pull requests were asked for twice more: what was there before has been looked at.
    #[track_caller]
    pub fn until_looked(&mut self) {
        let _before = self.forge.take_asked();
        let open = self.forge.world().pulls.iter().filter(|pull| pull.fate == Fate::Open).count();
        let mut looks = 0;
        self.until("two more looks", |on| {
            let asked = on.forge.take_asked();
            let is_look = |path: &[String]| path.last().is_some_and(|last| last == "comments" || last == "notes");
            looks += asked.iter().filter(|(asked, _)| asked.method == "GET" && is_look(&asked.path)).count();
            (looks > 2 * open).then_some(())
        });
    }

    /// Runs of a pull request, oldest first: the run, its commit, the tests that it was asked for, and its outcome.
    pub fn runs(&self, number: u64) -> Vec<Run> {
        let mut found: Vec<Run> = Vec::new();
        let Some(lines) = self.it.ask(&["history", "--limit", "100000"]) else { return found };
        for line in lines.as_array().unwrap().iter().rev() {
            let event = &line["event"];
            match event["event"].as_str().unwrap_or_default() {
                "run-queued" if event["work"]["work"] == "check" && event["work"]["number"] == number => {
                    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                    let tests = event["work"]["tests"].as_array().into_iter().flatten().map(text).collect();
                    found.push(Run { id: text(&event["id"]), head: text(&event["work"]["head"]), tests, outcome: None });
                }
                "run-finished" => {
                    if let Some(run) = found.iter_mut().find(|run| event["run"] == run.id.as_str()) {
                        run.outcome = Some(event["outcome"].clone());
                    }
                }
                _ => {}
            }
        }
        found
    }

    /// Waits until a pull request has had so many runs, all ended; answers with the last.
    #[track_caller]
    pub fn until_ran(&mut self, number: u64, runs: usize) -> Run {
        self.until(&format!("{runs} runs of {number}"), |on| {
            let all = on.runs(number);
            (all.len() == runs && all.iter().all(|run| run.outcome.is_some())).then(|| all.last().cloned())?
        })
    }

    #[track_caller]
    pub fn nothing_is_held(&mut self) {
        self.until("all namespaces to be given back", |on| {
            let all = on.it.ask(&["namespace", "list"])?;
            all.as_array()?.iter().all(|one| one["state"] != "reserved" && one["state"] != "assigned").then_some(())
        });
    }

    /// The forge tells of something that happened to a pull request.
    pub fn announce(&self, delivery: &str) -> String {
        let server: Value = serde_json::from_str(&self.it.read(".towpath/server.json")).unwrap();
        let kind = self.speaks.kind();
        let url = format!("http://{}/hooks/{kind}", server["address"].as_str().unwrap());
        let name = format!("{}/web", folder(&self.it));
        let body = format!(
            r#"{{"action":"created","object_kind":"note","repository":{{"full_name":"{name}"}},"project":{{"path_with_namespace":"{name}"}}}}"#
        );
        self.it.write("hook.json", &body);
        let run = |program: &str, arguments: &[&str]| {
            let out = Command::new(program).args(arguments).current_dir(self.it.path(".")).output().unwrap();
            assert!(out.status.success(), "{out:?}");
            String::from_utf8(out.stdout).unwrap()
        };
        let signed = run("openssl", &["dgst", "-sha256", "-hmac", HOOK_SECRET, "-r", "hook.json"]);
        let signature = signed.split(' ').next().unwrap();
        let headers = match self.speaks {
            Speaks::GitHub => [
                "x-github-event: issue_comment".to_owned(),
                format!("x-hub-signature-256: sha256={signature}"),
                format!("x-github-delivery: {delivery}"),
            ],
            Speaks::Forgejo => [
                "x-forgejo-event: issue_comment".to_owned(),
                format!("x-forgejo-signature: {signature}"),
                format!("x-forgejo-delivery: {delivery}"),
            ],
            Speaks::GitLab => [
                "x-gitlab-event: Note Hook".to_owned(),
                format!("x-gitlab-token: {HOOK_SECRET}"),
                format!("x-gitlab-event-uuid: {delivery}"),
            ],
        };
        let mut arguments = vec!["-sS", "-o", "/dev/null", "-w", "%{http_code}", "-H", "content-type: application/json"];
        arguments.extend(headers.iter().flat_map(|header| ["-H", header.as_str()]));
        arguments.extend(["--data-binary", "@hook.json", &url]);
        run("curl", &arguments)
    }
}

/// A run of a check.
#[derive(Debug, Clone)]
pub struct Run {
    pub id: String,
    pub head: String,
    pub tests: Vec<String>,
    pub outcome: Option<Value>,
}

impl Run {
    /// How it ended.
    pub fn ended(&self) -> &str {
        self.outcome.as_ref().and_then(|outcome| outcome["outcome"].as_str()).unwrap_or("not yet")
    }
}

/// The installation's folder.
pub fn folder(it: &Installation) -> String {
    it.path(".").canonicalize().unwrap().file_name().unwrap().to_string_lossy().into_owned()
}

/// Commits these files in a clone, on top of the source's branch.
fn change(it: &Installation, clone: &str, branch: &str, files: &[(&str, &str)]) {
    it.git(clone, &["fetch", "--quiet", "origin"]);
    it.git(clone, &["checkout", "--quiet", "--force", "-B", branch, "origin/main"]);
    for (path, text) in files {
        it.write(&format!("{clone}/{path}"), text);
    }
    it.git(clone, &["add", "--all"]);
    it.git(clone, &["commit", "--quiet", "--allow-empty", "--message", branch]);
}
