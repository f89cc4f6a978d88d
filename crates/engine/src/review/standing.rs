//! What people said, added up: who approves, who refuses, who holds.

use std::collections::{BTreeMap, BTreeSet};

use towpath_catalog::Account;
use towpath_domain::{CommitId, Timestamp};

use super::bench::{Bench, Roles};
use super::command::{Command, commands};
use super::input::{Comment, Opinion, UnderReview};
use super::verdict::{Answer, Told};

/// After so many answers to one account, its mistakes on this change are no longer answered: whoever edits and deletes comments all day must
/// not make Towpath write all day.
const ANSWERS_MAX: usize = 10;

/// How things stand after all that was said.
#[derive(Default)]
pub(super) struct Standing {
    /// Approvals by whom; each with the roles it was given for and nobody of the same role took back.
    pub(super) approvals: BTreeMap<Account, Approval>,
    /// Who refuses, since when.
    pub(super) refusals: BTreeMap<Account, Timestamp>,
    /// Who holds.
    pub(super) holds: BTreeMap<Account, Held>,
    /// What is to be answered.
    pub(super) answers: Vec<Answer>,
}

/// An approval.
pub(super) struct Approval {
    pub(super) roles: Roles,
    /// It is for the newest commit.
    pub(super) fresh: bool,
}

/// A hold by a command.
pub(super) struct Held {
    pub(super) reason: Option<String>,
    pub(super) since: Timestamp,
    pub(super) author: bool,
    pub(super) roles: Roles,
}

/// One thing that somebody said.
struct Act<'a> {
    /// What sorts it: the time; what restrains after what frees, so that of two at one time the careful one counts; then its id.
    key: (Timestamp, bool, &'a str, usize),
    by: &'a Account,
    what: What<'a>,
}

enum What<'a> {
    Command { command: Command, comment: &'a str, edited: bool },
    Review { opinion: Opinion, commit: Option<CommitId> },
}

impl Standing {
    pub(super) fn new(bench: &Bench<'_>, change: &UnderReview) -> Self {
        let mut standing = Self::default();
        let mut told = Tellings { change, said: BTreeSet::new(), answers: Vec::new() };
        for act in acts(change) {
            let roles = bench.roles_of(act.by);
            let author = bench.is_author(act.by);
            let at = act.key.0;
            match act.what {
                What::Review { opinion, commit } if !author && !roles.is_empty() => match opinion {
                    // A review of this very commit counts, even if it came before Towpath saw the commit.
                    Opinion::Approves => {
                        standing.approve(act.by, roles, commit.map_or(at > change.head_since, |commit| commit == change.head))
                    }
                    Opinion::Refuses => {
                        standing.approvals.remove(act.by);
                        standing.refusals.insert(act.by.clone(), at);
                    }
                    Opinion::Remarks => {}
                },
                What::Review { .. } => {}
                What::Command { command, comment, edited } => {
                    let to = told.to(act.by, comment);
                    standing.command(Said { by: act.by, at, roles, author, edited }, command, change, to);
                }
            }
        }
        standing.answers = told.answers;
        standing
    }

    fn command(&mut self, said: Said<'_>, command: Command, change: &UnderReview, mut to: Telling<'_, '_>) {
        let Said { by, at, roles, author, edited } = said;
        if let Command::Unknown(command) = command {
            return to.tell(Told::Unknown { command });
        }
        let name = command.name().to_owned();
        if !author && roles.is_empty() {
            return to.tell(Told::NotAllowed { command: name });
        }
        if edited && matches!(command, Command::Lgtm | Command::HoldCancel) {
            return to.tell(Told::Edited { command: name });
        }
        match command {
            Command::Lgtm if author => to.tell(Told::OwnChange),
            Command::Lgtm => self.approve(by, roles, at > change.head_since),
            Command::LgtmCancel if roles.is_empty() => to.tell(Told::NotAllowed { command: name }),
            Command::LgtmCancel => {
                self.approvals.remove(by);
                self.approvals.retain(|_, approval| {
                    approval.roles.retain(|role| !roles.contains(role));
                    !approval.roles.is_empty()
                });
            }
            Command::Hold(reason) => {
                self.holds.insert(by.clone(), Held { reason, since: at, author, roles });
            }
            Command::HoldCancel => {
                let lifts =
                    |holder: &Account, held: &Held| holder == by || !held.roles.is_disjoint(&roles) || (held.author && !roles.is_empty());
                let before = self.holds.len();
                self.holds.retain(|holder, held| !lifts(holder, held));
                if before > 0 && self.holds.len() == before {
                    to.tell(Told::NotYours { by: self.holds.keys().map(ToString::to_string).collect() });
                }
            }
            Command::Retest => to.answer(|answer| answer.retest = true),
            Command::Rebase => to.answer(|answer| answer.rebase = true),
            Command::Why => to.answer(|answer| answer.why = true),
            Command::Unknown(_) => {}
        }
    }

    fn approve(&mut self, by: &Account, roles: Roles, fresh: bool) {
        self.refusals.remove(by);
        // A late word on an old commit takes nothing back from one on the newest.
        if fresh || self.approvals.get(by).is_none_or(|known| !known.fresh) {
            self.approvals.insert(by.clone(), Approval { roles, fresh });
        }
    }
}

/// Who said something, and what it counts.
struct Said<'a> {
    by: &'a Account,
    at: Timestamp,
    roles: Roles,
    author: bool,
    edited: bool,
}

/// All that was said, in the one order that counts.
fn acts(change: &UnderReview) -> Vec<Act<'_>> {
    let mut acts = Vec::new();
    for review in change.reviews.iter().filter(|review| review.by != change.own) {
        let key = (review.at, review.opinion == Opinion::Refuses, review.id.as_str(), 0);
        acts.push(Act { key, by: &review.by, what: What::Review { opinion: review.opinion, commit: review.commit } });
    }
    for comment in change.comments.iter().filter(|comment| comment.by != change.own) {
        let at = comment.edited.map_or(comment.at, |edited| edited.max(comment.at));
        for (number, command) in commands(&comment.body).into_iter().enumerate() {
            let key = (at, command.restrains(), comment.id.as_str(), number);
            acts.push(Act {
                key,
                by: &comment.by,
                what: What::Command { command, comment: &comment.id, edited: comment.edited.is_some() },
            });
        }
    }
    acts.sort_by(|a, b| a.key.cmp(&b.key).then_with(|| a.by.cmp(b.by)));
    acts
}

/// Answers as they come up.
struct Tellings<'a> {
    change: &'a UnderReview,
    /// What was told to whom: the same is not told twice, or anybody could have Towpath flood a change.
    said: BTreeSet<(Account, Told)>,
    answers: Vec<Answer>,
}

/// One comment that may be answered.
struct Telling<'a, 'b> {
    all: &'b mut Tellings<'a>,
    by: &'b Account,
    comment: &'b str,
}

impl<'a> Tellings<'a> {
    fn to<'b>(&'b mut self, by: &'b Account, comment: &'b str) -> Telling<'a, 'b> {
        Telling { all: self, by, comment }
    }
}

impl Telling<'_, '_> {
    fn tell(&mut self, told: Told) {
        // One that is told to an account goes for all that it writes of the kind, whatever the command was called.
        let kind = match &told {
            Told::Unknown { .. } => Told::Unknown { command: String::new() },
            Told::NotAllowed { .. } => Told::NotAllowed { command: String::new() },
            Told::Edited { .. } | Told::OwnChange | Told::NotYours { .. } => told.clone(),
        };
        let answered = |comment: &&Comment| comment.by == *self.by && self.all.change.answered.contains(&comment.id);
        let many = self.all.change.comments.iter().filter(answered).count() >= ANSWERS_MAX;
        if self.all.said.insert((self.by.clone(), kind)) && !many {
            self.answer(|answer| answer.told.push(told));
        }
    }

    fn answer(&mut self, add: impl FnOnce(&mut Answer)) {
        if self.all.change.answered.contains(self.comment) {
            return;
        }
        let answers = &mut self.all.answers;
        let at = answers.iter().position(|answer| answer.comment == self.comment).unwrap_or_else(|| {
            let (comment, to) = (self.comment.to_owned(), self.by.to_string());
            answers.push(Answer { comment, to, retest: false, rebase: false, why: false, told: Vec::new() });
            answers.len() - 1
        });
        if let Some(answer) = answers.get_mut(at) {
            add(answer);
        }
    }
}
