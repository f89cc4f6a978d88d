//! A folder to call the binary in, with nothing of this machine's environment but the search path.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// The folder. `home` and `work` are in it.
pub struct Place {
    folder: TempDir,
}

/// What a call came to.
#[derive(Debug)]
#[must_use = "assert the exit code, or use what was said"]
pub struct Said {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Said {
    #[track_caller]
    pub fn ok(self) -> Self {
        self.exits(0)
    }

    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        self
    }

    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The one error and its help.
    #[track_caller]
    pub fn refusal(&self) -> (&str, &str) {
        assert_eq!(self.stderr.matches("error: ").count(), 1, "told once: {self:?}");
        let text = self.stderr.split_once("error: ").unwrap().1;
        text.split_once("\nhelp: ").map_or((text.trim(), ""), |(error, help)| (error, help.trim()))
    }
}

impl Place {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["home", "work"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self { folder }
    }

    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join("work").join(path)
    }

    pub fn write(&self, path: &str, text: &str) -> PathBuf {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    /// A program in this place, with a cleared environment.
    pub fn program(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(args).current_dir(self.path("")).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", self.folder.path().join("home"));
        command.env("GIT_CONFIG_NOSYSTEM", "1").stdin(Stdio::null());
        command
    }

    pub fn towpath(&self, args: &[&str]) -> Said {
        self.towpath_with(args, &[], "")
    }

    pub fn towpath_with(&self, args: &[&str], env: &[(&str, &str)], stdin: &str) -> Said {
        let mut command = self.program(env!("CARGO_BIN_EXE_towpath"), args);
        command.envs(env.iter().copied());
        let input = self.folder.path().join("stdin");
        fs::write(&input, stdin).unwrap();
        command.stdin(fs::File::open(input).unwrap());
        let output = command.output().unwrap();
        Said {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs Git in a folder of this place.
    pub fn git(&self, folder: &str, args: &[&str]) -> String {
        let mut command =
            self.program("git", &["-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "init.defaultBranch=main"]);
        let output = command.args(args).current_dir(self.path(folder)).output().unwrap();
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// A repository with one commit that holds one file.
    pub fn repository(&self, folder: &str) {
        self.write(&format!("{folder}/server.sh"), "#!/bin/sh\nexec true\n");
        self.git(folder, &["init", "--quiet"]);
        self.git(folder, &["add", "--all"]);
        self.git(folder, &["commit", "--quiet", "--message", "First"]);
    }
}
