//! What is said on a change: what Towpath reads there, and what it writes.

use std::collections::BTreeSet;
use std::hash::{Hash as _, Hasher as _};

use towpath_catalog::Account;
use towpath_domain::{CommitId, Timestamp};
use towpath_engine::OpenChange;
use towpath_engine::review::text::{hold_text, lift_text, told_text, why};
use towpath_engine::review::{Answer, Comment, Kind, Label, Opinion, Review, ReviewVerdict, UnderReview};
use towpath_forge::{Comment as Written, Opinion as Said, Pull, Review as Given, Status, StatusState, marker_of};
use towpath_runs::World;

use super::ReviewError;
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

/// What was asked for by a command.
pub(super) struct Asked {
    /// A branch from where the config repository is now.
    pub(super) rebase: bool,
}

/// Answers each command once: the answer on the change is the mark that it was answered.
pub(super) async fn answer(world: &World, pull: &Pull, verdict: &ReviewVerdict, kind: Kind) -> Result<Asked, ReviewError> {
    let mut asked = Asked { rebase: false };
    for answer in &verdict.answers {
        let own = matches!(kind, Kind::Own(_));
        asked.rebase |= answer.rebase && own;
        let text = words(answer, verdict, own);
        if !text.is_empty() {
            world.config.forge.comment(pull.number, &format!("{ANSWER}{}", answer.comment), &text).await?;
        }
    }
    Ok(asked)
}

fn words(answer: &Answer, verdict: &ReviewVerdict, own: bool) -> String {
    let mut text: Vec<String> = Vec::new();
    if answer.retest {
        text.push("Towpath's own checks were run again just now; what they found is in the statuses and in the plan.".to_owned());
    }
    match (answer.rebase, own) {
        (true, true) => text.push("The branch is made anew from where the config repository is now.".to_owned()),
        (true, false) => text.push("Towpath never pushes to a branch of somebody else's: rebase it yourself.".to_owned()),
        (false, _) => {}
    }
    if answer.why {
        text.push(why(verdict));
    }
    text.extend(answer.told.iter().map(|told| format!("{}.", capital(&told_text(told)))));
    text.join("\n\n")
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}

/// How the change stands, for the ledger.
pub(super) fn open(
    pull: &Pull,
    verdict: &ReviewVerdict,
    under: &UnderReview,
    labels: Vec<String>,
    rebase: bool,
    merge: (CommitId, Option<CommitId>),
) -> OpenChange {
    let waits: Vec<String> = verdict.holds.iter().map(|hold| format!("{} ({})", hold_text(hold), lift_text(hold))).collect();
    let ready = verdict.may_merge();
    let mut hasher = std::hash::DefaultHasher::new();
    let commented = under.comments.len();
    (pull.head, ready, &waits, &labels, rebase, pull.draft, commented, &pull.title).hash(&mut hasher);
    // What is ready is worth another try on another base; what waits is not told anew for that.
    ready.then_some(merge.0).hash(&mut hasher);
    let stamp = format!("{:016x}", hasher.finish());
    let url = pull.url.clone();
    OpenChange { number: pull.number.0, url, head: pull.head, ready, waits, head_since: under.head_since, rebase, labels, stamp }
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
