//! Who gets what answer to every request there is: a table that people can read (`table.txt`), and what must hold of each line of it.
//!
//! The requests come from the lists that the router is made from, and it is made from nothing else (`only_lists_make_routes` of the binary's tests):
//! one that is new stands in the table, or the test fails. What each read shows to whom is not told here: the brain behind it has nothing. Renew with
//! `TOWPATH_BLESS=1 cargo test -p towpath-web --test it table`, and read what changed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use axum::http::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use towpath_catalog::{Catalog, InputFile};
use towpath_control::view::ReservationView;
use towpath_control::{Grants, Scope, Sight, Verb};
use towpath_domain::{ReservationId, Span, Timestamp};
use towpath_web::auth::fake::FakeKeeper;
use towpath_web::auth::{Everybody, Keeper};
use towpath_web::fake::Shown;
use towpath_web::{Listener, Settings, api};

use super::house::{Browser, House, NOW, house_of};
use crate::harness::serving;

/// What somebody may do with the web in stage, by their name; root may everything, and the role of `late` has expired.
const PEOPLE: [&str; 8] = ["look", "retry", "hold", "promote", "rollback", "approve", OWNER, "check"];

/// Whose lease is asked about.
const OWNER: &str = "reserve";

fn catalog() -> Catalog {
    let mut files = vec![
        ("data/web.yml".to_owned(), "$schema: /app-sre/app-1.yml\nname: web\n".to_owned()),
        ("data/stage.yml".to_owned(), "$schema: /app-sre/environment-1.yml\nname: stage\n".to_owned()),
    ];
    let mut person = |name: &str, role: &str| {
        files.push((
            format!("data/{name}.yml"),
            format!("$schema: /access/user-1.yml\norg_username: {name}\nroles: [{{$ref: /{name}-role.yml}}]\n"),
        ));
        files.push((format!("data/{name}-role.yml"), format!("$schema: /access/role-1.yml\nname: {name}\n{role}")));
    };
    for verb in PEOPLE {
        person(verb, &format!("permissions: [{{$ref: /may-{verb}.yml}}]\n"));
    }
    person("administer", "permissions: [{$ref: /may-administer.yml}]\n");
    person("late", "permissions: [{$ref: /may-administer.yml}]\nexpirationDate: '2020-01-01'\n");
    person("root", "approves: all\n");
    for verb in PEOPLE {
        let text = format!(
            "$schema: /towpath/permission-1.yml\nname: may-{verb}\nmay: [{verb}]\napps: [{{$ref: /web.yml}}]\nenvironments: [{{$ref: /stage.yml}}]\n"
        );
        files.push((format!("data/may-{verb}.yml"), text));
    }
    files.push((
        "data/may-administer.yml".to_owned(),
        "$schema: /towpath/permission-1.yml\nname: may-administer\nmay: [administer]\n".to_owned(),
    ));
    towpath_catalog::load(files.into_iter().map(|(path, text)| InputFile::new(path, text.as_bytes())).collect()).catalog
}

/// What a write touches.
fn objects() -> [(&'static str, Vec<Scope>); 5] {
    let scope = |app: &str, environment: &str| Scope { app: Some(app.into()), environment: Some(environment.into()) };
    [
        ("web/stage", vec![scope("web", "stage")]),
        ("web/production", vec![scope("web", "production")]),
        ("shop/stage", vec![scope("shop", "stage")]),
        ("installation", vec![Scope::INSTALLATION]),
        ("nothing", vec![]),
    ]
}

/// Who asks, and what they may by the arithmetic; none where nobody is known.
struct Who {
    name: String,
    by: By,
    may: Option<Grants>,
}

enum By {
    Nothing,
    Bearer(String),
    Session(Browser, String),
}

/// What the caller of a request needs.
#[derive(Clone, Copy)]
enum Needs {
    /// To be somebody.
    Nothing,
    /// To see everything.
    AllSight,
    /// This, in the whole installation.
    Here(Verb),
    /// This, for all that the brain says that it touches.
    There(Verb),
    /// The same, of what is theirs; or to look after the installation.
    Own(Verb),
}

/// A request: how it is asked, and what its caller needs.
struct Asked {
    method: Method,
    path: String,
    needs: Needs,
    page: bool,
    body: &'static str,
}

/// Everything that can be asked.
fn all() -> Vec<Asked> {
    let plain = |path: &str| {
        let asked = match path {
            "/explain" | "/why" => "?what=x",
            "/compare" => "?target=x",
            _ => "",
        };
        format!("{path}{asked}")
            .replace("{id}", "x")
            .replace("{sha}", "abcd")
            .replace("{name}", "x")
            .replace("{rule}", "gate")
            .replace("{hash}", "x")
    };
    let mut all = Vec::new();
    for operation in api::operations() {
        let body = match operation.id {
            _ if operation.method == Method::GET => "",
            "promote" | "rollback" => r#"{"target":"x","why":"y"}"#,
            "retry" | "ack" | "cancel" | "hold" | "lift" => r#"{"what":"x","why":"y"}"#,
            "reserve" => r#"{"pool":"x","why":"y"}"#,
            "extend" => r#"{"what":"x","lease":"1h","why":"y"}"#,
            "giveBack" => r#"{"what":"x","why":"y"}"#,
            "retest" | "cancelCheck" => r#"{"check":"web#17","why":"y"}"#,
            "okToTest" => r#"{"check":"web#17","commit":"0123456","why":"y"}"#,
            "tryIt" => r#"{"source":"web","why":"y"}"#,
            "backup" => r#"{"dest":"/tmp/x"}"#,
            "makeToken" => r#"{"name":"n","expiresInDays":1,"may":["look"]}"#,
            "revokeToken" => "{}",
            other => panic!("say what is sent to {other}"),
        };
        // Everybody makes tokens of what they may, and takes their own back.
        let own = matches!(operation.id, "makeToken" | "revokeToken");
        let needs = match operation.needs {
            _ if own => Needs::Nothing,
            verb if matches!(operation.id, "extend" | "giveBack") => Needs::Own(verb),
            Verb::Look => Needs::Nothing,
            verb if operation.method == Method::GET || operation.id == "backup" => Needs::Here(verb),
            verb => Needs::There(verb),
        };
        let path = format!("{}{}", api::PREFIX, plain(operation.path));
        all.push(Asked { method: operation.method, path, needs, page: false, body });
    }
    for (method, path) in api::routes() {
        let page = !["/api", "/problems", "/hooks", "/healthz", "/readyz", "/metrics"].iter().any(|other| path.starts_with(other));
        if path == "/act/{verb}" {
            let verbs = [
                ("retry", Verb::Retry),
                ("ack", Verb::Retry),
                ("cancel", Verb::Retry),
                ("promote", Verb::Promote),
                ("rollback", Verb::Rollback),
                ("hold", Verb::Hold),
                ("release", Verb::Hold),
                ("reserve", Verb::Reserve),
                ("extend", Verb::Reserve),
                ("give-back", Verb::Reserve),
                ("retest", Verb::Check),
                ("cancel-check", Verb::Check),
                ("ok-to-test", Verb::Check),
            ];
            for (name, verb) in verbs {
                let path = format!("/act/{name}");
                let needs = if matches!(name, "extend" | "give-back") { Needs::Own(verb) } else { Needs::There(verb) };
                all.push(Asked { method: Method::POST, path, needs, page, body: "what=x&why=y&back=/&sure=yes" });
            }
            continue;
        }
        let body = match path.as_str() {
            "/tokens" if method == Method::POST => "name=n&days=1&look=yes",
            "/theme" => "theme=dark&back=/",
            _ => "",
        };
        let needs = if path == "/metrics" || path == "/health" { Needs::AllSight } else { Needs::Nothing };
        all.push(Asked { method, path: plain(&path), needs, page, body });
    }
    all.push(Asked { method: Method::GET, path: "/nowhere".into(), needs: Needs::Nothing, page: false, body: "" });
    // Whoever signs out asks nothing more.
    all.sort_by_key(|asked| asked.path == "/auth/logout");
    all
}

/// What anybody gets: that the server runs, how its pages look, and the way in. Webhooks show by themselves that they may.
const PUBLIC: [&str; 8] = ["/healthz", "/readyz", "/theme", "/assets/", "/auth/login", "/auth/start", "/auth/callback", "/hooks/"];

fn is_public(path: &str) -> bool {
    PUBLIC.iter().any(|public| if public.ends_with('/') { path.starts_with(public) } else { path == *public })
}

struct Door {
    address: String,
    hops: u32,
}

impl Door {
    /// The status of an answer; its body is not waited for, since that of a stream has no end.
    async fn status(&mut self, asked: &Asked, by: &By) -> u16 {
        let mut body = asked.body.to_owned();
        // Each comes from elsewhere, so that nobody is slowed down by what others try.
        self.hops += 1;
        let [_, a, b, c] = self.hops.to_be_bytes();
        let mut head =
            format!("{} {} HTTP/1.1\r\nhost: {}\r\nx-forwarded-for: 203.{a}.{b}.{c}\r\n", asked.method, asked.path, self.address);
        match by {
            By::Nothing => {}
            By::Bearer(token) => {
                let _ = write!(head, "authorization: Bearer {token}\r\n");
            }
            By::Session(browser, csrf) => {
                let cookies: Vec<String> = browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
                let _ = write!(head, "cookie: {}\r\norigin: http://{}\r\nx-towpath-csrf: {csrf}\r\n", cookies.join("; "), self.address);
                if asked.page && asked.method == Method::POST {
                    let _ = write!(body, "&csrf={csrf}");
                }
            }
        }
        head.push_str(if asked.page { "accept: text/html\r\n" } else { "" });
        if asked.method == Method::POST {
            let kind = if asked.page { "application/x-www-form-urlencoded" } else { "application/json" };
            let _ = write!(head, "content-type: {kind}\r\ncontent-length: {}\r\n", body.len());
        }
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        stream.write_all(format!("{head}connection: close\r\n\r\n{body}").as_bytes()).await.unwrap();
        let mut line = [0; 12];
        stream.read_exact(&mut line).await.unwrap();
        std::str::from_utf8(&line[9..]).unwrap().parse().unwrap()
    }
}

/// A lease of one of the people.
fn lease() -> ReservationView {
    ReservationView {
        id: ReservationId::new("x").unwrap(),
        pool: "smoke".into(),
        app: None,
        environment: None,
        state: "active".into(),
        requester: OWNER.into(),
        run: None,
        purpose: String::new(),
        urgent: false,
        requested_at: Timestamp::from_millis(0),
        namespace: Some("smoke-1".into()),
        position: 0,
        of: 0,
        waits: String::new(),
        since: None,
        until: None,
        ended: None,
    }
}

/// What a write comes to by the arithmetic alone.
fn reckoned(may: &Grants, verb: Verb, scopes: &[Scope]) -> u16 {
    // Whoever may do it everywhere hears from the brain itself what there is not.
    if may.may(verb, &Scope::INSTALLATION) {
        return 202;
    }
    if scopes.is_empty() || scopes.iter().any(|scope| !may.sight().sees_scope(scope)) {
        return 404;
    }
    if scopes.iter().all(|scope| may.may(verb, scope)) { 202 } else { 403 }
}

async fn people(house: &House, everybody: Everybody) -> Vec<Who> {
    let access = &house.keeper.catalog().access;
    let of = |name: &str| {
        let own = access.named(name).map(|person| Grants::of(access, person, house.keeper.now())).unwrap_or_default();
        let mut all = Grants::default();
        if everybody == Everybody::Look {
            all.allow(Verb::Look, None, None);
        }
        own.and(all)
    };
    // Made first, so that it has ended when it is used.
    let mut root = house.signed_in("root").await;
    let ended = house.token(&mut root, r#"{"name":"e","expiresInDays":1,"may":["look"]}"#).await.json();
    house.keeper.pass(Span::from_days(2));
    let mut root = house.signed_in("root").await;
    let narrow = house.token(&mut root, r#"{"name":"n","expiresInDays":9,"may":["hold"],"apps":["web"]}"#).await.json();
    let machine = r#"{"name":"m","expiresInDays":9,"may":["look","retry"],"machine":true}"#;
    let machine = house.token(&mut root, machine).await.json();
    let token = |made: &serde_json::Value| By::Bearer(made["token"].as_str().unwrap().to_owned());
    let mut narrowed = Grants::default();
    narrowed.allow(Verb::Hold, Some("web".into()), None);
    let mut machines = Grants::default();
    machines.allow(Verb::Look, None, None);
    machines.allow(Verb::Retry, None, None);
    let mut all = vec![
        Who { name: "nobody".into(), by: By::Nothing, may: None },
        Who { name: "a wrong token".into(), by: By::Bearer(towpath_web::auth::Secret::make().unwrap().text().to_owned()), may: None },
        Who { name: "a token that ended".into(), by: token(&ended), may: None },
    ];
    for (number, name) in PEOPLE.iter().copied().chain(["administer", "late", "root", "stranger"]).enumerate() {
        let mut browser = house.signed_in_from(Some(format!("198.51.100.{number}")), name).await;
        // Whoever has no role is told so on a page, too, which they can sign out from.
        let csrf = house.open(&mut browser, "/tokens").await.csrf().to_owned();
        all.push(Who { name: format!("may {name}"), by: By::Session(browser, csrf), may: Some(of(name)) });
    }
    all.push(Who { name: "token of root, to hold web".into(), by: token(&narrow), may: Some(narrowed) });
    all.push(Who { name: "token of a machine".into(), by: token(&machine), may: Some(machines) });
    all.push(Who { name: "this machine's key".into(), by: By::Bearer(house.key.clone()), may: Some(Grants::everything()) });
    all
}

/// One block for each request, and in it one line for those who get the same answers.
async fn block(door: &mut Door, show: impl Fn(Vec<Scope>), asked: &Asked, people: &[Who]) -> String {
    let mut lines: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for who in people {
        let mut answers = Vec::new();
        let objects = objects();
        let objects = if matches!(asked.needs, Needs::There(_) | Needs::Own(_)) { &objects[..] } else { &objects[..1] };
        for (object, scopes) in objects {
            show(scopes.clone());
            let status = match door.status(asked, &who.by).await {
                // Wakes are taken so many at once, whoever sends them; how many, depends on how quick this is.
                429 if asked.path.starts_with("/hooks/") => 204,
                status => status,
            };
            answers.push(status.to_string());
            let place = format!("{} {} by {} on {object}: {status}", asked.method, asked.path, who.name);
            let Some(may) = &who.may else {
                assert!(is_public(&asked.path) || status == 401 || (asked.page && status == 303), "{place}");
                continue;
            };
            // Who has no role where everybody may nothing is told just that; they may leave.
            if may.is_empty() {
                assert!(status == if asked.path == "/auth/logout" { 303 } else { 403 } || is_public(&asked.path), "{place}");
                continue;
            }
            let wanted = match asked.needs {
                Needs::Nothing => {
                    assert!(is_public(&asked.path) || (status != 401 && status != 403), "{place}");
                    continue;
                }
                Needs::AllSight if matches!(may.sight(), Sight::Everything) => 202,
                Needs::AllSight => 403,
                Needs::Here(verb) => reckoned(may, verb, &[Scope::INSTALLATION]),
                Needs::There(verb) => reckoned(may, verb, scopes),
                Needs::Own(_) if may.may(Verb::Administer, &Scope::INSTALLATION) => 202,
                Needs::Own(verb) => match reckoned(may, verb, scopes) {
                    202 if who.name != format!("may {OWNER}") => 403,
                    other => other,
                },
            };
            let wanted = match wanted {
                202 if asked.method == Method::GET => 200,
                202 if asked.page => 303,
                other => other,
            };
            assert_eq!(status, wanted, "{place}");
        }
        lines.entry(answers.join(" ")).or_default().push(&who.name);
    }
    let mut text = format!("{} {}", asked.method, asked.path);
    match asked.needs {
        Needs::Nothing => {}
        Needs::AllSight => text.push_str(" (sight of everything)"),
        Needs::Own(verb) => {
            let _ = write!(text, " ({}, and theirs)", verb.name());
        }
        Needs::Here(verb) | Needs::There(verb) => {
            let _ = write!(text, " ({})", verb.name());
        }
    }
    for (answers, names) in lines {
        let _ = write!(text, "\n  {answers}: {}", names.join(", "));
    }
    text
}

async fn table(everybody: Everybody) -> String {
    let keeper = Arc::new(FakeKeeper::new(catalog(), Timestamp::from_millis(NOW * 1000)));
    let house = house_of(keeper, |settings| {
        settings.everybody = everybody;
        settings.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    })
    .await;
    let people = people(&house, everybody).await;
    house.server.brain.show(|shown| shown.reservations = vec![lease()]);
    let mut door = Door { address: house.base.strip_prefix("http://").unwrap().to_owned(), hops: 0 };
    let mut blocks = Vec::new();
    for asked in all() {
        let show = |scopes| house.server.brain.show(|shown| shown.scopes = scopes);
        blocks.push(block(&mut door, show, &asked, &people).await);
    }
    blocks.join("\n")
}

/// Where nobody signs in: whoever can connect.
async fn alone() -> String {
    let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
    let mut door = Door { address: listener.endpoint().to_string(), hops: 0 };
    let server = serving(listener, Shown::default(), Settings::default());
    let whoever = [Who { name: "whoever can connect".into(), by: By::Nothing, may: Some(Grants::everything()) }];
    let mut blocks = Vec::new();
    for asked in all() {
        let show = |scopes| server.brain.show(|shown| shown.scopes = scopes);
        blocks.push(block(&mut door, show, &asked, &whoever).await);
    }
    blocks.join("\n")
}

#[tokio::test]
async fn every_request_is_answered_to_each_as_the_table_says() {
    let columns = objects().map(|(name, _)| name).join(", ");
    let mut text = format!(
        "Who gets which status. Where there are several, they are for what is touched: {columns}.\nThose who \"may\" something may it for web in stage; late's role has expired, root has a catch-all role, a stranger has none.\n"
    );
    for (title, table) in [
        ("Everybody who signs in may look", table(Everybody::Look).await),
        ("Everybody who signs in may nothing", table(Everybody::Nothing).await),
        ("Nobody signs in", alone().await),
    ] {
        let _ = write!(text, "\n== {title}\n{table}\n");
    }
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/auth/table.txt");
    if std::env::var_os("TOWPATH_BLESS").is_some() {
        std::fs::write(&file, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    for (kept, now) in kept.lines().zip(text.lines()) {
        assert_eq!(now, kept, "renew the table with TOWPATH_BLESS=1, and read what changed");
    }
    assert_eq!(kept.lines().count(), text.lines().count());
}
