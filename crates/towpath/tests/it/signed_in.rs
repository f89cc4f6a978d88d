//! A server where people sign in: what they may do is written in the config repository, and what they do carries their name.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use reqwest::{Client, Response, redirect};
use serde_json::{Value, json};
use tokio::runtime::{Handle, Runtime};
use towpath_testbed::oidc::{CLIENT, Provider, SECRET};

use crate::harness::Place;
use crate::installation::{Installation, PRODUCTION};

/// A server where people sign in, on which Ann may hold and retry the web.
pub struct House {
    it: Installation,
    provider: Provider,
    pub base: String,
    runtime: Runtime,
}

/// A browser: it keeps cookies, follows nothing by itself, and says where its forms come from.
struct Browser {
    base: String,
    runtime: Handle,
    http: Client,
    cookies: BTreeMap<String, String>,
}

struct Page {
    status: u16,
    to: String,
    text: String,
}

impl Page {
    /// What a form of this page must send back.
    fn csrf(&self) -> &str {
        self.text.split("name=\"csrf\" value=\"").nth(1).unwrap_or_else(|| panic!("no form: {}", self.text)).split('"').next().unwrap()
    }
}

impl House {
    pub fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let provider = runtime.block_on(Provider::new());
        towpath_testbed::init();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let base = format!("http://127.0.0.1:{port}");
        let mut it = Installation::new();
        it.write("config/data/people/ann.yml", "$schema: /access/user-1.yml\norg_username: ann\nroles: [{$ref: /people/holders.yml}]\n");
        it.write("config/data/people/holders.yml", "$schema: /access/role-1.yml\nname: holders\npermissions: [{$ref: /people/hold.yml}]\n");
        it.write(
            "config/data/people/hold.yml",
            "$schema: /towpath/permission-1.yml\nname: hold\nmay: [hold, retry]\napps: [{$ref: /web/app.yml}]\n",
        );
        it.commit("config", "Who may what");
        it.write("oidc-secret", SECRET);
        let config = it.read("towpath.toml");
        it.write(
            "towpath.toml",
            &format!(
                "{config}\n[server]\nlisten = \"127.0.0.1:{port}\"\nbase_url = \"{base}\"\n[auth.oidc]\nissuer = \"{}\"\nclient_id = \"{CLIENT}\"\nclient_secret_file = \"oidc-secret\"\nname = \"Example SSO\"\n",
                provider.url
            ),
        );
        it.release("first", true);
        it.start(None);
        // The machine's own command line needs no sign-in.
        let first = it.git("web", &["rev-parse", "HEAD"]);
        it.until_at(PRODUCTION, &first);
        Self { it, provider, base, runtime }
    }

    fn browser(&self) -> Browser {
        let http = Client::builder().redirect(redirect::Policy::none()).no_proxy().build().unwrap();
        Browser { base: self.base.clone(), runtime: self.runtime.handle().clone(), http, cookies: BTreeMap::new() }
    }

    /// The command line of somebody elsewhere, with this token.
    fn elsewhere(&self, token: &str, arguments: &[&str]) -> crate::harness::Said {
        let place = Place::new();
        place.towpath_with(&[&["--server", &self.base], arguments].concat(), &[("TOWPATH_TOKEN", token)], "")
    }
}

impl Browser {
    fn send(&mut self, request: reqwest::RequestBuilder) -> Response {
        let cookies = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
        let answer = self.runtime.block_on(request.header("cookie", cookies).send()).unwrap();
        for cookie in answer.headers().get_all("set-cookie") {
            let (name, value) = cookie.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        answer
    }

    fn page(&mut self, request: reqwest::RequestBuilder) -> Page {
        let answer = self.send(request);
        let to = answer.headers().get("location").map(|to| to.to_str().unwrap().to_owned()).unwrap_or_default();
        Page { status: answer.status().as_u16(), to, text: self.runtime.block_on(answer.text()).unwrap() }
    }

    fn open(&mut self, path: &str) -> Page {
        let request = self.http.get(format!("{}{path}", self.base)).header("accept", "text/html");
        self.page(request)
    }

    fn post(&mut self, path: &str, fields: &str) -> Page {
        let request = self.http.post(format!("{}{path}", self.base)).header("accept", "text/html").header("origin", &self.base);
        self.page(request.header("content-type", "application/x-www-form-urlencoded").body(fields.to_owned()))
    }

    fn program(&mut self, path: &str, csrf: &str, body: &Value) -> Page {
        let request = self.http.post(format!("{}{path}", self.base)).header("x-towpath-csrf", csrf);
        self.page(request.header("content-type", "application/json").body(body.to_string()))
    }

    /// Signs in as `subject`, and comes back to `path`.
    fn sign_in(&mut self, house: &House, subject: &str, path: &str) {
        let asked = self.open(path);
        assert_eq!((asked.status, asked.to.starts_with("/auth/login?back=")), (303, true), "{}", asked.to);
        let button = self.open(&asked.to);
        assert!(button.text.contains("Example SSO"), "{}", button.text);
        let start = button.text.split("href=\"/auth/start").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        let away = self.open(&format!("/auth/start{}", start.replace("&amp;", "&")));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let back = house.provider.authorize(&away.to, subject, i64::try_from(now).unwrap());
        let there = self.open(&format!("/auth/callback?{back}"));
        assert_eq!((there.status, there.to.as_str()), (303, path), "{}", there.text);
    }

    /// Holds the production of web by its page's form.
    fn hold(&mut self, csrf: &str) -> Page {
        self.post("/act/hold", &format!("what=web/production&why=the+sale+begins&back=/&csrf={csrf}"))
    }
}

/// The newest commit of the config repository: its author and its message.
fn newest(it: &Installation) -> String {
    it.git("config.git", &["log", "-1", "--no-merges", "--format=%an%n%B", "main"])
}

#[test]
fn who_signs_in_may_do_what_their_roles_say_as_long_as_they_say_it() {
    let mut house = House::new();
    let page = format!("/targets/{}", house.it.target(PRODUCTION).unwrap()["id"].as_str().unwrap());
    let mut nobody = house.browser();
    assert_eq!(nobody.open("/healthz").status, 200);
    let doctor = house.it.ok(&["doctor"]);
    assert!(
        doctor.contains(&format!("{} answers", house.provider.url)) && doctor.contains("nobody who signs in may administer"),
        "{doctor}"
    );
    let mut ann = house.browser();
    ann.sign_in(&house, "ann", &page);
    let shown = ann.open(&page);
    assert!(shown.status == 200 && shown.text.contains("ann"), "{}", shown.text);

    // A form of another site has no token; a form of this one is signed with her name, in the ledger and in the commit.
    assert_eq!(ann.hold("forged").status, 403);
    let held = ann.hold(shown.csrf());
    assert_eq!((held.status, held.to.as_str()), (303, "/"), "{}", held.text);
    let commit = house.it.until("her commit", |it| Some(newest(it)).filter(|commit| commit.starts_with("ann\nHold ")));
    assert!(commit.contains("the sale begins"), "{commit}");
    assert!(ann.post("/act/promote", &format!("what=web/production&why=x&back=/&sure=yes&csrf={}", shown.csrf())).status == 403);

    // A token of hers, for a program elsewhere: no more than she may, and never in somebody else's name.
    let wanted = json!({ "name": "bot", "expiresInDays": 7, "may": ["look", "hold", "promote"], "apps": ["web"] });
    let made = ann.program("/api/v1/tokens", shown.csrf(), &wanted);
    assert_eq!(made.status, 201, "{}", made.text);
    let made: Value = serde_json::from_str(&made.text).unwrap();
    let (token, id) = (made["token"].as_str().unwrap(), made["id"].as_str().unwrap());
    assert!(house.elsewhere(token, &["status"]).ok().stdout.contains("production"));
    let _lifted = house.elsewhere(token, &["release", "web/production", "--reason", "the sale is over", "--wait"]).ok();
    assert!(newest(&house.it).starts_with("ann\nRelease "), "{}", newest(&house.it));
    let refused = house.elsewhere(token, &["hold", "web/production", "--reason", "x", "--by", "Bob"]).exits(1);
    assert!(refused.refusal().0.contains("names somebody else"), "{refused:?}");
    let refused = house.elsewhere(token, &["promote", "web/production", "--reason", "x"]).exits(1);
    assert!(refused.refusal().0.contains("promote is not allowed"), "{refused:?}");
    assert!(house.elsewhere(token, &["token", "list"]).ok().stdout.contains(id));

    // The role goes: what she may counts from that commit on, for her and her token, without another sign-in.
    house.it.configure("Nobody holds", |it| {
        it.write("config/data/people/holders.yml", "$schema: /access/role-1.yml\nname: holders\npermissions: []\n");
    });
    let head = house.it.git("config.git", &["rev-parse", "main"]);
    house.it.until_read(&head);
    let shown = ann.open(&page);
    let refused = ann.hold(shown.csrf());
    assert!(refused.status == 403 && refused.text.contains("not allowed"), "{}", refused.text);
    let refused = house.elsewhere(token, &["hold", "web/production", "--reason", "x"]).exits(1);
    assert!(refused.refusal().0.contains("not allowed"), "{refused:?}");
    house.it.ok(&["token", "revoke", id]);
    let refused = house.elsewhere(token, &["status"]).exits(1);
    assert!(refused.refusal().0.contains("does not count"), "{refused:?}");
    assert!(house.elsewhere("", &["status"]).exits(1).refusal().0.contains("Nobody is signed in"));

    // The doctor asks the provider anew, whatever the server still knows of it.
    house.provider.call_itself("https://elsewhere.example.com");
    let doctor = house.it.run(&["doctor"]);
    let said = String::from_utf8(doctor.stdout).unwrap();
    assert!(doctor.status.code() == Some(5) && said.contains("it calls itself \"https://elsewhere.example.com\""), "{said}");
}

/// The cookies of Ann, signed in anew.
fn ann_cookies(house: &House, page: &str) -> BTreeMap<String, String> {
    let mut ann = house.browser();
    ann.sign_in(house, "ann", page);
    ann.cookies
}

#[test]
fn what_was_followed_ends_with_the_session_and_a_restart_ends_no_session() {
    let mut house = House::new();
    let cookies = ann_cookies(&house, "/runs");
    house.it.stop();
    house.it.start(None);
    house.it.until("the server to answer", |it| it.target(PRODUCTION));
    let mut ann = Browser { cookies, ..house.browser() };
    let shown = ann.open("/runs");
    assert_eq!(shown.status, 200, "signed in before the restart");
    let request = ann.http.get(format!("{}/api/v1/events", house.base));
    let mut stream = ann.send(request);
    assert_eq!(stream.status().as_u16(), 200);
    let out = ann.post("/auth/logout", &format!("csrf={}", shown.csrf()));
    assert_eq!(out.status, 303, "{}", out.text);
    house.runtime.block_on(async {
        let ended = async { while let Ok(Some(_)) = stream.chunk().await {} };
        tokio::time::timeout(crate::installation::PATIENCE, ended).await.unwrap();
    });
    let gone = ann.open("/runs");
    assert_eq!((gone.status, gone.to.starts_with("/auth/login")), (303, true));
}

/// A token of who signs in as this, for all that they may do.
fn token_of(house: &House, subject: &str, may: &[&str]) -> String {
    let mut browser = house.browser();
    browser.sign_in(house, subject, "/runs");
    let shown = browser.open("/runs");
    let wanted = json!({ "name": subject, "expiresInDays": 7, "may": may, "apps": ["web"] });
    let made = browser.program("/api/v1/tokens", shown.csrf(), &wanted);
    assert_eq!(made.status, 201, "{}", made.text);
    serde_json::from_str::<Value>(&made.text).unwrap()["token"].as_str().unwrap().to_owned()
}

#[test]
fn nobody_gets_into_gives_back_or_extends_a_namespace_of_somebody_else_or_of_a_run() {
    let mut house = House::new();
    house.it.write("held", "");
    let command = format!("while [ -e {} ]; do sleep 0.05; done", house.it.path("held").display());
    let commit = house.it.configure("Namespaces", |it| {
        let may = ["look", "reserve", "check"];
        it.replace("people/hold.yml", "[hold, retry]", &format!("[{}]", may.join(", ")));
        it.write("config/data/people/bob.yml", "$schema: /access/user-1.yml\norg_username: bob\nroles: [{$ref: /people/holders.yml}]\n");
        let pool =
            "$schema: /towpath/pool-1.yml\nname: smoke\ncluster: {$ref: /clusters/laptop.yml}\napp: {$ref: /web/app.yml}\nlimit: 2\n";
        it.write("config/data/pool.yml", pool);
        let source = it.read("config/data/web/source.yml");
        it.write("config/data/web/source.yml", &format!("{source}check: {{pool: {{$ref: /pool.yml}}, command: '{command}'}}\n"));
    });
    house.it.until_read(&commit);
    let [ann, bob] = ["ann", "bob"].map(|who| token_of(&house, who, &["look", "reserve", "check"]));
    let anns =
        house.elsewhere(&ann, &["namespace", "reserve", "smoke", "--reason", "mine", "--timeout", "80s"]).ok().stdout.trim().to_owned();
    house.it.git("web", &["checkout", "--quiet", "-B", "pull/1"]);
    house.it.write("web/more", "");
    house.it.commit("web", "More");
    let active = |it: &Installation, name: &str| it.ask(&["namespace", "describe", name]).is_some_and(|lease| lease["state"] == "active");
    let runs = house.it.until("the run to have a namespace", |it| {
        let all = it.ask(&["namespace", "list"])?;
        let of_run =
            all.as_array()?.iter().find(|one| one["state"] == "reserved" && one["name"] != anns.as_str())?["name"].as_str()?.to_owned();
        active(it, &of_run).then_some(of_run)
    });
    for (who, token, what) in [("bob", &bob, &anns), ("bob", &bob, &runs), ("ann", &ann, &runs)] {
        let into = house.elsewhere(token, &["try", "web", "--namespace", what, "--reason", "mine now"]).exits(1);
        assert!(into.refusal().0.contains(&format!("is not reserved for {who}")), "{into:?}");
        for arguments in [vec!["namespace", "release", what], vec!["namespace", "extend", what, "--lease", "2h"]] {
            let refused = house.elsewhere(token, &arguments).exits(1);
            assert!(refused.refusal().0.contains("is reserved by"), "{refused:?}");
        }
        // Nor in somebody else's name.
        let named = house.elsewhere(token, &["namespace", "release", what, "--by", "web"]).exits(1);
        assert!(named.refusal().0.contains("is reserved by") || named.refusal().0.contains("names somebody else"), "{named:?}");
    }
    assert!(active(&house.it, &anns) && active(&house.it, &runs), "both are whose they were");
    let tried = house.it.events().iter().any(|line| line["event"]["work"]["work"] == "check" && line["event"]["work"]["number"].is_null());
    assert!(!tried, "nothing was tried");
    let _given_back = house.elsewhere(&ann, &["namespace", "release", &anns]).ok();
    std::fs::remove_file(house.it.path("held")).unwrap();
}

#[test]
fn where_nobody_signs_in_nobody_else_is_served() {
    let place = Place::new();
    place.repository("config");
    place.write("towpath.toml", "[config]\nurl = \"config\"\n[server]\nlisten = \"0.0.0.0:0\"\n");
    let said = place.towpath(&["serve"]).exits(5);
    let (error, help) = said.refusal();
    assert!(error.contains("towpath.toml:4:10") && error.contains("nobody has to sign in") && help.contains("[auth]"), "{said:?}");
}

#[test]
fn what_may_not_be_seen_is_answered_as_what_is_not_there() {
    let house = House::new();
    let target = house.it.target(PRODUCTION).unwrap();
    let (target, commit) = (target["id"].as_str().unwrap().to_owned(), target["current"]["commit"]["id"].as_str().unwrap().to_owned());
    let runs = house.it.ask(&["runs"]).unwrap();
    let of = |kind: &str| runs.as_array().unwrap().iter().find(|run| run["kind"] == kind).unwrap().clone();
    let (run, change) = (of("deploy")["id"].as_str().unwrap().to_owned(), of("change")["subject"].as_str().unwrap().to_owned());
    let change = change.strip_prefix("change ").unwrap_or(&change).to_owned();

    // Printed alone, as programs take it.
    let make = |app: &str| {
        let token = house.it.ok(&["token", "create", "--name", "eyes", "--expires", "1d", "--may", "look", "--app", app, "--machine"]);
        token.strip_suffix('\n').unwrap().to_owned()
    };
    let (theirs, others) = (make("web"), make("shop"));
    let ask = |token: &str, path: &str, accept: &str| {
        let asked = Client::builder().redirect(redirect::Policy::none()).no_proxy().build().unwrap().get(format!("{}{path}", house.base));
        let answer = house.runtime.block_on(asked.bearer_auth(token).header("accept", accept).send()).unwrap();
        (answer.status().as_u16(), house.runtime.block_on(answer.text()).unwrap())
    };
    // Where it is, and what the same is called that nobody has.
    let things = [
        ("/api/v1/targets/@", target.as_str(), "0123456789abcdef0123456789abcdef01234567"),
        ("/api/v1/targets/@/badge.svg", &target, "0123456789abcdef0123456789abcdef01234567"),
        ("/api/v1/compare?target=@", &target, "0123456789abcdef0123456789abcdef01234567"),
        ("/api/v1/sources/@", "web", "wob"),
        ("/api/v1/runs/@", &run, "deploy-none"),
        ("/api/v1/runs/@/logs", &run, "deploy-none"),
        ("/api/v1/changes/@", &change, "promote-none"),
        ("/api/v1/commits/@", &commit, "0123456789abcdef0123456789abcdef01234567"),
        ("/api/v1/explain?what=@", &commit, "0123456789abcdef0123456789abcdef01234567"),
        ("/targets/@", &target, "0123456789abcdef0123456789abcdef01234567"),
        ("/sources/@", "web", "wob"),
        ("/runs/@", &run, "deploy-none"),
        ("/changes/@", &change, "promote-none"),
        ("/commits/@", &commit, "0123456789abcdef0123456789abcdef01234567"),
    ];
    for (path, there, none) in things {
        let accept = if path.starts_with("/api/") { "application/json" } else { "text/html" };
        let answer = |token: &str, name: &str| {
            let (status, body) = ask(token, &path.replace('@', name), accept);
            (status, body.replace(name, "@"))
        };
        assert_eq!(answer(&theirs, there).0, 200, "{path}: who may see it does");
        assert_eq!(answer(&others, there), answer(&others, none), "{path}: who may not hears what they hear of nothing");
        assert_eq!(answer(&others, there).0, 404, "{path}");
    }
    // Nor does a list tell of it.
    for path in ["status", "board", "graph", "runs", "changes", "images", "incidents", "history", "insight", "plan"] {
        let (status, seen) = ask(&others, &format!("/api/v1/{path}"), "application/json");
        assert_eq!(status, 200, "{path}: {seen}");
        for secret in [target.as_str(), &run, &change, &commit, "web-production", "\"web\""] {
            assert!(!seen.contains(secret), "{path} tells of {secret}: {seen}");
        }
    }
}
