//! Cycles of channels: targets that wait for each other, so that none ever moves.

use super::channels::{Channels, hold, subscribe_place};
use super::findings::Findings;
use super::saas::Whole;

/// Finds every cycle, tells all of its members, and holds them.
pub(super) fn check(channels: &Channels, targets: &mut [Whole<'_>], findings: &mut Findings) {
    for members in find(channels, targets.len()) {
        let first = members
            .iter()
            .filter_map(|at| Some((targets.get(*at)?, *at)))
            .min_by_key(|(whole, _)| (whole.file, whole.raw_file, whole.raw.spot.start));
        let Some((whole, first)) = first else { continue };
        let titles: Vec<String> = members.iter().filter_map(|at| targets.get(*at)).map(|whole| whole.target.title()).collect();
        let message = if members.len() == 1 {
            format!("{} subscribes to its own success", titles.join(""))
        } else {
            format!("these targets wait for each other: {}", titles.join(", "))
        };
        // The channel by which the cycle comes back to its first member.
        let inner = |at: &usize| members.binary_search(at).is_ok();
        let back = whole
            .target
            .promotion
            .subscribe
            .iter()
            .find(|channel| channels.get(*channel).is_some_and(|used| used.publishers.iter().any(inner)));
        let Some(back) = back else { continue };
        let found = findings.error("channel-cycle", subscribe_place(whole, back), message.as_str(), "Remove one of the subscriptions.");
        for at in members.iter().filter(|at| **at != first) {
            if let Some(other) = targets.get(*at) {
                found.related.push((other.raw.spot.place(other.raw_file), "part of the cycle".to_owned()));
            }
        }
        hold(targets, &members, &format!("channel-cycle: {message}"));
    }
}

/// The members of each cycle, sorted: the strongly connected parts of the graph from publishers by way of channels to
/// subscribers (Tarjan 1972, with a stack of its own, since chains may be long).
fn find(channels: &Channels, targets: usize) -> Vec<Vec<usize>> {
    // Nodes are targets, then channels: edges stay few where many publish to what many subscribe to.
    let mut edges: Vec<Vec<usize>> = vec![Vec::new(); targets + channels.len()];
    for (node, used) in (targets..).zip(channels.values()) {
        if used.publishers.is_empty() || used.subscribers.is_empty() {
            continue;
        }
        for publisher in &used.publishers {
            if let Some(edges) = edges.get_mut(*publisher) {
                edges.push(node);
            }
        }
        if let Some(edges) = edges.get_mut(node) {
            edges.clone_from(&used.subscribers);
        }
    }
    let mut walk = Walk { edges: &edges, state: vec![State::default(); edges.len()], path: Vec::new(), next: 0, parts: Vec::new() };
    for node in 0..edges.len() {
        walk.from(node);
    }
    let mut cycles: Vec<Vec<usize>> =
        walk.parts.into_iter().map(|part| part.into_iter().filter(|node| *node < targets).collect()).collect();
    for members in &mut cycles {
        members.sort_unstable();
    }
    cycles.sort_unstable();
    cycles
}

#[derive(Clone, Copy, Default)]
struct State {
    /// Order of discovery, from 1; 0 is undiscovered.
    index: usize,
    low: usize,
    on_path: bool,
    edge: usize,
}

struct Walk<'a> {
    edges: &'a [Vec<usize>],
    state: Vec<State>,
    path: Vec<usize>,
    next: usize,
    parts: Vec<Vec<usize>>,
}

impl Walk<'_> {
    fn from(&mut self, start: usize) {
        if self.state.get(start).is_none_or(|state| state.index != 0) {
            return;
        }
        let mut stack = vec![start];
        self.discover(start);
        while let Some(node) = stack.last().copied() {
            let Some(state) = self.state.get_mut(node) else { return };
            let next = self.edges.get(node).and_then(|edges| edges.get(state.edge)).copied();
            state.edge += 1;
            match next {
                Some(next) => {
                    let other = self.state.get(next).copied().unwrap_or_default();
                    if other.index == 0 {
                        self.discover(next);
                        stack.push(next);
                    } else if other.on_path {
                        self.lower(node, other.index);
                    }
                }
                None => {
                    stack.pop();
                    let low = self.state.get(node).map_or(0, |state| state.low);
                    if let Some(parent) = stack.last().copied() {
                        self.lower(parent, low);
                    }
                    self.close(node);
                }
            }
        }
    }

    fn discover(&mut self, node: usize) {
        self.next += 1;
        if let Some(state) = self.state.get_mut(node) {
            *state = State { index: self.next, low: self.next, on_path: true, edge: 0 };
        }
        self.path.push(node);
    }

    fn lower(&mut self, node: usize, low: usize) {
        if let Some(state) = self.state.get_mut(node) {
            state.low = state.low.min(low);
        }
    }

    /// If `node` is the first of its part, takes the part off the path. A part of one node is no cycle: a target reaches
    /// itself only by way of a channel, which makes two.
    fn close(&mut self, node: usize) {
        if self.state.get(node).is_none_or(|state| state.low != state.index) {
            return;
        }
        let mut part = Vec::new();
        while let Some(member) = self.path.pop() {
            if let Some(state) = self.state.get_mut(member) {
                state.on_path = false;
            }
            part.push(member);
            if member == node {
                break;
            }
        }
        if part.len() > 1 {
            self.parts.push(part);
        }
    }
}
