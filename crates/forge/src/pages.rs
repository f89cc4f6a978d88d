//! Where people see commits: on the web pages of the forge that a repository is on, as far as its URL tells which that is.

use towpath_domain::{CommitId, RepoUrl};

use crate::Kind;
use crate::connect::{Address, under};

/// Hosts that everybody knows.
const KNOWN: [(&str, Kind); 3] = [("github.com", Kind::GitHub), ("gitlab.com", Kind::GitLab), ("codeberg.org", Kind::Forgejo)];

/// What installations call their host in front of their domain.
const CALLED: [(&str, Kind); 4] =
    [("github", Kind::GitHub), ("gitlab", Kind::GitLab), ("forgejo", Kind::Forgejo), ("gitea", Kind::Forgejo)];

/// Makes the addresses of commits' pages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommitPages {
    /// The forges that are known: the host of each without a port, where its pages begin, and what kind it is.
    own: Vec<(String, String, Kind)>,
}

impl CommitPages {
    /// Beside those that their names tell, `own` are known: forges of these kinds, each by the address of its API, or of a repository on it. Of
    /// several on one host the first counts.
    #[must_use]
    pub fn new<'a>(own: impl IntoIterator<Item = (Kind, &'a str)>) -> Self {
        let known = |(kind, address)| {
            let parts = Address::of(address)?;
            // What stands before the API's path is before the pages' paths, too.
            let under = under(address);
            let root = under.as_ref().map_or_else(|| parts.origin.clone(), |under| format!("{}/{under}", parts.origin));
            // github.com and its like have their API on a host of its own, and nothing else there.
            let host = parts.hostname().to_owned();
            match host.strip_prefix("api.").filter(|_| kind == Kind::GitHub && under.is_none()) {
                Some(host) => Some((host.to_owned(), format!("https://{host}"), kind)),
                None => Some((host, root, kind)),
            }
        };
        Self { own: own.into_iter().filter_map(known).collect() }
    }

    /// The page of a commit; `None` where nothing says that there is one: for a folder, or a host of which nobody knows what runs there.
    #[must_use]
    pub fn of(&self, repository: &RepoUrl, commit: CommitId) -> Option<String> {
        let parts = Address::of(repository.expose())?;
        let whole = |part: &str| !part.is_empty() && part != "." && part != "..";
        if !parts.path.contains('/') || !parts.path.split('/').all(whole) {
            return None;
        }
        let (kind, root) = self.place(&parts)?;
        let path = parts.path.split('/').map(segment).collect::<Vec<_>>().join("/");
        let commits = if kind == Kind::GitLab { "-/commit" } else { "commit" };
        Some(format!("{root}/{path}/{commits}/{commit}"))
    }

    /// What runs on a repository's host, and where its pages begin.
    fn place(&self, parts: &Address) -> Option<(Kind, String)> {
        let host = parts.hostname();
        // A host is taken for what it looks like only if it looks like one.
        if !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.:[]".contains(&byte)) {
            return None;
        }
        if let Some((_, root, kind)) = self.own.iter().find(|(own, ..)| own.eq_ignore_ascii_case(host)) {
            return Some((*kind, if parts.by_http { parts.origin.clone() } else { root.clone() }));
        }
        let first = host.split('.').next().filter(|first| first.len() < host.len()).unwrap_or_default();
        let known = KNOWN.iter().find(|(name, _)| name.eq_ignore_ascii_case(host));
        let (_, kind) = known.or_else(|| CALLED.iter().find(|(name, _)| name.eq_ignore_ascii_case(first)))?;
        Some((*kind, parts.origin.clone()))
    }
}

/// A part of a path as Git's URL has it: what is encoded stays so, and nothing in it ends a link.
fn segment(part: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte);
    part.bytes().map(|byte| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "5f8f0e1d2c3b4a5968778695a4b3c2d1e0f9a8b7";

    fn page(own: Option<(Kind, &str)>, url: &str) -> Option<String> {
        let page = CommitPages::new(own).of(&RepoUrl::new(url).unwrap(), COMMIT.parse().unwrap())?;
        Some(page.strip_suffix(COMMIT).unwrap().to_owned())
    }

    #[test]
    fn a_commit_has_a_page_where_the_url_tells_which_forge_it_is_on() {
        for (url, wanted) in [
            ("https://github.com/org/web.git", "https://github.com/org/web/commit/"),
            ("git@github.com:org/web.git", "https://github.com/org/web/commit/"),
            ("ssh://git@gitlab.com:22/group/sub/web", "https://gitlab.com/group/sub/web/-/commit/"),
            ("https://token:secret@gitlab.example.com:8443/group/web.git", "https://gitlab.example.com:8443/group/web/-/commit/"),
            ("https://codeberg.org/org/web", "https://codeberg.org/org/web/commit/"),
            ("http://gitea.local:3000/org/we)b", "http://gitea.local:3000/org/we%29b/commit/"),
        ] {
            assert_eq!(page(None, url).as_deref(), Some(wanted), "{url}");
        }
    }

    #[test]
    fn what_nobody_knows_has_none() {
        for url in [
            "/srv/git/web.git",
            "file:///srv/git/web.git",
            "https://git.example.com/org/web",
            "git@git.example.com:org/web",
            "https://github.com/web",
            "https://github.com/org/../web",
            "https://github/org/web",
        ] {
            assert_eq!(page(None, url), None, "{url}");
        }
    }

    #[test]
    fn what_is_on_the_config_repositorys_forge_is_known_by_that() {
        let own = Some((Kind::GitLab, "https://git.example.com:8443/code/api/v4"));
        let there = "https://git.example.com:8443/code/group/web/-/commit/";
        assert_eq!(page(own, "git@git.example.com:group/web.git").as_deref(), Some(there));
        assert_eq!(page(own, "https://git.example.com:8443/code/group/web.git").as_deref(), Some(there));
        assert_eq!(page(own, "https://other.example.com/group/web.git"), None);
        let own = Some((Kind::GitHub, "https://api.octo.ghe.com"));
        assert_eq!(page(own, "git@octo.ghe.com:org/web").as_deref(), Some("https://octo.ghe.com/org/web/commit/"));
        let own = Some((Kind::Forgejo, "ssh://git@git.example.com/org/config.git"));
        assert_eq!(page(own, "git@git.example.com:org/web").as_deref(), Some("https://git.example.com/org/web/commit/"));
    }
}
