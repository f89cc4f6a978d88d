//! A server where people sign in, its provider, and browsers.

use std::collections::BTreeMap;
use std::sync::Arc;

use secrecy::SecretString;
use towpath_catalog::{Catalog, InputFile};
use towpath_domain::Timestamp;
use towpath_web::auth::fake::FakeKeeper;
use towpath_web::auth::{Auth, AuthSettings, ClientSecret, Keeper, OidcSettings};
use towpath_web::fake::Shown;
use towpath_web::hooks::HookSettings;
use towpath_web::{Listener, Settings};

use crate::harness::{Said, Server, serving};
use towpath_testbed::oidc::{CLIENT, Provider, SECRET};

pub const NOW: i64 = 1_800_000_000;

/// Ann, who may hold and retry web in stage; root, who may everything; carl, who has no role.
pub fn people() -> Catalog {
    with_role_of_ann("permissions: [{$ref: /hold.yml}]\n")
}

pub fn with_role_of_ann(role: &str) -> Catalog {
    let files = [
        ("data/web.yml", "$schema: /app-sre/app-1.yml\nname: web\n".to_owned()),
        ("data/stage.yml", "$schema: /app-sre/environment-1.yml\nname: stage\n".to_owned()),
        (
            "data/hold.yml",
            "$schema: /towpath/permission-1.yml\nname: hold\nmay: [hold, retry]\napps: [{$ref: /web.yml}]\nenvironments: [{$ref: /stage.yml}]\n"
                .to_owned(),
        ),
        ("data/admin.yml", "$schema: /towpath/permission-1.yml\nname: admin\nmay: [administer]\n".to_owned()),
        ("data/ann.yml", "$schema: /access/user-1.yml\norg_username: ann\nroles: [{$ref: /role.yml}]\n".to_owned()),
        ("data/root.yml", "$schema: /access/user-1.yml\norg_username: root\nroles: [{$ref: /all.yml}]\n".to_owned()),
        ("data/amy.yml", "$schema: /access/user-1.yml\norg_username: amy\nroles: [{$ref: /admins.yml}]\n".to_owned()),
        ("data/carl.yml", "$schema: /access/user-1.yml\norg_username: carl\nroles: []\n".to_owned()),
        ("data/all.yml", "$schema: /access/role-1.yml\nname: all\napproves: all\n".to_owned()),
        ("data/admins.yml", "$schema: /access/role-1.yml\nname: admins\npermissions: [{$ref: /admin.yml}]\n".to_owned()),
        ("data/role.yml", format!("$schema: /access/role-1.yml\nname: r\n{role}")),
    ];
    let files = files.map(|(path, text)| InputFile::new(path, text.as_bytes())).to_vec();
    towpath_catalog::load(files).catalog
}

pub struct House {
    pub server: Server,
    pub provider: Provider,
    pub keeper: Arc<FakeKeeper>,
    pub base: String,
    pub key: String,
}

pub async fn house(change: impl FnOnce(&mut AuthSettings)) -> House {
    let keeper = Arc::new(FakeKeeper::new(people(), Timestamp::from_millis(NOW * 1000)));
    house_of(keeper, change).await
}

pub async fn house_of(keeper: Arc<FakeKeeper>, change: impl FnOnce(&mut AuthSettings)) -> House {
    let _there = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let provider = Provider::new().await;
    let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
    let base = format!("http://{}", listener.endpoint());
    let mut settings = AuthSettings::new(base.parse().unwrap()).unwrap();
    settings.oidc = Some(OidcSettings {
        issuer: provider.url.clone(),
        client_id: CLIENT.into(),
        client_secret: ClientSecret::new(|| Box::pin(std::future::ready(Ok(SecretString::from(SECRET))))),
        scopes: vec!["profile".into()],
        username_claim: "sub".into(),
        name: "Example SSO".into(),
        ca: None,
    });
    change(&mut settings);
    let key = settings.local_key.text().to_owned();
    let auth = Auth::open(settings, Arc::clone(&keeper) as Arc<dyn Keeper>).await.unwrap();
    let server = serving(listener, Shown::default(), Settings { hooks: HookSettings::default(), auth: Some(auth) });
    House { server, provider, keeper, base, key }
}

/// A browser: it keeps cookies, and says where it comes from.
#[derive(Debug, Clone, Default)]
pub struct Browser {
    pub cookies: BTreeMap<String, String>,
    /// What the proxy before the server says of where it is.
    pub from: Option<String>,
}

impl Said {
    /// A header's values as they were sent.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.sent
            .lines()
            .filter_map(|line| line.split_once(": ").filter(|(there, _)| there.eq_ignore_ascii_case(name)).map(|(_, value)| value))
            .collect()
    }

    pub fn to(&self) -> &str {
        self.all("location").first().copied().unwrap_or_default()
    }

    /// The token of the page's forms.
    pub fn csrf(&self) -> &str {
        self.body.split("name=\"csrf\" value=\"").nth(1).unwrap_or_default().split('"').next().unwrap_or_default()
    }
}

impl House {
    fn host(&self) -> &str {
        self.base.strip_prefix("http://").unwrap()
    }

    /// What the browser sends, with its cookies, and what comes back, of which it keeps the cookies.
    pub async fn send(&self, browser: &mut Browser, method: &str, path: &str, headers: &str, body: &str) -> Said {
        let cookies = browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
        let cookies = if cookies.is_empty() { String::new() } else { format!("\ncookie: {cookies}") };
        let from = browser.from.as_ref().map(|from| format!("\nx-forwarded-for: {from}")).unwrap_or_default();
        let headers = if headers.is_empty() { String::new() } else { format!("\n{headers}") };
        let said = self.server.raw(&format!("{method} {path} HTTP/1.1\nhost: {}{cookies}{from}{headers}", self.host()), body).await;
        for cookie in said.all("set-cookie") {
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            browser.cookies.insert(name.to_owned(), value.to_owned());
        }
        said
    }

    pub async fn open(&self, browser: &mut Browser, path: &str) -> Said {
        self.send(browser, "GET", path, "accept: text/html", "").await
    }

    pub async fn form(&self, browser: &mut Browser, path: &str, fields: &str) -> Said {
        let headers = format!(
            "accept: text/html\norigin: {}\nsec-fetch-site: same-origin\ncontent-type: application/x-www-form-urlencoded",
            self.base
        );
        self.send(browser, "POST", path, &headers, fields).await
    }

    /// A program's request with a token.
    pub async fn with(&self, token: &str, method: &str, path: &str, json: &str) -> Said {
        let headers = format!("authorization: Bearer {token}\ncontent-type: application/json");
        self.send(&mut Browser::default(), method, path, &headers, json).await
    }

    /// Begins a sign-in, and lets the provider sign `subject` in: the way back.
    pub async fn way_back(&self, browser: &mut Browser, subject: &str, back: &str) -> String {
        let said = self.open(browser, &format!("/auth/start?back={back}")).await;
        assert_eq!(said.status, 303, "{said:?}");
        format!("/auth/callback?{}", self.provider.authorize(said.to(), subject, self.keeper.now().as_millis() / 1000))
    }

    pub async fn signed_in(&self, subject: &str) -> Browser {
        self.signed_in_from(None, subject).await
    }

    /// As [`Self::signed_in`], from where the proxy says.
    pub async fn signed_in_from(&self, from: Option<String>, subject: &str) -> Browser {
        let mut browser = Browser { from, ..Browser::default() };
        let way = self.way_back(&mut browser, subject, "%2F").await;
        let said = self.open(&mut browser, &way).await;
        assert_eq!((said.status, said.to()), (303, "/"), "{said:?}");
        browser
    }

    /// A token of somebody's, made as programs make it.
    pub async fn token(&self, browser: &mut Browser, json: &str) -> Said {
        let csrf = self.open(browser, "/tokens").await.csrf().to_owned();
        let headers = format!("content-type: application/json\nx-towpath-csrf: {csrf}");
        self.send(browser, "POST", "/api/v1/tokens", &headers, json).await
    }
}
