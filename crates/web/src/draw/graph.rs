//! What publishes to what, as a drawing.
//!
//! Each node is a link with a title, its name as text, and a sign and a word for its state. The same is told by the page's table.

use std::fmt::Write;

use towpath_control::view::{GraphView, NodeView};

use super::layout::{Placed, Size, layout};
use super::svg::{columns, encode, escape, fit};

/// The height of a target or source, in pixels.
const TALL: f64 = 46.0;
/// The height of a channel.
const FLAT: f64 = 26.0;
/// The narrowest and the widest node.
const WIDTHS: (f64, f64) = (128.0, 248.0);
/// What a letter of a name takes at most, on average, at 13 px.
const LETTER: f64 = 7.4;
/// What a letter of the small line takes, at 11 px.
const SMALL_LETTER: f64 = 6.3;
/// What the sign and the borders take.
const SIGN: f64 = 44.0;
/// Space around the drawing.
const MARGIN: f64 = 16.0;
/// How much of a commit's id is shown.
const SHORT: usize = 8;

/// The signs: states by shape and not by colour alone. They are drawn in a square of 16 and used by the legend, too.
pub const SIGNS: &str = concat!(
    r#"<svg class="g-signs" width="0" height="0" aria-hidden="true" focusable="false"><defs>"#,
    r#"<symbol id="g-up-to-date" viewBox="0 0 16 16"><circle cx="8" cy="8" r="7"/><path d="M4.8 8.3l2.2 2.2 4.2-4.6"/></symbol>"#,
    r#"<symbol id="g-moving" viewBox="0 0 16 16"><circle cx="8" cy="8" r="7"/><path d="M4.6 8h6.2M8.2 5.2L11 8l-2.8 2.8"/></symbol>"#,
    r#"<symbol id="g-waiting" viewBox="0 0 16 16"><circle cx="8" cy="8" r="7"/><path d="M6.2 5.4v5.2M9.8 5.4v5.2"/></symbol>"#,
    r#"<symbol id="g-stuck" viewBox="0 0 16 16"><path class="g-shape" d="M8 1L15.4 14.2H.6z"/><path d="M8 5.6v4M8 11.8v.3"/></symbol>"#,
    r#"<symbol id="g-unknown" viewBox="0 0 16 16"><circle cx="8" cy="8" r="7"/><path d="M6.2 6.2a1.9 1.9 0 1 1 2.6 1.8c-.6.3-.8.6-.8 1.2M8 11.4v.3"/></symbol>"#,
    r#"<symbol id="g-source" viewBox="0 0 16 16"><circle cx="4.5" cy="3.5" r="2"/><circle cx="4.5" cy="12.5" r="2"/><circle cx="11.5" cy="5.5" r="2"/><path d="M4.5 5.5v5M11.5 7.5c0 2.4-4 2-6.4 3.4"/></symbol>"#,
    r#"<symbol id="g-channel" viewBox="0 0 16 16"><circle cx="8" cy="8" r="1.6"/><path d="M4.9 4.9a4.4 4.4 0 0 0 0 6.2M11.1 4.9a4.4 4.4 0 0 1 0 6.2M2.7 2.7a7.5 7.5 0 0 0 0 10.6M13.3 2.7a7.5 7.5 0 0 1 0 10.6"/></symbol>"#,
    "</defs></svg>",
);

/// The states that a sign and a class are known for.
const STATES: [&str; 4] = ["up-to-date", "moving", "waiting", "stuck"];

/// The page that a node leads to: a target's or source's own, or the drawing around a channel.
#[must_use]
pub fn address(node: &NodeView) -> String {
    match node.kind.as_str() {
        "target" => format!("/targets/{}", encode(&node.id)),
        "source" => format!("/sources/{}", encode(&node.id)),
        _ => format!("/graph?around={}", encode(&node.id)),
    }
}

/// The graph as an SVG element. It refers to the signs in [`SIGNS`], which must stand in the same page.
#[must_use]
pub fn draw(view: &GraphView) -> String {
    let faces: Vec<Face> = view.nodes.iter().map(Face::of).collect();
    let sizes: Vec<Size> = faces.iter().map(|face| face.size).collect();
    write(view, &faces, &layout(&sizes, &view.edges))
}

/// How a node looks.
struct Face {
    size: Size,
    name: String,
    small: Option<String>,
}

impl Face {
    fn of(node: &NodeView) -> Self {
        let small = (node.kind != "channel").then(|| small_line(node));
        #[allow(clippy::cast_precision_loss)]
        let wide = |text: &str, letter: f64| columns(text) as f64 * letter + SIGN;
        let wanted = wide(&node.name, LETTER).max(small.as_deref().map_or(0.0, |small| wide(small, SMALL_LETTER)));
        let width = wanted.clamp(WIDTHS.0, WIDTHS.1).ceil();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let room = |letter: f64| ((width - SIGN) / letter) as usize;
        Self {
            size: Size { width, height: if small.is_some() { TALL } else { FLAT } },
            name: fit(&node.name, room(LETTER)),
            small: small.map(|small| fit(&small, room(SMALL_LETTER))),
        }
    }
}

/// What stands below a node's name: where it is, what is there, and how it is.
fn small_line(node: &NodeView) -> String {
    let commit = node.commit.as_ref().map(|commit| commit.id.short(SHORT));
    let state = node.state.as_deref().map(words);
    let parts = [state, node.environment.clone(), commit];
    let line = parts.into_iter().flatten().collect::<Vec<_>>().join(" · ");
    if line.is_empty() { node.kind.clone() } else { line }
}

/// A state as people read it.
#[must_use]
pub fn words(state: &str) -> String {
    state.replace('-', " ")
}

/// All of a node in one line: its link's name, and what shows when one points at it.
fn title(node: &NodeView) -> String {
    let mut title = format!("{} {}", node.kind, node.name);
    if let Some(environment) = &node.environment {
        let _ = write!(title, " in {environment}");
    }
    if let Some(state) = &node.state {
        let _ = write!(title, ": {}", words(state));
    }
    if let Some(commit) = &node.commit {
        let _ = write!(title, ", at {}", commit.id.short(SHORT));
        if let Some(subject) = &commit.subject {
            let _ = write!(title, " {subject}");
        }
    }
    if node.reached {
        title.push_str("; the commit is here");
    } else if node.on_path {
        title.push_str("; on the commit's way");
    }
    title
}

fn write(view: &GraphView, faces: &[Face], placed: &Placed) -> String {
    let (width, height) = (placed.width + 2.0 * MARGIN, placed.height + 2.0 * MARGIN);
    let mut svg = String::with_capacity(view.nodes.len() * 480 + view.edges.len() * 120 + 512);
    let marked = if view.nodes.iter().any(|node| node.on_path) { " g-marked" } else { "" };
    let _ = write!(
        svg,
        r#"<svg class="graph{marked}" id="graph" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="group" aria-label="{} nodes and {} edges, from sources on the left to production on the right">"#,
        view.nodes.len(),
        placed.routes.len(),
    );
    svg.push_str("<defs>");
    for name in ["g-arrow", "g-arrow-on"] {
        let _ = write!(
            svg,
            r#"<marker id="{name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="9" markerHeight="9" markerUnits="userSpaceOnUse" orient="auto"><path d="M0 .6L7 4 0 7.4z"/></marker>"#
        );
    }
    svg.push_str(r#"</defs><g class="g-edges" fill="none">"#);
    for route in &placed.routes {
        let on_path = view.nodes[route.from].on_path && view.nodes[route.to].on_path;
        let class = match (route.back, on_path) {
            (true, true) => r#" class="g-on g-back""#,
            (true, false) => r#" class="g-back""#,
            (false, true) => r#" class="g-on""#,
            (false, false) => "",
        };
        let arrow = if on_path { "g-arrow-on" } else { "g-arrow" };
        let _ = write!(svg, r#"<path{class} d="{}" marker-end="url(#{arrow})"/>"#, path(&route.points));
    }
    svg.push_str("</g>");
    for ((node, face), place) in view.nodes.iter().zip(faces).zip(&placed.nodes) {
        write_node(&mut svg, node, face, (place.x + MARGIN, place.y + MARGIN));
    }
    svg.push_str("</svg>");
    svg
}

fn write_node(svg: &mut String, node: &NodeView, face: &Face, (x, y): (f64, f64)) {
    let Size { width, height } = face.size;
    let kind = match node.kind.as_str() {
        known @ ("source" | "channel") => known,
        _ => "target",
    };
    let state = node.state.as_deref().and_then(|state| STATES.iter().find(|known| **known == state)).copied();
    let sign = match (kind, state) {
        ("channel", _) => "channel",
        (_, Some(state)) => state,
        ("source", None) => "source",
        (_, None) => "unknown",
    };
    let mut class = format!("g-node g-{kind}");
    for (is, name) in [(node.on_path, "g-on"), (node.reached, "g-reached")] {
        if is {
            let _ = write!(class, " {name}");
        }
    }
    if let Some(state) = state {
        let _ = write!(class, " g-is-{state}");
    }
    let round = if kind == "target" { 6.0 } else { height / 2.0 };
    let _ = write!(
        svg,
        r##"<a class="{class}" href="{}"><title>{}</title><rect x="{x}" y="{y}" width="{width}" height="{height}" rx="{round}"/><use href="#g-{sign}" x="{}" y="{}" width="16" height="16"/>"##,
        escape(&address(node)),
        escape(&title(node)),
        x + 11.0,
        y + height / 2.0 - 8.0,
    );
    let text = x + 34.0;
    match &face.small {
        Some(small) => {
            let (first, second) = (y + 20.0, y + 36.0);
            let (name, small) = (escape(&face.name), escape(small));
            let _ =
                write!(svg, r#"<text x="{text}" y="{first}">{name}</text><text class="g-small" x="{text}" y="{second}">{small}</text>"#);
        }
        None => {
            let _ = write!(svg, r#"<text class="g-small" x="{text}" y="{}">{}</text>"#, y + height / 2.0 + 4.0, escape(&face.name));
        }
    }
    svg.push_str("</a>");
}

/// A route as a path: level stretches as lines, and curves between them that leave and arrive level.
fn path(points: &[(f64, f64)]) -> String {
    let mut path = String::with_capacity(points.len() * 24);
    let moved = |(x, y): (f64, f64)| (x + MARGIN, y + MARGIN);
    let mut at = points.first().copied().map_or((MARGIN, MARGIN), moved);
    let _ = write!(path, "M{} {}", at.0, at.1);
    for (index, point) in points.iter().enumerate().skip(1) {
        let to = moved(*point);
        if index % 2 == 1 || (to.1 - at.1).abs() < 1.0 {
            if to != at {
                let _ = write!(path, "L{} {}", to.0, to.1);
            }
        } else {
            let middle = f64::midpoint(at.0, to.0).round();
            let _ = write!(path, "C{middle} {} {middle} {} {} {}", at.1, to.1, to.0, to.1);
        }
        at = to;
    }
    path
}

#[cfg(test)]
mod tests {
    use towpath_control::view::CommitView;

    use super::*;

    fn node(kind: &str, id: &str, state: Option<&str>) -> NodeView {
        let commit = CommitView {
            id: "1a2b3c4d5e6f7081920a1b2c3d4e5f6071829304".parse().unwrap(),
            subject: Some("Say <hello>".into()),
            author: None,
            at: None,
        };
        NodeView {
            kind: kind.into(),
            id: id.into(),
            name: id.into(),
            app: None,
            environment: (kind == "target").then(|| "stage".into()),
            state: state.map(Into::into),
            commit: (kind != "channel").then_some(commit),
            on_path: kind != "channel",
            reached: kind == "source",
        }
    }

    fn small() -> GraphView {
        let nodes = vec![
            node("source", "web", None),
            node("target", "web/deploy/stage", Some("stuck")),
            node("channel", "web-stage-ok", None),
            node("target", "\"><script>alert(1)</script>", Some("\"><b>")),
        ];
        GraphView { nodes, edges: vec![(0, 1), (1, 2), (2, 3), (2, 99)], left_out: 0 }
    }

    #[test]
    fn a_node_is_a_link_with_a_title_a_sign_and_words() {
        let drawn = draw(&small());
        for wanted in [
            r#"href="/targets/web%2Fdeploy%2Fstage""#,
            r#"href="/sources/web""#,
            r#"href="/graph?around=web-stage-ok""#,
            "<title>target web/deploy/stage in stage: stuck, at 1a2b3c4d Say &lt;hello&gt;; on the commit&#39;s way</title>",
            "stuck · stage · 1a2b3c4d",
            "#g-stuck",
            r#"class="g-node g-source g-on g-reached""#,
        ] {
            assert!(drawn.contains(wanted), "{wanted}\n{drawn}");
        }
        assert_eq!(drawn.matches(r#"class="g-on""#).count(), 1, "an edge is on the way when both of its ends are");
    }

    #[test]
    fn no_name_and_no_state_becomes_markup_or_style() {
        let drawn = draw(&small());
        assert!(!drawn.contains("<script") && !drawn.contains("<b>"), "{drawn}");
        assert!(!drawn.contains("style="), "the pages' policy allows none");
    }

    #[test]
    fn a_graph_looks_as_it_did() {
        insta::assert_snapshot!(draw(&small()).replace('>', ">\n"));
    }
}
