//! `[ibutsu]`: where results of tests are told to.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use towpath_ibutsu::{Address, Mode};

use super::keys::Shape;
use super::outside::{Credential, Outside, SecretRef};

/// What may stand at `[ibutsu]`.
pub const SHAPE: Shape = Shape::Table(&[
    ("url", Shape::Value),
    ("project", Shape::Value),
    ("token_file", Shape::Value),
    ("token", super::keys::SECRET),
    ("mode", Shape::Value),
    ("source", Shape::Value),
    ("frontend", Shape::Value),
    ("ca", Shape::Value),
    ("plain_http", Shape::Value),
]);

/// What results come from, where nothing is said.
const USUAL_SOURCE: &str = "towpath";

/// An Ibutsu server, and who we are there.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Raw")]
pub struct Ibutsu {
    /// The address of its API.
    pub url: Address,
    /// The project's name or id.
    pub project: String,
    /// Where the token is.
    pub token: Credential,
    /// How results are sent.
    pub mode: Mode,
    /// What results come from, as people filter by it; it tells installations apart that feed one project.
    pub source: String,
    /// Where its pages are; as the server says itself when nothing is said.
    pub frontend: Option<String>,
    /// The authorities that are trusted in place of the system's.
    pub ca: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Raw {
    url: Option<String>,
    project: Option<String>,
    token_file: Option<PathBuf>,
    token: Option<SecretRef>,
    #[serde(default)]
    mode: Mode,
    source: Option<String>,
    frontend: Option<String>,
    ca: Option<PathBuf>,
    #[serde(default)]
    plain_http: bool,
}

impl TryFrom<Raw> for Ibutsu {
    type Error = String;
    fn try_from(raw: Raw) -> Result<Self, String> {
        let text = raw.url.ok_or("[ibutsu] needs `url`, the address of Ibutsu's API, such as https://ibutsu-api.example.com")?;
        let url: Address = text.parse().map_err(|error| format!("`url`: {error}"))?;
        if url.is_open_to_all() && !raw.plain_http {
            return Err(format!(
                "`url`: {text} is plain http: everybody on the way could read the token; use https, or allow it (`plain_http = true`)"
            ));
        }
        let plain = |text: &str| !text.trim().is_empty() && !text.chars().any(char::is_control);
        let project =
            raw.project.filter(|project| plain(project)).ok_or("[ibutsu] needs `project`, the project's name there, or its id")?;
        let token = Credential::of(raw.token_file, raw.token, ("token_file", "token"))?
            .ok_or("Ibutsu needs `token_file`, the file that holds a token, or `token`, its place in the secret store")?;
        let source = raw.source.unwrap_or_else(|| USUAL_SOURCE.to_owned());
        if !plain(&source) {
            return Err("`source` is empty: leave it out, or say what results come from".to_owned());
        }
        let host = |url: &String| url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).map(str::to_owned);
        if let Some(frontend) = &raw.frontend
            && host(frontend).is_none_or(|host| host.is_empty() || host.contains(['?', '#', '@', ' ']))
        {
            return Err(format!("`frontend`: {frontend:?} is no address that links can begin with, such as https://ibutsu.example.com"));
        }
        Ok(Self { url, project, token, mode: raw.mode, source, frontend: raw.frontend, ca: raw.ca })
    }
}

impl Ibutsu {
    /// The same with paths meant from `folder`.
    pub fn from(self, folder: &Path) -> Self {
        Self { ca: self.ca.map(|ca| folder.join(ca)), token: self.token.from(folder), ..self }
    }

    /// Whether what stands in the secret store can be read from there.
    ///
    /// # Errors
    /// When there is no store.
    pub fn consistent(&self, outside: &Outside) -> Result<(), String> {
        match &self.token {
            Credential::Secret(_) if outside.secrets.is_none() => {
                Err("[ibutsu] token stands in a secret store, but there is no [secrets]; add it, or name a file".to_owned())
            }
            _ => Ok(()),
        }
    }
}
