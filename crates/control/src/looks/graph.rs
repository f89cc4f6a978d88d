//! What publishes to what, as nodes and edges.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use towpath_domain::{CommitId, RepoUrl};
use towpath_engine::Facts;

use super::picture::Picture;
use super::piece::Piece;
use super::standing::Standing;
use super::tracks::has_reached;
use crate::find;
use crate::places::{Places, seen, sees_target};
use crate::sight::Sight;
use crate::steer::Control;
use crate::view::{GraphFilter, GraphView, NodeView, Problem};

/// The most nodes of one drawing: more, nobody can read, and a page of them takes long on a bad line.
const NODES_MAX: usize = 800;

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
                find::commit_seen(&Places::new(&picture.snapshot().catalog, &facts), &sight, text)?
                    .ok_or_else(|| super::scope::unknown(text))?,
            ),
            None => None,
        };
        Ok(graph(&picture, &facts, &sight, &filter, commit))
    }
}

/// Nodes, and which of them are beside each other.
#[derive(Default)]
struct Drawing<'a> {
    nodes: Vec<NodeView>,
    edges: BTreeSet<(usize, usize)>,
    channels: HashMap<&'a str, usize>,
}

impl<'a> Drawing<'a> {
    fn node(&mut self, node: NodeView) -> usize {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    fn channel(&mut self, name: &'a str, on_path: bool) -> usize {
        if let Some(known) = self.channels.get(name) {
            return *known;
        }
        let at = self.node(NodeView {
            kind: "channel".to_owned(),
            id: name.to_owned(),
            name: name.to_owned(),
            app: None,
            environment: None,
            state: None,
            commit: None,
            on_path,
            reached: false,
        });
        self.channels.insert(name, at);
        at
    }

    fn target(&mut self, piece: &'a Piece, on_path: bool, reached: bool) -> usize {
        let target = &piece.target;
        let at = self.node(NodeView {
            kind: "target".to_owned(),
            id: target.id.to_string(),
            name: piece.cell.name.clone(),
            app: Some(target.saas_file.app.to_string()),
            environment: Some(target.environment.to_string()),
            state: Some(piece.standing.word().to_owned()),
            commit: piece.cell.commit.clone(),
            on_path,
            reached,
        });
        for channel in &target.promotion.publish {
            let to = self.channel(channel.as_str(), on_path);
            self.edges.insert((at, to));
        }
        for channel in &target.promotion.subscribe {
            let from = self.channel(channel.as_str(), on_path);
            self.edges.insert((from, at));
        }
        at
    }

    /// What leads to a node, and what it leads to; itself among them.
    fn around(&self, name: &str) -> HashSet<usize> {
        let own = || self.nodes.iter().enumerate().filter(|(_, node)| node.id == name || node.name == name).map(|(at, _)| at);
        let mut next: HashMap<usize, Vec<usize>> = HashMap::new();
        let mut before: HashMap<usize, Vec<usize>> = HashMap::new();
        for (from, to) in &self.edges {
            next.entry(*from).or_default().push(*to);
            before.entry(*to).or_default().push(*from);
        }
        let mut kept = HashSet::new();
        for beside in [&next, &before] {
            let mut met: HashSet<usize> = own().collect();
            let mut open: Vec<usize> = met.iter().copied().collect();
            while let Some(at) = open.pop() {
                for beside in beside.get(&at).into_iter().flatten() {
                    if met.insert(*beside) {
                        open.push(*beside);
                    }
                }
            }
            kept.extend(met);
        }
        kept
    }

    /// The most telling nodes, `most` at most: trouble and motion first, with all that hangs together with them as far as that can be drawn.
    fn most_telling(&self, most: usize) -> HashSet<usize> {
        let rank = |at: usize| {
            let word = self.nodes[at].state.as_deref();
            Standing::ALL.iter().position(|standing| Some(standing.word()) == word).unwrap_or(Standing::ALL.len())
        };
        let mut groups = self.groups();
        for group in &mut groups {
            group.sort_unstable_by_key(|at| (rank(*at), *at));
        }
        groups.sort_by_key(|group| group.first().map(|at| (rank(*at), *at)));
        let mut kept = HashSet::new();
        for group in &groups {
            if kept.len() + group.len() <= most {
                kept.extend(group);
            } else if kept.is_empty() {
                // One that is too large by itself is drawn in part.
                kept.extend(group.iter().take(most));
            }
        }
        kept
    }

    /// Nodes that hang together, whichever way edges lead.
    fn groups(&self) -> Vec<Vec<usize>> {
        let mut beside: Vec<Vec<usize>> = vec![Vec::new(); self.nodes.len()];
        for (from, to) in &self.edges {
            beside[*from].push(*to);
            beside[*to].push(*from);
        }
        let mut met = vec![false; self.nodes.len()];
        let mut groups = Vec::new();
        for start in 0..self.nodes.len() {
            let (mut group, mut open) = (Vec::new(), vec![start]);
            while let Some(at) = open.pop() {
                if !std::mem::replace(&mut met[at], true) {
                    group.push(at);
                    open.extend(&beside[at]);
                }
            }
            if !group.is_empty() {
                groups.push(group);
            }
        }
        groups
    }

    fn keep(self, kept: &HashSet<usize>) -> Self {
        let mut now: HashMap<usize, usize> = HashMap::new();
        let mut nodes = Vec::with_capacity(kept.len());
        for (at, node) in self.nodes.into_iter().enumerate().filter(|(at, _)| kept.contains(at)) {
            now.insert(at, nodes.len());
            nodes.push(node);
        }
        let edges = self.edges.iter().filter_map(|(from, to)| Some((*now.get(from)?, *now.get(to)?))).collect();
        Self { nodes, edges, channels: HashMap::new() }
    }
}

pub(crate) fn graph(picture: &Picture, facts: &Facts, sight: &Sight, filter: &GraphFilter, commit: Option<CommitId>) -> GraphView {
    let catalog = &picture.snapshot().catalog;
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let app = given(&filter.app);
    let having = commit.map(|commit| picture.tracks.having(commit));
    let has = |url: &RepoUrl| having.as_ref().is_none_or(|having| having.contains(url));
    let of_app = |name: &str| app.as_deref().is_none_or(|app| app == name);
    let mut drawing = Drawing::default();
    let mut followers: HashMap<&RepoUrl, Vec<usize>> = HashMap::new();
    let wanted =
        |piece: &&Arc<Piece>| sees_target(sight, &piece.target) && of_app(piece.target.saas_file.app.as_str()) && has(&piece.target.url);
    for piece in picture.pieces.iter().filter(wanted) {
        let track = picture.shape.branch(&piece.target).and_then(|branch| picture.tracks.get(&piece.target.url, branch));
        let reached = commit.is_some_and(|commit| has_reached(track, piece.runs(), commit));
        let at = drawing.target(piece, commit.is_some(), reached);
        if piece.target.promotion.subscribe.is_empty() {
            followers.entry(&piece.target.url).or_default().push(at);
        }
    }
    let places = Places::new(catalog, facts);
    for spring in &picture.sources {
        let source = &spring.source;
        let follow = followers.get(&source.url).map(Vec::as_slice).unwrap_or_default();
        let own = of_app(source.app.as_str()) && has(&source.url);
        if (follow.is_empty() && !own) || !seen(sight, &places.of_source(&source.name)) {
            continue;
        }
        let is_built =
            |commit: CommitId| facts.builds.get(&source.name).and_then(|all| all.get(&commit)).is_some_and(|build| build.built.is_some());
        let at = drawing.node(NodeView {
            kind: "source".to_owned(),
            id: source.name.to_string(),
            name: source.name.to_string(),
            app: Some(source.app.to_string()),
            environment: None,
            state: Some(spring.standing.word().to_owned()),
            commit: spring.head.clone(),
            on_path: commit.is_some(),
            reached: commit.is_some_and(is_built),
        });
        drawing.edges.extend(follow.iter().map(|to| (at, *to)));
    }
    if let Some(around) = given(&filter.around) {
        let kept = drawing.around(&around);
        drawing = drawing.keep(&kept);
    }
    let all = drawing.nodes.len();
    if all > NODES_MAX {
        let kept = drawing.most_telling(NODES_MAX);
        drawing = drawing.keep(&kept);
    }
    let left_out = all - drawing.nodes.len();
    let number = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    let edges = drawing.edges.iter().map(|(from, to)| (number(*from), number(*to))).collect();
    GraphView { edges, left_out: number(left_out), nodes: drawing.nodes }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nodes with these states, the others channels, and these edges.
    fn drawing(states: &[Option<Standing>], edges: &[(usize, usize)]) -> Drawing<'static> {
        let mut drawing = Drawing::default();
        for (at, state) in states.iter().enumerate() {
            drawing.channel(format!("n{at}").leak(), false);
            drawing.nodes[at].state = state.map(|state| state.word().to_owned());
        }
        drawing.edges.extend(edges);
        drawing
    }

    fn kept(drawing: &Drawing<'_>, most: usize) -> Vec<usize> {
        let mut kept: Vec<usize> = drawing.most_telling(most).into_iter().collect();
        kept.sort_unstable();
        kept
    }

    #[test]
    fn what_is_in_trouble_is_drawn_with_all_that_hangs_together_with_it() {
        let (quiet, stuck) = (Some(Standing::ALL[Standing::ALL.len() - 1]), Some(Standing::ALL[0]));
        // Two ways of three, with a channel in the middle; the second ends in trouble. And one that stands alone.
        let states = [quiet, None, quiet, quiet, None, stuck, quiet];
        let drawing = drawing(&states, &[(0, 1), (1, 2), (3, 4), (4, 5)]);
        assert_eq!(kept(&drawing, 3), [3, 4, 5]);
        assert_eq!(kept(&drawing, 4), [3, 4, 5, 6], "what still fits is drawn, what would be drawn in part is not");
        assert_eq!(kept(&drawing, 7).len(), 7);
        assert_eq!(kept(&drawing, 2).len(), 2, "a way that is too long by itself is drawn in part");
        assert!(kept(&drawing, 1) == [5], "its trouble first");
    }
}
