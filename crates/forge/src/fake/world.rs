//! What a fake forge knows, whatever language it speaks: changes that follow their branches, what people say of them, and its rules.

use std::collections::BTreeSet;
use std::path::Path;

use super::others::{Ends, OtherCheck, Runs};
use super::repository::Repository;

/// What a fake demands and does, for tests to set.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is a box that an administrator ticks")]
pub struct Rules {
    /// Nobody pushes to the config branch.
    pub no_push: bool,
    /// It does not say so to those who ask.
    pub hides_that: bool,
    /// Changes must hold all of the config branch.
    pub up_to_date: bool,
    /// There is a queue or train, and everything goes through it.
    pub queue: bool,
    /// Statuses that must be well.
    pub required_statuses: Vec<String>,
    /// How many must approve.
    pub required_approvals: u32,
    /// It sees by itself that a change was merged by a push.
    pub sees_merges: bool,
    /// It can be told that a change was merged by a push.
    pub can_be_told: bool,
    /// A change that was closed can be opened again after its branch was made anew.
    pub reopens: bool,
    /// What it merges is not what merging gives: the change is left out.
    pub merges_something_else: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            no_push: false,
            hides_that: false,
            up_to_date: false,
            queue: false,
            required_statuses: Vec::new(),
            required_approvals: 0,
            sees_merges: true,
            can_be_told: true,
            reopens: true,
            merges_something_else: false,
        }
    }
}

/// What became of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// Open.
    Open,
    /// Closed unmerged.
    Closed,
    /// Merged, by this commit of the config branch.
    Merged(String),
}

/// Where a change stands with the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// It was never there with this head.
    Outside,
    /// It waits in it.
    Queued,
    /// It was thrown out.
    ThrownOut,
}

/// A change.
#[derive(Debug, Clone)]
pub struct FakePull {
    /// Its number.
    pub number: u64,
    /// Its branch.
    pub branch: String,
    /// That branch is in another repository, and moves when a test says so.
    pub fork: bool,
    /// The branch that it is to be merged into.
    pub into: String,
    /// Who opened it.
    pub author: String,
    /// Its title.
    pub title: String,
    /// Its description.
    pub body: String,
    /// Its labels.
    pub labels: BTreeSet<String>,
    /// What became of it.
    pub fate: Fate,
    /// Its newest commit, as last seen.
    pub head: String,
    /// When it was opened.
    pub at: i64,
    /// What is written on it.
    pub comments: Vec<FakeComment>,
    /// What people think of it.
    pub reviews: Vec<FakeReview>,
    /// Where it stands with the queue.
    pub place: Place,
}

/// A comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FakeComment {
    /// Its id.
    pub id: u64,
    /// Who wrote it.
    pub author: String,
    /// What it says.
    pub body: String,
    /// When.
    pub at: i64,
    /// When it was last changed.
    pub changed_at: i64,
    /// The forge wrote it itself.
    pub system: bool,
}

/// A review.
#[derive(Debug, Clone)]
pub struct FakeReview {
    /// Who.
    pub author: String,
    /// Whether it approves.
    pub approves: bool,
    /// The commit that was looked at.
    pub commit: String,
    /// When.
    pub at: i64,
}

/// A status of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FakeStatus {
    /// Its number in the order of coming.
    pub id: u64,
    /// The commit.
    pub commit: String,
    /// Its name.
    pub context: String,
    /// How it stands, in the forge's word.
    pub state: String,
    /// One line.
    pub summary: String,
    /// A link.
    pub url: Option<String>,
}

/// All that a fake knows.
#[derive(Debug)]
pub struct World {
    /// The repository.
    pub repository: Repository,
    /// What it is called: `org/config`.
    pub name: String,
    /// What its refs of changes are below `refs/`: `pull`, `merge-requests`.
    pub refs: &'static str,
    /// The config branch.
    pub into: String,
    /// Towpath's account.
    pub account: String,
    /// Its token.
    pub token: String,
    /// The rules.
    pub rules: Rules,
    /// The changes, by number.
    pub pulls: Vec<FakePull>,
    /// The statuses, in the order of coming.
    pub statuses: Vec<FakeStatus>,
    /// The labels that the repository has.
    pub labels: Vec<(u64, String)>,
    /// When its time began, in seconds since 1970.
    pub epoch: i64,
    /// What others check.
    pub others: Vec<OtherCheck>,
    /// What only a GitHub knows.
    pub github: super::github::State,
    ids: u64,
}

impl World {
    /// A forge over a repository of this name, with no change yet. Towpath's account is `towpath`, its token `fake-token`.
    #[must_use]
    pub fn new(repository: Repository, name: &str, refs: &'static str) -> Self {
        let (into, account, token) = ("main".to_owned(), "towpath".to_owned(), "fake-token".to_owned());
        Self {
            repository,
            name: name.to_owned(),
            refs,
            into,
            account,
            token,
            rules: Rules::default(),
            pulls: vec![],
            statuses: vec![],
            labels: vec![],
            epoch: 1_700_001_000,
            others: vec![],
            github: super::github::State::default(),
            ids: 0,
        }
    }

    /// A number that was not given before; also the time, in seconds: each thing that happens takes one.
    pub fn next_id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    /// The time now, in seconds since 1970.
    pub fn now(&mut self) -> i64 {
        self.epoch + i64::try_from(self.next_id()).unwrap_or(0)
    }

    /// Brings the changes to what their branches are now, as a forge does when somebody pushed.
    pub fn follow(&mut self) {
        let Some(config) = self.repository.head(&self.into) else { return };
        let sees = self.rules.sees_merges;
        for number in 0..self.pulls.len() {
            let pull = &self.pulls[number];
            if pull.fate != Fate::Open {
                continue;
            }
            let now = if pull.fork { Some(pull.head.clone()) } else { self.repository.head(&pull.branch) };
            let merged = sees && self.repository.holds(&config, &pull.head);
            let by = if merged { self.repository.brought_in_by(&self.into, &pull.head) } else { None };
            let note = match (&now, &by) {
                (Some(now), None) if *now != pull.head => Some("added 1 commit"),
                _ => None,
            };
            let pull = &mut self.pulls[number];
            match (now, by) {
                (_, Some(commit)) => pull.fate = Fate::Merged(commit),
                (None, None) => pull.fate = Fate::Closed,
                (Some(now), None) if now != pull.head => self.head_moves(number, &now),
                (Some(_), None) => {}
            }
            if let Some(note) = note {
                self.note(number, note);
            }
        }
    }

    /// What the forge itself writes on a change.
    pub fn note(&mut self, index: usize, text: &str) {
        let (id, at) = (self.next_id(), self.now());
        let comment = FakeComment { id, author: "forge".to_owned(), body: text.to_owned(), at, changed_at: at, system: true };
        self.pulls[index].comments.push(comment);
    }

    /// Opens a change; the number of the one that is open already, if there is one.
    pub fn open(&mut self, branch: &str, into: &str, title: &str, body: &str) -> Result<&FakePull, OpenError> {
        let same = |pull: &&FakePull| pull.fate == Fate::Open && !pull.fork && pull.branch == branch && pull.into == into;
        if let Some(there) = self.pulls.iter().find(same) {
            return Err(OpenError::Exists(there.number));
        }
        let head = self.repository.head(branch).ok_or(OpenError::NoBranch)?;
        let account = self.account.clone();
        self.add(&account, branch, into, (title, body), head);
        self.pulls.last().ok_or(OpenError::NoBranch)
    }

    /// People open a change from their fork, whose newest commit the repository has already; its number.
    pub fn open_from_fork(&mut self, author: &str, branch: &str, head: &str) -> u64 {
        let into = self.into.clone();
        self.add(author, branch, &into, ("From a fork", ""), head.to_owned());
        self.pulls.last_mut().map_or(0, |pull| {
            pull.fork = true;
            pull.number
        })
    }

    /// People open a change from `branch` of their fork in this folder; its number. The repository gets its commits under the change's own ref,
    /// and no branch of it holds them.
    ///
    /// # Panics
    /// When the fork has no such branch.
    pub fn fork_opens(&mut self, author: &str, branch: &str, fork: &Path) -> u64 {
        let number = self.pulls.len() as u64 + 1;
        let head = self.repository.take_in(fork, branch, &self.pull_ref(number));
        self.open_from_fork(author, branch, &head)
    }

    /// People have pushed to the branch of their fork that they opened a change from: it is now what that is.
    ///
    /// # Panics
    /// When there is no such change, or no such branch any more.
    pub fn fork_pushes(&mut self, number: u64, fork: &Path) {
        let index = self.index(number);
        assert!(index.is_some(), "there is no change {number}");
        let index = index.unwrap_or_default();
        let head = self.repository.take_in(fork, &self.pulls[index].branch, &self.pull_ref(number));
        self.head_moves(index, &head);
    }

    /// A change has another newest commit now, which the repository has already.
    pub fn head_moves(&mut self, index: usize, head: &str) {
        let number = self.pulls[index].number;
        self.repository.set_ref(&self.pull_ref(number), head);
        let pull = &mut self.pulls[index];
        head.clone_into(&mut pull.head);
        pull.place = Place::Outside;
    }

    /// The ref that a change's newest commit is under, as long as the forge knows the change.
    #[must_use]
    pub fn pull_ref(&self, number: u64) -> String {
        format!("refs/{}/{number}/head", self.refs)
    }

    /// How the status or check run of this name on a commit stands, in the forge's word, and its line.
    #[must_use]
    pub fn said_of(&self, commit: &str, context: &str) -> Option<(String, String)> {
        let run = self.github.checks.iter().rev().find(|run| run.commit == commit && run.name == context);
        if let Some(run) = run {
            let state = run.conclusion.clone().unwrap_or_else(|| run.status.clone());
            return Some((state, run.title.clone().unwrap_or_default()));
        }
        let found = self.statuses.iter().find(|status| status.commit == commit && status.context == context);
        found.map(|status| (status.state.clone(), status.summary.clone()))
    }

    fn add(&mut self, author: &str, branch: &str, into: &str, (title, body): (&str, &str), head: String) {
        let at = self.now();
        let number = self.pulls.len() as u64 + 1;
        self.repository.set_ref(&self.pull_ref(number), &head);
        let pull = FakePull {
            number,
            branch: branch.to_owned(),
            into: into.to_owned(),
            fork: false,
            author: author.to_owned(),
            title: title.to_owned(),
            body: body.to_owned(),
            labels: BTreeSet::new(),
            fate: Fate::Open,
            head,
            at,
            comments: Vec::new(),
            reviews: Vec::new(),
            place: Place::Outside,
        };
        self.pulls.push(pull);
    }

    /// Where the change of this number is.
    #[must_use]
    pub fn index(&self, number: u64) -> Option<usize> {
        self.pulls.iter().position(|pull| pull.number == number)
    }

    /// Opens a closed change again, where that is possible.
    #[must_use]
    pub fn reopen(&mut self, index: usize) -> bool {
        let pull = &self.pulls[index];
        let twin = self.pulls.iter().any(|other| other.fate == Fate::Open && other.branch == pull.branch);
        let Some(head) = self.repository.head(&pull.branch) else { return false };
        if twin || !self.rules.reopens || pull.fate != Fate::Closed {
            return pull.fate == Fate::Open;
        }
        self.pulls[index].fate = Fate::Open;
        self.head_moves(index, &head);
        true
    }

    /// Somebody writes a comment; its id.
    pub fn comment(&mut self, index: usize, author: &str, body: &str) -> u64 {
        let (id, at) = (self.next_id(), self.now());
        let comment = FakeComment { id, author: author.to_owned(), body: body.to_owned(), at, changed_at: at, system: false };
        self.pulls[index].comments.push(comment);
        id
    }

    /// The id of a label, which is made if it is not there.
    pub fn label(&mut self, name: &str) -> u64 {
        if let Some((id, _)) = self.labels.iter().find(|(_, known)| known == name) {
            return *id;
        }
        let id = self.next_id();
        self.labels.push((id, name.to_owned()));
        id
    }

    /// Notes a status.
    pub fn status(&mut self, commit: &str, context: &str, state: &str, summary: &str, url: Option<&str>) -> &FakeStatus {
        let id = self.next_id();
        let (commit, context, state, summary) = (commit.to_owned(), context.to_owned(), state.to_owned(), summary.to_owned());
        self.statuses.retain(|status| status.commit != commit || status.context != context);
        self.statuses.push(FakeStatus { id, commit, context, state, summary, url: url.map(str::to_owned) });
        &self.statuses[self.statuses.len() - 1]
    }

    /// Somebody else's check of a commit ends so; one of that name is the same one.
    pub fn others_check(&mut self, commit: &str, name: &str, runs: Runs, ends: Ends) {
        if let Some(known) = self.others.iter_mut().find(|check| check.commit == commit && check.name == name) {
            known.ends = ends;
            return;
        }
        let (id, commit, name) = (self.next_id(), commit.to_owned(), name.to_owned());
        self.others.push(OtherCheck { id, commit, name, runs, ends, again: 0, refuses: None });
    }

    /// What keeps a change from being merged, in words; none when nothing does.
    #[must_use]
    pub fn hindrance(&self, index: usize) -> Option<Hindrance> {
        let pull = &self.pulls[index];
        let config = self.repository.head(&self.into)?;
        let well = |name: &String| {
            self.statuses.iter().any(|status| status.commit == pull.head && status.context == *name && status.state == "success")
        };
        let approvals = pull.reviews.iter().filter(|review| review.approves).map(|review| &review.author).collect::<BTreeSet<_>>().len();
        if !self.rules.required_statuses.iter().all(well) {
            Some(Hindrance::Statuses)
        } else if u32::try_from(approvals).unwrap_or(u32::MAX) < self.rules.required_approvals {
            Some(Hindrance::Approvals)
        } else if self.rules.up_to_date && !self.repository.holds(&pull.head, &config) {
            Some(Hindrance::Outdated)
        } else {
            None
        }
    }

    /// Merges a change as the forge does.
    ///
    /// # Errors
    /// It conflicts.
    pub fn merge(&mut self, index: usize, message: &str) -> Result<String, String> {
        let (into, head) = (self.into.clone(), self.pulls[index].head.clone());
        let commit = self.repository.merge(&into, &head, message, self.rules.merges_something_else)?;
        self.pulls[index].fate = Fate::Merged(commit.clone());
        self.pulls[index].place = Place::Outside;
        Ok(commit)
    }

    /// The queue merges the first that waits in it.
    pub fn run_queue(&mut self) {
        self.follow();
        if let Some(index) = self.pulls.iter().position(|pull| pull.place == Place::Queued && pull.fate == Fate::Open)
            && self.merge(index, "Merge by the queue").is_err()
        {
            self.throw_out(index, "it conflicts");
        }
    }

    /// The queue throws a change out.
    pub fn throw_out(&mut self, index: usize, why: &str) {
        self.pulls[index].place = Place::ThrownOut;
        self.note(index, &format!("removed this merge request from the merge train because {why}"));
    }
}

/// Why a change is not merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hindrance {
    /// A status that is required is not well.
    Statuses,
    /// Too few approve.
    Approvals,
    /// It does not hold all of the branch.
    Outdated,
}

/// Why a change was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenError {
    /// This one is open.
    Exists(u64),
    /// There is no such branch.
    NoBranch,
}
