//! A program of the installation's own gets the message, and its exit status is what counts.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use towpath_domain::Span;
use towpath_notify::sinks::CommandSink;
use towpath_notify::{Kind, Message, Sink as _};

use crate::support::*;

fn shell(script: &str, timeout: Span) -> CommandSink {
    CommandSink {
        name: "pager".into(),
        program: "/bin/sh".into(),
        arguments: vec!["-c".into(), script.into()],
        environment: vec![("PATH".into(), "/usr/bin:/bin".into())],
        timeout,
    }
}

fn message() -> Message {
    let payload = serde_json::json!({ "filler": "x".repeat(300_000) });
    plain(Kind::BuildFailed, "Build failed", payload)
}

fn lines(path: &Path) -> Vec<serde_json::Value> {
    std::fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_program_gets_the_message_as_json_and_nothing_of_our_environment() {
    let (directory, ledger) = fresh().await;
    let (told, environment) = (directory.path().join("told"), directory.path().join("environment"));
    let script = format!("cat >> {0}; echo >> {0}; env > {1}", told.display(), environment.display());
    ledger.outbox_register("pager").await.unwrap();
    fail_a_build(&ledger, "a").await;
    fail_a_build(&ledger, "b").await;
    let worker = Worker::start(&ledger, vec![Arc::new(shell(&script, Span::from_secs(20)))], 3);
    settled(&ledger, "pager").await;
    worker.stop().await;
    let told = lines(&told);
    let keys: Vec<_> =
        told.iter().map(|message| (message["key"].as_str().unwrap(), message["payload"]["run"]["id"].as_str().unwrap())).collect();
    assert_eq!(keys, [("event-2", "a"), ("event-4", "b")]);
    assert!(!std::fs::read_to_string(environment).unwrap().contains("CARGO"));
}

#[tokio::test]
async fn a_failing_program_is_told_of_by_its_last_words() {
    let error =
        shell("cat > /dev/null; echo first >&2; echo 'no route to host' >&2; exit 3", Span::from_secs(20)).deliver(&message()).await;
    let error = error.unwrap_err();
    assert!(error.why.contains("status 3") && error.why.ends_with("no route to host"), "{}", error.why);
    assert!(!error.permanent);
    let killed = shell("kill -9 $$", Span::from_secs(20)).deliver(&message()).await.unwrap_err();
    assert!(killed.why.contains("signal: 9"), "{}", killed.why);
    let long = shell("head -c 100000 /dev/zero | tr '\\0' x >&2; exit 1", Span::from_secs(20)).deliver(&message()).await.unwrap_err();
    assert!(long.why.len() < 3000, "{}", long.why.len());
    let missing = CommandSink { program: "/no/such/program".into(), ..shell("", Span::from_secs(20)) };
    assert!(missing.deliver(&message()).await.unwrap_err().why.contains("/no/such/program could not be started"));
}

#[tokio::test]
async fn a_program_that_reads_nothing_has_told_people_all_the_same() {
    shell("exit 0", Span::from_secs(20)).deliver(&message()).await.unwrap();
}

#[tokio::test]
async fn a_program_that_takes_too_long_is_killed_with_all_that_it_started() {
    let directory = tempfile::tempdir().unwrap();
    let pid = directory.path().join("pid");
    let begun = Instant::now();
    let script = format!("sleep 1000 & echo $! > {}; wait", pid.display());
    // Until the program has noted its child, a shorter timeout would only test the timeout.
    let error = shell(&script, Span::from_millis(1500)).deliver(&message()).await.unwrap_err();
    assert!(error.why.contains("more than 1s500ms"), "{}", error.why);
    assert!(begun.elapsed() < DEADLINE);
    let pid: u32 = std::fs::read_to_string(pid).unwrap().trim().parse().unwrap();
    let gone = async {
        // A killed process nobody waited for is a zombie until its parent's parent does.
        while std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z ")) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, gone).await.unwrap();
}
