//! Forges from settings: where one is and who Towpath is there, said or derived from the config repository's URL.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use secrecy::SecretString;
use towpath_domain::{FailureClass, RepoUrl, Span};
use towpath_git::Credential;

use crate::forgejo::Forgejo;
use crate::github::{App, AppKey, GitHub};
use crate::gitlab::GitLab;
use crate::hosted::Hosted;
use crate::http::{Authorization, Bearer, Client, Settings as HttpSettings, Token};
use crate::{Forge, ForgeError, PlainGit};

/// What kind of forge it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// github.com, or GitHub Enterprise Server.
    GitHub,
    /// gitlab.com, or self-managed.
    GitLab,
    /// Forgejo or Gitea.
    Forgejo,
}

/// A hosted forge to connect to.
#[derive(Clone)]
pub struct Settings {
    /// Where its API is, such as `https://git.example.com/api/v4`; `None`: on the host that the config repository is on.
    pub base_url: Option<String>,
    /// The repository there, with all groups: `owner/name`; `None`: as in the config repository's URL.
    pub repository: Option<String>,
    /// The token of Towpath's account.
    pub token: Token,
    /// Certificates (PEM) that its server's may go back to, beside those of the system.
    pub ca_file: Option<PathBuf>,
    /// For how long a call waits out what passes: limits, failing servers, answers that do not come.
    pub patience: Span,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("base_url", &self.base_url).field("repository", &self.repository).finish_non_exhaustive()
    }
}

impl Settings {
    /// A client that goes by the token of the settings.
    fn client(&self, kind: Kind, place: &Place, base_url: &str) -> Result<Client, ForgeError> {
        self.client_as(kind, place, base_url, Arc::new(Bearer::new(&place.host, self.token.clone())))
    }

    fn client_as(&self, kind: Kind, place: &Place, base_url: &str, authorization: Arc<dyn Authorization>) -> Result<Client, ForgeError> {
        let (accept, headers) = match kind {
            Kind::GitHub => ("application/vnd.github+json", vec![("x-github-api-version", "2022-11-28")]),
            Kind::GitLab | Kind::Forgejo => ("application/json", Vec::new()),
        };
        Client::new(HttpSettings {
            forge: format!("{kind} at {}", place.host),
            base_url: base_url.to_owned(),
            authorization,
            ca_file: self.ca_file.clone(),
            patience: self.patience,
            accept,
            headers,
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::GitHub => "GitHub",
            Self::GitLab => "GitLab",
            Self::Forgejo => "Forgejo",
        })
    }
}

/// Changes on a project of GitLab, merged into the branch of `plain`.
///
/// # Errors
/// [`ForgeError::Api`] when the settings do not say where it is, and the config repository's URL does not either.
pub fn gitlab(settings: &Settings, plain: PlainGit) -> Result<Arc<dyn Forge>, ForgeError> {
    let place = Place::find(Kind::GitLab, settings, plain.mirror().url())?;
    let client = settings.client(Kind::GitLab, &place, &place.base_url)?;
    let api = GitLab::new(client, &place.host, &place.repository);
    Ok(Arc::new(Hosted::new(plain, api, settings.patience)))
}

/// Changes on a repository of Forgejo or Gitea, merged into the branch of `plain`.
///
/// # Errors
/// As [`gitlab`].
pub fn forgejo(settings: &Settings, plain: PlainGit) -> Result<Arc<dyn Forge>, ForgeError> {
    let place = Place::find(Kind::Forgejo, settings, plain.mirror().url())?;
    let (owner, name) = place.owner_and_name(Kind::Forgejo)?;
    let client = settings.client(Kind::Forgejo, &place, &place.base_url)?;
    let api = Forgejo::new(client, &place.host, owner, name);
    Ok(Arc::new(Hosted::new(plain, api, settings.patience)))
}

/// Changes on a repository of GitHub, merged into the branch of `plain`.
///
/// # Errors
/// As [`gitlab`].
pub fn github(settings: &Settings, plain: PlainGit) -> Result<Arc<dyn Forge>, ForgeError> {
    let place = Place::find(Kind::GitHub, settings, plain.mirror().url())?;
    let (owner, name) = place.owner_and_name(Kind::GitHub)?;
    let client = |url: &str| settings.client(Kind::GitHub, &place, url);
    let api = GitHub::new(client(&place.base_url)?, client(place.graph_url())?, &place.host, owner, name);
    Ok(Arc::new(Hosted::new(plain, api, settings.patience)))
}

/// Towpath as an App on the repository at `url`, for [`github_by`]. Each new token of the App's is given to `credential`, too;
/// [`App::keep_fresh`] sees to it that it always holds one that is good.
///
/// # Errors
/// As [`gitlab`].
pub fn github_app(settings: &Settings, key: AppKey, credential: Option<Credential>, url: &RepoUrl) -> Result<Arc<App>, ForgeError> {
    let place = Place::find(Kind::GitHub, settings, url)?;
    let (owner, name) = place.owner_and_name(Kind::GitHub)?;
    let own = settings.clone();
    let signed = {
        let place = place.clone();
        move |signed: SecretString| {
            let bearer = Arc::new(Bearer::new(&place.host, Token::Value(signed)));
            own.client_as(Kind::GitHub, &place, &place.base_url, bearer)
        }
    };
    Ok(Arc::new(App::new(key, Box::new(signed), owner, name, credential)))
}

/// As [`github`], as an App on this repository and not by the token of the settings: Towpath says by check runs what it says of commits.
///
/// # Errors
/// As [`gitlab`].
pub fn github_by(app: &Arc<App>, settings: &Settings, plain: PlainGit) -> Result<Arc<dyn Forge>, ForgeError> {
    let place = Place::find(Kind::GitHub, settings, plain.mirror().url())?;
    let (owner, name) = place.owner_and_name(Kind::GitHub)?;
    let client = |url: &str| settings.client_as(Kind::GitHub, &place, url, Arc::clone(app) as Arc<dyn Authorization>);
    let api = GitHub::new(client(&place.base_url)?, client(place.graph_url())?, &place.host, owner, name).by_app(Arc::clone(app));
    Ok(Arc::new(Hosted::new(plain, api, settings.patience)))
}

/// The user whom Git names to the server with a token: the one that the forge's manual asks for, since the token alone says who it is.
#[must_use]
pub fn git_user(kind: Kind) -> &'static str {
    match kind {
        Kind::GitHub => "x-access-token",
        Kind::GitLab => "oauth2",
        Kind::Forgejo => "towpath",
    }
}

/// Where the API of a forge is that has this repository.
///
/// # Errors
/// [`ForgeError::Api`] when the URL names no host.
pub fn api_of(kind: Kind, url: &RepoUrl) -> Result<String, ForgeError> {
    match Address::of(url.expose()) {
        Some(parts) => Ok(api(kind, &parts)),
        None => Err(unclear(kind, &format!("{url} names no host; set base_url"))),
    }
}

fn api(kind: Kind, parts: &Address) -> String {
    match kind {
        Kind::GitHub if parts.host() == "github.com" => "https://api.github.com".to_owned(),
        Kind::GitHub => format!("{}/api/v3", parts.origin),
        Kind::GitLab => format!("{}/api/v4", parts.origin),
        Kind::Forgejo => format!("{}/api/v1", parts.origin),
    }
}

/// Where a repository's API is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// Without a slash at its end.
    pub(crate) base_url: String,
    /// For people.
    pub(crate) host: String,
    /// With all groups.
    pub(crate) repository: String,
}

impl Place {
    /// As the settings say, and where they do not, as the config repository's URL does.
    pub(crate) fn find(kind: Kind, settings: &Settings, url: &RepoUrl) -> Result<Self, ForgeError> {
        let parts = Address::of(url.expose());
        let base_url = match (&settings.base_url, &parts) {
            (Some(base_url), _) => base_url.trim_end_matches('/').to_owned(),
            (None, Some(parts)) => api(kind, parts),
            (None, None) => return Err(unclear(kind, &format!("{url} names no host; set base_url"))),
        };
        let Some(host) = Address::of(&base_url).filter(|parts| parts.by_http).map(|parts| parts.host().to_owned()) else {
            return Err(unclear(kind, &format!("the base_url {base_url:?} does not begin with https://HOST")));
        };
        let repository = match (&settings.repository, parts) {
            (Some(repository), _) => repository.trim_matches('/').to_owned(),
            (None, Some(parts)) => match under(&base_url).filter(|_| parts.by_http) {
                // A forge that is not at the root of its host has its repositories below the same path.
                Some(under) => parts.path.strip_prefix(&format!("{under}/")).unwrap_or(&parts.path).to_owned(),
                None => parts.path,
            },
            (None, None) => return Err(unclear(kind, &format!("{url} names no repository of a forge; set repository"))),
        };
        let whole = |part: &str| !part.is_empty() && part != "." && part != "..";
        if !repository.contains('/') || !repository.split('/').all(whole) {
            return Err(unclear(kind, &format!("the repository {repository:?} is not written OWNER/NAME")));
        }
        Ok(Self { base_url, host, repository })
    }

    /// Where repositories are in no groups.
    fn owner_and_name(&self, kind: Kind) -> Result<(&str, &str), ForgeError> {
        let parts = self.repository.split_once('/').filter(|(_, name)| !name.contains('/'));
        parts.ok_or_else(|| unclear(kind, &format!("the repository {:?} is not written OWNER/NAME", self.repository)))
    }

    /// What GitHub's `/graphql` is under: beside `/v3` on Enterprise Server.
    fn graph_url(&self) -> &str {
        self.base_url.strip_suffix("/v3").unwrap_or(&self.base_url)
    }
}

/// What stands before the API's path, where it is not at the root of its host: `code` of `https://git.example.com/code/api/v4`.
pub(crate) fn under(base_url: &str) -> Option<String> {
    let path = Address::of(base_url).filter(|parts| parts.by_http)?.path;
    let under = path.split_once("api/").map_or("", |(under, _)| under.trim_end_matches('/'));
    (!under.is_empty()).then(|| under.to_owned())
}

fn unclear(kind: Kind, why: &str) -> ForgeError {
    let (what, class) = ("finding the repository's API".to_owned(), FailureClass::Own);
    ForgeError::Api { forge: format!("{kind:?}"), what, why: why.to_owned(), class }
}

/// Where something is on the web: a repository, by whatever way Git goes to it, or an API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Where web pages of the same host are: `https://git.example.com:8443`; by http only where the address is.
    pub origin: String,
    /// The path on it, without slashes around it and without `.git`.
    pub path: String,
    /// Whether it is an address of the web itself, whose port is the web's.
    pub by_http: bool,
}

impl Address {
    /// `https://host:port/path.git`, `ssh://user@host:port/path`, `user@host:path`; `None` for a path on this machine.
    #[must_use]
    pub fn of(url: &str) -> Option<Self> {
        let (scheme, rest) = match url.split_once("://") {
            Some((scheme, rest)) => (scheme, rest.to_owned()),
            // What stands before the colon must be a host: a path with a colon begins with a slash, or a dot.
            None => {
                let (host, path) = url.split_once(':').filter(|(host, _)| !host.contains('/') && !host.starts_with('.'))?;
                ("ssh", format!("{host}/{path}"))
            }
        };
        let (authority, path) = rest.split_once('/').unwrap_or((&rest, ""));
        let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let by_http = matches!(scheme, "http" | "https");
        // A port of ssh is none of the web's.
        let host = if by_http { authority } else { authority.split(':').next().unwrap_or_default() };
        if host.is_empty() || !(by_http || matches!(scheme, "ssh" | "git" | "git+ssh" | "ssh+git")) {
            return None;
        }
        let origin = format!("{}://{host}", if scheme == "http" { "http" } else { "https" });
        let path = path.trim_matches('/');
        Some(Self { origin, path: path.strip_suffix(".git").unwrap_or(path).to_owned(), by_http })
    }

    /// Whether both are on one host. Ports tell servers of one host apart where both are addresses of the web.
    #[must_use]
    pub fn is_on_host_of(&self, other: &Self) -> bool {
        let by_port = self.by_http && other.by_http;
        let (one, two) = if by_port { (self.host(), other.host()) } else { (self.hostname(), other.hostname()) };
        one.eq_ignore_ascii_case(two)
    }

    fn host(&self) -> &str {
        self.origin.split_once("://").map_or("", |(_, host)| host)
    }

    /// The host without its port.
    pub(crate) fn hostname(&self) -> &str {
        let host = self.host();
        host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit())).map_or(host, |(name, _)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings {
            base_url: None,
            repository: None,
            token: SecretString::from("hunter2").into(),
            ca_file: None,
            patience: Span::from_secs(1),
        }
    }

    fn place(kind: Kind, url: &str) -> Result<(String, String), ForgeError> {
        Place::find(kind, &settings(), &RepoUrl::new(url).unwrap()).map(|place| (place.base_url, place.repository))
    }

    #[test]
    fn where_the_api_is_follows_from_where_the_repository_is() {
        let expected = |base: &str, repository: &str| (base.to_owned(), repository.to_owned());
        for (kind, url, base, repository) in [
            (Kind::GitHub, "https://github.com/org/config.git", "https://api.github.com", "org/config"),
            (Kind::GitHub, "git@github.example.com:org/config.git", "https://github.example.com/api/v3", "org/config"),
            (
                Kind::GitLab,
                "ssh://git@gitlab.example.com:2222/group/sub/config.git",
                "https://gitlab.example.com/api/v4",
                "group/sub/config",
            ),
            (Kind::GitLab, "https://user:pw@gitlab.example.com:8443/g/c/", "https://gitlab.example.com:8443/api/v4", "g/c"),
            (Kind::Forgejo, "http://127.0.0.1:3000/org/config", "http://127.0.0.1:3000/api/v1", "org/config"),
        ] {
            assert_eq!(place(kind, url).unwrap(), expected(base, repository), "{url}");
        }
    }

    #[test]
    fn graphql_is_beside_the_rest_of_enterprise_server_and_under_it_on_github_com() {
        for (url, graph) in [
            ("https://github.com/org/config", "https://api.github.com"),
            ("https://github.example.com/org/config", "https://github.example.com/api"),
        ] {
            let place = Place::find(Kind::GitHub, &settings(), &RepoUrl::new(url).unwrap()).unwrap();
            assert_eq!((place.graph_url(), place.owner_and_name(Kind::GitHub).unwrap()), (graph, ("org", "config")));
        }
        let grouped = RepoUrl::new("https://github.com/org/team/config").unwrap();
        let error = Place::find(Kind::GitHub, &settings(), &grouped).unwrap().owner_and_name(Kind::GitHub).unwrap_err();
        assert!(error.to_string().contains("OWNER/NAME"), "{error}");
    }

    #[test]
    fn what_cannot_be_known_is_asked_for() {
        for (url, word) in
            [("/srv/git/config.git", "base_url"), ("file:///srv/config.git", "base_url"), ("https://host/config.git", "OWNER/NAME")]
        {
            let error = place(Kind::Forgejo, url).unwrap_err();
            assert!(error.to_string().contains(word) && error.class() == FailureClass::Own, "{url}: {error}");
        }
        let bad = Settings { base_url: Some("git.example.com".to_owned()), repository: Some("a/b".to_owned()), ..settings() };
        let error = Place::find(Kind::GitLab, &bad, &RepoUrl::new("/srv/config.git").unwrap()).unwrap_err();
        assert!(error.to_string().contains("https://HOST"), "{error}");
        let bad = Settings { repository: Some("../b".to_owned()), base_url: Some("https://host".to_owned()), ..settings() };
        assert!(Place::find(Kind::GitLab, &bad, &RepoUrl::new("/srv/config.git").unwrap()).is_err());
    }

    #[test]
    fn hosts_are_told_apart_by_their_ports_where_both_are_the_webs() {
        let of = |text: &str| Address::of(text).unwrap();
        for (one, two, same) in [
            ("https://git.example.com/org/web.git", "https://Git.example.com/org/config", true),
            ("git@git.example.com:org/web", "https://git.example.com:8443/org/config", true),
            ("ssh://git@git.example.com:2222/org/web", "git@git.example.com:org/config", true),
            ("https://git.example.com:8443/org/web", "https://git.example.com/org/config", false),
            ("https://git.example.com/org/web", "https://git.example.org/org/config", false),
            ("git@github.com:org/web", "git@github.com.evil:org/config", false),
        ] {
            assert_eq!((of(one).is_on_host_of(&of(two)), of(two).is_on_host_of(&of(one))), (same, same), "{one} {two}");
        }
        assert_eq!(Address::of("/srv/git/web.git"), None);
    }

    #[test]
    fn a_forge_below_a_path_has_its_repositories_there_too() {
        let below = Settings { base_url: Some("https://git.example.com/code/api/v4/".to_owned()), ..settings() };
        for (url, repository) in [
            ("https://git.example.com/code/group/web.git", "group/web"),
            ("https://git.example.com/codex/web.git", "codex/web"),
            ("git@git.example.com:code/web.git", "code/web"),
        ] {
            assert_eq!(Place::find(Kind::GitLab, &below, &RepoUrl::new(url).unwrap()).unwrap().repository, repository, "{url}");
        }
    }

    #[test]
    fn nothing_shows_the_token() {
        assert!(!format!("{:?}", settings()).contains("hunter2"));
    }
}
