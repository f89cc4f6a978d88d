//! Which layer each node is in.

/// A part of a graph without circles, in layers.
#[derive(Debug)]
pub(super) struct Ranked {
    /// Each node's layer.
    pub(super) layer: Vec<usize>,
    /// How many layers there are.
    pub(super) layers: usize,
    /// The edges, each from a lower to a higher layer.
    pub(super) edges: Vec<(usize, usize)>,
    /// Whether the edge was turned around for that.
    pub(super) turned: Vec<bool>,
}

/// Gives each node its layer: one more than the last of those before it.
pub(super) fn rank(count: usize, edges: &[(usize, usize)]) -> Ranked {
    let turned = closing(count, edges);
    let edges: Vec<(usize, usize)> =
        edges.iter().zip(&turned).map(|(edge, turned)| if *turned { (edge.1, edge.0) } else { *edge }).collect();
    let mut after: Vec<Vec<usize>> = vec![Vec::new(); count];
    let mut missing = vec![0_usize; count];
    for (from, to) in &edges {
        after[*from].push(*to);
        missing[*to] += 1;
    }
    let first: Vec<bool> = missing.iter().map(|missing| *missing == 0).collect();
    let mut layer = vec![0_usize; count];
    let mut ready: Vec<usize> = (0..count).filter(|node| first[*node]).collect();
    while let Some(node) = ready.pop() {
        for to in &after[node] {
            layer[*to] = layer[*to].max(layer[node] + 1);
            missing[*to] -= 1;
            if missing[*to] == 0 {
                ready.push(*to);
            }
        }
    }
    // What nothing comes before stands right before the first that follows it: long edges are hard to follow.
    for node in (0..count).filter(|node| first[*node]) {
        let nearest = after[node].iter().map(|to| layer[*to]).min().unwrap_or(1);
        layer[node] = nearest.saturating_sub(1);
    }
    let layers = layer.iter().max().map_or(0, |last| last + 1);
    Ranked { layer, layers, edges, turned }
}

/// Which edges close a circle, met first along the nodes' order. Without recursion: a chain may be as long as the graph.
fn closing(count: usize, edges: &[(usize, usize)]) -> Vec<bool> {
    #[derive(Clone, Copy, PartialEq)]
    enum Seen {
        Never,
        Open,
        Done,
    }
    let mut out: Vec<Vec<usize>> = vec![Vec::new(); count];
    let mut entered = vec![false; count];
    for (index, (from, to)) in edges.iter().enumerate() {
        out[*from].push(index);
        entered[*to] = true;
    }
    let mut closes = vec![false; edges.len()];
    let mut seen = vec![Seen::Never; count];
    // From where things begin; what is left then lies on circles that nothing leads into.
    let begins = (0..count).filter(|node| !entered[*node]).chain(0..count);
    for begin in begins {
        if seen[begin] != Seen::Never {
            continue;
        }
        seen[begin] = Seen::Open;
        let mut stack = vec![(begin, 0_usize)];
        while let Some((node, next)) = stack.last_mut() {
            let Some(index) = out[*node].get(*next).copied() else {
                seen[*node] = Seen::Done;
                stack.pop();
                continue;
            };
            *next += 1;
            let to = edges[index].1;
            match seen[to] {
                Seen::Open => closes[index] = true,
                Seen::Done => {}
                Seen::Never => {
                    seen[to] = Seen::Open;
                    stack.push((to, 0));
                }
            }
        }
    }
    closes
}
