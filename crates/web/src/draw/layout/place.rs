//! Where exactly nodes are, and how edges run between them.

use super::order::Ordered;
use super::rank::Ranked;
use super::{COLUMN_GAP, NODE_GAP, Place, Placed, Route, Size};

/// How often nodes are drawn towards their neighbours, from the left and from the right.
const SWEEPS: usize = 4;
/// The height of a bend, in pixels: what an edge takes where it passes a layer.
const BEND_HEIGHT: f64 = 6.0;
/// How much more than a node a bend keeps to its neighbours: long edges should be straight.
const BEND_WEIGHT: f64 = 4.0;

/// Places one part.
pub(super) fn place(sizes: &[Size], ranked: &Ranked, ordered: &Ordered) -> Placed {
    let height = |node: usize| sizes.get(node).map_or(BEND_HEIGHT, |size| size.height);
    let middles = middles(ordered, &height, sizes.len());
    let mut columns = Vec::with_capacity(ordered.layers.len());
    let mut x = 0.0;
    for layer in &ordered.layers {
        let width = layer.iter().filter_map(|node| sizes.get(*node)).fold(0.0, |most: f64, size| most.max(size.width));
        columns.push((x, x + width));
        x += width + COLUMN_GAP;
    }
    let top = (0..middles.len()).map(|node| middles[node] - height(node) / 2.0).fold(f64::INFINITY, f64::min);
    let bottom = (0..middles.len()).map(|node| middles[node] + height(node) / 2.0).fold(0.0, f64::max);
    let at = |node: usize| middles[node] - top;
    let nodes: Vec<Place> = sizes
        .iter()
        .enumerate()
        .map(|(node, size)| Place { x: columns[ranked.layer[node]].0, y: at(node) - size.height / 2.0, layer: ranked.layer[node] })
        .collect();
    let routes = ranked.edges.iter().zip(&ranked.turned).zip(&ordered.bends).map(|(((from, to), turned), bends)| {
        let (first, last) = (ranked.layer[*from], ranked.layer[*to]);
        // Out of the node, level to the end of its column, and only then towards the next one.
        let mut points = vec![(nodes[*from].x + sizes[*from].width, at(*from)), (columns[first].1, at(*from))];
        for (bend, (left, right)) in bends.iter().zip(&columns[first + 1..last]) {
            points.extend([(*left, at(*bend)), (*right, at(*bend))]);
        }
        points.extend([(columns[last].0, at(*to)), (nodes[*to].x, at(*to))]);
        let (mut from, mut to) = (*from, *to);
        if *turned {
            points.reverse();
            std::mem::swap(&mut from, &mut to);
        }
        Route { from, to, back: *turned, points }
    });
    let routes = routes.collect();
    Placed { nodes, routes, width: (x - COLUMN_GAP).max(0.0), height: (bottom - top).max(0.0) }
}

/// The vertical middle of each node and bend.
fn middles(ordered: &Ordered, height: &impl Fn(usize) -> f64, nodes: usize) -> Vec<f64> {
    let mut at = vec![0.0; ordered.before.len()];
    for layer in &ordered.layers {
        let mut y = 0.0;
        for node in layer {
            at[*node] = y + height(*node) / 2.0;
            y += height(*node) + NODE_GAP;
        }
    }
    let weight = |node: usize| if node < nodes { 1.0 } else { BEND_WEIGHT };
    for sweep in 0..SWEEPS {
        for layer in &ordered.layers {
            draw_together(layer, |node| mean(&ordered.before[node], &at), &weight, height).apply(&mut at);
        }
        for layer in ordered.layers.iter().rev() {
            draw_together(layer, |node| mean(&ordered.behind[node], &at), &weight, height).apply(&mut at);
        }
        if sweep + 1 == SWEEPS {
            let both = |node: usize| match (mean(&ordered.before[node], &at), mean(&ordered.behind[node], &at)) {
                (Some(before), Some(behind)) => Some(f64::midpoint(before, behind)),
                (one, other) => one.or(other),
            };
            let moved: Vec<Moved> = ordered.layers.iter().map(|layer| draw_together(layer, both, &weight, height)).collect();
            moved.into_iter().for_each(|moved| moved.apply(&mut at));
        }
    }
    at
}

#[allow(clippy::cast_precision_loss)]
fn mean(nodes: &[usize], at: &[f64]) -> Option<f64> {
    (!nodes.is_empty()).then(|| nodes.iter().map(|node| at[*node]).sum::<f64>() / nodes.len() as f64)
}

/// Where the nodes of a layer go.
struct Moved(Vec<(usize, f64)>);

impl Moved {
    fn apply(self, at: &mut [f64]) {
        for (node, y) in self.0 {
            at[node] = y;
        }
    }
}

/// Puts the nodes of a layer as near as can be to where each would be, in their order and without overlaps: the least squares of the distances,
/// by pooling neighbours that get in each other's way (isotonic regression). Nodes that would be nowhere follow the one above them.
fn draw_together(
    layer: &[usize],
    wish: impl Fn(usize) -> Option<f64>,
    weight: &impl Fn(usize) -> f64,
    height: &impl Fn(usize) -> f64,
) -> Moved {
    struct Pool {
        sum: f64,
        weight: f64,
        count: usize,
    }
    let mut offsets = Vec::with_capacity(layer.len());
    let mut pools: Vec<Pool> = Vec::with_capacity(layer.len());
    let (mut offset, mut last) = (0.0, None);
    for (index, node) in layer.iter().enumerate() {
        if let Some(above) = index.checked_sub(1).map(|above| layer[above]) {
            offset += f64::midpoint(height(above), height(*node)) + NODE_GAP;
        }
        offsets.push(offset);
        let (wished, weight) = match wish(*node) {
            Some(y) => (y - offset, weight(*node)),
            None => (last.unwrap_or(0.0), 0.01),
        };
        last = Some(wished);
        pools.push(Pool { sum: wished * weight, weight, count: 1 });
        while let [.., a, b] = pools.as_mut_slice()
            && a.sum / a.weight > b.sum / b.weight
        {
            (a.sum, a.weight, a.count) = (a.sum + b.sum, a.weight + b.weight, a.count + b.count);
            pools.pop();
        }
    }
    let fitted = pools.iter().flat_map(|pool| std::iter::repeat_n(pool.sum / pool.weight, pool.count));
    Moved(layer.iter().zip(fitted.zip(offsets)).map(|(node, (y, offset))| (*node, y + offset)).collect())
}
