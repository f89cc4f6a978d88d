//! Where people find what Towpath knows: the addresses of its pages.

use std::fmt::Display;
use std::sync::Arc;

use crate::{ChangeId, CheckId, CommitId, RunId, TargetId};

/// Makes the addresses of pages: the one place that knows them. They stand in messages, statuses and descriptions for years, so they never change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pages(Arc<str>);

impl Pages {
    /// Pages below this address, such as `https://towpath.example.com`.
    #[must_use]
    pub fn new(base: &str) -> Self {
        Self(Arc::from(base.trim_end_matches('/')))
    }

    /// A run: its steps and its log.
    #[must_use]
    pub fn run(&self, run: &RunId) -> String {
        self.page("runs", run)
    }

    /// A commit of a source, and how far it came.
    #[must_use]
    pub fn commit(&self, commit: CommitId) -> String {
        self.page("commits", &commit)
    }

    /// A change to the config repository. One that a person opened on a forge has the id `pull-` and its number there.
    #[must_use]
    pub fn change(&self, change: &ChangeId) -> String {
        self.page("changes", change)
    }

    /// A target.
    #[must_use]
    pub fn target(&self, target: &TargetId) -> String {
        self.page("targets", target)
    }

    /// A pull request of a source, and how its checks stand.
    #[must_use]
    pub fn check(&self, check: &CheckId) -> String {
        self.page("checks", check)
    }

    /// Ephemeral namespaces, and who has them.
    #[must_use]
    pub fn namespaces(&self) -> String {
        format!("{}/namespaces", self.0)
    }

    fn page(&self, kind: &str, id: &dyn Display) -> String {
        format!("{}/{kind}/{}", self.0, segment(&id.to_string()))
    }
}

/// A name as one segment of a URL's path (RFC 3986, section 2.3: all but unreserved characters encoded).
fn segment(name: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    name.bytes().map(|byte| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thing_has_its_page() {
        let pages = Pages::new("https://towpath.example.com/");
        let commit: CommitId = "5f8f0e1d2c3b4a5968778695a4b3c2d1e0f9a8b7".parse().unwrap();
        let base = "https://towpath.example.com";
        assert_eq!(pages.run(&RunId::new("build-web-1").unwrap()), format!("{base}/runs/build-web-1"));
        assert_eq!(pages.commit(commit), format!("{base}/commits/{commit}"));
        assert_eq!(pages.change(&ChangeId::new("pull-12").unwrap()), format!("{base}/changes/pull-12"));
        assert_eq!(pages.target(&TargetId::new("web").unwrap()), format!("{base}/targets/web"));
        assert_eq!(pages.check(&CheckId::new("web#17").unwrap()), format!("{base}/checks/web%2317"));
    }

    #[test]
    fn a_name_is_one_segment_whatever_it_holds() {
        let pages = Pages::new("https://h/towpath");
        for (name, segment) in [("a/b?c#d", "a%2Fb%3Fc%23d"), ("a b)ü", "a%20b%29%C3%BC"), ("v1.2~x_y", "v1.2~x_y")] {
            assert_eq!(pages.target(&TargetId::new(name).unwrap()), format!("https://h/towpath/targets/{segment}"), "{name}");
        }
    }
}
