//! Commits as people know them, found fast however many repositories there are.

use std::cell::OnceCell;
use std::collections::HashMap;

use towpath_domain::{CommitId, RepoUrl};
use towpath_engine::{BranchFact, CommitInfo, Facts};

use crate::view::CommitView;

/// What is known of commits, for one answer: making it costs one pass over the branches, not over their commits.
pub(crate) struct Commits<'a> {
    facts: &'a Facts,
    repositories: HashMap<&'a RepoUrl, Vec<&'a BranchFact>>,
    /// All of them, made when the first one is asked for whose repository is not known.
    all: OnceCell<HashMap<CommitId, &'a CommitInfo>>,
}

impl<'a> Commits<'a> {
    pub(crate) fn new(facts: &'a Facts) -> Self {
        let mut repositories: HashMap<&RepoUrl, Vec<&BranchFact>> = HashMap::with_capacity(facts.branches.len());
        for ((url, _), branch) in &facts.branches {
            repositories.entry(url).or_default().push(branch);
        }
        Self { facts, repositories, all: OnceCell::new() }
    }

    /// A commit of a repository, with what is known of it; of whichever one has it when none is named.
    pub(crate) fn view(&self, url: Option<&RepoUrl>, id: CommitId) -> CommitView {
        let known = match url {
            Some(url) => self.repositories.get(url).and_then(|all| all.iter().find_map(|b| b.commits.iter().find(|c| c.id == id))),
            None => self.all.get_or_init(|| self.index()).get(&id).copied(),
        };
        CommitView { id, subject: known.map(|c| c.subject.clone()), author: known.map(|c| c.author.clone()), at: known.map(|c| c.at) }
    }

    fn index(&self) -> HashMap<CommitId, &'a CommitInfo> {
        self.facts.branches.values().flat_map(|branch| &branch.commits).map(|commit| (commit.id, commit)).collect()
    }
}

/// A commit of whichever repository has it: for a single question.
pub(crate) fn commit_anywhere(facts: &Facts, id: CommitId) -> CommitView {
    let known = facts.branches.values().find_map(|b| b.commits.iter().find(|c| c.id == id));
    CommitView { id, subject: known.map(|c| c.subject.clone()), author: known.map(|c| c.author.clone()), at: known.map(|c| c.at) }
}

#[cfg(test)]
mod tests {
    use towpath_domain::{BranchName, Timestamp};
    use towpath_engine::Event;

    use super::*;

    #[test]
    fn a_commit_is_found_in_its_repository_and_anywhere_and_an_unknown_one_has_only_its_id() {
        let mut facts = Facts::default();
        let id = |digit: &str| -> CommitId { digit.repeat(40).parse().unwrap() };
        let url = |name: &str| RepoUrl::new(format!("https://git.example.com/{name}")).unwrap();
        for (name, digit) in [("a", "a"), ("b", "b")] {
            let at = Timestamp::from_millis(7);
            let commits = vec![CommitInfo { id: id(digit), subject: format!("In {name}"), author: "Ada".to_owned(), at }];
            facts.apply(at, &Event::BranchSeen { url: url(name), branch: BranchName::new("main").unwrap(), commits });
        }
        let commits = Commits::new(&facts);
        assert_eq!(commits.view(Some(&url("a")), id("a")).subject.as_deref(), Some("In a"));
        assert_eq!(commits.view(Some(&url("b")), id("a")).subject, None);
        assert_eq!(commits.view(None, id("b")), commit_anywhere(&facts, id("b")));
        assert_eq!(commits.view(None, id("c")), commit_anywhere(&facts, id("c")));
        assert_eq!(commits.view(None, id("b")).subject.as_deref(), Some("In b"));
    }
}
