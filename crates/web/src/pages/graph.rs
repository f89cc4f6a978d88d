//! `/graph`: what publishes to what.

use std::collections::BTreeSet;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use towpath_control::view::{GraphFilter, GraphView, NodeView};

use super::ask::{Query, filled};
use super::{Failed, Frame, Nav, show};
use crate::api::Shared;
use crate::caller::Caller;
use crate::draw::graph;
use crate::problem::Refusal;

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    #[serde(default, deserialize_with = "filled")]
    app: Option<String>,
    #[serde(default, deserialize_with = "filled")]
    around: Option<String>,
    #[serde(default, deserialize_with = "filled")]
    commit: Option<String>,
}

#[derive(Template)]
#[template(path = "graph.html")]
struct GraphPage<'a> {
    frame: &'a Frame,
    app: &'a str,
    around: &'a str,
    commit: &'a str,
    filtered: bool,
    marked: bool,
    apps: BTreeSet<&'a str>,
    signs: &'static str,
    legend: [(&'static str, &'static str); 4],
    left_out: u32,
    drawing: String,
    rows: Vec<Row<'a>>,
}

/// The page.
pub(super) async fn page(
    State(shared): State<Shared>,
    caller: Caller,
    frame: Frame,
    Query(asked): Query<Asked>,
) -> Result<Response, Failed> {
    let frame = frame.on(Nav::Graph, "Graph").known_to(&shared).await;
    let failed = |problem: Refusal| Failed::new(frame.clone(), problem);
    let filter = GraphFilter { app: asked.app.clone(), around: asked.around.clone(), commit: asked.commit.clone() };
    let view = shared.brain.graph(caller.sight(), filter).await.map_err(|problem| failed(problem.into()))?;
    Ok(show(&GraphPage {
        frame: &frame,
        app: asked.app.as_deref().unwrap_or_default(),
        around: asked.around.as_deref().unwrap_or_default(),
        commit: asked.commit.as_deref().unwrap_or_default(),
        filtered: asked.app.is_some() || asked.around.is_some() || asked.commit.is_some(),
        marked: view.nodes.iter().any(|node| node.on_path),
        apps: apps(&view),
        signs: graph::SIGNS,
        legend: [("up-to-date", "up to date"), ("moving", "moving"), ("waiting", "waiting"), ("stuck", "stuck")],
        left_out: view.left_out,
        drawing: graph::draw(&view),
        rows: rows(&view),
    }))
}

/// A row of the table that says what the drawing shows.
struct Row<'a> {
    node: &'a NodeView,
    address: String,
    state: String,
    environment: &'a str,
    leads_to: Vec<(String, &'a str)>,
}

/// One row per node, in the order of the drawing's parts.
fn rows(view: &GraphView) -> Vec<Row<'_>> {
    let mut after: Vec<Vec<&NodeView>> = vec![Vec::new(); view.nodes.len()];
    for (from, to) in &view.edges {
        if let (Some(after), Some(to)) = (after.get_mut(*from as usize), view.nodes.get(*to as usize)) {
            after.push(to);
        }
    }
    let rows = view.nodes.iter().zip(after).map(|(node, after)| Row {
        address: graph::address(node),
        state: node.state.as_deref().map(graph::words).unwrap_or_default(),
        environment: node.environment.as_deref().unwrap_or_default(),
        leads_to: after.into_iter().map(|node| (graph::address(node), node.name.as_str())).collect(),
        node,
    });
    rows.collect()
}

/// The apps that can be chosen from.
fn apps(view: &GraphView) -> BTreeSet<&str> {
    view.nodes.iter().filter_map(|node| node.app.as_deref()).collect()
}
