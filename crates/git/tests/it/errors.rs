use std::time::{Duration, Instant};

use towpath_domain::{FailureClass, RepoUrl, Span};
use towpath_git::{Git, GitError, Mirror, Settings};

use crate::support::{Lab, branch, towpath};

#[tokio::test]
async fn a_remote_that_cannot_be_reached_says_so_at_once_and_without_the_password() {
    let lab = Lab::new();
    for url in ["http://bot:hunter2@127.0.0.1:1/a.git", "git://127.0.0.1:1/a"] {
        let url = RepoUrl::new(url).unwrap();
        let started = Instant::now();
        let error = lab.git().ls_remote(&url, &branch("main")).await.unwrap_err();
        assert!(started.elapsed() < Duration::from_secs(1), "{url}: {:?}", started.elapsed());
        assert!(matches!(error, GitError::Unreachable { .. }), "{error:?}");
        assert_eq!(error.class(), FailureClass::Environment);
        let mirror = Mirror::open(&lab.git(), lab.path("m"), &url).await.unwrap();
        for shown in [error.to_string(), format!("{error:?}"), mirror.fetch().await.unwrap_err().to_string(), format!("{mirror:?}")] {
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }
}

#[tokio::test]
async fn a_repository_or_branch_that_is_not_there_is_told_from_one_that_is() {
    let lab = Lab::new();
    lab.people_push("main", &[("a", "1")]);
    let git = lab.git();
    let nowhere = RepoUrl::new(lab.path("nowhere.git").to_str().unwrap()).unwrap();
    let error = git.ls_remote(&nowhere, &branch("main")).await.unwrap_err();
    assert!(matches!(error, GitError::NotFound { .. }) && error.class() == FailureClass::Own, "{error:?}");
    assert_eq!(git.ls_remote(&lab.url(), &branch("mai")).await.unwrap(), None);
    // Ends like the branch that is asked for, but is another one.
    lab.people_push("x/refs/heads/other", &[]);
    assert_eq!(git.ls_remote(&lab.url(), &branch("other")).await.unwrap(), None);
}

#[tokio::test]
async fn nothing_that_people_wrote_becomes_an_option_or_a_program() {
    let lab = Lab::new();
    lab.people_push("main", &[("a", "1")]);
    let mirror = lab.mirror("m").await;
    let witness = lab.path("witness");
    std::fs::write(lab.path("home/.gitconfig"), "[protocol \"ext\"]\n\tallow = always\n").unwrap();
    for name in [format!("--upload-pack=touch {}", witness.display()), "-x".to_owned(), "$(touch x)".to_owned()] {
        let bad = branch(&name);
        assert!(mirror.git().ls_remote(&lab.url(), &bad).await.is_err() || name.starts_with('$'), "{name}");
        assert!(!matches!(mirror.resolve(&bad).await, Ok(Some(_))), "{name}");
    }
    let ext = RepoUrl::new(format!("ext::sh -c touch% {}", witness.display())).unwrap();
    let error = mirror.git().ls_remote(&ext, &branch("main")).await.unwrap_err();
    assert!(matches!(error, GitError::Refused { .. }), "{error:?}");
    assert!(!witness.exists());
}

#[tokio::test]
async fn hooks_of_whoever_are_not_run_in_a_mirror() {
    let lab = Lab::new();
    lab.people_push("main", &[("a", "1")]);
    let hooks = lab.path("home/hooks");
    std::fs::create_dir(&hooks).unwrap();
    let witness = lab.path("witness");
    let hook = hooks.join("reference-transaction");
    std::fs::write(&hook, format!("#!/bin/sh\ntouch '{}'\n", witness.display())).unwrap();
    std::fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::write(lab.path("home/.gitconfig"), format!("[core]\n\thooksPath = {}\n", hooks.display())).unwrap();
    lab.mirror("m").await;
    assert!(!witness.exists());
}

#[tokio::test]
async fn a_git_that_hangs_is_stopped_with_all_that_it_started() {
    let lab = Lab::new();
    let program = lab.path("slow-git");
    let child = lab.path("child");
    // A git whose helper would live on for a minute.
    std::fs::write(&program, format!("#!/bin/sh\nsleep 60 &\necho $! > '{}'\nwait\n", child.display())).unwrap();
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut settings = Settings::new(towpath());
    settings.program = program;
    settings.timeouts.look = Span::from_millis(400);
    let error = Git::new(settings).version().await.unwrap_err();
    assert!(matches!(error, GitError::Timeout { .. }) && error.class() == FailureClass::Environment, "{error:?}");
    let id = std::fs::read_to_string(&child).unwrap();
    let status = format!("/proc/{}/stat", id.trim());
    let deadline = Instant::now() + Duration::from_secs(10);
    // Gone, or dead and not yet buried by the system's first process.
    while std::fs::read_to_string(&status).is_ok_and(|stat| !stat.contains(") Z ")) {
        assert!(Instant::now() < deadline, "the helper still lives");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_git_that_is_missing_or_too_old_is_told_by_name() {
    let lab = Lab::new();
    let mut settings = Settings::new(towpath());
    settings.program = lab.path("no-such-git");
    let error = Git::new(settings.clone()).version().await.unwrap_err();
    assert!(matches!(error, GitError::Program { .. }) && error.to_string().contains("no-such-git"), "{error}");
    std::fs::write(lab.path("old-git"), "#!/bin/sh\necho git version 2.30.2\n").unwrap();
    std::fs::set_permissions(lab.path("old-git"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    settings.program = lab.path("old-git");
    let error = Mirror::open(&Git::new(settings), lab.path("m"), &lab.url()).await.unwrap_err();
    assert!(matches!(&error, GitError::TooOld { found, .. } if found == "2.30"), "{error:?}");
}
