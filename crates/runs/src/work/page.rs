//! What people read on the page of a change of Towpath's own: what moves, why now, what is deployed where, and how to stop it.
//!
//! Made of what the engine tells of the change, with links. What others wrote (subjects, names) stands as code: it mentions nobody, links
//! nothing and commands nothing.

use std::fmt::Write as _;

use towpath_domain::{CommitId, GitRef, Pages};
use towpath_engine::review::text::code;
use towpath_engine::{ChangeSpec, Moved, MovedTarget};
use towpath_forge::CommitPages;

/// How many hex digits of a commit people read.
const COMMIT_DIGITS: usize = 7;

/// How many targets are told; the rest are counted.
const TARGETS_TOLD: usize = 100;

/// The description of a change, as Markdown.
pub(super) fn of(spec: &ChangeSpec, pages: Option<&Pages>, commits: &CommitPages) -> String {
    let page = Page { pages, commits };
    let mut text = String::new();
    if spec.moved.is_empty() {
        text.push_str(spec.description.trim());
        text.push('\n');
    } else {
        page.targets(&mut text, &spec.moved);
        page.vouchers(&mut text, &spec.moved);
        spec.moved.iter().for_each(|moved| page.commits(&mut text, moved, spec.moved.len() > 1));
    }
    page.stop(&mut text, spec);
    text
}

struct Page<'a> {
    pages: Option<&'a Pages>,
    commits: &'a CommitPages,
}

impl Page<'_> {
    /// What is deployed where once it is merged.
    fn targets(&self, text: &mut String, all: &[Moved]) {
        text.push_str("### What is deployed where\n\n");
        let targets: Vec<(&Moved, &MovedTarget)> =
            all.iter().flat_map(|moved| moved.targets.iter().map(move |target| (moved, target))).collect();
        for (moved, target) in targets.iter().take(TARGETS_TOLD) {
            let title = linked(code(&target.title), self.pages.map(|pages| pages.target(&target.target)));
            let from = match &target.from {
                GitRef::Commit(commit) if commit.is_null() => "nothing".to_owned(),
                GitRef::Commit(commit) => self.commit(moved, *commit),
                GitRef::Branch(branch) => code(branch.as_str()),
            };
            let (namespace, cluster) = (code(target.namespace.as_str()), code(target.cluster.as_str()));
            let to = self.commit(moved, moved.to);
            let _ = writeln!(text, "- {title}: {from} → {to}, in namespace {namespace} of cluster {cluster}");
        }
        and_more(text, targets.len().saturating_sub(TARGETS_TOLD));
    }

    /// Why now.
    fn vouchers(&self, text: &mut String, all: &[Moved]) {
        let mut vouchers: Vec<_> = all.iter().flat_map(|moved| &moved.vouchers).collect();
        vouchers.sort();
        vouchers.dedup();
        if vouchers.is_empty() {
            return;
        }
        text.push_str("\n### Vouched for by\n\n");
        for vouched in vouchers {
            let title = linked(code(&vouched.title), self.pages.map(|pages| pages.target(&vouched.target)));
            let run = linked(code(vouched.run.as_str()), self.pages.map(|pages| pages.run(&vouched.run)));
            let _ = writeln!(text, "- {title} for channel {}, by run {run}, well since {}", code(vouched.channel.as_str()), vouched.since);
        }
    }

    /// What comes with it.
    fn commits(&self, text: &mut String, moved: &Moved, several: bool) {
        if moved.commits.is_empty() {
            return;
        }
        let of = if several { format!(" of {}", code(&moved.repository.to_string())) } else { String::new() };
        let _ = write!(text, "\n### Commits{of}, newest first\n\n");
        for commit in &moved.commits {
            let way = self.pages.map(|pages| format!(" ([its way]({}))", pages.commit(commit.id))).unwrap_or_default();
            let _ = writeln!(text, "- {} {} by {}{way}", self.commit(moved, commit.id), code(&commit.subject), code(&commit.author));
        }
        and_more(text, moved.more);
    }

    fn stop(&self, text: &mut String, spec: &ChangeSpec) {
        text.push_str("\n### How to stop it\n\n");
        text.push_str("- Comment `/hold` and why; `/hold cancel` lets it go on.\n");
        let _ = writeln!(text, "- Close it: it stays closed until somebody asks for it, by `towpath retry {} --reason …`.", spec.id);
        let mut titles = spec.moved.iter().flat_map(|moved| &moved.targets).map(|target| &target.title);
        match (titles.next(), titles.next()) {
            (Some(only), None) => {
                let _ = writeln!(text, "- {} holds what comes after it, too.", code(&format!("towpath hold '{only}' --reason …")));
            }
            (Some(_), Some(_)) => text.push_str("- `towpath hold TARGET --reason …` holds what comes after it to a target, too.\n"),
            (None, _) => {}
        }
        if let Some(pages) = self.pages {
            let _ = write!(text, "\n[How this change stands]({})\n", pages.change(&spec.id));
        }
    }

    /// A commit, with its page where its repository's forge has one.
    fn commit(&self, moved: &Moved, commit: CommitId) -> String {
        linked(code(&commit.short(COMMIT_DIGITS)), self.commits.of(&moved.repository, commit))
    }
}

fn linked(text: String, address: Option<String>) -> String {
    match address {
        Some(address) => format!("[{text}]({address})"),
        None => text,
    }
}

fn and_more(text: &mut String, more: usize) {
    if more > 0 {
        let _ = writeln!(text, "- and {more} more");
    }
}

#[cfg(test)]
mod tests {
    use towpath_domain::{ChangeId, Channel, ClusterName, NamespaceName, RepoUrl, RunId, TargetId, Timestamp};
    use towpath_engine::{ChangeKind, CommitInfo, Vouched, change_spec};

    use super::*;

    fn commit(digit: char) -> CommitId {
        digit.to_string().repeat(40).parse().unwrap()
    }

    fn promotion(repository: &str, subject: &str) -> ChangeSpec {
        let spec = change_spec(ChangeKind::Promotion, "web", Vec::new(), "Promote web".to_owned(), "text".to_owned(), "towpath".to_owned());
        let moved = Moved {
            repository: RepoUrl::new(repository).unwrap(),
            to: commit('b'),
            targets: vec![MovedTarget {
                target: TargetId::new("4f1a").unwrap(),
                title: "web/web/production/web".to_owned(),
                cluster: ClusterName::new("prod-1").unwrap(),
                namespace: NamespaceName::new("web").unwrap(),
                from: GitRef::Commit(commit('a')),
            }],
            vouchers: vec![Vouched {
                title: "web-test/smoke/stage/web".to_owned(),
                target: TargetId::new("77aa").unwrap(),
                channel: Channel::new("tested").unwrap(),
                run: RunId::new("deploy-web-test-1").unwrap(),
                since: Timestamp::from_millis(1_700_000_000_000),
            }],
            commits: vec![CommitInfo { id: commit('b'), subject: subject.to_owned(), author: "Ann".to_owned(), at: Timestamp::default() }],
            more: 3,
        };
        ChangeSpec { id: ChangeId::new("promote-web-1").unwrap(), moved: vec![moved], ..spec }
    }

    #[test]
    fn a_promotion_tells_what_moves_why_now_what_is_deployed_where_and_how_to_stop_it_with_links() {
        let pages = Pages::new("https://towpath.example.com");
        let text = of(&promotion("https://github.com/org/web.git", "Fix the wharf"), Some(&pages), &CommitPages::default());
        let (a, b) = (commit('a'), commit('b'));
        assert_eq!(
            text,
            format!(
                "### What is deployed where\n\n\
                 - [`web/web/production/web`](https://towpath.example.com/targets/4f1a): [`aaaaaaa`](https://github.com/org/web/commit/{a}) → \
                 [`bbbbbbb`](https://github.com/org/web/commit/{b}), in namespace `web` of cluster `prod-1`\n\
                 \n### Vouched for by\n\n\
                 - [`web-test/smoke/stage/web`](https://towpath.example.com/targets/77aa) for channel `tested`, by run \
                 [`deploy-web-test-1`](https://towpath.example.com/runs/deploy-web-test-1), well since {}\n\
                 \n### Commits, newest first\n\n\
                 - [`bbbbbbb`](https://github.com/org/web/commit/{b}) `Fix the wharf` by `Ann` ([its way](https://towpath.example.com/commits/{b}))\n\
                 - and 3 more\n\
                 \n### How to stop it\n\n\
                 - Comment `/hold` and why; `/hold cancel` lets it go on.\n\
                 - Close it: it stays closed until somebody asks for it, by `towpath retry promote-web-1 --reason …`.\n\
                 - `towpath hold 'web/web/production/web' --reason …` holds what comes after it, too.\n\
                 \n[How this change stands](https://towpath.example.com/changes/promote-web-1)\n",
                Timestamp::from_millis(1_700_000_000_000),
            )
        );
    }

    #[test]
    fn without_an_address_and_from_a_folder_there_is_the_same_without_links() {
        let text = of(&promotion("/srv/git/web.git", "Fix the wharf"), None, &CommitPages::default());
        assert!(!text.contains("](") && text.contains("- `web/web/production/web`: `aaaaaaa` → `bbbbbbb`, in namespace"), "{text}");
        assert!(text.contains("- `bbbbbbb` `Fix the wharf` by `Ann`\n"), "{text}");
    }

    #[test]
    fn a_commits_subject_mentions_nobody_and_ends_no_code() {
        let text = of(&promotion("/srv/git/web.git", "`@team` [x](http://evil)\n/merge"), None, &CommitPages::default());
        let line = text.lines().find(|line| line.contains("@team")).unwrap();
        assert_eq!(line, "- `bbbbbbb` `'@team' [x](http://evil) /merge` by `Ann`");
    }

    #[test]
    fn what_a_person_asked_for_keeps_its_words() {
        let spec = change_spec(ChangeKind::Hold, "web", Vec::new(), "Hold web".to_owned(), "The sale begins.".to_owned(), "ada".to_owned());
        let text = of(&spec, None, &CommitPages::default());
        assert!(text.starts_with("The sale begins.\n\n### How to stop it") && !text.contains("towpath hold"), "{text}");
    }
}
