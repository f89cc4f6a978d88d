//! How long drawing what publishes to what takes: `cargo bench -p towpath-web --bench graph`.
//!
//! Each app has a source, a stage target, its channel, a test, its channel and two production targets; every third app waits for its
//! neighbour's tests, too. The last row is one source that hundreds of targets follow. Goal: 500 nodes in 30 ms, and in 150 ms without
//! optimisation (`cargo test --bench graph -p towpath-web` runs it so). The shortest of several, by the wall.

use std::hint::black_box;
use std::time::{Duration, Instant};

use towpath_control::view::{GraphView, NodeView};
use towpath_web::draw::graph::draw;

fn main() {
    println!("{:<26} {:>6} {:>6} {:>10} {:>9}", "graph", "nodes", "edges", "drawn in", "kB");
    for apps in [7, 72, 290] {
        measure("apps that touch", &chains(apps));
    }
    measure("one source, many targets", &hub(500));
}

fn measure(name: &str, view: &GraphView) {
    let (mut least, mut bytes) = (Duration::MAX, 0);
    for _ in 0..7 {
        let begun = Instant::now();
        bytes = black_box(draw(black_box(view))).len();
        least = least.min(begun.elapsed());
    }
    let (nodes, edges) = (view.nodes.len(), view.edges.len());
    println!("{name:<26} {nodes:>6} {edges:>6} {:>7.1} ms {:>9}", least.as_secs_f64() * 1e3, bytes / 1000);
}

fn node(kind: &str, name: String) -> NodeView {
    let target = kind == "target";
    NodeView {
        kind: kind.into(),
        id: name.clone(),
        name,
        app: None,
        environment: target.then(|| "production".into()),
        state: target.then(|| "up-to-date".into()),
        commit: None,
        on_path: false,
        reached: false,
    }
}

fn chains(apps: u32) -> GraphView {
    let mut view = GraphView::default();
    for app in 0..apps {
        for (kind, name) in [
            ("source", "source"),
            ("target", "stage"),
            ("channel", "stage-deployed"),
            ("target", "stage-test"),
            ("channel", "stage-tested"),
            ("target", "production-a"),
            ("target", "production-b"),
        ] {
            view.nodes.push(node(kind, format!("app-{app}-{name}")));
        }
        let at = |place: u32| app * 7 + place;
        view.edges.extend([(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (4, 6), (0, 3)].map(|(from, to)| (at(from), at(to))));
        if app % 3 == 1 {
            view.edges.push((at(4) - 7, at(5)));
        }
    }
    view
}

fn hub(nodes: u32) -> GraphView {
    let mut view = GraphView::default();
    for index in 0..nodes {
        view.nodes.push(node(if index == 0 { "source" } else { "target" }, format!("node-{index}")));
        if index > 0 {
            view.edges.push((index / 9, index));
        }
    }
    view.edges.retain(|(from, to)| from != to);
    view
}
