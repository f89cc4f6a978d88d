//! A repository with a target that is rendered from it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use towpath_catalog::{InputFile, Target};
use towpath_domain::CommitId;
use towpath_git::{Git, Identity, Settings};
use towpath_runs::render::{self, RenderError, Rendered, Secrets, Surroundings};
use towpath_runs::world::Mirrors;
use towpath_secrets::SecretValue;
use towpath_template::Placeholder;

pub struct Given {
    dir: tempfile::TempDir,
    /// Folders that programs are looked for in, in the place of the machine's.
    pub path: String,
}

impl Given {
    pub fn new() -> Self {
        let it = Self { dir: tempfile::tempdir().unwrap(), path: std::env::var("PATH").unwrap() };
        fs::create_dir(it.at("code")).unwrap();
        it.git(&["init", "--quiet", "--initial-branch=main"]);
        it
    }

    pub fn at(&self, path: &str) -> std::path::PathBuf {
        self.dir.path().join(path)
    }

    /// A file of the repository.
    pub fn file(&self, path: &str, text: &str) -> &Self {
        let file = self.at("code").join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
        self
    }

    pub fn link(&self, path: &str, to: &str) -> &Self {
        symlink(to, self.at("code").join(path)).unwrap();
        self
    }

    /// A program that stands in for one that misbehaves; it is found first.
    pub fn program(&mut self, name: &str, script: &str) {
        let bin = self.at("bin");
        fs::create_dir_all(&bin).unwrap();
        fs::write(bin.join(name), format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).unwrap();
        self.path = format!("{}:{}", bin.display(), self.path);
    }

    pub fn git(&self, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .args(["-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "commit.gpgSign=false"])
            .args(arguments)
            .current_dir(self.at("code"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .output()
            .unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Commits what is there and renders it: the lines of the resource template and of the saas file, beside the usual ones.
    pub async fn rendered(&self, template: &str, saas: &str) -> Result<Rendered, RenderError> {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", "x"]);
        let commit: CommitId = self.git(&["rev-parse", "HEAD"]).parse().unwrap();
        let target = self.target(template, saas);
        self.of(&target, commit).await
    }

    /// As [`rendered`](Self::rendered), from a path that no catalog lets through.
    pub async fn rendered_from(&self, path: &str, template: &str) -> Result<Rendered, RenderError> {
        let mut target = Target::clone(&self.target(template, ""));
        target.path = path.to_owned();
        self.of(&target, self.git(&["rev-parse", "HEAD"]).parse().unwrap()).await
    }

    async fn of(&self, target: &Target, commit: CommitId) -> Result<Rendered, RenderError> {
        let git = Git::new(Settings::new(Identity::new("Towpath", "towpath@localhost").unwrap()));
        let mirrors = Mirrors::new(git, self.at("mirrors"));
        let environment = [("PATH".to_owned(), self.path.clone()), ("HOME".to_owned(), "/home/somebody".to_owned())];
        let values: BTreeMap<String, SecretValue> =
            target.secret_parameters.keys().map(|name| (name.clone(), SecretValue::new("hunter2-hunter2"))).collect();
        let around = Surroundings { environment: &environment, secrets: Secrets::Values(&values), ..Surroundings::from(&mirrors) };
        render::render(around, target, commit, &mut Placeholder).await
    }

    fn target(&self, template: &str, saas: &str) -> Arc<Target> {
        let url = self.at("code").display().to_string();
        let files = [
            ("clusters/c.yml", "$schema: /openshift/cluster-1.yml\nname: c\nserverUrl: local\n".to_owned()),
            ("env.yml", "$schema: /app-sre/environment-1.yml\nname: stage\n".to_owned()),
            ("app.yml", format!("$schema: /app-sre/app-1.yml\nname: web\ncodeComponents:\n  - {{name: web, resource: upstream, url: '{url}'}}\n")),
            (
                "ns.yml",
                "$schema: /openshift/namespace-1.yml\nname: web-stage\ncluster: {$ref: /clusters/c.yml}\napp: {$ref: /app.yml}\nenvironment: {$ref: /env.yml}\n"
                    .to_owned(),
            ),
            (
                "saas.yml",
                format!(
                    "$schema: /app-sre/saas-file-2.yml\nname: web\napp: {{$ref: /app.yml}}\nmanagedResourceTypes: [ConfigMap, Deployment, Service]\n{saas}\
                     resourceTemplates:\n  - name: web\n    url: '{url}'\n{template}    targets:\n      - {{namespace: {{$ref: /ns.yml}}, ref: main}}\n"
                ),
            ),
        ];
        let files = files.into_iter().map(|(path, text)| InputFile::new(format!("data/{path}"), text.into_bytes())).collect();
        let loaded = towpath_catalog::load(files);
        let problems: Vec<String> = loaded.diagnostics.iter().map(|found| format!("{found:?}")).collect();
        let target = loaded.catalog.targets.values().next();
        Arc::clone(target.unwrap_or_else(|| panic!("no target: {problems:#?}")))
    }
}

/// Whether a program is installed; told loudly when it is not. In CI it has to be, unless `TOWPATH_TESTS_WITHOUT` names it.
pub fn has(program: &str) -> bool {
    let found = std::env::split_paths(&std::env::var_os("PATH").unwrap()).any(|folder| Path::new(&folder).join(program).is_file());
    let missed = std::env::var_os("CI").is_some() && std::env::var("TOWPATH_TESTS_WITHOUT").as_deref() != Ok(program);
    assert!(found || !missed, "{program} is not installed");
    if !found {
        eprintln!("SKIPPED: {program} is not installed");
    }
    found
}
