//! The forge that the config repository is on, where people look at its changes, and those that sources are on. Without them, changes are
//! branches of plain Git.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use towpath_domain::{RepoUrl, Span};

use super::keys::{SECRET, Shape};
use super::outside::{Credential, SecretRef};

/// What may stand at `[forge]`.
pub const SHAPE: Shape = Shape::Table(&[
    ("kind", Shape::Value),
    ("base_url", Shape::Value),
    ("repository", Shape::Value),
    ("ca", Shape::Value),
    ("token_file", Shape::Value),
    ("token", SECRET),
    ("app_id", Shape::Value),
    ("private_key_file", Shape::Value),
    ("private_key", SECRET),
    ("patience", Shape::Value),
]);

/// What may stand at each `[[forges]]`.
pub static SHAPE_OF_OTHERS: Shape = Shape::Table(&[
    ("for", Shape::Value),
    ("kind", Shape::Value),
    ("base_url", Shape::Value),
    ("repository", Shape::Value),
    ("ca", Shape::Value),
    ("token_file", Shape::Value),
    ("token", SECRET),
    ("app_id", Shape::Value),
    ("private_key_file", Shape::Value),
    ("private_key", SECRET),
    ("patience", Shape::Value),
]);

/// Which forge, where, and who Towpath is there.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Raw")]
pub struct Forge {
    /// Which.
    pub kind: Kind,
    /// Where its API is; on the host of the config repository when nothing is said.
    pub base_url: Option<String>,
    /// The repository there; as in the config repository's URL when nothing is said.
    pub repository: Option<String>,
    /// Its certificate authority.
    pub ca: Option<PathBuf>,
    /// Who Towpath is.
    pub sign_in: SignIn,
    /// For how long a call waits out what passes.
    pub patience: Span,
}

/// A kind of forge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// github.com or GitHub Enterprise Server.
    GitHub,
    /// gitlab.com or self-managed.
    GitLab,
    /// Forgejo.
    Forgejo,
    /// Gitea, which speaks as Forgejo does.
    Gitea,
}

/// Who Towpath is on the forge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignIn {
    /// The account of this token.
    Token(Credential),
    /// An app of GitHub's.
    App {
        /// Its number.
        id: u64,
        /// Where its private key is.
        private_key: Credential,
    },
}

/// How long a call waits for a forge that is busy or starts anew: shorter than anybody's patience with a change.
const PATIENCE: Span = Span::from_secs(60);

#[derive(Deserialize)]
struct Raw {
    kind: Kind,
    base_url: Option<String>,
    repository: Option<String>,
    ca: Option<PathBuf>,
    token_file: Option<PathBuf>,
    token: Option<SecretRef>,
    app_id: Option<u64>,
    private_key_file: Option<PathBuf>,
    private_key: Option<SecretRef>,
    patience: Option<String>,
}

impl TryFrom<Raw> for Forge {
    type Error = String;
    fn try_from(raw: Raw) -> Result<Self, String> {
        let token = Credential::of(raw.token_file, raw.token, ("token_file", "token"))?;
        let key = Credential::of(raw.private_key_file, raw.private_key, ("private_key_file", "private_key"))?;
        let sign_in = match (token, raw.app_id, key) {
            (Some(token), None, None) => SignIn::Token(token),
            (None, Some(_), Some(_)) if raw.kind != Kind::GitHub => {
                return Err("only GitHub has apps: use `token_file` or `token`".to_owned());
            }
            (None, Some(id), Some(private_key)) => SignIn::App { id, private_key },
            (None, None, None) => {
                return Err(
                    "say who Towpath is: `token_file` or `token`; on GitHub also `app_id` with `private_key_file` or `private_key`"
                        .to_owned(),
                );
            }
            (None, _, _) => return Err("`app_id` goes together with `private_key_file` or `private_key`".to_owned()),
            (Some(_), _, _) => return Err("a token and an app say who Towpath is in two ways: leave one out".to_owned()),
        };
        if let Some(url) = raw.base_url.as_deref().filter(|url| !url.starts_with("https://") && !url.starts_with("http://")) {
            return Err(format!("base_url {url:?} is no address that begins with https://"));
        }
        let patience = raw.patience.map(|text| text.parse::<Span>().map_err(|error| error.to_string())).transpose()?;
        let (base_url, repository) = (raw.base_url, raw.repository);
        Ok(Self { kind: raw.kind, base_url, repository, ca: raw.ca, sign_in, patience: patience.unwrap_or(PATIENCE) })
    }
}

impl Forge {
    /// The same with paths meant from `folder`.
    pub fn from(self, folder: &Path) -> Self {
        let sign_in = match self.sign_in {
            SignIn::Token(token) => SignIn::Token(token.from(folder)),
            SignIn::App { id, private_key } => SignIn::App { id, private_key: private_key.from(folder) },
        };
        Self { ca: self.ca.map(|ca| folder.join(ca)), sign_in, ..self }
    }
}

/// A forge that sources are on.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawOther")]
pub struct Other {
    /// What their URLs begin with; at least one.
    pub prefixes: Vec<Prefix>,
    /// The forge; its `repository` is said only where there is one.
    pub forge: Forge,
}

#[derive(Deserialize)]
struct RawOther {
    #[serde(default)]
    r#for: Vec<String>,
    #[serde(flatten)]
    forge: Raw,
}

impl TryFrom<RawOther> for Other {
    type Error = String;
    fn try_from(raw: RawOther) -> Result<Self, String> {
        if raw.r#for.is_empty() {
            return Err("say which sources are on it: for = [\"https://git.example.com/team/\"], what their URLs begin with".to_owned());
        }
        let prefixes = raw.r#for.iter().map(|text| Prefix::new(text)).collect::<Result<Vec<_>, _>>()?;
        let forge = Forge::try_from(raw.forge)?;
        if forge.repository.is_some() && prefixes.len() > 1 {
            return Err("`repository` is one, and `for` names several: give each a [[forges]] of its own".to_owned());
        }
        let whole = forge.base_url.is_some() && forge.repository.is_some();
        if let Some(prefix) = prefixes.iter().find(|prefix| !whole && prefix.is_local()) {
            return Err(format!("{:?} is on this machine and names no host: say `base_url` and `repository`", prefix.0));
        }
        Ok(Self { prefixes, forge })
    }
}

impl Other {
    /// The same with paths meant from `folder`.
    pub fn from(self, folder: &Path) -> Self {
        let prefixes = self.prefixes.into_iter().map(|prefix| prefix.from(folder)).collect();
        Self { prefixes, forge: self.forge.from(folder) }
    }
}

/// What URLs of repositories begin with: whole parts of a path. How a URL ends (`.git`, a slash) does not matter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix(String);

impl Prefix {
    fn new(text: &str) -> Result<Self, String> {
        let bad =
            |why: String| format!("`for` holds {text:?}, {why}; write what URLs of sources begin with: https://git.example.com/team/");
        let url = RepoUrl::new(text).map_err(|error| bad(format!("which is no URL: {error}")))?;
        let prefix = Self(normal(&url));
        let host = prefix.0.split_once("://").map_or(&*prefix.0, |(_, rest)| rest);
        if host.is_empty() || host.starts_with(':') || (host.starts_with('/') && !prefix.is_local()) {
            return Err(bad("which names neither a host nor a path".to_owned()));
        }
        Ok(prefix)
    }

    /// Whether the repository at `url` is this one, or below it.
    pub fn covers(&self, url: &RepoUrl) -> bool {
        // Behind a host's colon its paths begin: git@git.example.com:team/web.
        normal(url).strip_prefix(&self.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || self.0.ends_with(':'))
    }

    /// It, as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A path on this machine.
    fn is_local(&self) -> bool {
        !self.0.split('/').next().unwrap_or_default().contains(':')
    }

    fn from(self, folder: &Path) -> Self {
        if self.is_local() { Self(folder.join(self.0).to_string_lossy().into_owned()) } else { self }
    }
}

/// A URL in one way of the several that it is written in: without credentials, its end, and capitals in its host.
fn normal(url: &RepoUrl) -> String {
    let url = url.without_credentials();
    let trimmed = |text: &str| {
        let text = text.trim_end_matches('/');
        text.strip_suffix(".git").unwrap_or(text).trim_end_matches('/').to_owned()
    };
    match url.expose().split_once("://") {
        // Git takes no notice of a host in it.
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("file") => trimmed(rest.find('/').map_or("", |at| &rest[at..])),
        Some((scheme, rest)) => {
            let rest = trimmed(rest);
            let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            format!("{}://{}{path}", scheme.to_ascii_lowercase(), host.to_ascii_lowercase())
        }
        None => trimmed(url.expose()),
    }
}

/// The forge that the source at `url` is on, as the longest prefix of all says.
pub fn other<'a>(others: &'a [Other], url: &RepoUrl) -> Option<&'a Other> {
    let length = |other: &Other| other.prefixes.iter().filter(|prefix| prefix.covers(url)).map(|prefix| prefix.0.len()).max();
    others.iter().filter_map(|other| Some((length(other)?, other))).max_by_key(|(length, _)| *length).map(|(_, other)| other)
}

/// A prefix that stands twice, and in which of the tables for the second time.
pub fn twice(others: &[Other]) -> Option<(usize, &Prefix)> {
    let mut known = std::collections::BTreeSet::new();
    let all = others.iter().enumerate().flat_map(|(index, other)| other.prefixes.iter().map(move |prefix| (index, prefix)));
    all.into_iter().find(|(_, prefix)| !known.insert(*prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Forge, String> {
        toml::from_str(text).map_err(|error: toml::de::Error| error.message().to_owned())
    }

    #[test]
    fn a_forge_says_which_it_is_and_who_towpath_is_there() {
        let forge = read("kind = \"gitlab\"\ntoken_file = \"token\"\npatience = \"5s\"").unwrap().from(Path::new("/etc/towpath"));
        assert_eq!(forge.sign_in, SignIn::Token(Credential::File("/etc/towpath/token".into())));
        assert_eq!((forge.kind, forge.patience), (Kind::GitLab, Span::from_secs(5)));
        let app = read("kind = \"github\"\napp_id = 7\nprivate_key_file = \"key.pem\"").unwrap();
        assert_eq!(app.sign_in, SignIn::App { id: 7, private_key: Credential::File("key.pem".into()) });
    }

    #[test]
    fn what_does_not_make_sense_is_refused_with_the_mend() {
        for (text, says) in [
            ("kind = \"github\"", "say who Towpath is"),
            ("kind = \"github\"\napp_id = 7", "goes together with"),
            ("kind = \"gitlab\"\napp_id = 7\nprivate_key_file = \"k\"", "only GitHub has apps"),
            ("kind = \"github\"\ntoken_file = \"t\"\napp_id = 7\nprivate_key_file = \"k\"", "leave one out"),
            ("kind = \"github\"\ntoken_file = \"t\"\nbase_url = \"git.example.com\"", "begins with https://"),
            ("kind = \"bitbucket\"\ntoken_file = \"t\"", "unknown variant"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[derive(Deserialize)]
    struct File {
        forges: Vec<Other>,
    }

    fn others(text: &str) -> Result<Vec<Other>, String> {
        let file = toml::from_str::<File>(text).map_err(|error| error.message().to_owned())?;
        Ok(file.forges.into_iter().map(|other| other.from(Path::new("/etc/towpath"))).collect())
    }

    /// A table for these prefixes, whose token's file has the table's name.
    fn table(name: &str, prefixes: &str) -> String {
        format!("[[forges]]\nkind = \"gitlab\"\ntoken_file = \"{name}\"\nfor = {prefixes}\n")
    }

    #[test]
    fn a_source_is_on_the_forge_with_the_longest_prefix_of_its_url() {
        let text = table("host", r#"["https://git.example.com", "git@git.example.com:"]"#)
            + &table("team", r#"["https://git.example.com/team/", "ssh://git@git.example.com/team"]"#)
            + &table("web", r#"["https://git.example.com/team/web.git/"]"#)
            + "[[forges]]\nkind = \"forgejo\"\ntoken_file = \"/local\"\nfor = [\"api.git\"]\nbase_url = \"http://127.0.0.1:1/api/v1\"\n"
            + "repository = \"org/api\"\n";
        let others = others(&text).unwrap();
        for (url, token) in [
            ("https://git.example.com/other/x", Some("/etc/towpath/host")),
            ("https://git.example.com/teams/x.git", Some("/etc/towpath/host")),
            ("git@git.example.com:team/x.git", Some("/etc/towpath/host")),
            ("https://Git.Example.com/team/x.git", Some("/etc/towpath/team")),
            ("https://ann:secret@git.example.com/team/x.git", Some("/etc/towpath/team")),
            ("ssh://git@git.example.com/team/x", Some("/etc/towpath/team")),
            ("https://git.example.com/team/website", Some("/etc/towpath/team")),
            ("https://git.example.com/team/web", Some("/etc/towpath/web")),
            ("https://git.example.com/team/web.git", Some("/etc/towpath/web")),
            ("https://git.example.com/team/web/sub.git", Some("/etc/towpath/web")),
            ("/etc/towpath/api.git", Some("/local")),
            ("/etc/towpath/api", Some("/local")),
            ("file:///etc/towpath/api.git", Some("/local")),
            ("/etc/towpath/api2.git", None),
            ("http://git.example.com/team/x.git", None),
            ("https://git.example.com.evil/team/x.git", None),
            ("https://git.example.com:8443/team/x.git", None),
            ("git@git.example.org:team/x.git", None),
        ] {
            let found = other(&others, &RepoUrl::new(url).unwrap()).map(|other| other.forge.sign_in.clone());
            assert_eq!(found, token.map(|file| SignIn::Token(Credential::File(file.into()))), "{url}");
        }
        assert_eq!(twice(&others), None);
    }

    #[test]
    fn tables_that_make_no_sense_are_refused_with_the_mend() {
        for (text, says) in [
            (table("t", "[]"), "which sources are on it"),
            ("[[forges]]\nkind = \"gitlab\"\ntoken_file = \"t\"\n".to_owned(), "which sources are on it"),
            (table("t", r#"[""]"#), "no URL"),
            (table("t", r#"["/"]"#), "neither a host nor a path"),
            (table("t", r#"["https://"]"#), "neither a host nor a path"),
            (table("t", r#"["https:///team"]"#), "neither a host nor a path"),
            (table("t", r#"["-x"]"#), "no URL"),
            (table("t", r#"["/srv/git/web.git"]"#), "say `base_url` and `repository`"),
            (table("t", r#"["file:///srv/git/web.git"]"#), "say `base_url` and `repository`"),
            (table("t", r#"["https://a/b", "https://a/c"]"#) + "repository = \"a/b\"", "give each a [[forges]]"),
            ("[[forges]]\nfor = [\"https://a/b\"]\ntoken_file = \"t\"".to_owned(), "missing field `kind`"),
            ("[[forges]]\nfor = [\"https://a/b\"]\nkind = \"gitlab\"".to_owned(), "say who Towpath is"),
        ] {
            let error = others(&text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
        let both = others(&(table("t", r#"["https://a/b", "https://a/c"]"#) + &table("t", r#"["https://A/c.git/"]"#))).unwrap();
        assert_eq!(twice(&both).map(|(table, prefix)| (table, prefix.as_str())), Some((1, "https://a/c")));
    }
}
