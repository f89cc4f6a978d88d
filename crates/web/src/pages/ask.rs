//! Reading what a page is asked, with every misreading told on a page.

use axum::extract::{FromRequest, FromRequestParts, Path as AxumPath, Query as AxumQuery, Request};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use super::{Failed, Frame};
use crate::problem::Refusal;

/// A page's query.
pub(crate) struct Query<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Failed;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failed> {
        let refusal = match AxumQuery::from_request_parts(parts, state).await {
            Ok(AxumQuery(value)) => return Ok(Self(value)),
            Err(rejection) => Refusal::from(rejection),
        };
        Err(failed(parts, state, refusal).await)
    }
}

/// The variable part of a page's path.
pub(crate) struct Path(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Path {
    type Rejection = Failed;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failed> {
        let refusal = match AxumPath::from_request_parts(parts, state).await {
            Ok(AxumPath(value)) => return Ok(Self(value)),
            Err(rejection) => Refusal::from(rejection),
        };
        Err(failed(parts, state, refusal).await)
    }
}

async fn failed<S: Send + Sync>(parts: &mut Parts, state: &S, refusal: Refusal) -> Failed {
    let Ok(frame) = Frame::from_request_parts(parts, state).await;
    Failed::new(frame, refusal)
}

/// A field of a form: what is left empty was not asked for.
pub(crate) fn filled<'de, D: Deserializer<'de>>(field: D) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(field)?;
    Ok(text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()))
}

/// A filled-in form.
pub(crate) struct Form<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Form<T> {
    type Rejection = Refusal;
    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        match axum::extract::Form::from_request(request, state).await {
            Ok(axum::extract::Form(value)) => Ok(Self(value)),
            Err(rejection) => {
                let mend = "send what the page's form sends: fields as application/x-www-form-urlencoded";
                Err(Refusal::new(rejection.status(), "bad-body", "The form cannot be read", rejection.body_text(), mend))
            }
        }
    }
}
