//! What is said on a change: what Towpath reads there, and what it writes.

use std::collections::BTreeSet;
use std::hash::{Hash as _, Hasher as _};

use towpath_catalog::Account;
use towpath_domain::{ChangeId, CommitId, Timestamp};
use towpath_engine::OpenChange;
use towpath_engine::review::text::{hold_text, lift_text, told_text, why};
use towpath_engine::review::{Answer, CheckState, Comment, Kind, Label, Opinion, Review, ReviewHold, ReviewVerdict, UnderReview};
use towpath_forge::{Comment as Written, Opinion as Said, Pull, Queued, Reruns, Review as Given, Status, StatusState, marker_of};
use towpath_runs::World;

use super::ReviewError;
use super::checks::{code, lines};
use super::plan::Difference;

/// Before the id of the comment that an answer of Towpath's is to.
const ANSWER: &str = "answer-";

/// The comment that tells what a change would do.
pub(super) fn plan(plan: &Difference, base: CommitId, statuses: &[Status], page: Option<String>) -> String {
    let mut text = format!("### What this change does\n\n{}", plan.text);
    let failed: Vec<&Status> = statuses.iter().filter(|status| status.state != StatusState::Success).collect();
    if !failed.is_empty() {
        text.push_str("\n### What speaks against it\n\n");
        for status in failed {
            text.push_str(&format!("**{}**\n\n{}\n", status.context, status.details));
        }
    }
    let overridden = statuses.iter().filter(|status| status.state == StatusState::Success && status.context == super::checks::GATE);
    for status in overridden.filter(|status| !status.details.is_empty()) {
        text.push_str(&format!("\n### What passes by a person's word\n\n{}", status.details));
    }
    let base = base.short(12);
    let stands = page.map(|page| format!(" [How it stands]({page}).")).unwrap_or_default();
    text.push_str(&format!(
        "\n---\nPlanned onto `{base}` of the config repository; kept up to date in place. `/hold` stops this change, `/why` tells what it waits for.{stands}\n"
    ));
    text
}

/// What people wrote, and which of it was answered.
pub(super) fn comments(own: &Account, written: Vec<Written>) -> (Vec<Comment>, BTreeSet<String>) {
    let (ours, theirs): (Vec<Written>, Vec<Written>) = written.into_iter().partition(|comment| Account::new(&comment.author) == *own);
    let marked = |comment: &Written| marker_of(&comment.body)?.strip_prefix(ANSWER).map(str::to_owned);
    let answered = ours.iter().filter_map(marked).collect();
    let comments = theirs.into_iter().map(|comment| Comment {
        id: comment.id.to_string(),
        by: Account::new(&comment.author),
        edited: (comment.changed_at != comment.at).then_some(comment.changed_at),
        body: comment.body,
        at: comment.at,
    });
    (comments.collect(), answered)
}

/// Reviews in the engine's terms. Of one whose commit and time nobody knows, the careful reading counts: an approval is older than any commit,
/// and what holds is as new as can be.
pub(super) fn reviews(given: Vec<Given>, now: Timestamp) -> Vec<Review> {
    let opinion = |said: Said| match said {
        Said::Approves => Opinion::Approves,
        Said::Refuses => Opinion::Refuses,
        Said::Comments => Opinion::Remarks,
    };
    let each = given.into_iter().enumerate().map(|(at, review)| Review {
        id: at.to_string(),
        by: Account::new(&review.author),
        opinion: opinion(review.opinion),
        commit: review.commit,
        at: review.at.unwrap_or(if review.opinion == Said::Approves { Timestamp::default() } else { now }),
    });
    each.collect()
}

/// Labels, each with Towpath as the giver where it gave them: forges do not say who did.
pub(super) fn labels(pull: &Pull, given: &[String], own: &Account) -> Vec<Label> {
    let by = |name: &str| given.iter().any(|given| given.eq_ignore_ascii_case(name)).then(|| own.clone());
    pull.labels.iter().map(|name| Label { name: name.clone(), by: by(name) }).collect()
}

/// Brings the labels to what is true. Returns those that Towpath gave and that are there.
pub(super) async fn label(
    world: &World,
    pull: &Pull,
    verdict: &ReviewVerdict,
    known: Option<&OpenChange>,
) -> Result<Vec<String>, ReviewError> {
    let forge = &world.config.forge;
    let mut given: BTreeSet<String> = known.map(|open| open.labels.iter().cloned().collect()).unwrap_or_default();
    given.retain(|name| pull.labels.contains(name));
    if forge.abilities().labels && !(verdict.add.is_empty() && verdict.remove.is_empty()) {
        let (add, remove): (Vec<String>, Vec<String>) = (verdict.add.iter().cloned().collect(), verdict.remove.iter().cloned().collect());
        forge.label(pull.number, &add, &remove).await?;
        given.extend(add);
        given.retain(|name| !verdict.remove.contains(name));
    }
    Ok(given.into_iter().collect())
}

/// What was asked for by commands.
#[derive(Default)]
pub(super) struct Asked {
    /// A branch from where the config repository is now.
    pub(super) rebase: bool,
    /// That checks are run again.
    pub(super) retest: bool,
}

impl Asked {
    /// What was asked for stays asked for until a run has seen to it: a command is read once, and may be answered long before that.
    pub(super) fn or_before(self, known: Option<&OpenChange>, head: CommitId) -> Self {
        // With another commit, a new branch is there, and the queue has not seen it.
        let before = known.filter(|known| known.head == head);
        Self {
            rebase: self.rebase || before.is_some_and(|known| known.rebase),
            retest: self.retest || before.is_some_and(|known| known.again),
        }
    }
}

/// Answers each command once: the answer on the change is the mark that it was answered.
pub(super) async fn answer(
    world: &World,
    pull: &Pull,
    verdict: &ReviewVerdict,
    (id, kind): (&ChangeId, Kind),
    queued: &Queued,
) -> Result<Asked, ReviewError> {
    let own = matches!(kind, Kind::Own(_));
    let mut asked = Asked::default();
    // Before it is answered, so that it is done again where the answer was not given.
    let retested = match verdict.answers.iter().any(|answer| answer.retest) {
        true => retest(world, pull, queued).await?,
        false => String::new(),
    };
    for answer in &verdict.answers {
        asked.rebase |= answer.rebase && own;
        asked.retest |= answer.retest;
        let text = words(answer, own, &retested, || waiting(verdict, id, queued));
        if !text.is_empty() {
            world.config.forge.comment(pull.number, &format!("{ANSWER}{}", answer.comment), &text).await?;
        }
    }
    Ok(asked)
}

/// Runs again what others check, where the forge has a way for that, and tells what came of it.
async fn retest(world: &World, pull: &Pull, queued: &Queued) -> Result<String, ReviewError> {
    let forge = &world.config.forge;
    let mut text = vec!["Towpath's own checks were run again just now; what they found is in the statuses and in the plan.".to_owned()];
    if forge.abilities().reruns {
        let Reruns { begun, not } = forge.rerun_failed(pull.number, pull.head).await?;
        if !begun.is_empty() {
            text.push(format!("Of others' checks, these run again:\n\n{}", lines(&begun)));
        }
        if !not.is_empty() {
            let not: Vec<String> = not.into_iter().map(|(name, why)| format!("{name}: {why}")).collect();
            text.push(format!("These failed, and Towpath cannot have them run again:\n\n{}", lines(&not)));
        }
    } else {
        text.push(format!("Checks of others are not run again: {} has no way to ask for that. Start them where they run.", forge.name()));
    }
    if matches!(queued, Queued::ThrownOut { .. }) {
        text.push("It is put into the queue once more.".to_owned());
    }
    Ok(text.join("\n\n"))
}

/// Says on a change that the forge's queue threw it out, and how it gets there again.
pub(super) async fn thrown_out(world: &World, pull: &Pull, id: &ChangeId, queued: &Queued) -> Result<(), ReviewError> {
    let Queued::ThrownOut { why } = queued else { return Ok(()) };
    let text = format!(
        "With {} as its newest commit, the queue threw this change out: {}\n\nTo have it there once more: {}.",
        code(&pull.head.short(12)),
        code(why),
        once_more(id),
    );
    Ok(world.config.forge.comment(pull.number, "thrown-out", &text).await?)
}

/// How a change gets into the queue again.
fn once_more(id: &ChangeId) -> String {
    format!("`/retest`, a new commit, or `towpath retry {id} --reason …`")
}

/// What it waits for, as `/why` is answered.
fn waiting(verdict: &ReviewVerdict, id: &ChangeId, queued: &Queued) -> String {
    let held = |text: String| if verdict.may_merge() { text } else { format!("{text}\n\n{}", why(verdict)) };
    match queued {
        Queued::Outside => why(verdict),
        Queued::Waits { why } => held(format!("The forge's queue has this change: {}.", code(why))),
        Queued::ThrownOut { why } => {
            held(format!("The forge's queue threw this change out: {}. To have it there once more: {}.", code(why), once_more(id)))
        }
    }
}

fn words(answer: &Answer, own: bool, retested: &str, waiting: impl FnOnce() -> String) -> String {
    let mut text: Vec<String> = Vec::new();
    if answer.retest {
        text.push(retested.to_owned());
    }
    match (answer.rebase, own) {
        (true, true) => text.push("The branch is made anew from where the config repository is now.".to_owned()),
        (true, false) => text.push("Towpath never pushes to a branch of somebody else's: rebase it yourself.".to_owned()),
        (false, _) => {}
    }
    if answer.why {
        text.push(waiting());
    }
    text.extend(answer.told.iter().map(|told| format!("{}.", capital(&told_text(told)))));
    text.join("\n\n")
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}

/// How a change stands beside what was found for it.
pub(super) struct Stands {
    /// Labels that Towpath gave it.
    pub(super) labels: Vec<String>,
    /// Its branch is to be made anew.
    pub(super) rebase: bool,
    /// Somebody asked that what failed be tried once more.
    pub(super) again: bool,
    /// Where it is with the forge's own queue.
    pub(super) queued: Queued,
    /// The commit of the config repository that it was looked at on.
    pub(super) base: CommitId,
}

/// How the change stands, for the ledger.
pub(super) fn open(pull: &Pull, verdict: &ReviewVerdict, under: &UnderReview, id: &ChangeId, stands: Stands) -> OpenChange {
    let Stands { labels, rebase, again, queued, base } = stands;
    let mut waits: Vec<String> = verdict.holds.iter().map(|hold| format!("{} ({})", hold_text(hold), lift_text(hold))).collect();
    let thrown_out = matches!(queued, Queued::ThrownOut { .. });
    let again = again && thrown_out;
    // What the queue has is the queue's; what it threw out is put there again when somebody asks for that, or with another commit.
    let ready = verdict.may_merge() && (again || queued == Queued::Outside);
    let failed = red(verdict);
    let order = Some(verdict.order);
    let mut hasher = std::hash::DefaultHasher::new();
    let commented = under.comments.len();
    (pull.head, ready, &waits, &labels, rebase, pull.draft, commented, &pull.title).hash(&mut hasher);
    (thrown_out, again, &failed, &order).hash(&mut hasher);
    if ready {
        // What is ready is worth another try on another base, and when somebody's check stands otherwise: the forge may have waited for that. What
        // waits is not told anew for either.
        base.hash(&mut hasher);
        under.checks.iter().for_each(|(name, check)| (name, check.state).hash(&mut hasher));
    }
    let stamp = format!("{:016x}", hasher.finish());
    match queued {
        Queued::Outside => {}
        Queued::Waits { why } => waits.push(why),
        // Its own words lead to how it gets there again.
        Queued::ThrownOut { why } if !again => waits.push(format!("{why} ({})", once_more(id))),
        Queued::ThrownOut { .. } => {}
    }
    OpenChange {
        number: pull.number.0,
        url: pull.url.clone(),
        head: pull.head,
        ready,
        waits,
        head_since: under.head_since,
        rebase,
        thrown_out,
        again,
        labels,
        failed,
        order,
        stamp,
    }
}

/// The required checks that failed. While it conflicts nothing can be checked, and a conflict says nothing against anybody.
fn red(verdict: &ReviewVerdict) -> Vec<String> {
    if verdict.holds.contains(&ReviewHold::Conflict) {
        return Vec::new();
    }
    let failed = |hold: &ReviewHold| match hold {
        ReviewHold::Check { name, state: CheckState::Failed } => Some(name.clone()),
        _ => None,
    };
    verdict.holds.iter().filter_map(failed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_approval_of_which_nobody_knows_what_it_was_given_to_is_older_than_any_commit_and_a_refusal_is_new() {
        let now = Timestamp::from_millis(1_700_000_000_000);
        let given = |opinion| Given { author: "ada".to_owned(), opinion, commit: None, at: None };
        let read = reviews(vec![given(Said::Approves), given(Said::Refuses)], now);
        assert_eq!((read[0].at, read[1].at), (Timestamp::default(), now));
    }

    #[test]
    fn what_was_asked_for_stays_so_for_as_long_as_the_commit_is_the_same_and_no_run_has_seen_to_it() {
        let head = |digit: char| digit.to_string().repeat(40).parse().unwrap();
        let mut known = OpenChange {
            number: 1,
            url: String::new(),
            head: head('a'),
            ready: false,
            waits: Vec::new(),
            head_since: Timestamp::default(),
            rebase: true,
            thrown_out: true,
            again: true,
            labels: Vec::new(),
            failed: Vec::new(),
            order: None,
            stamp: String::new(),
        };
        let asked = |known: Option<&OpenChange>, now| {
            let Asked { rebase, retest } = Asked::default().or_before(known, head(now));
            (rebase, retest)
        };
        assert_eq!(asked(Some(&known), 'a'), (true, true));
        assert_eq!(asked(Some(&known), 'b'), (false, false));
        (known.rebase, known.again) = (false, false);
        assert_eq!((asked(Some(&known), 'a'), asked(None, 'a')), ((false, false), (false, false)));
    }

    #[test]
    fn what_was_answered_is_told_by_towpaths_own_comments_only() {
        let at = Timestamp::default();
        let comment = |id, author: &str, body: &str| Written { id, author: author.to_owned(), body: body.to_owned(), at, changed_at: at };
        let own = Account::new("Towpath");
        let said = vec![
            comment(1, "bea", "/why"),
            comment(2, "towpath", "<!-- towpath:answer-1 -->\nThis change waits."),
            comment(3, "bea", "<!-- towpath:answer-9 -->\n/why"),
        ];
        let (theirs, answered) = comments(&own, said);
        assert_eq!(theirs.iter().map(|comment| comment.id.as_str()).collect::<Vec<_>>(), ["1", "3"]);
        assert_eq!(answered, BTreeSet::from(["1".to_owned()]));
    }
}
