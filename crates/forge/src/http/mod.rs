//! TEMP
use crate::{Budget, ForgeError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use towpath_domain::FailureClass;
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    auth: std::sync::Arc<dyn Authorization>,
}
pub(crate) trait Authorization: Send + Sync {
    fn token(&self) -> crate::Answer<'_, String>;
    fn refused<'a>(&'a self, token: &'a str) -> crate::Answer<'a, ()>;
}
struct Fixed(String);
impl Authorization for Fixed {
    fn token(&self) -> crate::Answer<'_, String> {
        Box::pin(async { Ok(self.0.clone()) })
    }
    fn refused<'a>(&'a self, _: &'a str) -> crate::Answer<'a, ()> {
        Box::pin(async { Ok(()) })
    }
}
pub(crate) struct Reply<T> {
    pub(crate) status: u16,
    pub(crate) body: Option<T>,
    pub(crate) text: String,
}
impl Client {
    pub(crate) fn new(base: &str, token: &str) -> Self {
        Self::with(base, std::sync::Arc::new(Fixed(token.to_owned())))
    }
    pub(crate) fn with(base: &str, auth: std::sync::Arc<dyn Authorization>) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        Self { http: reqwest::Client::builder().timeout(std::time::Duration::from_secs(2)).build().unwrap(), base: base.to_owned(), auth }
    }
    pub(crate) fn error(&self, what: &str, why: &str, class: FailureClass) -> ForgeError {
        ForgeError::Api { forge: self.base.clone(), what: what.to_owned(), why: why.to_owned(), class }
    }
    pub(crate) fn budget(&self) -> Option<Budget> {
        None
    }
    async fn once(&self, method: &str, url: &str, body: Option<serde_json::Value>) -> Result<(u16, Option<String>, String), ForgeError> {
        let what = format!("{method} {url}");
        let mut tries = 0;
        loop {
            tries += 1;
            let token = self.auth.token().await?;
            let mut request = self.http.request(method.parse().unwrap(), url).bearer_auth(&token);
            if let Some(body) = &body {
                request = request.json(body);
            }
            let sent = async {
                let answer = request.send().await?;
                let status = answer.status().as_u16();
                let link = answer
                    .headers()
                    .get("link")
                    .and_then(|l| l.to_str().ok())
                    .and_then(|l| l.split('<').nth(1))
                    .and_then(|l| l.split('>').next())
                    .map(str::to_owned);
                Ok::<_, reqwest::Error>((status, link, answer.text().await?))
            }
            .await;
            match sent {
                Ok((status, ..)) if (status >= 500 || status == 429) && tries < 4 => {}
                Ok((401, ..)) if tries < 2 => self.auth.refused(&token).await?,
                Ok((403, _, text)) if text.contains("not now") && tries < 4 => {}
                Ok((status, ..)) if status >= 500 => return Err(self.error(&what, &status.to_string(), FailureClass::Environment)),
                Ok(done) => return Ok(done),
                Err(_) if method != "POST" && tries < 4 => {}
                Err(error) => return Err(self.error(&what, &error.to_string(), FailureClass::Environment)),
            }
        }
    }
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Reply<T>, ForgeError> {
        let (status, _, text) = self.once("GET", &format!("{}{path}", self.base), None).await?;
        let body = if status == 200 {
            Some(serde_json::from_str(&text).map_err(|e| self.error(path, &e.to_string(), FailureClass::Unknown))?)
        } else {
            None
        };
        Ok(Reply { status, body, text })
    }
    pub(crate) async fn get_all<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, ForgeError> {
        let mut next = Some(format!("{}{path}", self.base));
        let mut all = vec![];
        while let Some(url) = next {
            let (status, link, text) = self.once("GET", &url, None).await?;
            if status != 200 {
                return Err(self.error(path, &format!("{status} {text}"), FailureClass::Own));
            }
            all.extend(serde_json::from_str::<Vec<T>>(&text).map_err(|e| self.error(path, &e.to_string(), FailureClass::Unknown))?);
            next = link;
        }
        Ok(all)
    }
    pub(crate) async fn send<B: Serialize, T: DeserializeOwned>(&self, method: &str, path: &str, body: &B) -> Result<Reply<T>, ForgeError> {
        let (status, _, text) = self.once(method, &format!("{}{path}", self.base), Some(serde_json::to_value(body).unwrap())).await?;
        Ok(Reply { status, body: serde_json::from_str(&text).ok(), text })
    }
}
