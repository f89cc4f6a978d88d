//! Call by call: the run, its files, each result with its files, and the run once more, upon which the server counts anew.

use reqwest::{Method, StatusCode};

use super::{Known, Owner, Session};
use crate::answers::Run;
use crate::error::IbutsuError;
use crate::progress::{Journal, Progress};
use crate::told::Told;
use crate::wire::{Body, Unanswered};

/// After so many results it is kept how many were sent.
const KEPT_EVERY: usize = 200;

/// Sends what is not there yet.
pub(crate) async fn send(session: &Session<'_>, told: &Told, progress: &mut Progress, journal: &dyn Journal) -> Result<Known, IbutsuError> {
    let first = progress.begun.is_none();
    if first {
        progress.begun = Some((session.clock)());
        journal.keep(progress).await?;
    }
    let (known, fresh) = run(session, told).await?;
    session.files(Owner::Run(told.id), &told.files, fresh).await?;
    for (at, result) in told.results.iter().enumerate().skip(progress.results) {
        let answer = session.send(Method::POST, &["result"], &result.result).await?;
        // A result is never changed: one that is there is this one.
        let is_there = answer.status == StatusCode::BAD_REQUEST && answer.says("already exist");
        if !is_there {
            session.accepted(answer, "keep a result").await?;
        }
        // A request that was tried twice may have found its own result.
        session.files(Owner::Result(result.id), &result.files, first && !is_there).await?;
        if (at + 1) % KEPT_EVERY == 0 {
            progress.results = at + 1;
            journal.keep(progress).await?;
        }
    }
    let answer = session.send(Method::PUT, &["run", &told.id.to_string()], &told.run).await?;
    session.accepted(answer, "end the run").await?;
    Ok(known)
}

/// Makes the run, or updates it where it is there. Whether it was made now.
async fn run(session: &Session<'_>, told: &Told) -> Result<(Known, bool), IbutsuError> {
    const WHAT: &str = "make the run";
    let id = told.id.to_string();
    let mut tries = 1;
    loop {
        // First, as looking for a run that is not there fails on some servers.
        let answer = session.send(Method::PUT, &["run", &id], &told.run).await?;
        if answer.status != StatusCode::NOT_FOUND {
            let answer = session.accepted(answer, "update the run").await?;
            return Ok((Known { project_id: session.read::<Run>(&answer)?.project_id }, false));
        }
        match session.make(&["run"], Body::Json(&told.run)).await {
            Ok(answer) if !answer.status.is_server_error() => {
                let answer = session.accepted(answer, WHAT).await?;
                return Ok((Known { project_id: session.read::<Run>(&answer)?.project_id }, true));
            }
            Ok(answer) if tries >= session.limits.tries => return Err(session.refusal(&answer, WHAT).await),
            Err(Unanswered { error, .. }) if tries >= session.limits.tries => return Err(error),
            Ok(_) | Err(_) => {}
        }
        // It may be there by now.
        tries += 1;
        tokio::time::sleep(session.limits.pause).await;
    }
}
