//! The two ways of telling.

pub(crate) mod api;
pub(crate) mod import;

use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use towpath_secrets::SecretValue;
use uuid::Uuid;

use crate::answers::{Artifacts, Page, Run};
use crate::deliver::Clock;
use crate::error::{IbutsuError, IbutsuErrorKind};
use crate::settings::Limits;
use crate::wire::{Answer, Body, Call, Form, Unanswered, Wire, garbage, refused};

/// The most pages of a list that are read.
const PAGES_MAX: u64 = 1000;

/// Files per page: as many as the server's own pages ask for at most.
const PAGE_SIZE: &str = "200";

/// Who talks to the server for the length of one upload.
pub(crate) struct Session<'a> {
    pub wire: &'a Wire,
    pub token: SecretValue,
    pub project: &'a str,
    pub limits: Limits,
    pub clock: &'a Clock,
}

/// A run that is on the server.
pub(crate) struct Known {
    pub project_id: Option<String>,
}

/// A thing that files belong to.
#[derive(Clone, Copy)]
pub(crate) enum Owner {
    Run(Uuid),
    Result(Uuid),
}

impl Session<'_> {
    pub(crate) async fn get(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Answer, IbutsuError> {
        self.wire.again(Call { method: Method::GET, path, query, token: Some(&self.token), body: Body::Nothing }).await
    }

    /// Sends what may be sent any number of times.
    pub(crate) async fn send(&self, method: Method, path: &[&str], body: &Value) -> Result<Answer, IbutsuError> {
        self.wire.again(Call { method, path, query: &[], token: Some(&self.token), body: Body::Json(body) }).await
    }

    /// Sends what makes something.
    pub(crate) async fn make(&self, path: &[&str], body: Body<'_>) -> Result<Answer, Unanswered> {
        self.wire.once(Call { method: Method::POST, path, query: &[], token: Some(&self.token), body }).await
    }

    /// This answer, if it is a success; else what it means. `what`: what was to be done, after "cannot".
    pub(crate) async fn accepted(&self, answer: Answer, what: &str) -> Result<Answer, IbutsuError> {
        if answer.status.is_success() { Ok(answer) } else { Err(self.refusal(&answer, what).await) }
    }

    /// What an answer that is no success means.
    pub(crate) async fn refusal(&self, answer: &Answer, what: &str) -> IbutsuError {
        let said = Wire::said(answer, Some(&self.token));
        let error = refused(self.wire.address(), self.project, what, answer.status, &said, answer.retry_after);
        if answer.status != StatusCode::INTERNAL_SERVER_ERROR {
            return error;
        }
        // Is it the server, this token, or what was asked?
        let ask = |token| Call {
            method: Method::GET,
            path: if token { &["project"] } else { &["health", "info"] },
            query: &[],
            token: token.then_some(&self.token),
            body: Body::Nothing,
        };
        let health = self.wire.again(ask(false)).await;
        if !health.is_ok_and(|health| health.status.is_success()) {
            return error;
        }
        match self.wire.again(ask(true)).await {
            Ok(answer) if answer.status == StatusCode::INTERNAL_SERVER_ERROR => garbage(self.wire.address()),
            Ok(_) => {
                IbutsuError::new(IbutsuErrorKind::Failing, error.why(), "the server is well otherwise: its own log says why this fails")
            }
            Err(_) => error,
        }
    }

    /// The answer as `T`.
    pub(crate) fn read<T: DeserializeOwned>(&self, answer: &Answer) -> Result<T, IbutsuError> {
        answer.parse().ok_or_else(|| {
            let why = format!("what answers at {} does not answer as Ibutsu does", self.wire.address());
            IbutsuError::new(IbutsuErrorKind::Setup, why, "look whether `url` of [ibutsu] in towpath.toml is that of Ibutsu's API")
        })
    }

    /// The run, if it is there. Some versions answer 500 for one that is not (from the source: they ask for its project first).
    pub(crate) async fn run(&self, id: Uuid) -> Result<Option<Known>, IbutsuError> {
        let answer = self.get(&["run", &id.to_string()], &[]).await?;
        match answer.status {
            StatusCode::NOT_FOUND | StatusCode::INTERNAL_SERVER_ERROR => Ok(None),
            _ => {
                let answer = self.accepted(answer, "look for the run").await?;
                let run: Run = self.read(&answer)?;
                Ok(Some(Known { project_id: run.project_id }))
            }
        }
    }

    /// How many results of a run are there.
    pub(crate) async fn results(&self, id: Uuid, run: &Known) -> Result<u64, IbutsuError> {
        let of_run = format!("run_id={id}");
        // Who may see everything must say which project.
        let of_project = run.project_id.as_ref().map(|project| format!("project_id={project}"));
        let filters = std::iter::once(of_run.as_str()).chain(of_project.as_deref()).map(|filter| ("filter", filter));
        let query: Vec<_> = filters.chain([("page", "1"), ("pageSize", "1")]).collect();
        let answer = self.get(&["result"], &query).await?;
        let answer = self.accepted(answer, "count the run's results").await?;
        Ok(self.read::<Page>(&answer)?.pagination.total_items)
    }

    /// The names of the files that are there.
    async fn files_of(&self, owner: Owner) -> Result<BTreeSet<String>, IbutsuError> {
        let (field, id) = owner.named();
        let mut names = BTreeSet::new();
        for page in 1..=PAGES_MAX {
            let answer = self.get(&["artifact"], &[(field, &id), ("page", &page.to_string()), ("pageSize", PAGE_SIZE)]).await?;
            let answer = self.accepted(answer, "list the files that are there").await?;
            let page_of: Artifacts = self.read(&answer)?;
            names.extend(page_of.artifacts.into_iter().filter_map(|file| file.filename));
            if page >= page_of.pagination.total_pages {
                break;
            }
        }
        Ok(names)
    }

    /// Sends the files of something, without those that are there. `fresh`: nothing can be there yet.
    pub(crate) async fn files(&self, owner: Owner, files: &[crate::NamedFile], fresh: bool) -> Result<(), IbutsuError> {
        if files.is_empty() {
            return Ok(());
        }
        let mut there = if fresh { BTreeSet::new() } else { self.files_of(owner).await? };
        for file in files {
            let mut tries = 1;
            while !there.contains(&file.name) {
                let (field, id) = owner.named();
                let form = Form::new(&[("filename", &file.name), (field, &id)], ("file", &file.name, &file.content));
                match self.make(&["artifact"], Body::Form(&form)).await {
                    Ok(answer) if !answer.status.is_server_error() => {
                        self.accepted(answer, &format!("keep the file {}", file.name)).await?;
                        break;
                    }
                    Ok(answer) if tries >= self.limits.tries => return Err(self.refusal(&answer, "keep a file").await),
                    Err(Unanswered { error, .. }) if tries >= self.limits.tries => return Err(error),
                    // It may be there: look first.
                    Ok(_) | Err(_) => {
                        tokio::time::sleep(self.limits.pause).await;
                        there = self.files_of(owner).await?;
                        tries += 1;
                    }
                }
            }
        }
        Ok(())
    }
}

impl Owner {
    fn named(self) -> (&'static str, String) {
        match self {
            Self::Run(id) => ("runId", id.to_string()),
            Self::Result(id) => ("resultId", id.to_string()),
        }
    }
}
