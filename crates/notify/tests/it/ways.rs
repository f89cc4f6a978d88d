//! The ways that tell one message after the other: webhooks and mail; digests; and what never leaves in any.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use towpath_domain::Span;
use towpath_notify::sinks::{Hook, HookKind, Mail, MailSettings, MailTls, Webhook};
use towpath_notify::{Hidden, Listener, Room, Route, Secret, Settings, Sink, Topic};

use crate::releases::*;
use crate::support::*;

/// What a webhook got, and what it answers next.
#[derive(Clone, Default)]
pub(crate) struct Inbox {
    got: Arc<Mutex<Vec<(String, HeaderMap, Bytes)>>>,
    answers: Arc<Mutex<Vec<u16>>>,
}

impl Inbox {
    pub(crate) async fn open(&self) -> String {
        let app = axum::Router::new().fallback(receive).with_state(self.clone());
        serve_app(app).await
    }

    /// Answers so once.
    pub(crate) fn answer(&self, status: u16) {
        self.answers.lock().unwrap().push(status);
    }

    pub(crate) fn paths(&self) -> Vec<String> {
        self.got.lock().unwrap().iter().map(|(path, ..)| path.clone()).collect()
    }

    pub(crate) fn headers(&self, name: &str) -> Vec<String> {
        self.got.lock().unwrap().iter().map(|(_, headers, _)| headers.get(name).unwrap().to_str().unwrap().to_owned()).collect()
    }

    pub(crate) fn bodies(&self) -> Vec<serde_json::Value> {
        self.got.lock().unwrap().iter().map(|(_, _, body)| serde_json::from_slice(body).unwrap()).collect()
    }
}

async fn receive(State(inbox): State<Inbox>, uri: Uri, headers: HeaderMap, body: Bytes) -> (StatusCode, &'static str) {
    inbox.got.lock().unwrap().push((uri.to_string(), headers, body));
    let answer = inbox.answers.lock().unwrap().pop().unwrap_or(200);
    (StatusCode::from_u16(answer).unwrap(), "ok")
}

fn secret(value: &'static str, hidden: &Hidden) -> Secret {
    Secret::new(Arc::new(Words(value)), hidden.clone())
}

fn leaked(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

/// A failure and a success through `sink`.
async fn tell(sink: impl Sink + 'static, hidden: &Hidden) -> towpath_ledger::Ledger {
    let (directory, ledger) = fresh().await;
    let sink: Arc<dyn Sink> = Arc::new(sink);
    let name = sink.name().to_owned();
    ledger.outbox_register(&name).await.unwrap();
    deploy(&ledger, "stage", 1, 1, failed("probe")).await;
    deploy(&ledger, "production", 1, 1, deployed()).await;
    let worker = Worker::start_with(&ledger, vec![sink.into()], town(hidden, &[]));
    settled(&ledger, &name).await;
    worker.stop().await;
    drop(directory);
    ledger
}

#[tokio::test]
async fn mattermost_and_teams_and_slacks_webhook_get_each_message_in_their_own_form() {
    for (name, kind) in
        [("mattermost", HookKind::Mattermost(Some("#town".into()))), ("teams", HookKind::Teams), ("slack_webhook", HookKind::Slack)]
    {
        let (inbox, hidden) = (Inbox::default(), Hidden::default());
        let url = leaked(format!("{}/hooks/the-secret-of-{name}", inbox.open().await));
        tell(Hook::new(name, kind, secret(url, &hidden), http()), &hidden).await;
        let bodies = inbox.bodies();
        assert_eq!(bodies.len(), 2, "{name}");
        assert!(inbox.got.lock().unwrap().iter().all(|(path, ..)| path.ends_with(&format!("the-secret-of-{name}"))));
        insta::assert_json_snapshot!(name, bodies);
    }
}

#[tokio::test]
async fn ones_own_webhook_is_signed_over_time_and_body_and_names_the_delivery() {
    let (inbox, hidden) = (Inbox::default(), Hidden::default());
    let url = inbox.open().await;
    tell(Webhook::new("webhook", url, secret("the key", &hidden), http(), Arc::new(|| at(99))), &hidden).await;
    let got = inbox.got.lock().unwrap().clone();
    assert_eq!(got.len(), 2);
    for (_, headers, body) in &got {
        let header = |name: &str| headers.get(name).unwrap().to_str().unwrap().to_owned();
        let mut mac = Hmac::<Sha256>::new_from_slice(b"the key").unwrap();
        mac.update(format!("{}.", header("x-towpath-timestamp")).as_bytes());
        mac.update(body);
        let digits: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(header("x-towpath-signature"), format!("v1={digits}"));
        let told: serde_json::Value = serde_json::from_slice(body).unwrap();
        assert_eq!(told["key"], header("x-towpath-delivery"));
    }
    insta::assert_json_snapshot!("webhook", inbox.bodies());
}

#[tokio::test]
async fn what_is_refused_for_good_is_asked_once_and_what_passes_again_and_no_address_is_told() {
    let (inbox, hidden) = (Inbox::default(), Hidden::default());
    // The last is answered first.
    *inbox.answers.lock().unwrap() = vec![200, 503, 410];
    let url = leaked(format!("{}/hooks/very-secret", inbox.open().await));
    let ledger = tell(Hook::new("mattermost", HookKind::Teams, secret(url, &hidden), http()), &hidden).await;
    let dead = ledger.dead_letters(10).await.unwrap();
    assert_eq!((dead.len(), dead[0].attempts, dead[0].error.as_str()), (1, 1, "the answer was 410: ok"));
    assert_eq!(inbox.bodies().len(), 3, "gone; away; taken");

    let hidden = Hidden::default();
    let nobody = Hook::new("mattermost", HookKind::Teams, secret("http://127.0.0.1:9/hooks/very-secret", &hidden), http());
    let ledger = tell(nobody, &hidden).await;
    let dead = ledger.dead_letters(10).await.unwrap();
    assert_eq!((dead.len(), dead[0].attempts), (2, 5));
    assert!(dead.iter().all(|dead| !dead.error.contains("very-secret") && dead.error.contains("refused")), "{dead:?}");
    assert_eq!(hidden.mask("see http://127.0.0.1:9/hooks/very-secret"), "see ••••", "and it would be masked wherever it stood");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (inbox, hidden) = (Inbox::default(), Hidden::default());
    *inbox.answers.lock().unwrap() = vec![302, 302];
    let url = leaked(inbox.open().await);
    let ledger = tell(Hook::new("teams", HookKind::Teams, secret(url, &hidden), http()), &hidden).await;
    assert!(ledger.dead_letters(10).await.unwrap()[0].error.contains("a redirect"));
}

/// What a mail server says and does.
#[derive(Clone, Default)]
struct Post {
    /// What recipients are answered with.
    refuse: Option<&'static str>,
    /// It offers STARTTLS, with these.
    tls: Option<tokio_rustls::TlsAcceptor>,
    /// What was said to it up to the end of each mail.
    mails: Arc<Mutex<Vec<String>>>,
}

impl Post {
    /// Serves as many conversations as come; its port.
    async fn open(&self) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, own) = (listener.local_addr().unwrap().port(), self.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let own = own.clone();
                tokio::spawn(async move {
                    let mut stream = BufReader::new(stream);
                    stream.write_all(b"220 mail.example.com ESMTP\r\n").await.unwrap();
                    let offer = own.tls.as_ref().map_or("", |_| "250-STARTTLS\r\n");
                    if own.converse(&mut stream, offer, "").await
                        && let Some(tls) = &own.tls
                        && let Ok(stream) = tls.accept(stream.into_inner()).await
                    {
                        own.converse(&mut BufReader::new(stream), "250-AUTH PLAIN LOGIN\r\n", "(encrypted)\n").await;
                    }
                });
            }
        });
        port
    }

    /// One conversation; true when it is to go on encrypted.
    async fn converse(&self, stream: &mut (impl AsyncBufRead + AsyncWrite + Unpin), offer: &str, begin: &str) -> bool {
        let mut said = begin.to_owned();
        let mut line = String::new();
        while stream.read_line(&mut line).await.is_ok_and(|count| count > 0) {
            said.push_str(&line.replace("\r\n", "\n"));
            let word = line.trim_end().split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            line.clear();
            let answer = match word.as_str() {
                "EHLO" => format!("250-mail.example.com\r\n{offer}250-8BITMIME\r\n250 SMTPUTF8"),
                "STARTTLS" => "220 go on".to_owned(),
                "AUTH" => "235 2.7.0 welcome".to_owned(),
                "RCPT" => self.refuse.unwrap_or("250 2.1.5 ok").to_owned(),
                "DATA" => {
                    stream.write_all(b"354 go on\r\n").await.unwrap();
                    while stream.read_line(&mut line).await.is_ok_and(|count| count > 0) {
                        said.push_str(&line.replace("\r\n", "\n"));
                        if std::mem::take(&mut line) == ".\r\n" {
                            break;
                        }
                    }
                    self.mails.lock().unwrap().push(std::mem::take(&mut said));
                    "250 2.0.0 queued".to_owned()
                }
                _ => "250 2.1.0 ok".to_owned(),
            };
            if stream.write_all(format!("{answer}\r\n").as_bytes()).await.is_err() || stream.flush().await.is_err() || word == "QUIT" {
                return false;
            }
            if word == "STARTTLS" {
                return true;
            }
        }
        false
    }
}

async fn mail_server(refuse: Option<&'static str>) -> (u16, Arc<Mutex<Vec<String>>>) {
    let post = Post { refuse, ..Post::default() };
    (post.open().await, post.mails)
}

/// A certificate for this machine in `folder`, by an authority of its own (`ca.pem`); none where there is no openssl.
fn certificate(folder: &std::path::Path) -> Option<tokio_rustls::TlsAcceptor> {
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    if towpath_testbed::missing_program(&["openssl"]).is_some() {
        return towpath_testbed::skipped("openssl is missing: mail is not sent encrypted");
    }
    let openssl = |arguments: &str| {
        let out = std::process::Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output().unwrap();
        assert!(out.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&out.stderr));
    };
    std::fs::write(folder.join("ext"), "subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n").unwrap();
    openssl("req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=ca -keyout ca.key -out ca.pem");
    openssl("req -newkey rsa:2048 -nodes -subj /CN=mail -keyout key.pem -out csr");
    openssl("x509 -req -in csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out cert.pem");
    let certificate = CertificateDer::from_pem_file(folder.join("cert.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join("key.pem")).unwrap();
    let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    Some(tokio_rustls::TlsAcceptor::from(Arc::new(config)))
}

#[tokio::test]
async fn mail_and_password_go_encrypted_and_only_to_a_server_whose_authority_is_known() {
    let _there = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let Some(tls) = certificate(folder.path()) else { return };
    let post = Post { tls: Some(tls), ..Post::default() };
    let (port, hidden) = (post.open().await, Hidden::default());
    let credentials = || Some(("towpath".to_owned(), secret("the-password", &hidden)));
    let trusted = MailSettings { credentials: credentials(), ca: Some(folder.path().join("ca.pem")), ..settings_of(port) };
    let ledger = tell(Mail::new(trusted).unwrap(), &hidden).await;
    assert!(ledger.dead_letters(10).await.unwrap().is_empty());
    let mails = std::mem::take(&mut *post.mails.lock().unwrap());
    assert_eq!(mails.len(), 2);
    // printf '\0towpath\0the-password' | base64
    assert!(
        mails.iter().all(|mail| mail.starts_with("(encrypted)") && mail.contains("AUTH PLAIN AHRvd3BhdGgAdGhlLXBhc3N3b3Jk")),
        "{mails:?}"
    );

    let stranger = Mail::new(MailSettings { credentials: credentials(), ..settings_of(port) }).unwrap();
    let ledger = tell(stranger, &hidden).await;
    let dead = ledger.dead_letters(10).await.unwrap();
    assert!(dead.len() == 2 && dead[0].error.contains("certificate"), "{dead:?}");
    assert!(post.mails.lock().unwrap().is_empty());
}

fn mail(port: u16) -> Mail {
    let settings = MailSettings {
        name: "mail".into(),
        host: "127.0.0.1".into(),
        port,
        tls: MailTls::None,
        ca: None,
        credentials: None,
        from: "Towpath <towpath@example.com>".into(),
        to: vec!["team@example.com".into(), "Ada <ada@example.com>".into()],
    };
    Mail::new(settings).unwrap()
}

#[tokio::test]
async fn mails_go_to_all_with_names_that_put_those_of_a_release_together() {
    let (port, mails) = mail_server(None).await;
    tell(mail(port), &Hidden::default()).await;
    let mails = mails.lock().unwrap().clone();
    assert_eq!(mails.len(), 2);
    let header = |mail: &str, name: &str| mail.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned).unwrap();
    assert_eq!(header(&mails[0], "References: "), header(&mails[1], "References: "));
    assert_ne!(header(&mails[0], "Message-ID: "), header(&mails[1], "Message-ID: "));
    assert!(mails[0].contains("RCPT TO:<team@example.com>") && mails[0].contains("RCPT TO:<ada@example.com>"), "{}", mails[0]);
    insta::assert_snapshot!("mail", mails.join("\n-----\n"));
}

#[tokio::test]
async fn a_mailbox_that_is_not_there_is_asked_once_and_a_greylist_again() {
    let (port, mails) = mail_server(Some("550 5.1.1 no such user")).await;
    let ledger = tell(mail(port), &Hidden::default()).await;
    let dead = ledger.dead_letters(10).await.unwrap();
    assert!(dead.len() == 2 && dead[0].attempts == 1 && dead[0].error.contains("no such user"), "{dead:?}");
    let (port, _) = mail_server(Some("450 4.2.0 greylisted")).await;
    let ledger = tell(mail(port), &Hidden::default()).await;
    let dead = ledger.dead_letters(10).await.unwrap();
    assert!(dead.len() == 2 && dead[0].attempts == 5 && dead[0].error.contains("greylisted"), "{dead:?}");
    assert!(mails.lock().unwrap().is_empty());
    assert!(
        Mail::new(MailSettings { to: vec!["nobody".into()], ..settings_of(port) }).unwrap_err().contains("\"nobody\" is no mail address")
    );
}

fn settings_of(port: u16) -> MailSettings {
    let (from, to) = ("towpath@example.com".into(), vec!["a@example.com".into()]);
    MailSettings { name: "mail".into(), host: "127.0.0.1".into(), port, tls: MailTls::StartTls, ca: None, credentials: None, from, to }
}

#[tokio::test]
async fn a_server_without_starttls_gets_neither_mail_nor_password() {
    let _there = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let (port, mails) = mail_server(None).await;
    let hidden = Hidden::default();
    let credentials = Some(("towpath".to_owned(), secret("the-password", &hidden)));
    let ledger = tell(Mail::new(MailSettings { credentials, ..settings_of(port) }).unwrap(), &hidden).await;
    assert!(mails.lock().unwrap().is_empty());
    let dead = ledger.dead_letters(10).await.unwrap();
    assert!(dead.len() == 2 && !dead[0].error.contains("the-password"), "{dead:?}");
}

#[tokio::test]
async fn a_digest_tells_all_that_happened_in_one_message_failures_first() {
    let (_directory, ledger) = fresh().await;
    let (inbox, hidden) = (Inbox::default(), Hidden::default());
    let url = leaked(inbox.open().await);
    let sink: Arc<dyn Sink> = Arc::new(Hook::new("mattermost", HookKind::Mattermost(None), secret(url, &hidden), http()));
    ledger.outbox_register("mattermost").await.unwrap();
    for number in 1..4 {
        deploy(&ledger, "production", number, 1, deployed()).await;
    }
    deploy(&ledger, "stage", 1, 1, failed("probe")).await;
    let now = Arc::new(Mutex::new(at(63_000 + 1_000)));
    let clock = now.clone();
    let settings = Settings { clock: Arc::new(move || *clock.lock().unwrap()), ..town(&hidden, &[]) };
    let route = Route { digest: Some(Span::from_millis(1_100)), ..Route::default() };
    let worker = Worker::start_with(&ledger, vec![Listener { sink, route }], settings);
    // The first has not waited for long enough; so it goes on as long as the clock stands still.
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert!(inbox.bodies().is_empty());
    *now.lock().unwrap() = at(63_000 + 1_100);
    settled(&ledger, "mattermost").await;
    worker.stop().await;
    let bodies = inbox.bodies();
    assert_eq!(bodies.len(), 1);
    insta::assert_json_snapshot!("digest", bodies[0]);
}

#[tokio::test]
async fn a_sink_hears_only_of_what_it_was_asked_to_tell() {
    let hears = async |route: Route| {
        let (_directory, ledger) = fresh().await;
        let (inbox, hidden) = (Inbox::default(), Hidden::default());
        let url = leaked(inbox.open().await);
        let sink: Arc<dyn Sink> = Arc::new(Hook::new("teams", HookKind::Teams, secret(url, &hidden), http()));
        ledger.outbox_register("teams").await.unwrap();
        build(&ledger, 1).await;
        deploy(&ledger, "stage", 1, 1, failed("probe")).await;
        deploy(&ledger, "production", 1, 1, deployed()).await;
        let worker = Worker::start_with(&ledger, vec![Listener { sink, route }], town(&hidden, &[]));
        settled(&ledger, "teams").await;
        worker.stop().await;
        inbox.bodies().len()
    };
    let of = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(hears(Route::default()).await, 2, "the failure, and that it arrived");
    assert_eq!(hears(Route { topics: [Topic::Started, Topic::Built].into(), ..Route::default() }).await, 4);
    assert_eq!(hears(Route { topics: [Topic::Failed].into(), ..Route::default() }).await, 1);
    assert_eq!(hears(Route { environments: of(&["production"]), ..Route::default() }).await, 1);
    assert_eq!(hears(Route { apps: of(&["bank"]), ..Route::default() }).await, 0);
    assert_eq!(hears(Route { saas_files: of(&["api-deploy"]), ..Route::default() }).await, 2);
}

#[tokio::test]
async fn no_secret_that_anything_is_told_with_leaves_in_a_message() {
    let (_directory, ledger) = fresh().await;
    let (inbox, hidden) = (Inbox::default(), Hidden::default());
    hidden.learn("panic: no such table");
    hidden.learn("Mend the probe");
    let url = leaked(inbox.open().await);
    ledger.outbox_register("webhook").await.unwrap();
    deploy(&ledger, "stage", 1, 1, failed("probe")).await;
    let sink: Arc<dyn Sink> = Arc::new(Webhook::new("webhook", url, secret("the key", &hidden), http(), Arc::new(|| at(99))));
    let worker = Worker::start_with(&ledger, vec![sink.into()], town(&hidden, &[]));
    settled(&ledger, "webhook").await;
    worker.stop().await;
    let told = inbox.bodies()[0].to_string();
    assert!(!told.contains("no such table") && !told.contains("Mend the probe"), "{told}");
    // In the text, in the last lines, and in the payload for machines.
    assert!(told.matches("••••").count() >= 3, "{told}");
}

#[test]
fn rooms_want_what_their_saas_file_says() {
    use towpath_notify::{Kind, Manner, manner};
    let room = |start, successes| Room { workspace: "w".into(), channel: "c".into(), start, successes, each: false };
    let message = |kind| plain(kind, "t", serde_json::Value::Null);
    let (quiet, loud, failures) = (room(false, true), room(true, true), room(false, false));
    for (room, kind, posted, manner_wanted) in [
        (&quiet, Kind::BuildStarted, false, Manner::Remember),
        (&quiet, Kind::BuildStarted, true, Manner::Show),
        (&loud, Kind::BuildStarted, false, Manner::Show),
        (&quiet, Kind::Deployed, false, Manner::Show),
        (&quiet, Kind::Deployed, true, Manner::Answer),
        (&failures, Kind::Deployed, false, Manner::Remember),
        (&failures, Kind::Deployed, true, Manner::Show),
        (&failures, Kind::RunFailed, false, Manner::Answer),
    ] {
        assert_eq!(manner(room, &message(kind), posted, true), manner_wanted, "{kind:?} {posted}");
    }
    assert_eq!(manner(&loud, &message(Kind::RunFailed), true, false), Manner::Show, "not wanted here: shown, and no noise");
    assert_eq!(manner(&loud, &message(Kind::RunFailed), false, false), Manner::Remember);
}
