//! One request that the API takes: its route and its description, side by side. Router, OpenAPI document and permission tests are all made from
//! the same list, so that none of them knows a route that the others do not.

use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, MethodRouter, on};
use schemars::generate::SchemaGenerator;
use schemars::{JsonSchema, Schema};
use towpath_control::Verb;

use super::Shared;
use super::deprecated::Deprecated;

/// Makes a schema, and leaves the ones it needs with the generator.
pub(crate) type MakeSchema = fn(&mut SchemaGenerator) -> Schema;

/// What comes of a request that goes well.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) media: &'static str,
    pub(crate) schema: MakeSchema,
}

/// A request that the API takes.
pub struct Operation {
    /// Its stable name.
    pub id: &'static str,
    /// Its method.
    pub method: Method,
    /// Its path, variable parts in braces.
    pub path: &'static str,
    /// What the caller needs for all that it touches.
    pub needs: Verb,
    /// Until when it is answered, if it is on its way out.
    pub deprecated: Option<Deprecated>,
    pub(crate) group: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) text: &'static str,
    pub(crate) query: Option<MakeSchema>,
    pub(crate) body: Option<MakeSchema>,
    pub(crate) answers: Vec<Answer>,
    /// Rules that it may be refused by, besides those that any request may be.
    pub(crate) refusals: Vec<&'static str>,
    /// Headers that it reads, besides those that any request may have: name and meaning.
    pub(crate) headers: Vec<(&'static str, &'static str)>,
    pub(crate) handler: MethodRouter<Shared>,
}

impl Operation {
    fn new<H: Handler<T, Shared>, T: 'static>(
        method: Method,
        filter: MethodFilter,
        path: &'static str,
        id: &'static str,
        handler: H,
    ) -> Self {
        Self {
            id,
            method,
            path,
            needs: Verb::Look,
            deprecated: None,
            group: "look",
            summary: "",
            text: "",
            query: None,
            body: None,
            answers: Vec::new(),
            refusals: Vec::new(),
            headers: Vec::new(),
            handler: on(filter, handler),
        }
    }

    pub(crate) fn get<H: Handler<T, Shared>, T: 'static>(path: &'static str, id: &'static str, handler: H) -> Self {
        Self::new(Method::GET, MethodFilter::GET, path, id, handler)
    }

    pub(crate) fn post<H: Handler<T, Shared>, T: 'static>(path: &'static str, id: &'static str, handler: H) -> Self {
        Self::new(Method::POST, MethodFilter::POST, path, id, handler)
    }

    /// For whoever may do this to all that the request touches.
    pub(crate) fn needs(mut self, verb: Verb) -> Self {
        self.needs = verb;
        self
    }

    /// What it does: a line, and more.
    pub(crate) fn says(mut self, group: &'static str, summary: &'static str, text: &'static str) -> Self {
        (self.group, self.summary, self.text) = (group, summary, text);
        self
    }

    /// Takes this as its query.
    pub(crate) fn query<T: JsonSchema>(mut self) -> Self {
        self.query = Some(SchemaGenerator::subschema_for::<T>);
        self.refuses(&["bad-query"])
    }

    /// Takes this as its JSON body.
    pub(crate) fn body<T: JsonSchema>(mut self) -> Self {
        self.body = Some(SchemaGenerator::subschema_for::<T>);
        self.refuses(&["bad-body"])
    }

    /// Answers 200 with this as JSON.
    pub(crate) fn answers<T: JsonSchema>(self) -> Self {
        self.answers_as::<T>(200, "application/json")
    }

    /// Answers so.
    pub(crate) fn answers_as<T: JsonSchema>(mut self, status: u16, media: &'static str) -> Self {
        self.answers.push(Answer { status, media, schema: SchemaGenerator::subschema_for::<T> });
        self
    }

    /// May be refused by these rules.
    pub(crate) fn refuses(mut self, rules: &[&'static str]) -> Self {
        self.refusals.extend(rules);
        self
    }

    /// Reads this header.
    pub(crate) fn header(mut self, name: &'static str, meaning: &'static str) -> Self {
        self.headers.push((name, meaning));
        self
    }
}
