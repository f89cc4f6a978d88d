//! In which order the nodes of a layer stand, so that few edges cross.

use super::rank::Ranked;

/// How often the layers are gone through, there and back. More seldom helps.
const SWEEPS: usize = 6;

/// Layers with their nodes in order. Where a long edge passes a layer it has a *bend* there, which counts as a node.
#[derive(Debug)]
pub(super) struct Ordered {
    /// From top to bottom; numbers from the count of nodes on are bends.
    pub(super) layers: Vec<Vec<usize>>,
    /// What is before each node or bend.
    pub(super) before: Vec<Vec<usize>>,
    /// What is behind it.
    pub(super) behind: Vec<Vec<usize>>,
    /// The bends of each edge, in order.
    pub(super) bends: Vec<Vec<usize>>,
}

/// Orders the layers. At most `bends_max` bends are made: edges beyond that have none.
pub(super) fn order(ranked: &Ranked, bends_max: usize) -> Ordered {
    let mut ordered = with_bends(ranked, bends_max);
    let mut position = vec![0_usize; ordered.before.len()];
    note(&ordered.layers, &mut position);
    let mut best = (crossings(&ordered, &position), ordered.layers.clone());
    for _ in 0..SWEEPS {
        if best.0 == 0 {
            break;
        }
        for index in 1..ordered.layers.len() {
            sort_by_middle(&mut ordered.layers[index], &ordered.before, &mut position);
        }
        for index in (0..ordered.layers.len().saturating_sub(1)).rev() {
            sort_by_middle(&mut ordered.layers[index], &ordered.behind, &mut position);
        }
        let now = crossings(&ordered, &position);
        if now < best.0 {
            best = (now, ordered.layers.clone());
        }
    }
    ordered.layers = best.1;
    ordered
}

/// Layers in the order in which a walk along the edges meets their nodes: near what they hang on from the start.
fn with_bends(ranked: &Ranked, bends_max: usize) -> Ordered {
    let nodes = ranked.layer.len();
    let mut layer = ranked.layer.clone();
    let (mut before, mut behind) = (vec![Vec::new(); nodes], vec![Vec::new(); nodes]);
    let mut bends = Vec::with_capacity(ranked.edges.len());
    for (from, to) in &ranked.edges {
        let passed = ranked.layer[*from] + 1..ranked.layer[*to];
        let (mut last, mut own) = (*from, Vec::new());
        if layer.len() - nodes + passed.len() <= bends_max {
            for passed in passed {
                let bend = layer.len();
                layer.push(passed);
                before.push(vec![last]);
                behind.push(Vec::new());
                behind[last].push(bend);
                own.push(bend);
                last = bend;
            }
            behind[last].push(*to);
            before[*to].push(last);
        }
        bends.push(own);
    }
    let mut layers = vec![Vec::new(); ranked.layers];
    let mut met = vec![false; layer.len()];
    let mut stack = Vec::new();
    let firsts = (0..nodes).filter(|node| before[*node].is_empty());
    for first in firsts.chain(0..layer.len()).collect::<Vec<_>>() {
        stack.push(first);
        while let Some(node) = stack.pop() {
            if !std::mem::replace(&mut met[node], true) {
                layers[layer[node]].push(node);
                stack.extend(behind[node].iter().rev());
            }
        }
    }
    Ordered { layers, before, behind, bends }
}

fn note(layers: &[Vec<usize>], position: &mut [usize]) {
    for layer in layers {
        for (index, node) in layer.iter().enumerate() {
            position[*node] = index;
        }
    }
}

/// Sorts a layer by the mean position of each node's neighbours in the layer beside it; what has none stays about where it is.
fn sort_by_middle(layer: &mut [usize], beside: &[Vec<usize>], position: &mut [usize]) {
    #[allow(clippy::cast_precision_loss)]
    let middle = |node: usize| match beside[node].as_slice() {
        [] => position[node] as f64,
        some => some.iter().map(|other| position[*other] as f64).sum::<f64>() / some.len() as f64,
    };
    let mut keyed: Vec<(f64, usize)> = layer.iter().map(|node| (middle(*node), *node)).collect();
    keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
    for (index, (_, node)) in keyed.into_iter().enumerate() {
        layer[index] = node;
        position[node] = index;
    }
}

/// How many pairs of edges cross. Counted layer by layer, as inversions in a sorted list of ends.
fn crossings(ordered: &Ordered, position: &[usize]) -> usize {
    let mut count = 0;
    for (layer, next) in ordered.layers.iter().zip(ordered.layers.iter().skip(1)) {
        // How many ends are at or above each position: a Fenwick tree.
        let mut tree = vec![0_usize; next.len() + 1];
        let mut seen = 0;
        for node in layer {
            let mut ends: Vec<usize> = ordered.behind[*node].iter().map(|to| position[*to]).collect();
            ends.sort_unstable();
            for end in &ends {
                let (mut index, mut above) = (end + 1, 0);
                while index > 0 {
                    above += tree[index];
                    index &= index - 1;
                }
                count += seen - above;
            }
            for end in ends {
                seen += 1;
                let mut index = end + 1;
                while index < tree.len() {
                    tree[index] += 1;
                    index += index & index.wrapping_neg();
                }
            }
        }
    }
    count
}
