//! A whole installation in a temporary folder: two repositories, a server, and the questions that tests ask of it.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// Longer than anything takes: only a hang comes to this.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// An installation whose service needs no compiler: its web pod just stays up, its smoke test reads a file of the image.
pub struct Installation {
    dir: TempDir,
    server: Option<Child>,
}

impl Installation {
    /// Repositories without a commit, each with its branch, and a clone of each. Nothing else is there.
    pub fn bare(repositories: &[(&str, &str)]) -> Self {
        let dir = tempfile::Builder::new().prefix("towpath-it-").tempdir().unwrap();
        let it = Self { dir, server: None };
        for (name, branch) in repositories {
            it.git(".", &["init", "--quiet", "--bare", &format!("--initial-branch={branch}"), &format!("{name}.git")]);
            it.git(".", &["clone", "--quiet", &format!("{name}.git"), name]);
            it.git(name, &["checkout", "--quiet", "-B", branch]);
        }
        it
    }

    /// Repositories with a first commit each, and `towpath.toml`. Nothing runs yet.
    pub fn new() -> Self {
        let it = Self::bare(&[("web", "main"), ("config", "main")]);
        it.write("web/deploy/web.yaml", WEB);
        it.write("web/deploy/smoke.yaml", SMOKE);
        let address = it.path("web.git").display().to_string();
        for (path, text) in CONFIG {
            it.write(&format!("config/data/{path}"), &text.replace("@SOURCE@", &address));
        }
        it.commit("config", "The installation");
        it.write("towpath.toml", &format!("[config]\nurl = {:?}\n[poll]\nlocal = \"50ms\"\n", it.path("config.git").display().to_string()));
        it
    }

    /// A path in the installation's folder.
    pub fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    pub fn write(&self, path: &str, text: &str) {
        let file = self.path(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    /// Commits all in a clone and pushes it; answers with the commit.
    pub fn commit(&self, clone: &str, subject: &str) -> String {
        self.git(clone, &["add", "--all"]);
        self.git(clone, &["commit", "--quiet", "--allow-empty", "--message", subject]);
        self.git(clone, &["push", "--quiet", "origin", "HEAD"]);
        self.git(clone, &["rev-parse", "HEAD"])
    }

    /// A commit of the service whose smoke test passes, or does not.
    pub fn release(&self, subject: &str, good: bool) -> String {
        self.write("web/verdict", if good { "good\n" } else { "bad\n" });
        self.write("web/subject", subject);
        self.commit("web", subject)
    }

    /// An installation that runs, with its first good release in production.
    pub fn released() -> (Self, String) {
        let mut it = Self::new();
        let first = it.release("first", true);
        it.start(None);
        it.until_at(PRODUCTION, &first);
        (it, first)
    }

    /// Brings the clone of the config repository to its head.
    fn latest(&self) {
        self.git("config", &["fetch", "--quiet", "origin"]);
        self.git("config", &["reset", "--quiet", "--hard", "origin/main"]);
    }

    /// A commit in the config repository, on top of whatever Towpath has put there meanwhile.
    pub fn configure(&self, subject: &str, change: impl Fn(&Self)) -> String {
        let begun = Instant::now();
        loop {
            self.latest();
            change(self);
            self.git("config", &["add", "--all"]);
            self.git("config", &["commit", "--quiet", "--message", subject]);
            if self.try_git("config", &["push", "--quiet", "origin", "main"]).status.success() {
                return self.git("config", &["rev-parse", "HEAD"]);
            }
            assert!(begun.elapsed() < PATIENCE, "the config repository never stands still");
        }
    }

    /// Replaces a text that a file of the config repository must hold; to be called in `configure`.
    #[track_caller]
    pub fn replace(&self, path: &str, old: &str, new: &str) {
        let path = format!("config/data/{path}");
        let text = self.read(&path);
        assert!(text.contains(old), "{path} does not hold {old:?}:\n{text}");
        self.write(&path, &text.replacen(old, new, 1));
    }

    /// Replaces a text that a file of a clone must hold.
    #[track_caller]
    pub fn replace_in(&self, path: &str, old: &str, new: &str) {
        let text = self.read(path);
        assert!(text.contains(old), "{path} does not hold {old:?}:\n{text}");
        self.write(path, &text.replacen(old, new, 1));
    }

    /// Waits until the server has read this commit of the config repository.
    #[track_caller]
    pub fn until_read(&mut self, commit: &str) {
        self.until("the config repository to be read", |it| {
            let read = it.ask(&["status"])?["config"]["commit"].as_str()?.to_owned();
            let later = it.try_git("config.git", &["merge-base", "--is-ancestor", commit, &read]);
            later.status.success().then_some(())
        });
    }

    pub fn git(&self, dir: &str, arguments: &[&str]) -> String {
        let output = self.try_git(dir, arguments);
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    pub fn try_git(&self, dir: &str, arguments: &[&str]) -> Output {
        Command::new("git")
            .args(["-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "commit.gpgSign=false"])
            .args(arguments)
            .current_dir(self.path(dir))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .output()
            .unwrap()
    }

    /// Starts the server, which logs for programs.
    pub fn start_logging_json(&mut self) {
        assert!(self.server.is_none(), "one server at a time");
        let log = fs::File::create(self.path("server.log")).unwrap();
        let mut command = self.towpath();
        command.arg("serve").env("TOWPATH_LOG_FORMAT", "json").stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.server = Some(command.spawn().unwrap());
    }

    /// Starts the server; it ends itself by `kill -9` once `crash_after` events are recorded.
    pub fn start(&mut self, crash_after: Option<i64>) {
        match crash_after {
            Some(events) => self.start_with(&[("TOWPATH_CRASH_AFTER_EVENT", &events.to_string())]),
            None => self.start_with(&[]),
        }
    }

    /// Starts the server with more in its environment.
    pub fn start_with(&mut self, more: &[(&str, &str)]) {
        assert!(self.server.is_none(), "one server at a time");
        let log = fs::OpenOptions::new().create(true).append(true).open(self.path("server.log")).unwrap();
        let mut command = self.towpath();
        command.args(["serve", "--color", "never"]).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        command.envs(more.iter().copied());
        self.server = Some(command.spawn().unwrap());
    }

    /// Starts another server with this configuration; it ends with what is returned.
    pub fn serve_also(&self, config: &str) -> Other {
        let log = fs::File::create(self.path("other.log")).unwrap();
        let mut command = self.towpath();
        command.args(["--config", config, "serve", "--color", "never"]).stdin(Stdio::null());
        let server = command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let mut end_services = self.towpath();
        end_services.args(["--config", config, "stop-services"]);
        Other { server, end_services }
    }

    /// For an installation that several tests share, and that is never dropped: a shell ends its server and removes its folder as soon as this
    /// process is gone, however that ends.
    pub fn outlives_its_test(&self) {
        static SHELLS: std::sync::Mutex<Vec<Child>> = std::sync::Mutex::new(Vec::new());
        let server = self.server.as_ref().unwrap().id().to_string();
        let mut shell = Command::new("setsid");
        shell.args(["sh", "-c", "read -r end; kill -9 \"$1\"; rm -rf \"$2\"", "sh", &server]).arg(self.dir.path());
        shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        SHELLS.lock().unwrap().push(shell.spawn().unwrap());
    }

    /// Whether the server has ended.
    pub fn has_ended(&mut self) -> bool {
        let Some(server) = self.server.as_mut() else { return true };
        let ended = server.try_wait().unwrap().is_some();
        if ended {
            self.server = None;
        }
        ended
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.kill().unwrap();
            server.wait().unwrap();
        }
    }

    /// `SIGHUP`: the configuration is read again.
    pub fn reload(&self) {
        let pid = self.server.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
    }

    /// `SIGTERM`.
    pub fn terminate(&self) {
        let pid = self.server.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").arg(&pid).status().unwrap().success());
    }

    /// `SIGTERM`, and waits for the end.
    pub fn stop(&mut self) {
        if self.server.is_some() {
            self.terminate();
        }
        if let Some(mut server) = self.server.take() {
            let begun = Instant::now();
            while server.try_wait().unwrap().is_none() {
                assert!(begun.elapsed() < PATIENCE, "the server does not stop:\n{}", self.read("server.log"));
                pause();
            }
        }
    }

    fn towpath(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_towpath"));
        command.env_clear().env("HOME", self.dir.path()).env("PATH", std::env::var("PATH").unwrap()).current_dir(self.dir.path());
        command
    }

    /// Runs commands to their end, also while this is busy with something else.
    pub fn caller(&self) -> impl Fn(&[&str]) -> Output + Send + use<> {
        let folder = self.dir.path().to_owned();
        move |arguments| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_towpath"));
            command.env_clear().env("HOME", &folder).env("PATH", std::env::var("PATH").unwrap()).current_dir(&folder);
            command.args(arguments).output().unwrap()
        }
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.towpath().args(arguments).output().unwrap()
    }

    /// Runs a command that must succeed; answers with what it printed.
    #[track_caller]
    pub fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "towpath {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Asks for something as a person, who stays until it is done.
    #[track_caller]
    pub fn asks(&self, arguments: &[&str]) -> String {
        self.ok(&[arguments, &["--by", "Ada", "--wait", "--timeout", "80s"]].concat())
    }

    /// Runs a command that must be refused; answers with what it said.
    #[track_caller]
    pub fn refused(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(!output.status.success(), "towpath {arguments:?} was not refused: {}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8(output.stderr).unwrap()
    }

    /// Runs about this, newest first.
    pub fn runs(&self, about: &str) -> Vec<Value> {
        self.ask(&["runs", "--about", about]).and_then(|runs| runs.as_array().cloned()).unwrap_or_default()
    }

    /// What was deployed to this target, oldest first.
    pub fn deployed(&self, title: &str) -> Vec<String> {
        let done = |run: &Value| run["kind"] == "deploy" && run["state"] == "succeeded";
        let runs = self.runs(title);
        runs.iter().rev().filter(|run| done(run)).map(|run| run["commit"]["id"].as_str().unwrap().to_owned()).collect()
    }

    /// The commit that this target runs.
    pub fn current(&self, title: &str) -> Option<String> {
        Some(self.target(title)?["current"]["commit"]["id"].as_str()?.to_owned())
    }

    /// `towpath … --output json`; nothing while no server answers.
    pub fn ask(&self, arguments: &[&str]) -> Option<Value> {
        let output = self.run(&[arguments, &["--output", "json"]].concat());
        output.status.success().then(|| serde_json::from_slice(&output.stdout).unwrap())
    }

    /// The target of this title, from the server's status.
    pub fn target(&self, title: &str) -> Option<Value> {
        let status = self.ask(&["status"])?;
        status["targets"].as_array()?.iter().find(|t| t["title"] == title).cloned()
    }

    /// Waits until `wanted` says something, asking the running server; tells where things stand when it never does.
    #[track_caller]
    pub fn until<T>(&mut self, what: &str, mut wanted: impl FnMut(&mut Self) -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = wanted(self) {
                return found;
            }
            if begun.elapsed() > PATIENCE {
                let status = self.run(&["status"]);
                panic!(
                    "never came: {what}\n{}{}\nserver:\n{}",
                    String::from_utf8_lossy(&status.stdout),
                    String::from_utf8_lossy(&status.stderr),
                    self.read("server.log")
                );
            }
            pause();
        }
    }

    /// As [`Self::until`], for what takes long when all is well: patience begins anew whenever `progress` says something else.
    #[track_caller]
    pub fn until_progress<T, P: PartialEq>(
        &mut self,
        what: &str,
        mut wanted: impl FnMut(&mut Self) -> Option<T>,
        mut progress: impl FnMut(&mut Self) -> P,
    ) -> T {
        let mut known = progress(self);
        loop {
            let begun = Instant::now();
            while begun.elapsed() < PATIENCE {
                if let Some(found) = wanted(self) {
                    return found;
                }
                pause();
            }
            let now = progress(self);
            assert!(now != known, "never came: {what}\nserver:\n{}", self.read("server.log"));
            known = now;
        }
    }

    /// Waits until this target runs this commit.
    #[track_caller]
    pub fn until_at(&mut self, title: &str, commit: &str) {
        self.until(&format!("{title} at {commit}"), |it| (it.target(title)?["current"]["commit"]["id"] == commit).then_some(()));
    }

    /// Waits until this target is held for this reason, and answers with the text.
    #[track_caller]
    pub fn until_held(&mut self, title: &str, reason: &str) -> String {
        self.until(&format!("{title} held: {reason}"), |it| {
            let target = it.target(title)?;
            let holds = target["verdict"]["holds"].as_array()?.clone();
            holds.iter().find(|hold| hold["reason"] == reason).map(|hold| hold["text"].as_str().unwrap_or_default().to_owned())
        })
    }

    /// Every event, oldest first.
    pub fn events(&self) -> Vec<Value> {
        let mut lines = self.ask(&["history", "--limit", "100000"]).unwrap().as_array().unwrap().clone();
        lines.reverse();
        lines
    }
}

/// A second server.
pub struct Other {
    server: Child,
    end_services: Command,
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ended = self.server.kill();
        let _reaped = self.server.wait();
        let _gone = self.end_services.output();
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        self.kill();
        // Services outlive their server by design; tests clean up after themselves.
        let _gone = self.run(&["stop-services"]);
    }
}

/// Between two looks at something outside that cannot be waited for otherwise.
fn pause() {
    std::thread::park_timeout(Duration::from_millis(25));
}

/// The titles of the installation's targets.
pub const STAGE: &str = "web/web/stage/web-stage";
pub const TESTS: &str = "web-test/smoke/stage/web-stage";
pub const PRODUCTION: &str = "web/web/production/web-production";

const WEB: &str = "\
apiVersion: template.openshift.io/v1
kind: Template
metadata: {name: web}
parameters:
  - {name: IMAGE, required: true}
  - {name: IMAGE_TAG, required: true}
objects:
  - apiVersion: apps/v1
    kind: Deployment
    metadata: {name: web}
    spec:
      replicas: 1
      selector: {matchLabels: {app: web}}
      template:
        metadata: {labels: {app: web}}
        spec:
          terminationGracePeriodSeconds: 1
          containers:
            - name: web
              image: ${IMAGE}:${IMAGE_TAG}
              command: [sh, -c, 'trap exit TERM; echo up; while :; do sleep 0.1; done']
";

const SMOKE: &str = "\
apiVersion: template.openshift.io/v1
kind: Template
metadata: {name: smoke}
parameters:
  - {name: IMAGE, required: true}
  - {name: IMAGE_TAG, required: true}
objects:
  - apiVersion: batch/v1
    kind: Job
    metadata: {name: 'smoke-${IMAGE_TAG}'}
    spec:
      backoffLimit: 0
      template:
        spec:
          restartPolicy: Never
          containers:
            - name: smoke
              image: ${IMAGE}:${IMAGE_TAG}
              command: [sh, -c, 'cat verdict; grep -q good verdict']
";

const CONFIG: [(&str, &str); 9] = [
    ("clusters/laptop.yml", "$schema: /openshift/cluster-1.yml\nname: laptop\nserverUrl: local\n"),
    ("environments/stage.yml", "$schema: /app-sre/environment-1.yml\nname: stage\n"),
    ("environments/production.yml", "$schema: /app-sre/environment-1.yml\nname: production\n"),
    ("web/app.yml", "$schema: /app-sre/app-1.yml\nname: web\ncodeComponents:\n  - {name: web, resource: upstream, url: '@SOURCE@'}\n"),
    (
        "web/stage.yml",
        "$schema: /openshift/namespace-1.yml\nname: web-stage\ncluster: {$ref: /clusters/laptop.yml}\napp: {$ref: /web/app.yml}\nenvironment: {$ref: /environments/stage.yml}\n",
    ),
    (
        "web/production.yml",
        "$schema: /openshift/namespace-1.yml\nname: web-production\ncluster: {$ref: /clusters/laptop.yml}\napp: {$ref: /web/app.yml}\nenvironment: {$ref: /environments/production.yml}\n",
    ),
    (
        "web/source.yml",
        "\
$schema: /towpath/source-1.yml
name: web
app: {$ref: /web/app.yml}
url: '@SOURCE@'
branch: main
image: localhost/web
build:
  command: cp verdict built
  pack:
    files: [{from: built, to: /verdict}]
    entrypoint: [sh]
",
    ),
    (
        "web/deploy.yml",
        "\
$schema: /app-sre/saas-file-2.yml
name: web
app: {$ref: /web/app.yml}
managedResourceTypes: [Deployment]
imagePatterns: [localhost/web]
resourceTemplates:
  - name: web
    url: '@SOURCE@'
    path: /deploy/web.yaml
    parameters: {IMAGE: localhost/web}
    targets:
      - namespace: {$ref: /web/stage.yml}
        ref: main
        promotion: {publish: [deployed]}
      - namespace: {$ref: /web/production.yml}
        ref: '0000000000000000000000000000000000000000' # moved by Towpath
        promotion: {auto: true, subscribe: [tested]}
",
    ),
    (
        "web/test.yml",
        "\
$schema: /app-sre/saas-file-2.yml
name: web-test
app: {$ref: /web/app.yml}
managedResourceTypes: [Job]
imagePatterns: [localhost/web]
resourceTemplates:
  - name: smoke
    url: '@SOURCE@'
    path: /deploy/smoke.yaml
    parameters: {IMAGE: localhost/web}
    targets:
      - namespace: {$ref: /web/stage.yml}
        ref: '0000000000000000000000000000000000000000' # moved by Towpath
        promotion: {auto: true, subscribe: [deployed], publish: [tested]}
",
    ),
];
