//! What people ask for in comments on pull requests: each comment is heard once, and what is not done is answered.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use towpath_catalog::{Account, Source};
use towpath_domain::{CheckId, Verb};
use towpath_engine::Event;
use towpath_engine::check::{Ask, Asked, Asker, CheckEvent, CheckFact, Command, check_of, commands, may_ask};
use towpath_forge::{Comment, Forge, Pull};
use towpath_runs::World;

use super::look::LookError;
use crate::permit::Grants;
use crate::sight::Scope;

/// How many pull requests' comments are asked for at the same time.
const AT_ONCE: usize = 4;

/// Before the id of the comment that an answer of Towpath's is to.
const ANSWER: &str = "answer-";

/// Hears what is new in the comments of these pull requests. What stood on one before it was first seen was said to somebody else.
pub(super) async fn hear(
    world: &Arc<World>,
    source: &Arc<Source>,
    forge: &dyn Forge,
    pulls: &[Pull],
    first_seen: &BTreeSet<CheckId>,
) -> Result<(), LookError> {
    let own = Account::new(forge.account().await?);
    let mut heard = Vec::with_capacity(pulls.len());
    for pull in pulls {
        heard.push(one(world, source, forge, pull, &own, first_seen));
    }
    let all = stream::iter(heard).buffer_unordered(AT_ONCE).collect::<Vec<_>>().await;
    all.into_iter().collect()
}

async fn one(
    world: &Arc<World>,
    source: &Arc<Source>,
    forge: &dyn Forge,
    pull: &Pull,
    own: &Account,
    first_seen: &BTreeSet<CheckId>,
) -> Result<(), LookError> {
    let id = check_of(&source.name, pull.number.0);
    for comment in forge.comments(pull.number).await? {
        let author = Account::new(&comment.author);
        let said = commands(&comment.body);
        if said.is_empty() || author == *own {
            continue;
        }
        // Asked for anew: the comment before may have changed what is known.
        let Some(fact) = world.ledger.facts().checks.get(&id).cloned() else { return Ok(()) };
        if fact.has_heard(comment.id) {
            continue;
        }
        let mut asked = Vec::new();
        if first_seen.contains(&id) && comment.at < fact.head_since {
            asked.push(Asked::Nothing);
        } else {
            let asker = asker(world, source, pull, &author, &comment);
            let refusals = judged(source, &said, asker, &fact, &mut asked);
            if !refusals.is_empty() {
                forge.comment(pull.number, &format!("{ANSWER}{}", comment.id), &refusals.join("\n\n")).await?;
            }
        }
        // One transaction, of which the first event says that the comment was heard.
        let events = asked.into_iter().enumerate().map(|(at, what)| {
            let ask = Ask { what, by: comment.author.clone(), why: String::new(), comment: (at == 0).then_some(comment.id) };
            Event::Check(CheckEvent::Asked { check: id.clone(), ask })
        });
        world.ledger.append(None, &comment.author, world.clock.now(), events.collect()).await?;
    }
    Ok(())
}

/// Who wrote it, and what the config repository allows them.
fn asker(world: &World, source: &Source, pull: &Pull, author: &Account, comment: &Comment) -> Asker {
    let snapshot = world.current();
    let access = &snapshot.catalog.access;
    let person = world.forges.kind(&source.url).and_then(|kind| access.person(kind, author));
    let scope = Scope { app: Some(source.app.as_str().into()), environment: None };
    let may = person.is_some_and(|person| Grants::of(access, person, world.clock.now()).may(Verb::Check, &scope));
    Asker { is_author: *author == Account::new(&pull.author), may, at: comment.at, edited: comment.changed_at != comment.at }
}

/// What the commands of one comment come to; the refusals of the others, for people.
fn judged(source: &Source, said: &[Command], asker: Asker, fact: &CheckFact, asked: &mut Vec<Asked>) -> Vec<String> {
    let tests: Vec<String> = source.check.iter().flat_map(|check| check.tests.iter().map(|test| test.name.clone())).collect();
    let mut refusals = Vec::new();
    for command in said {
        match may_ask(command, asker, fact, &tests) {
            Ok(what) => asked.push(what),
            Err(refusal) => refusals.push(refusal.to_string()),
        }
    }
    if asked.is_empty() {
        asked.push(Asked::Nothing);
    }
    refusals
}
