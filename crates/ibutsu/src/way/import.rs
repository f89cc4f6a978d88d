//! As an archive: one request, and then the server's import is followed to its end.

use std::time::Duration;

use reqwest::StatusCode;
use towpath_domain::Timestamp;
use uuid::Uuid;

use super::{Known, Session};
use crate::answers::Import as Looked;
use crate::archive::archive;
use crate::error::{IbutsuError, IbutsuErrorKind, clean};
use crate::progress::{Import, Journal, Progress};
use crate::told::Told;
use crate::wire::{Answer, Body, Form};

/// The longest pause between two looks at an import.
const LOOK_MAX: Duration = Duration::from_secs(5);

/// What came of it.
pub(crate) struct Sent {
    pub known: Known,
    /// Why files were left out.
    pub without_files: Option<String>,
}

/// Sends the archive, if it is not there or under way already, and follows its import. `at`: when the run began.
pub(crate) async fn send(
    session: &Session<'_>,
    told: Told,
    at: Timestamp,
    source: &str,
    progress: &mut Progress,
    journal: &dyn Journal,
) -> Result<Sent, IbutsuError> {
    let (id, count) = (told.id, told.results.len() as u64);
    let mut without_files = None;
    if progress.import.is_none() {
        // Sent before, with nobody to say whether it arrived: servers before August 2026 would make every result of it a second time.
        if let Some(begun) = progress.begun {
            let ago = (session.clock)().since(begun).to_std();
            // Imports take some time.
            tokio::time::sleep(session.limits.settle.saturating_sub(ago)).await;
            if let Some(known) = arrived(session, id, count, begun).await? {
                return Ok(Sent { known, without_files });
            }
        }
        progress.begun = Some((session.clock)());
        journal.keep(progress).await?;
        let (import, why) = hand_over(session, told, at, source).await?;
        without_files = why;
        progress.import = Some(Import { id: import, taken: (session.clock)(), running: None });
        journal.keep(progress).await?;
    }
    let known = follow(session, id, count, progress, journal).await?;
    Ok(Sent { known, without_files })
}

/// A run, ready to be sent.
struct Packed {
    told: Told,
    bytes: Vec<u8>,
    /// Why files were left out.
    without_files: Option<String>,
}

/// Packs a run, without files where it is too large with them.
async fn pack(told: Told, at: Timestamp, limit: usize) -> Result<Packed, IbutsuError> {
    let broken = |why: String| IbutsuError::new(IbutsuErrorKind::Content, why, "report it as a fault of Towpath's");
    let pack = move || {
        let bytes = archive(&told, at)?;
        if bytes.len() <= limit || told.files_total().0 == 0 {
            return Ok(Packed { told, bytes, without_files: None });
        }
        let why = format!("the archive had {} bytes with them, and {limit} are sent at most", bytes.len());
        let told = told.without_files(&why);
        Ok(Packed { bytes: archive(&told, at)?, told, without_files: Some(why) })
    };
    // Packing a large one takes a while, and others go on meanwhile.
    let packed = tokio::task::spawn_blocking(pack).await.map_err(|error| broken(format!("packing the run broke down: {error}")))?;
    let packed = packed.map_err(|error: std::io::Error| broken(format!("no archive can be made of the run: {error}")))?;
    if packed.bytes.len() > limit {
        let why = format!("the archive has {} bytes even without files, and {limit} are sent at most", packed.bytes.len());
        let mend = "write fewer tests or shorter messages into one run's reports; `mode = \"api\"` of [ibutsu] sends each result by itself";
        return Err(IbutsuError::new(IbutsuErrorKind::TooLarge, why, mend));
    }
    Ok(packed)
}

/// Sends the archive; without files, where it is too large with them. The import's id, and why files were left out.
async fn hand_over(session: &Session<'_>, told: Told, at: Timestamp, source: &str) -> Result<(String, Option<String>), IbutsuError> {
    const WHAT: &str = "import the archive";
    let mut packed = pack(told, at, session.limits.archive).await?;
    let mut answer = post(session, &packed, source).await?;
    if answer.status == StatusCode::PAYLOAD_TOO_LARGE && packed.told.files_total().0 > 0 {
        let why = format!("the server does not take an archive of {} bytes", packed.bytes.len());
        packed = pack(packed.told.without_files(&why), at, session.limits.archive).await?;
        packed.without_files = Some(why);
        answer = post(session, &packed, source).await?;
    }
    if answer.status.is_server_error() {
        let error = session.refusal(&answer, WHAT).await;
        let wait = error.retry_after().unwrap_or_default().max(session.limits.settle);
        return Err(error.after(Some(wait)));
    }
    let answer = session.accepted(answer, WHAT).await?;
    Ok((session.read::<Looked>(&answer)?.id, packed.without_files))
}

async fn post(session: &Session<'_>, packed: &Packed, source: &str) -> Result<Answer, IbutsuError> {
    // The name tells the server what it is.
    let name = format!("{}.tar.gz", packed.told.id);
    let form = Form::new(&[("project", session.project), ("source", source)], ("importFile", &name, &packed.bytes));
    // Without an answer it may have arrived, and is looked for before it is sent again: after some time, since imports take some.
    session.make(&["import"], Body::Form(&form)).await.map_err(|unanswered| unanswered.error.after(Some(session.limits.settle)))
}

/// The run, once all its results are there; none when nothing of it is. While only a part is there, it is being imported.
async fn arrived(session: &Session<'_>, id: Uuid, count: u64, begun: Timestamp) -> Result<Option<Known>, IbutsuError> {
    let mut pause = session.limits.look;
    loop {
        let Some(known) = session.run(id).await? else { return Ok(None) };
        let there = session.results(id, &known).await?;
        if there >= count {
            return Ok(Some(known));
        }
        if is_over(session, begun) {
            return Err(stuck(session, &format!("{there} of {count} results are there, and no more come")));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LOOK_MAX);
    }
}

/// Looks at the import until it has ended.
async fn follow(session: &Session<'_>, id: Uuid, count: u64, progress: &mut Progress, journal: &dyn Journal) -> Result<Known, IbutsuError> {
    let mut pause = session.limits.look;
    while let Some(import) = progress.import.clone() {
        let Import { id: name, taken, running } = &import;
        let answer = session.get(&["import", name], &[]).await?;
        if answer.status == StatusCode::NOT_FOUND {
            // The server forgot it. Whether the run is there, the next try looks first.
            progress.import = None;
            journal.keep(progress).await?;
            return Err(IbutsuError::away(format!("Ibutsu at {} no longer knows the import {name}", session.wire.address())));
        }
        let answer = session.accepted(answer, "say what came of the import").await?;
        let looked: Looked = session.read(&answer)?;
        match (looked.status.as_str(), running) {
            ("done", _) => return done(session, id, looked).await,
            ("error", _) => {
                progress.import = None;
                journal.keep(progress).await?;
                let why = format!("Ibutsu at {} failed to import the run (import {name})", session.wire.address());
                return Err(IbutsuError::new(IbutsuErrorKind::Failing, why, "the log of its worker (celery) says why; it is tried again"));
            }
            ("running", None) => {
                progress.import = Some(Import { running: Some((session.clock)()), ..import });
                journal.keep(progress).await?;
            }
            ("running", Some(since)) if is_over(session, *since) => {
                // Its end may have been lost alone.
                if let Some(known) = whole(session, id, count).await? {
                    return Ok(known);
                }
                return Err(stuck(session, &format!("the import {name} is running since {since} without an end")));
            }
            ("pending", _) if is_over(session, *taken) => {
                let why = format!("Ibutsu at {} has not begun with the import {name} since {taken}", session.wire.address());
                let mend = "look whether its worker (celery) runs; what waits is imported then";
                return Err(IbutsuError::new(IbutsuErrorKind::Away, why, mend));
            }
            ("running" | "pending", _) => {}
            (other, _) => {
                let why = format!("Ibutsu at {} says of the import {name} that it is {:?}", session.wire.address(), clean(other));
                return Err(IbutsuError::new(
                    IbutsuErrorKind::Setup,
                    why,
                    "this version of Ibutsu is not known: `mode = \"api\"` may serve it",
                ));
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LOOK_MAX);
    }
    Ok(Known { project_id: None })
}

/// The run that an import made.
async fn done(session: &Session<'_>, id: Uuid, looked: Looked) -> Result<Known, IbutsuError> {
    let made = looked.metadata.and_then(|metadata| metadata.run_id).unwrap_or_default();
    if !made.is_empty() && !made.iter().any(|made| made.eq_ignore_ascii_case(&id.to_string())) {
        let why = format!("Ibutsu at {} made another run of the archive than the one in it", session.wire.address());
        return Err(IbutsuError::new(IbutsuErrorKind::Content, why, "look at the import there; report it as a fault of Towpath's"));
    }
    Ok(session.run(id).await?.unwrap_or(Known { project_id: None }))
}

/// The run, if all its results are there.
async fn whole(session: &Session<'_>, id: Uuid, count: u64) -> Result<Option<Known>, IbutsuError> {
    let Some(known) = session.run(id).await? else { return Ok(None) };
    Ok((session.results(id, &known).await? >= count).then_some(known))
}

fn is_over(session: &Session<'_>, since: Timestamp) -> bool {
    (session.clock)().since(since) >= session.limits.stuck
}

/// An import that failed within the server stays running for ever (observed), and the server tells nobody why.
fn stuck(session: &Session<'_>, what: &str) -> IbutsuError {
    let why = format!("Ibutsu at {}: {what}", session.wire.address());
    let mend =
        "the log of its worker (celery) says why; what is there of the run may be a part. `mode = \"api\"` of [ibutsu] needs no worker";
    IbutsuError::new(IbutsuErrorKind::Stuck, why, mend)
}
