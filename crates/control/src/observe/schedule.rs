//! When each repository is looked at next. Knows no clock and touches nothing: it is told the moment, and what a look came to.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use towpath_domain::{BranchName, RepoUrl};

use super::Pace;

/// A local repository that is not there or cannot be read is tried at a slower pace: nothing else would slow it down.
const LOCAL_REST: Duration = Duration::from_secs(2);

/// How many times slower than usual a remote one is looked at that failed again and again.
const LONGEST_REST: u32 = 8;

/// The most looks at remote repositories in a second, over a long time: each is a process and a connection.
const REMOTE_LOOKS_A_SECOND: u32 = 10;

/// Asking for local signatures takes at most one part in so many of the time.
const SHARE: u32 = 20;

/// Whether a forge may call the repository at `url` `name`: its path ends with it. The host is not compared: a forge has several names, and
/// another one's repository of that name is looked at in vain at most.
pub(crate) fn may_be_called(url: &RepoUrl, name: &str) -> bool {
    let path = url.expose().trim_end_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    let Some(before) = path.len().checked_sub(name.len()) else { return false };
    path.get(before..).is_some_and(|end| end.eq_ignore_ascii_case(name))
        && path.get(..before).is_some_and(|start| start.ends_with(['/', ':']))
}

/// What is looked at, and when next.
pub(super) struct Schedule {
    pace: Pace,
    /// Looked at before all others, and never at a slower pace.
    first: RepoUrl,
    repositories: BTreeMap<RepoUrl, Repository>,
    due: BTreeSet<(Instant, RepoUrl)>,
    /// How many are not on this machine, as far as known.
    remote: u32,
}

struct Repository {
    branches: BTreeSet<BranchName>,
    due: Instant,
    /// Its signature right before the last look; none for remote ones, and where none is.
    signature: Option<u64>,
    /// It is on this machine; not so before that was asked.
    local: bool,
    /// How often in a row the last looks failed.
    failures: u32,
    /// A look is under way.
    busy: bool,
    /// What was asked for while it was under way.
    again: bool,
    /// The next look is taken even when the signature says that nothing changed.
    forced: bool,
}

impl Repository {
    /// Never looked at, and due at once.
    fn new(branches: BTreeSet<BranchName>, now: Instant) -> Self {
        Self { branches, due: now, signature: None, local: false, failures: 0, busy: false, again: false, forced: true }
    }
}

/// One look that is to be taken.
pub(super) struct Look {
    pub url: RepoUrl,
    pub branches: BTreeSet<BranchName>,
    /// It is there, on this machine.
    pub local: bool,
}

impl Schedule {
    pub fn new(pace: Pace, first: RepoUrl) -> Self {
        Self { pace, first, repositories: BTreeMap::new(), due: BTreeSet::new(), remote: 0 }
    }

    /// Looks at these from now on: at new ones, and at new branches of known ones, right away.
    pub fn watch(&mut self, wanted: BTreeMap<RepoUrl, BTreeSet<BranchName>>, now: Instant) {
        let gone: Vec<RepoUrl> = self.repositories.keys().filter(|url| !wanted.contains_key(url)).cloned().collect();
        for url in gone {
            if let Some(repository) = self.repositories.remove(&url) {
                self.remote = self.remote.saturating_sub(u32::from(!repository.local));
                self.due.remove(&(repository.due, url));
            }
        }
        for (url, branches) in wanted {
            match self.repositories.get_mut(&url) {
                Some(known) if known.branches == branches => {}
                Some(known) => {
                    known.branches = branches;
                    self.hurry(&url, now);
                }
                None => {
                    let repository = Repository::new(branches, now);
                    self.remote = self.remote.saturating_add(1);
                    self.due.insert((now, url.clone()));
                    self.repositories.insert(url, repository);
                }
            }
        }
    }

    /// Looks at everything right away.
    pub fn hurry_all(&mut self, now: Instant) {
        let all: Vec<RepoUrl> = self.repositories.keys().cloned().collect();
        all.iter().for_each(|url| self.hurry(url, now));
    }

    /// Looks right away at those that may be called one of `names`.
    pub fn hurry_named(&mut self, names: &BTreeSet<String>, now: Instant) {
        let meant = |url: &&RepoUrl| names.iter().any(|name| may_be_called(url, name));
        let meant: Vec<RepoUrl> = self.repositories.keys().filter(meant).cloned().collect();
        meant.iter().for_each(|url| self.hurry(url, now));
    }

    /// Looks at one right away.
    pub fn hurry(&mut self, url: &RepoUrl, now: Instant) {
        let Some(repository) = self.repositories.get_mut(url) else { return };
        repository.forced = true;
        if repository.busy {
            repository.again = true;
            return;
        }
        self.due.remove(&(repository.due, url.clone()));
        repository.due = now;
        self.due.insert((now, url.clone()));
    }

    /// When the next one is due.
    pub fn next(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Takes out what is due. [`Self::begin`] is to be asked about each.
    pub fn take_due(&mut self, now: Instant) -> Vec<RepoUrl> {
        let mut taken = Vec::new();
        while self.next().is_some_and(|at| at <= now)
            && let Some((_, url)) = self.due.pop_first()
        {
            taken.push(url);
        }
        if let Some(at) = taken.iter().position(|url| *url == self.first) {
            taken.swap(0, at);
        }
        taken
    }

    /// Whether a look is to be taken at a repository, which is on this machine or not and has this signature just now. When none is, the next
    /// time that it is asked about is settled.
    pub fn begin(&mut self, url: &RepoUrl, local: bool, signature: Option<u64>, now: Instant) -> Option<Look> {
        let repository = self.repositories.get_mut(url)?;
        if repository.local != local {
            self.remote = if local { self.remote.saturating_sub(1) } else { self.remote.saturating_add(1) };
            repository.local = local;
        }
        // One that is still not there needs no second look; one that is there and could not be read does.
        let the_same = local && signature == repository.signature && (repository.failures == 0 || signature.is_none());
        if the_same && !repository.forced {
            let pause = if repository.failures == 0 { self.pace.local.to_std() } else { LOCAL_REST };
            self.at(url, now + pause);
            return None;
        }
        repository.signature = signature;
        repository.busy = true;
        repository.forced = false;
        Some(Look { url: url.clone(), branches: repository.branches.clone(), local: signature.is_some() })
    }

    /// A look is over.
    pub fn done(&mut self, url: &RepoUrl, reached: bool, now: Instant) {
        let remote_pace = self.remote_pace(url);
        let Some(repository) = self.repositories.get_mut(url) else { return };
        repository.busy = false;
        repository.failures = if reached { 0 } else { repository.failures.saturating_add(1) };
        let pause = match (repository.local, reached) {
            (true, true) => self.pace.local.to_std(),
            (true, false) => LOCAL_REST,
            (false, true) => remote_pace,
            (false, false) if *url == self.first => remote_pace,
            (false, false) => remote_pace * 2_u32.saturating_pow(repository.failures.min(8)).min(LONGEST_REST),
        };
        let again = std::mem::take(&mut repository.again);
        self.at(url, if again { now } else { now + pause });
    }

    /// Asking for the signatures of all that was due took so long: when there are very many, they are asked less often.
    pub fn asking_took(&mut self, took: Duration, now: Instant) {
        let earliest = now + took * SHARE;
        let soon: Vec<(Instant, RepoUrl)> = self.due.iter().take_while(|(at, _)| *at < earliest).cloned().collect();
        for (at, url) in soon {
            let quiet = self.repositories.get(&url).is_some_and(|r| r.local && !r.forced);
            if quiet && self.due.remove(&(at, url.clone())) {
                self.at(&url, earliest);
            }
        }
    }

    fn remote_pace(&self, url: &RepoUrl) -> Duration {
        let pace = self.pace.remote.to_std();
        if *url == self.first { pace } else { pace.max(Duration::from_secs(1) * self.remote / REMOTE_LOOKS_A_SECOND) }
    }

    fn at(&mut self, url: &RepoUrl, at: Instant) {
        if let Some(repository) = self.repositories.get_mut(url) {
            repository.due = at;
            self.due.insert((at, url.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use towpath_domain::Span;

    use super::*;

    const CONFIG: &str = "/srv/config.git";

    fn url(text: &str) -> RepoUrl {
        RepoUrl::new(text).unwrap()
    }

    fn pace() -> Pace {
        Pace { local: Span::from_millis(50), remote: Span::from_secs(30) }
    }

    fn wanted(urls: &[&str]) -> BTreeMap<RepoUrl, BTreeSet<BranchName>> {
        urls.iter().map(|text| (url(text), BTreeSet::from([BranchName::new("main").unwrap()]))).collect()
    }

    fn watching(urls: &[&str], now: Instant) -> Schedule {
        let mut schedule = Schedule::new(pace(), url(CONFIG));
        schedule.watch(wanted(urls), now);
        schedule
    }

    /// Everything that is due is looked at and found as `signature` says; the names of what was really looked at.
    fn look(schedule: &mut Schedule, signature: Option<u64>, reached: bool, now: Instant) -> Vec<String> {
        let due = schedule.take_due(now);
        let looks: Vec<Look> = due.iter().filter_map(|url| schedule.begin(url, !url.expose().contains("://"), signature, now)).collect();
        looks.iter().for_each(|look| schedule.done(&look.url, reached, now));
        looks.into_iter().map(|look| look.url.to_string()).collect()
    }

    #[test]
    fn a_local_repository_is_looked_at_when_its_signature_changes_and_only_then() {
        let now = Instant::now();
        let mut schedule = watching(&["/a"], now);
        assert_eq!(look(&mut schedule, Some(1), true, now), ["/a"]);
        assert_eq!(schedule.next(), Some(now + Duration::from_millis(50)));
        let later = now + Duration::from_millis(50);
        assert!(look(&mut schedule, Some(1), true, later).is_empty());
        assert_eq!(look(&mut schedule, Some(2), true, later + Duration::from_millis(50)), ["/a"]);
    }

    #[test]
    fn a_local_repository_that_cannot_be_read_is_tried_again_every_two_seconds() {
        let now = Instant::now();
        let mut schedule = watching(&["/a"], now);
        look(&mut schedule, Some(1), false, now);
        assert_eq!(schedule.next(), Some(now + LOCAL_REST));
        assert_eq!(look(&mut schedule, Some(1), true, now + LOCAL_REST), ["/a"], "although its signature is the same");
    }

    #[test]
    fn a_local_repository_that_is_not_there_is_looked_at_once_and_again_when_it_is_there() {
        let now = Instant::now();
        let mut schedule = watching(&["/a"], now);
        assert_eq!(look(&mut schedule, None, false, now), ["/a"]);
        assert!(look(&mut schedule, None, false, now + LOCAL_REST).is_empty());
        assert_eq!(look(&mut schedule, Some(1), true, now + 2 * LOCAL_REST), ["/a"]);
        assert_eq!(schedule.next(), Some(now + 2 * LOCAL_REST + Duration::from_millis(50)));
    }

    #[test]
    fn a_remote_repository_that_fails_is_asked_less_and_less_often_up_to_a_bound() {
        let now = Instant::now();
        let mut schedule = watching(&["https://h/a"], now);
        let mut at = now;
        for factor in [2, 4, 8, 8] {
            assert_eq!(look(&mut schedule, None, false, at).len(), 1);
            assert_eq!(schedule.next(), Some(at + Duration::from_secs(30) * factor));
            at = schedule.next().unwrap();
        }
        look(&mut schedule, None, true, at);
        assert_eq!(schedule.next(), Some(at + Duration::from_secs(30)), "one success is enough");
    }

    #[test]
    fn a_remote_config_repository_is_looked_at_first_and_at_its_own_pace_however_many_others_there_are() {
        let now = Instant::now();
        let many: Vec<String> = (0..3000).map(|n| format!("https://h/{n}")).collect();
        let mut urls: Vec<&str> = many.iter().map(String::as_str).collect();
        urls.push("https://z/config");
        let mut schedule = Schedule::new(pace(), url("https://z/config"));
        schedule.watch(wanted(&urls), now);
        let looked = look(&mut schedule, None, true, now);
        assert_eq!((looked.len(), looked[0].as_str()), (3001, "https://z/config"));
        let (first, config) = schedule.due.first().cloned().unwrap();
        assert_eq!((first, config), (now + Duration::from_secs(30), url("https://z/config")));
        assert_eq!(schedule.due.iter().nth(1).unwrap().0, now + Duration::from_millis(300_100), "ten looks a second");
    }

    #[test]
    fn what_is_asked_for_during_a_look_is_looked_at_right_after_it() {
        let now = Instant::now();
        let mut schedule = watching(&["/a"], now);
        let due = schedule.take_due(now);
        assert!(schedule.begin(&due[0], true, Some(1), now).is_some());
        schedule.hurry(&url("/a"), now);
        assert_eq!(schedule.next(), None, "it is under way");
        schedule.done(&url("/a"), true, now);
        assert_eq!(look(&mut schedule, Some(1), true, now), ["/a"]);
    }

    #[test]
    fn a_repository_is_looked_at_by_the_name_that_its_forge_gives_it() {
        let now = Instant::now();
        let all = [
            "https://t@git.example.com/org/web.git",
            "git@git.example.com:org/web",
            "/srv/org/web/",
            "https://x/my-org/web",
            "https://x/org/web/api",
            "org/web",
        ];
        let mut schedule = watching(&all, now);
        look(&mut schedule, Some(1), true, now);
        schedule.hurry_named(&["Org/Web".to_owned(), "none/such".to_owned(), String::new()].into(), now);
        assert_eq!(
            look(&mut schedule, Some(1), true, now),
            ["/srv/org/web/", "git@git.example.com:org/web", "https://…@git.example.com/org/web.git"]
        );
    }

    #[test]
    fn a_new_repository_and_a_new_branch_are_looked_at_at_once_and_nothing_else_is() {
        let now = Instant::now();
        let mut schedule = watching(&["/a", "/b"], now);
        look(&mut schedule, Some(1), true, now);
        let mut more = wanted(&["/a", "/b", "/c"]);
        more.get_mut(&url("/b")).unwrap().insert(BranchName::new("next").unwrap());
        schedule.watch(more, now);
        assert_eq!(look(&mut schedule, Some(1), true, now), ["/b", "/c"]);
        schedule.watch(wanted(&["/c"]), now);
        assert_eq!(schedule.due.len(), 1);
    }

    #[test]
    fn very_many_local_repositories_are_asked_less_often_but_never_one_that_is_waited_for() {
        let now = Instant::now();
        let mut schedule = watching(&["/a", "/b"], now);
        look(&mut schedule, Some(1), true, now);
        schedule.hurry(&url("/b"), now);
        schedule.asking_took(Duration::from_millis(100), now);
        let due: Vec<_> = schedule.due.iter().cloned().collect();
        assert_eq!(due, [(now, url("/b")), (now + Duration::from_secs(2), url("/a"))]);
    }
}
