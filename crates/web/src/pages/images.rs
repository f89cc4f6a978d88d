//! `/images`: what builds made, and where it runs.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use towpath_control::view::{ImageFilter, ImageView};

use super::ask::{Query, filled};
use super::wording::with_query;
use super::words;
use super::{Failed, Frame, Nav, show};
use crate::api::Shared;
use crate::caller::Caller;
use crate::problem::Refusal;

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    #[serde(default, deserialize_with = "filled")]
    source: Option<String>,
    #[serde(default, deserialize_with = "filled")]
    running: Option<String>,
    #[serde(default, deserialize_with = "filled")]
    cursor: Option<String>,
}

#[derive(Template)]
#[template(path = "images.html")]
struct ImagesPage<'a> {
    frame: &'a Frame,
    source: &'a str,
    running: &'a str,
    filtered: bool,
    items: Vec<ImageView>,
    next: Option<String>,
}

/// The page.
pub(super) async fn page(
    State(shared): State<Shared>,
    caller: Caller,
    frame: Frame,
    Query(asked): Query<Asked>,
) -> Result<Response, Failed> {
    let frame = frame.on(Nav::Images, "Images").known_to(&shared).await;
    let failed = |problem: Refusal| Failed::new(frame.clone(), problem);
    let running = match asked.running.as_deref() {
        None => None,
        Some("true") => Some(true),
        Some("false") => Some(false),
        Some(other) => {
            let detail = format!("running is {:?}", other.chars().take(40).collect::<String>());
            return Err(failed(Refusal::new(
                StatusCode::BAD_REQUEST,
                "bad-query",
                "That is neither yes nor no",
                detail,
                "choose true or false",
            )));
        }
    };
    let filter = ImageFilter { source: asked.source.clone(), running, cursor: asked.cursor.clone(), limit: None };
    let view = shared.brain.images(caller.sight(), filter).await.map_err(|problem| failed(problem.into()))?;
    let (source, said) = (asked.source.as_deref(), asked.running.as_deref());
    Ok(show(&ImagesPage {
        frame: &frame,
        source: source.unwrap_or_default(),
        running: said.unwrap_or_default(),
        filtered: source.is_some() || said.is_some() || asked.cursor.is_some(),
        items: view.items,
        next: view.next.map(|next| with_query("/images", &[("source", source), ("running", said), ("cursor", Some(&next))])),
    }))
}
