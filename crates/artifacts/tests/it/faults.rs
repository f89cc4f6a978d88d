//! Servers that do what servers should not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse as _;
use towpath_artifacts::{BucketErrorKind, BucketSettings, Fetched, Limits};

use crate::given::{bucket, keys, pods, settings};

type Said = Response<Body>;

/// What a server was asked, and how often.
#[derive(Clone, Default)]
struct Asked(Arc<AtomicUsize>);

/// Fetches the reports of one pod from a server that answers a listing, the number of the request, and everything else like this.
async fn from(
    answer: impl Fn(bool, usize) -> Said + Clone + Send + Sync + 'static,
    change: impl FnOnce(&mut BucketSettings),
) -> (Fetched, usize) {
    let asked = Asked::default();
    let count = asked.0.clone();
    let app = Router::new().fallback(move |request: Request| {
        let number = count.fetch_add(1, Ordering::SeqCst);
        let is_listing = request.uri().query().unwrap_or_default().contains("list-type=2");
        let said = answer(is_listing, number);
        async move { said }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    let (_folder, keys) = keys("AKIA-READS", "hunter2-hunter2");
    let mut wanted = settings(&endpoint, keys);
    change(&mut wanted);
    let bucket = bucket(wanted);
    let fetched = bucket.fetch(&bucket.places("stage", "run-1", &pods(&["smoke"]), &pods(&["smoke-a"]))).await;
    server.abort();
    let told = format!("{fetched:?}");
    for secret in ["hunter2", "AKIA-READS", "X-Amz"] {
        assert!(!told.contains(secret), "{told}");
    }
    (fetched, asked.0.load(Ordering::SeqCst))
}

fn says(status: u16, body: impl Into<Body>) -> Said {
    (StatusCode::from_u16(status).unwrap(), body.into()).into_response()
}

fn listing(keys: &[&str], next: Option<&str>) -> Said {
    let contents: String = keys.iter().map(|key| format!("<Contents><Key>{key}</Key></Contents>")).collect();
    let more = next.map(|token| format!("<NextContinuationToken>{token}</NextContinuationToken>")).unwrap_or_default();
    says(200, format!("<ListBucketResult><IsTruncated>{}</IsTruncated>{contents}{more}</ListBucketResult>", next.is_some()))
}

/// A body that promises more than comes before the connection is cut.
fn cut(promised: Option<usize>) -> Said {
    let parts = futures_util::stream::iter([Ok(Bytes::from_static(b"<testsuite>")), Err(std::io::Error::other("cut"))]);
    let mut response = says(200, Body::from_stream(parts));
    if let Some(length) = promised {
        response.headers_mut().insert("content-length", length.into());
    }
    response
}

#[track_caller]
fn kind(fetched: &Fetched) -> BucketErrorKind {
    let in_files = fetched.files.iter().filter_map(|(_, file)| file.content.as_ref().err());
    let error = fetched.trouble.iter().chain(in_files).next();
    error.unwrap_or_else(|| panic!("nothing was wrong: {fetched:?}")).kind()
}

#[tokio::test]
async fn a_server_that_fails_is_asked_again_and_then_told() {
    let (fetched, asked) = from(|_, number| if number < 2 { says(503, "x") } else { listing(&[], None) }, |_| {}).await;
    assert_eq!((fetched, asked), (Fetched::default(), 3));
    let (fetched, asked) = from(|_, _| says(500, "<Error><Code>InternalError</Code></Error>"), |_| {}).await;
    assert_eq!((kind(&fetched), asked), (BucketErrorKind::Away, 4));
    assert!(fetched.trouble[0].to_string().contains("500 InternalError"), "{}", fetched.trouble[0]);
}

#[tokio::test]
async fn a_refusal_is_told_at_once_and_in_none_of_the_servers_words_but_the_code() {
    let body = "<Error><Code>AccessDenied</Code><Message>X-Amz-Signature of AKIA-READS</Message></Error>";
    let (fetched, asked) = from(move |_, _| says(403, body), |_| {}).await;
    assert_eq!((kind(&fetched), asked), (BucketErrorKind::Refused, 1));
    assert!(fetched.trouble[0].to_string().contains("403 AccessDenied; let the access key list"), "{}", fetched.trouble[0]);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = |_, _| Response::builder().status(307).header("location", "http://169.254.169.254/latest").body(Body::empty()).unwrap();
    let (fetched, asked) = from(elsewhere, |_| {}).await;
    assert_eq!((kind(&fetched), asked), (BucketErrorKind::Refused, 1));
    assert!(fetched.trouble[0].to_string().contains("redirects are not followed"), "{}", fetched.trouble[0]);
}

#[tokio::test]
async fn a_report_that_is_cut_in_the_middle_is_none() {
    for promised in [Some(100), None] {
        let answer = move |is_listing, _| if is_listing { listing(&["junit.xml"], None) } else { cut(promised) };
        let (fetched, asked) = from(answer, |_| {}).await;
        assert_eq!((kind(&fetched), asked), (BucketErrorKind::Away, 5), "{fetched:?}");
    }
}

#[tokio::test]
async fn a_report_that_is_shorter_than_it_was_listed_is_none() {
    let answer = |is_listing, _| {
        let listed = "<ListBucketResult><Contents><Key>junit.xml</Key><Size>100</Size></Contents></ListBucketResult>";
        if is_listing { says(200, listed) } else { says(200, "<testsuite/>") }
    };
    let (fetched, _) = from(answer, |_| {}).await;
    assert_eq!(kind(&fetched), BucketErrorKind::Answer);
}

#[tokio::test]
async fn a_listing_without_an_end_is_left() {
    // The same page again and again.
    let (fetched, asked) = from(|_, _| listing(&["a"], Some("same")), |_| {}).await;
    assert_eq!((kind(&fetched), asked), (BucketErrorKind::TooMuch, 2));
    // Ever new pages, with and without anything in them.
    for keys in [&["a.png"][..], &[]] {
        let answer = move |_, number: usize| listing(keys, Some(&format!("page-{number}")));
        let (fetched, asked) = from(answer, |settings| settings.limits.pages = 50).await;
        assert_eq!((kind(&fetched), asked), (BucketErrorKind::TooMuch, 50));
    }
}

#[tokio::test]
async fn endless_answers_are_left_where_they_become_too_much() {
    let endless = || {
        let stream = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from(vec![b' '; 64 << 10])));
        says(200, Body::from_stream(stream))
    };
    let (fetched, asked) = from(move |_, _| endless(), |_| {}).await;
    assert_eq!((kind(&fetched), asked), (BucketErrorKind::TooMuch, 1));
    let answer = move |is_listing, _| if is_listing { listing(&["junit.xml"], None) } else { endless() };
    let (fetched, asked) = from(answer, |settings| settings.limits.bytes = 1 << 20).await;
    assert_eq!((kind(&fetched), asked), (BucketErrorKind::TooMuch, 2));
}

#[tokio::test]
async fn a_server_that_says_nothing_or_drips_is_left() {
    let silent = || says(200, Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>()));
    let (fetched, asked) = from(move |_, _| silent(), |settings| settings.limits.tries = 2).await;
    assert_eq!((kind(&fetched), asked), (BucketErrorKind::Away, 2));
    // Each byte comes in time; all of them would never.
    let dripping = || {
        let drops = futures_util::stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Some((Ok::<_, std::io::Error>(Bytes::from_static(b" ")), ()))
        });
        says(200, Body::from_stream(drops))
    };
    let within = |settings: &mut BucketSettings| settings.limits = Limits { within: Duration::from_millis(600), ..settings.limits };
    let (fetched, _) = from(move |_, _| dripping(), within).await;
    assert_eq!(kind(&fetched), BucketErrorKind::Away);
    assert!(fetched.trouble[0].to_string().contains("took longer than"), "{}", fetched.trouble[0]);
}

#[tokio::test]
async fn garbage_and_keys_that_climb_are_no_listing() {
    for body in ["<html>Sign in</html>", "", "{}", "<ListBucketResult><Contents>", "\u{0}\u{1}"] {
        let (fetched, _) = from(move |_, _| says(200, body), |_| {}).await;
        assert_eq!(kind(&fetched), BucketErrorKind::Answer, "{body:?}");
    }
    for key in ["../other/junit.xml", "a/./junit.xml", "", "a/../../junit.xml"] {
        let (fetched, asked) = from(move |_, _| listing(&[key], None), |_| {}).await;
        assert_eq!((kind(&fetched), asked), (BucketErrorKind::Answer, 1), "{key:?}");
    }
    let (fetched, asked) =
        from(|_, _| listing(&["elsewhere/junit.xml"], None), |settings| settings.prefix = "mine/".parse().unwrap()).await;
    assert_eq!((kind(&fetched), asked), (BucketErrorKind::Answer, 1));
}

#[tokio::test]
async fn what_vanishes_between_listing_and_fetching_is_told() {
    let answer =
        |is_listing, _| if is_listing { listing(&["junit.xml"], None) } else { says(404, "<Error><Code>NoSuchKey</Code></Error>") };
    let (fetched, _) = from(answer, |_| {}).await;
    assert_eq!(kind(&fetched), BucketErrorKind::Answer);
}
