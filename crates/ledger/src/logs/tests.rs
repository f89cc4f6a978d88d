use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

fn logs(limits: Limits) -> (TempDir, Logs) {
    let directory = tempfile::tempdir().unwrap();
    let logs = Logs::new(directory.path().join("logs"), limits);
    (directory, logs)
}

fn run() -> RunId {
    RunId::new("build-api-1").unwrap()
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn texts(lines: &[Line]) -> Vec<&str> {
    lines.iter().map(|line| line.text.as_str()).collect()
}

#[test]
fn what_a_step_said_is_read_back_line_by_line_with_moment_and_stream() {
    let (_directory, logs) = logs(Limits::default());
    let mut step = logs.run(&run(), Masker::default()).unwrap().step("compile").unwrap();
    step.push(Stream::Out, at(5), b"one\ntw").unwrap();
    step.push(Stream::Err, at(6), b"warning: x\r\n").unwrap();
    step.push(Stream::Out, at(7), b"o\n\nlast").unwrap();
    step.line(Stream::Towpath, at(8), "The step failed.").unwrap();
    step.finish(at(9)).unwrap();

    let all = logs.read(&run(), "compile", 0, 1 << 20).unwrap();
    assert_eq!(texts(&all.lines), ["one", "warning: x", "two", "", "The step failed.", "last"]);
    assert_eq!(all.lines[1], Line { at: Some(at(6)), stream: Stream::Err, text: "warning: x".into() });
    assert!(all.end);
    let first = logs.read(&run(), "compile", 0, 1).unwrap();
    assert_eq!((texts(&first.lines), first.end), (vec!["one"], false));
    assert_eq!(texts(&logs.read(&run(), "compile", first.next, 1).unwrap().lines), ["warning: x"]);
    assert_eq!(texts(&logs.tail(&run(), "compile", 2).unwrap()), ["The step failed.", "last"]);
    assert_eq!(logs.read(&run(), "other", 0, 9).unwrap(), Chunk { lines: vec![], next: 0, end: true });
}

#[test]
fn beyond_the_limit_only_the_last_lines_of_a_step_are_kept_and_the_log_says_so() {
    let (_directory, logs) = logs(Limits { run_bytes: 200, tail_bytes: 60, ..Limits::default() });
    let log = logs.run(&run(), Masker::default()).unwrap();
    let mut step = log.step("compile").unwrap();
    for n in 0..100 {
        step.line(Stream::Out, at(n), &format!("line {n}")).unwrap();
    }
    step.line(Stream::Err, at(100), "error: it failed").unwrap();
    step.finish(at(101)).unwrap();
    let lines = logs.read(&run(), "compile", 0, 1 << 20).unwrap().lines;
    let texts = texts(&lines);
    assert_eq!((texts[0], texts.last().copied()), ("line 0", Some("error: it failed")));
    assert!(texts.iter().any(|text| text.contains("more than 200 bytes")), "{texts:?}");
    assert!(texts.iter().any(|text| text.contains("lines were left out")), "{texts:?}");
    assert!(lines.len() < 25, "{texts:?}");
    // The limit is the run's, also for a later step and a later process.
    drop(log);
    let mut later = logs.run(&run(), Masker::default()).unwrap().step("push").unwrap();
    later.line(Stream::Out, at(1), &"x".repeat(100)).unwrap();
    assert!(logs.read(&run(), "push", 0, 1 << 20).unwrap().lines[0].text.contains("more than 200 bytes"));
}

#[test]
fn a_line_that_a_crash_cut_off_does_not_swallow_the_next_one() {
    let (directory, logs) = logs(Limits::default());
    let file = directory.path().join("logs/build-api-1/compile.log");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, "5 out whole\n6 o").unwrap();
    assert_eq!(texts(&logs.read(&run(), "compile", 0, 99).unwrap().lines), ["whole"]);
    logs.run(&run(), Masker::default()).unwrap().step("compile").unwrap().line(Stream::Out, at(7), "resumed").unwrap();
    assert_eq!(texts(&logs.read(&run(), "compile", 0, 99).unwrap().lines), ["whole", "6 o", "resumed"]);
}

#[test]
fn names_stay_in_their_directory_and_do_not_meet() {
    let (directory, logs) = logs(Limits::default());
    let odd = RunId::new("../../etc/passwd").unwrap();
    let log = logs.run(&odd, Masker::default()).unwrap();
    for name in ["a/b", "a%2fb", ".", "..", "Größe 1"] {
        log.step(name).unwrap().line(Stream::Out, at(1), name).unwrap();
    }
    let mut expected = vec!["a/b", "a%2fb", ".", "..", "Größe 1"];
    expected.sort_unstable();
    assert_eq!(logs.steps(&odd).unwrap(), expected);
    for name in expected {
        assert_eq!(texts(&logs.read(&odd, name, 0, 99).unwrap().lines), [name]);
    }
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    logs.remove(&odd).unwrap();
    logs.remove(&odd).unwrap();
    assert_eq!(logs.steps(&odd).unwrap(), Vec::<String>::new());
}

#[test]
fn a_text_is_found_in_any_step_and_in_any_case() {
    let (_directory, logs) = logs(Limits::default());
    let log = logs.run(&run(), Masker::default()).unwrap();
    log.step("a").unwrap().line(Stream::Out, at(1), "fine\nERROR: out of memory").unwrap();
    log.step("b").unwrap().line(Stream::Err, at(2), "Out Of Memory again").unwrap();
    let found = logs.search(&run(), "out of memory", 10).unwrap();
    assert_eq!(found.iter().map(|found| (found.step.as_str(), found.number)).collect::<Vec<_>>(), [("a", 2), ("b", 1)]);
    assert_eq!(logs.search(&run(), "out of memory", 1).unwrap().len(), 1);
}

#[tokio::test]
async fn who_follows_a_log_sees_each_line_once_and_in_order() {
    let (_directory, logs) = logs(Limits::default());
    let log = logs.run(&run(), Masker::default()).unwrap();
    let mut follow = logs.follow(&run(), "compile", 0);
    let reader = tokio::spawn(async move {
        let mut seen = Vec::new();
        while seen.last().map(String::as_str) != Some("end") {
            seen.extend(follow.next().await.unwrap().lines.into_iter().map(|line| line.text));
        }
        seen
    });
    let mut step = log.step("compile").unwrap();
    for n in 0..50 {
        step.line(Stream::Out, at(n), &n.to_string()).unwrap();
        tokio::task::yield_now().await;
    }
    step.line(Stream::Out, at(50), "end").unwrap();
    let seen = reader.await.unwrap();
    let expected: Vec<String> = (0..50).map(|n| n.to_string()).chain(["end".to_owned()]).collect();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_line_of_a_pod_that_is_longer_than_what_is_read_at_once_holds_up_no_reader() {
    let (_directory, logs) = logs(Limits::default());
    let mut step = logs.run(&run(), Masker::default()).unwrap().step("wait").unwrap();
    let long = "x".repeat(3 << 20);
    for text in ["before", &long, "after"] {
        step.line(Stream::Out, at(1), text).unwrap();
    }
    let (mut from, mut read) = (0, Vec::new());
    loop {
        let chunk = logs.read(&run(), "wait", from, u64::MAX).unwrap();
        read.extend(chunk.lines.into_iter().map(|line| line.text.len()));
        from = chunk.next;
        if chunk.end {
            break;
        }
    }
    assert_eq!(read, [6, long.len(), 5]);
    let mut follow = logs.follow(&run(), "wait", 0);
    let mut followed = 0;
    while followed < 3 {
        followed += follow.next().await.unwrap().lines.len();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_secret_reaches_the_disk_however_the_output_is_chunked(
        before in "[a-z \n]{0,40}", after in "[a-z \n]{0,40}", filler in 0..3_usize, sizes in prop::collection::vec(1..30_usize, 1..40),
    ) {
        let secret = "hunter2-GEHEIM";
        let (directory, logs) = logs(Limits::default());
        let mut step = logs.run(&run(), Masker::new([secret])).unwrap().step("s").unwrap();
        // Also across the place where an overlong line is cut.
        let padding = "é".repeat([0, 100, 32 * 1024 - 4][filler]);
        let output = format!("{before}{padding}{secret}{after}");
        let mut rest = output.as_bytes();
        let mut sizes = sizes.into_iter().cycle();
        while !rest.is_empty() {
            let factor = if filler == 2 { 1000 } else { 1 };
            let (chunk, more) = rest.split_at((sizes.next().unwrap() * factor).min(rest.len()));
            step.push(Stream::Out, at(1), chunk).unwrap();
            rest = more;
        }
        step.finish(at(2)).unwrap();
        let written = std::fs::read_to_string(directory.path().join("logs/build-api-1/s.log")).unwrap();
        prop_assert!(!written.contains("GEHEIM") && !written.contains("hunter2"), "{}", written);
        prop_assert_eq!(written.matches('•').count(), 4);
        prop_assert!(!written.contains(char::REPLACEMENT_CHARACTER), "a character was torn");
        prop_assert_eq!(written.matches('é').count(), padding.chars().count());
    }
}
