use futures_util::io::Cursor;
use serde_json::json;

use super::*;

#[test]
fn each_start_of_a_container_has_a_log_of_its_own() {
    let ended = json!({"terminated": {"exitCode": 1}});
    let running = json!({"running": {}});
    let found = |state: &Value, last: &Value, restarts: i64| {
        let found = starts(&json!({"name": "smoke", "state": state, "lastState": last, "restartCount": restarts}));
        found.into_iter().map(|(start, stage)| (start, stage as u8)).collect::<Vec<_>>()
    };
    let (runs, over, before) = (Stage::Runs as u8, Stage::Ended as u8, Stage::Before as u8);
    let (none, waiting) = (json!({}), json!({"waiting": {"reason": "CrashLoopBackOff"}}));
    assert_eq!(found(&waiting, &none, 0), []);
    assert_eq!(found(&running, &none, 0), [(0, runs)]);
    assert_eq!(found(&ended, &none, 0), [(0, over)]);
    assert_eq!(found(&waiting, &ended, 0), [(0, over)]);
    assert_eq!(found(&running, &ended, 1), [(0, before), (1, runs)]);
    assert_eq!(found(&ended, &ended, 2), [(1, before), (2, over)]);
}

#[test]
fn late_news_take_nothing_back() {
    let (known, seen) = watch::channel(Stage::Runs);
    for (news, stage) in
        [(Stage::Ended, Stage::Ended), (Stage::Runs, Stage::Ended), (Stage::Gone, Stage::Gone), (Stage::Before, Stage::Gone)]
    {
        advance(&known, news);
        assert!(*seen.borrow() == stage);
    }
}

#[tokio::test]
async fn a_line_without_an_end_costs_no_more_than_a_long_one() {
    let long = [&vec![b'x'; LINE_BYTES_MAX + 5][..], b"\nshort\r\n\nrest"].concat();
    let mut stream = Cursor::new(long);
    let (mut line, mut read) = (Vec::new(), Vec::new());
    loop {
        let what = next_line(&mut stream, &mut line).await.unwrap();
        if what == Read::End {
            break;
        }
        read.push((what, line.len()));
        assert!(line.capacity() <= 2 * LINE_BYTES_MAX);
    }
    assert_eq!(read, [(Read::Line, LINE_BYTES_MAX), (Read::Line, 7), (Read::Line, 1), (Read::Rest, 4)]);
}

#[test]
fn a_start_is_told_by_its_name() {
    assert_eq!([start_of("smoke"), start_of("smoke#2"), start_of("smoke#12")], [("smoke", 0), ("smoke", 1), ("smoke", 11)]);
}
