use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(body: &str, wanted: &[Command]) {
    assert_eq!(commands(body), wanted, "{body:?}");
}

#[test]
fn a_command_is_a_line_of_its_own() {
    use Command::*;
    check("/lgtm", &[Lgtm]);
    check("Looks good.\n/lgtm\r\nThanks", &[Lgtm]);
    check(
        "/LGTM  \n/lgtm   cancel\n/hold\n/Hold Cancel\n/retest\n/rebase\n/why",
        &[Lgtm, LgtmCancel, Hold(None), HoldCancel, Retest, Rebase, Why],
    );
    check("   /lgtm", &[Lgtm]);
    check("I say /lgtm", &[]);
    check("/lgtm please", &[Unknown("/lgtm please".into())]);
    check("/lgtmx\n/assign @ann", &[Unknown("/lgtmx".into()), Unknown("/assign @ann".into())]);
    check("/services/web/deploy.yml\n/ 2\n//\n/1", &[]);
    check("", &[]);
}

#[test]
fn a_hold_with_a_slip_of_the_pen_holds() {
    check("/hold cancle", &[Command::Hold(Some("cancle".into()))]);
    check("/hold until Monday", &[Command::Hold(Some("until Monday".into()))]);
    check("/lgtm cancle", &[Command::Unknown("/lgtm cancle".into())]);
}

#[test]
fn what_looks_like_a_command_and_is_none_is_none() {
    for body in
        ["\u{2215}lgtm", "\u{ff0f}lgtm", "/\u{217c}gtm", "/lgtm\u{200b}", "\u{feff}/lgtm", "\u{a0}/lgtm", "\\/lgtm", "`/lgtm`", "*/lgtm*"]
    {
        assert!(!commands(body).contains(&Command::Lgtm), "{body:?}");
    }
}

#[test]
fn quotes_code_and_hidden_text_hold_no_commands() {
    for body in [
        "> /lgtm",
        ">/lgtm",
        "  > /lgtm",
        "    /lgtm",
        "\t/lgtm",
        "```\n/lgtm\n```",
        "```sh\n/lgtm",
        "~~~\n/lgtm\n~~~",
        "````\n```\n/lgtm\n````",
        "~~~\n```\n/lgtm\n~~~",
        "- ```\n  /lgtm\n  ```",
        "1. ```\n   /lgtm\n   ```",
        "<!-- /lgtm -->",
        "<!--\n/lgtm\n-->",
        "text <!--\n/lgtm\n--> text",
        "<!--\n/lgtm",
        "<pre>\n/lgtm\n</pre>",
        "<PRE>\n/lgtm\n",
    ] {
        check(body, &[]);
    }
}

#[test]
fn what_comes_after_a_quote_or_code_counts() {
    for body in [
        "> please\n/hold",
        "```\ncode\n```\n/hold",
        "```\ncode\n``````\n/hold",
        "```inline```\n/hold",
        "- ```\n  code\n  ```\n/hold",
        "- ```\n  code\n/hold",
        "<!-- a --> \n/hold",
        "<!--\na\n-->\n/hold",
        "<pre>x</pre>\n/hold",
        "<pre>\nx\n</pre>\n/hold",
        "a <!-- b\n/hold",
        "- one\n- two\n/hold",
    ] {
        check(body, &[Command::Hold(None)]);
    }
}

proptest! {
    #[test]
    fn no_text_is_too_strange_and_a_quoted_one_holds_no_command(body in "(\\PC|[\n\r\t /<>!`~.-]|/lgtm|```|<!--|-->|<pre>|- ){0,60}") {
        prop_assert!(commands(&body).len() <= body.split(['\n', '\r']).count());
        let quoted: String = body.split(['\n', '\r']).map(|line| format!("> {line}\n")).collect();
        prop_assert_eq!(commands(&quoted), []);
    }
}
