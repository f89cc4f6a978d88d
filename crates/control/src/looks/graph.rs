//! What publishes to what, as nodes and edges.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use towpath_domain::CommitId;
use towpath_engine::Facts;

use super::picture::{Picture, Piece, Standing};
use super::train::Tracks;
use crate::find;
use crate::places::Places;
use crate::sight::Sight;
use crate::steer::Control;
use crate::view::{GraphFilter, GraphView, NodeView, Problem};

/// The most nodes of one drawing: more, nobody can read.
const NODES_MAX: usize = 1500;

impl Control {
    /// What publishes to what.
    ///
    /// # Errors
    /// [`Problem`] when `commit` names none, or several.
    pub async fn graph(&self, sight: Sight, filter: GraphFilter) -> Result<GraphView, Problem> {
        let picture = self.picture();
        let facts = self.world.ledger.facts();
        let commit = match filter.commit.as_deref().filter(|text| !text.is_empty()) {
            Some(text) => Some(
                find::commit_seen(&Places::new(&picture.snapshot.catalog, &facts), &sight, text)?
                    .ok_or_else(|| super::scope::unknown(text))?,
            ),
            None => None,
        };
        Ok(graph(&picture, &facts, &sight, &filter, commit))
    }
}

/// Keys of nodes, so that a source and a target of the same name are two.
type Key = (&'static str, String);

fn graph(picture: &Picture, facts: &Facts, sight: &Sight, filter: &GraphFilter, commit: Option<CommitId>) -> GraphView {
    let catalog = &picture.snapshot.catalog;
    let tracks = Tracks::new(catalog, facts);
    let places = Places::new(catalog, facts);
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let app = given(&filter.app);
    let has = |url: &towpath_domain::RepoUrl| {
        commit
            .is_none_or(|commit| facts.branches.iter().any(|((of, _), branch)| of == url && branch.commits.iter().any(|c| c.id == commit)))
    };
    let wanted = |piece: &&Piece| {
        sight.sees_scope(&piece.scope())
            && app.as_deref().is_none_or(|app| piece.target.saas_file.app.as_str() == app)
            && has(&piece.target.url)
    };
    let pieces: Vec<&Piece> = picture.pieces.iter().filter(wanted).collect();
    let mut nodes: BTreeMap<Key, NodeView> = BTreeMap::new();
    let mut edges: BTreeSet<(Key, Key)> = BTreeSet::new();
    for piece in &pieces {
        let target = &piece.target;
        let key: Key = ("target", target.id.to_string());
        let runs = piece.cell.commit.as_ref().map(|commit| commit.id);
        let reached = commit.is_some_and(|commit| tracks.has_reached(target, runs, commit));
        nodes.insert(
            key.clone(),
            NodeView {
                kind: "target".to_owned(),
                id: target.id.to_string(),
                name: piece.cell.name.clone(),
                app: Some(target.saas_file.app.to_string()),
                environment: Some(target.environment.to_string()),
                state: Some(piece.standing.word().to_owned()),
                commit: piece.cell.commit.clone(),
                on_path: commit.is_some(),
                reached,
            },
        );
        for channel in &target.promotion.publish {
            edges.insert((key.clone(), ("channel", channel.to_string())));
        }
        for channel in &target.promotion.subscribe {
            edges.insert((("channel", channel.to_string()), key.clone()));
        }
        for channel in target.promotion.publish.iter().chain(&target.promotion.subscribe) {
            nodes.entry(("channel", channel.to_string())).or_insert_with(|| NodeView {
                kind: "channel".to_owned(),
                id: channel.to_string(),
                name: channel.to_string(),
                app: None,
                environment: None,
                state: None,
                commit: None,
                on_path: commit.is_some(),
                reached: false,
            });
        }
    }
    for spring in &picture.sources {
        let (source, key): (_, Key) = (&spring.source, ("source", spring.source.name.to_string()));
        let follow: Vec<&&Piece> =
            pieces.iter().filter(|piece| piece.target.url == source.url && piece.target.promotion.subscribe.is_empty()).collect();
        let own = app.as_deref().is_none_or(|app| source.app.as_str() == app) && has(&source.url);
        if (follow.is_empty() && !own) || !crate::places::seen(sight, &places.of_source(&source.name)) {
            continue;
        }
        let built = commit.is_some_and(|commit| {
            facts.builds.get(&source.name).and_then(|all| all.get(&commit)).is_some_and(|build| build.built.is_some())
        });
        nodes.insert(
            key.clone(),
            NodeView {
                kind: "source".to_owned(),
                id: source.name.to_string(),
                name: source.name.to_string(),
                app: Some(source.app.to_string()),
                environment: None,
                state: Some(spring.standing.word().to_owned()),
                commit: spring.head.map(|head| crate::commits::Commits::new(facts).view(Some(&source.url), head)),
                on_path: commit.is_some(),
                reached: built,
            },
        );
        edges.extend(follow.into_iter().map(|piece| (key.clone(), ("target", piece.target.id.to_string()))));
    }
    edges.retain(|(from, to)| nodes.contains_key(from) && nodes.contains_key(to));
    if let Some(around) = given(&filter.around) {
        let kept = around_of(&nodes, &edges, &around);
        nodes.retain(|key, _| kept.contains(key));
        edges.retain(|(from, to)| kept.contains(from) && kept.contains(to));
    }
    let left_out = nodes.len().saturating_sub(NODES_MAX);
    if left_out > 0 {
        shorten(&mut nodes, &mut edges);
    }
    let index: BTreeMap<&Key, u32> = nodes.keys().zip(0..).collect();
    let at = |key: &Key| index.get(key).copied().unwrap_or_default();
    let edges = edges.iter().map(|(from, to)| (at(from), at(to))).collect();
    GraphView { edges, left_out: u32::try_from(left_out).unwrap_or(u32::MAX), nodes: nodes.into_values().collect() }
}

/// What leads to a node, and what it leads to.
fn around_of(nodes: &BTreeMap<Key, NodeView>, edges: &BTreeSet<(Key, Key)>, around: &str) -> HashSet<Key> {
    let mut kept: HashSet<Key> = HashSet::new();
    for forward in [true, false] {
        let mut open: Vec<Key> =
            nodes.iter().filter(|((_, id), node)| id == around || node.name == around).map(|(key, _)| key.clone()).collect();
        while let Some(key) = open.pop() {
            for (from, to) in edges {
                let (here, next) = if forward { (from, to) } else { (to, from) };
                if *here == key && !kept.contains(next) {
                    open.push(next.clone());
                }
            }
            kept.insert(key);
        }
    }
    kept
}

/// Keeps trouble and motion, and of the rest as much as can be drawn.
fn shorten(nodes: &mut BTreeMap<Key, NodeView>, edges: &mut BTreeSet<(Key, Key)>) {
    let rank = |node: &NodeView| match node.state.as_deref() {
        Some(word) => Standing::ALL.iter().position(|standing| standing.word() == word).unwrap_or(Standing::ALL.len()),
        None => Standing::ALL.len(),
    };
    let mut order: Vec<(usize, Key)> = nodes.iter().map(|(key, node)| (rank(node), key.clone())).collect();
    order.sort();
    let kept: HashSet<Key> = order.into_iter().take(NODES_MAX).map(|(_, key)| key).collect();
    nodes.retain(|key, _| kept.contains(key));
    edges.retain(|(from, to)| kept.contains(from) && kept.contains(to));
}
