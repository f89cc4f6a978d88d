//! What forms do: without a script, asked about once more where they move people's things, refused in place.

use towpath_control::view::Problem;

use super::sample;
use crate::harness::{Said, server};

const ANY: &str = "127.0.0.1:0";

fn to(said: &Said) -> Option<&str> {
    said.header("location")
}

#[tokio::test]
async fn a_button_is_a_form_that_comes_back_with_what_came_of_it() {
    let server = server(ANY, sample::shown()).await;
    let page = server.page("/targets/shop-test-3f2a").await;
    for verb in ["retry", "ack", "promote", "rollback", "hold"] {
        assert!(page.body.contains(&format!("<form method=\"post\" action=\"/act/{verb}\">")), "{verb}");
    }
    assert!(page.body.contains("name=\"to\" value=\"9f3c1ab\"") && page.words().contains("towpath retry shop/test --reason …"));
    for (verb, asked) in [
        ("retry", "retry RetryRequest { what: \"shop/test\", asked: Asked { by: \"Ada\", why: \"the gateway is back\" } }"),
        ("ack", "ack RetryRequest { what: \"shop/test\", asked: Asked { by: \"Ada\", why: \"the gateway is back\" } }"),
        ("cancel", "cancel RetryRequest { what: \"shop/test\", asked: Asked { by: \"Ada\", why: \"the gateway is back\" } }"),
        ("hold", "hold HoldRequest { what: \"shop/test\", asked: Asked { by: \"Ada\", why: \"the gateway is back\" } }"),
        ("release", "release HoldRequest { what: \"shop/test\", asked: Asked { by: \"Ada\", why: \"the gateway is back\" } }"),
    ] {
        let fields = "what=shop%2Ftest&by=Ada&why=the+gateway+is+back&back=%2Ftargets%2Fshop-test-3f2a&csrf=";
        let said = server.form(&format!("/act/{verb}"), fields).await;
        assert_eq!((said.status, to(&said)), (303, Some("/targets/shop-test-3f2a")), "{verb}: {said:?}");
        assert_eq!(server.brain.asked().last().map(String::as_str), Some(asked));
        assert!(said.header("set-cookie").is_some_and(|cookie| cookie.starts_with("flash=") && cookie.contains("httponly")), "{said:?}");
    }
    // "Accepted." as the cookie has it.
    let flash = "GET /targets/a HTTP/1.1\nhost: localhost\naccept: text/html\ncookie: flash=QWNjZXB0ZWQu";
    let shown = server.raw(flash, "").await;
    assert!(shown.body.contains("<p class=\"flash\" role=\"status\">Accepted.</p>"));
    assert!(shown.head.contains("set-cookie: flash=; path=/; max-age=0"), "it is shown once: {}", shown.head);
}

#[tokio::test]
async fn what_moves_people_is_asked_about_once_more() {
    let server = server(ANY, sample::shown()).await;
    for (verb, asked) in [("promote", "PromoteRequest"), ("rollback", "RollbackRequest")] {
        let fields = "what=shop%2Ftest&to=9f3c1ab&by=Ada&why=it+is+time&back=%2F";
        let before = server.brain.asked().len();
        let sure = server.form(&format!("/act/{verb}"), fields).await;
        assert_eq!((sure.status, server.brain.asked().len()), (200, before), "nothing is done yet");
        assert!(sure.words().contains("shop/test to 9f3c1ab?") && sure.body.contains("name=\"sure\" value=\"yes\""), "{}", sure.words());
        assert!(sure.body.contains("value=\"it is time\""), "what was filled in stays");
        let done = server.form(&format!("/act/{verb}"), &format!("{fields}&sure=yes")).await;
        assert_eq!(done.status, 303);
        let last = server.brain.asked().last().cloned().unwrap();
        assert!(last.starts_with(asked) && last.contains("to: Some(\"9f3c1ab\")"), "{last}");
    }
}

#[tokio::test]
async fn what_is_refused_is_said_where_it_was_asked_and_can_be_sent_again() {
    let server = server(ANY, sample::shown()).await;
    let said = server.form("/act/retry", "what=shop%2Ftest&by=Ada&why=&back=%2Ftargets%2Fa").await;
    assert_eq!(said.status, 422);
    assert!(said.words().contains("The request does not say who asks and why") && said.words().contains("What to do:"), "{}", said.words());
    assert!(said.body.contains("name=\"by\" value=\"Ada\"") && said.body.contains("href=\"/targets/a\""), "{}", said.body);
    server.brain.show(|shown| {
        let (title, detail, mend) = ("There is nothing to retry".into(), "shop/test has no failure".into(), "look at it".into());
        shown.problem = Some(Problem { r#type: "nothing-failed".into(), title, status: 409, detail, mend });
    });
    let said = server.form("/act/retry", "what=shop%2Ftest&by=Ada&why=x&back=https%3A%2F%2Fevil.example%2F").await;
    assert_eq!(said.status, 409);
    assert!(said.words().contains("shop/test has no failure") && said.words().contains("What to do: look at it"), "{}", said.words());
    assert!(!said.body.contains("evil.example"), "a form leads back to this server only");
    assert_eq!(server.form("/act/explode", "what=x").await.status, 404);
    let foreign = "POST /act/retry HTTP/1.1\nhost: localhost\norigin: http://evil.example\ncontent-type: application/x-www-form-urlencoded";
    let asked = server.brain.asked().len();
    assert_eq!(server.raw(foreign, "what=shop&by=Ada&why=x").await.status, 403);
    assert_eq!(server.brain.asked().len(), asked, "a form of another site does nothing");
    let json = "POST /act/retry HTTP/1.1\nhost: localhost\naccept: text/html\ncontent-type: application/json";
    assert_eq!(server.raw(json, "{}").await.status, 415);
}

#[tokio::test]
async fn a_theme_is_remembered_by_the_browser_and_nothing_else() {
    let server = server(ANY, sample::shown()).await;
    let said = server.form("/theme", "theme=dark&back=%2Fruns").await;
    assert_eq!((said.status, to(&said)), (303, Some("/runs")));
    assert!(said.header("set-cookie").is_some_and(|cookie| cookie.starts_with("theme=dark;")), "{said:?}");
    let page = server.raw("GET / HTTP/1.1\nhost: localhost\naccept: text/html\ncookie: theme=dark", "").await;
    assert!(page.body.contains("<html lang=\"en\" data-theme=\"dark\">"));
    assert!(
        server
            .form("/theme", "theme=%22onload%3D&back=//evil")
            .await
            .header("set-cookie")
            .is_some_and(|cookie| cookie.starts_with("theme=auto;"))
    );
}
