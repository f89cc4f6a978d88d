//! Places the nodes of a directed graph in layers from left to right, so that edges lead forward and seldom cross.
//!
//! It is Sugiyama's method. Each connected part is laid out by itself, and the parts are set below each other, in the order in
//! which they are given. All of it is arithmetic over the input: the same graph is drawn in the same way each time.

mod order;
mod place;
mod rank;

/// Space between two columns, in pixels: edges bend there.
const COLUMN_GAP: f64 = 64.0;
/// Space between two nodes above each other.
const NODE_GAP: f64 = 14.0;
/// Space between two connected parts.
const PART_GAP: f64 = 40.0;
/// How much wider than high a drawing of many parts is, about.
const ASPECT: f64 = 1.8;
/// At most so many bends: edges beyond that go straight to where they lead. A graph of deliveries has a few hundred.
const BENDS_MAX: usize = 6000;

/// How large a node is, in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Size {
    /// From left to right.
    pub width: f64,
    /// From top to bottom.
    pub height: f64,
}

/// Where a node is: its left upper corner in pixels, and its layer within its part.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Place {
    /// From the left.
    pub x: f64,
    /// From the top.
    pub y: f64,
    /// How many nodes at most come before it, one after the other.
    pub layer: usize,
}

/// How an edge runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// From this node.
    pub from: usize,
    /// To this node.
    pub to: usize,
    /// It closes a circle, and leads back.
    pub back: bool,
    /// From its beginning to its end. Odd stretches are level; the even ones between them bend.
    pub points: Vec<(f64, f64)>,
}

/// A graph that can be drawn.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Placed {
    /// Where each node is, in the order in which they were given.
    pub nodes: Vec<Place>,
    /// How each edge runs; those from a node to itself, and those that were given twice, are left out.
    pub routes: Vec<Route>,
    /// The drawing's width in pixels.
    pub width: f64,
    /// Its height.
    pub height: f64,
}

/// Lays a graph out. Edges are indices into `sizes`; those that lead nowhere are left out.
#[must_use]
pub fn layout(sizes: &[Size], edges: &[(u32, u32)]) -> Placed {
    let mut sound: Vec<(usize, usize)> = edges
        .iter()
        .map(|(from, to)| (*from as usize, *to as usize))
        .filter(|(from, to)| from != to && *from < sizes.len() && *to < sizes.len())
        .collect();
    sound.sort_unstable();
    sound.dedup();
    let parts = parts(sizes.len(), &sound);
    let drawn: Vec<Placed> = parts.iter().map(|part| lay_out_part(part, sizes, &sound)).collect();
    set_in_columns(sizes.len(), &parts, &drawn)
}

/// The connected parts, each with its nodes in their order, in the order of their first nodes.
fn parts(count: usize, edges: &[(usize, usize)]) -> Vec<Vec<usize>> {
    let mut root: Vec<usize> = (0..count).collect();
    fn find(root: &mut [usize], mut node: usize) -> usize {
        while root[node] != node {
            root[node] = root[root[node]];
            node = root[node];
        }
        node
    }
    for (from, to) in edges {
        let (from, to) = (find(&mut root, *from), find(&mut root, *to));
        // The first node of a part stays its root, so that parts keep their order.
        root[from.max(to)] = from.min(to);
    }
    let mut parts: Vec<Vec<usize>> = Vec::new();
    let mut place = vec![usize::MAX; count];
    for node in 0..count {
        let first = find(&mut root, node);
        if place[first] == usize::MAX {
            place[first] = parts.len();
            parts.push(Vec::new());
        }
        parts[place[first]].push(node);
    }
    parts
}

/// Lays out one part. The routes name the nodes of the whole graph.
fn lay_out_part(part: &[usize], sizes: &[Size], edges: &[(usize, usize)]) -> Placed {
    if let [alone] = part {
        let size = sizes[*alone];
        return Placed { nodes: vec![Place::default()], routes: Vec::new(), width: size.width, height: size.height };
    }
    let local = |node: usize| part.binary_search(&node);
    let edges: Vec<(usize, usize)> = edges.iter().filter_map(|(from, to)| Some((local(*from).ok()?, local(*to).ok()?))).collect();
    let sizes: Vec<Size> = part.iter().map(|node| sizes[*node]).collect();
    let ranked = rank::rank(sizes.len(), &edges);
    let ordered = order::order(&ranked, BENDS_MAX);
    let mut placed = place::place(&sizes, &ranked, &ordered);
    for route in &mut placed.routes {
        (route.from, route.to) = (part[route.from], part[route.to]);
    }
    placed
}

/// Sets parts below each other in as many columns as a screen's shape asks for, and what stands alone behind them, in rows.
fn set_in_columns(count: usize, parts: &[Vec<usize>], drawn: &[Placed]) -> Placed {
    let mut whole = Placed { nodes: vec![Place::default(); count], ..Placed::default() };
    let (joined, alone): (Vec<_>, Vec<_>) = parts.iter().zip(drawn).partition(|(part, _)| part.len() > 1);
    let area: f64 = drawn.iter().map(|part| (part.width + PART_GAP) * (part.height + PART_GAP)).sum();
    let widest = joined.iter().fold(0.0, |most: f64, (_, part)| most.max(part.width));
    let line = widest.max((area * ASPECT).sqrt());
    let columns = ((line + PART_GAP) / (widest + PART_GAP)).floor().max(1.0);
    let high: f64 = joined.iter().map(|(_, part)| part.height + PART_GAP).sum::<f64>() / columns;
    let (mut x, mut y, mut wide): (f64, f64, f64) = (0.0, 0.0, 0.0);
    for (part, placed) in joined {
        // A part that would stand out more than half of its height begins the next column.
        if y > 0.0 && y + placed.height / 2.0 > high {
            (x, y, wide) = (x + wide + 2.0 * PART_GAP, 0.0, 0.0);
        }
        whole.take(part, placed, x, y);
        y += placed.height + PART_GAP;
        wide = wide.max(placed.width);
    }
    let (mut x, mut y, mut row) = (0.0, if whole.height > 0.0 { whole.height + PART_GAP } else { 0.0 }, 0.0_f64);
    let line = line.max(whole.width);
    for (part, placed) in alone {
        if x > 0.0 && x + placed.width > line {
            (x, y, row) = (0.0, y + row + NODE_GAP, 0.0);
        }
        whole.take(part, placed, x, y);
        x += placed.width + NODE_GAP;
        row = row.max(placed.height);
    }
    whole
}

impl Placed {
    /// Takes a part in, with its left upper corner at (`x`, `y`), on whole pixels.
    fn take(&mut self, part: &[usize], placed: &Self, x: f64, y: f64) {
        for (node, place) in part.iter().zip(&placed.nodes) {
            self.nodes[*node] = Place { x: (x + place.x).round(), y: (y + place.y).round(), layer: place.layer };
        }
        for route in &placed.routes {
            let points = route.points.iter().map(|(px, py)| ((x + px).round(), (y + py).round())).collect();
            self.routes.push(Route { points, ..route.clone() });
        }
        self.width = self.width.max(x + placed.width);
        self.height = self.height.max(y + placed.height);
    }
}

#[cfg(test)]
mod tests;
