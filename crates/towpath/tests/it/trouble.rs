//! What goes wrong, and how it is told, and that nothing else is taken along.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::installation::{Installation, PRODUCTION, STAGE};

/// A web service whose every process writes `tag pid` to a file; the command ends as `rest` says. As in Kubernetes, `$$` stands for `$`.
fn web(it: &Installation, rest: &str) {
    let text = it.read("web/deploy/web.yaml");
    let at = text.find("              command:").unwrap();
    let marks = it.path("pids").display().to_string();
    let command = format!("              command: [sh, -c, 'trap exit TERM; echo \"${{IMAGE_TAG}} $$$$\" >> {marks}; {rest}']\n");
    it.write("web/deploy/web.yaml", &format!("{}{command}", &text[..at]));
}

const STAYS: &str = "while :; do sleep 0.1; done";

/// The processes of that commit that run, and the number of those that ever did.
fn processes(it: &Installation, commit: &str) -> (Vec<String>, usize) {
    let all = std::fs::read_to_string(it.path("pids")).unwrap_or_default();
    let pids: Vec<String> = all.lines().filter_map(|line| line.strip_prefix(&commit[..7])).map(|pid| pid.trim().to_owned()).collect();
    let count = pids.len();
    (pids.into_iter().filter(|pid| Path::new("/proc").join(pid).exists()).collect(), count)
}

#[test]
fn a_build_that_fails_is_told_with_its_last_words_and_the_next_commit_mends_it() {
    let (mut it, first) = Installation::released();
    it.write("web/verdict", "good\n");
    let commit = it.configure("Builds speak", |it| it.replace("web/source.yml", "command: cp verdict built", "command: sh build.sh"));
    it.until_read(&commit);
    it.write("web/build.sh", "echo 'cc: no such flag'; exit 3\n");
    let second = it.commit("web", "second");
    let text = it.until_held(STAGE, "build-failed");
    assert!(text.contains("cc: no such flag") && text.contains("exit status: 3") && text.contains("own"), "{text}");
    let failed = it.runs("web").first().cloned().unwrap();
    assert_eq!((&failed["state"], &failed["class"], &failed["attempt"]), (&"failed".into(), &"own".into(), &1.into()), "{failed}");
    assert_eq!((it.current(STAGE), it.current(PRODUCTION)), (Some(first.clone()), Some(first)));
    let explained = it.ok(&["explain", &second]);
    assert!(explained.contains("cc: no such flag"), "{explained}");
    it.write("web/build.sh", "cp verdict built\n");
    let third = it.commit("web", "third");
    it.until_at(PRODUCTION, &third);
}

#[test]
fn a_build_that_takes_too_long_is_ended_and_a_longer_timeout_mends_it() {
    let mut it = Installation::new();
    let pid = it.path("pid").display().to_string();
    let go = it.path("go").display().to_string();
    it.configure("A slow build", |it| {
        it.replace(
            "web/source.yml",
            "command: cp verdict built",
            &format!("timeout: 1s\n  command: 'echo $$ > {pid}; [ -e {go} ] || sleep 600; cp verdict built'"),
        );
    });
    let first = it.release("first", true);
    it.start(None);
    let text = it.until_held(STAGE, "build-failed");
    assert!(text.contains("longer than 1s") && text.contains("build.timeout"), "{text}");
    let pid = it.read("pid");
    assert!(!Path::new("/proc").join(pid.trim()).exists(), "nothing of the build is left");
    it.write("go", "");
    it.configure("More time", |it| it.replace("web/source.yml", "timeout: 1s", "timeout: 5m"));
    it.until_at(PRODUCTION, &first);
}

#[test]
fn a_deploy_that_never_becomes_ready_leaves_the_old_version_serving() {
    let mut it = Installation::new();
    web(&it, STAYS);
    let first = it.release("first", true);
    it.start(None);
    it.until_at(PRODUCTION, &first);
    let (before, _) = processes(&it, &first);
    assert_eq!(before.len(), 2, "one pod in stage, one in production");
    web(&it, "echo the database is not there; exit 7");
    let second = it.commit("web", "second");
    let text = it.until_held(STAGE, "failed");
    assert!(text.contains("the database is not there"), "{text}");
    assert!(text.contains('7'), "the status is told: {text}");
    assert_eq!(processes(&it, &first).0, before, "both old pods serve on");
    assert_eq!(it.current(STAGE), Some(first.clone()));
    let status = it.ok(&["status"]);
    assert!(status.contains("the database is not there"), "{status}");
    web(&it, STAYS);
    let third = it.commit("web", "third");
    it.until_at(PRODUCTION, &third);
    it.until("what is not wanted to be gone", |it| {
        (processes(it, &first).0.is_empty() && processes(it, &second).0.is_empty()).then_some(())
    });
}

#[test]
fn a_stopped_server_comes_back_to_the_same_processes() {
    let mut it = Installation::new();
    web(&it, STAYS);
    let first = it.release("first", true);
    it.start(None);
    it.until_at(PRODUCTION, &first);
    let before = processes(&it, &first);
    it.stop();
    assert_eq!(processes(&it, &first), before, "services outlive their server");
    assert!(!it.path(".towpath/server.json").exists(), "nobody is sent to a server that is gone");
    it.start(None);
    let second = it.configure("A look around", |it| it.write("config/README.md", "here\n"));
    it.until_read(&second);
    it.until("the server to see its pods", |it| it.ok(&["doctor"]).contains("0 not ready").then_some(()));
    assert_eq!(processes(&it, &first), before);
    it.kill();
    it.ok(&["stop-services"]);
    it.until("all pods to be gone", |it| processes(it, &first).0.is_empty().then_some(()));
}

#[test]
fn a_drain_lets_the_run_under_way_come_to_its_end() {
    let mut it = Installation::new();
    let (begun, go) = (it.path("begun").display().to_string(), it.path("go").display().to_string());
    it.configure("A slow build", |it| {
        it.replace(
            "web/source.yml",
            "command: cp verdict built",
            &format!("command: ': > {begun}; while [ ! -e {go} ]; do sleep 0.05; done; cp verdict built'"),
        );
    });
    let first = it.release("first", true);
    it.start(None);
    it.until("the build to be under way", |it| it.path("begun").exists().then_some(()));
    it.terminate();
    it.until("the server to say so", |it| it.read("server.log").contains("stopping").then_some(()));
    assert!(!it.has_ended(), "it waits for the build");
    it.write("go", "");
    it.until("the server to end", |it| it.has_ended().then_some(()));
    it.start(None);
    it.until_at(PRODUCTION, &first);
    assert_eq!(it.runs("web").len(), 1, "built once");
}

#[test]
fn a_second_server_on_one_state_directory_is_refused() {
    let (mut it, first) = Installation::released();
    let said = it.refused(&["serve"]);
    assert!(said.contains("ledger.db is in use by process") && said.contains("stop that one first"), "{said}");
    let second = it.release("second", true);
    it.until_at(PRODUCTION, &second);
    assert_ne!(first, second);
}

/// A small file system of its own, taken away again at the end.
struct Small {
    at: std::path::PathBuf,
}

impl Small {
    /// Nothing where this user may not mount one.
    fn mount(at: &Path, mebibytes: u32) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let options = format!("size={mebibytes}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(at).stderr(Stdio::null()).status();
        mounted.is_ok_and(|status| status.success()).then(|| Self { at: at.to_owned() })
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _unmounted = Command::new("umount").arg("--lazy").arg(&self.at).status();
    }
}

#[test]
fn on_a_full_disk_nothing_is_done_and_with_space_again_it_goes_on() {
    let mut it = Installation::new();
    let Some(_small) = Small::mount(&it.path(".towpath"), 24) else {
        println!("SKIPPED: this user may not mount a tmpfs");
        return;
    };
    let first = it.release("first", true);
    it.start(None);
    it.until_at(PRODUCTION, &first);
    let ballast = it.path(".towpath/ballast");
    // To the last byte.
    let filled =
        Command::new("dd").args(["if=/dev/zero", "bs=4096"]).arg(format!("of={}", ballast.display())).stderr(Stdio::null()).status();
    assert!(!filled.unwrap().success(), "it is full");
    let second = it.release("second", true);
    it.until("the full disk to be told", |it| {
        assert!(!it.has_ended(), "the server lives on:\n{}", it.read("server.log"));
        let log = it.read("server.log").to_lowercase();
        (log.contains("full") || log.contains("no space")).then_some(())
    });
    assert_eq!(it.current(PRODUCTION), Some(first), "questions are answered");
    let doctor = it.run(&["doctor"]);
    assert!(doctor.status.code() == Some(5) && String::from_utf8_lossy(&doctor.stdout).contains("make room"), "{doctor:?}");
    std::fs::remove_file(ballast).unwrap();
    it.until_at(PRODUCTION, &second);
    it.stop();
    it.ok(&["ledger", "verify"]);
}
