use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

const NODE: Size = Size { width: 180.0, height: 46.0 };

fn overlap(a: (Place, Size), b: (Place, Size)) -> bool {
    let apart = |a0: f64, a1: f64, b0: f64, b1: f64| a1 <= b0 || b1 <= a0;
    !(apart(a.0.x, a.0.x + a.1.width, b.0.x, b.0.x + b.1.width) || apart(a.0.y, a.0.y + a.1.height, b.0.y, b.0.y + b.1.height))
}

/// All that every drawing keeps to.
fn check(sizes: &[Size], edges: &[(u32, u32)]) -> Placed {
    let placed = layout(sizes, edges);
    assert_eq!(placed, layout(sizes, edges), "the same graph is drawn in the same way");
    assert_eq!(placed.nodes.len(), sizes.len());
    for (index, (place, size)) in placed.nodes.iter().zip(sizes).enumerate() {
        assert!(place.x >= 0.0 && place.y >= 0.0, "{index} is outside: {place:?}");
        assert!(
            place.x + size.width <= placed.width + 1.0 && place.y + size.height <= placed.height + 1.0,
            "{index} is outside: {place:?}"
        );
        for (other, (there, its)) in placed.nodes.iter().zip(sizes).enumerate().skip(index + 1) {
            assert!(!overlap((*place, *size), (*there, *its)), "{index} and {other} overlap: {place:?} {there:?}");
        }
    }
    for route in &placed.routes {
        let (from, to) = (placed.nodes[route.from], placed.nodes[route.to]);
        assert_eq!(from.layer > to.layer, route.back, "{route:?}: {from:?} {to:?}");
        let steps = route.points.windows(2).all(|pair| if route.back { pair[0].0 >= pair[1].0 } else { pair[0].0 <= pair[1].0 });
        assert!(steps, "it leads forward all the way: {route:?}");
        let (first, last) = (route.points[0], route.points[route.points.len() - 1]);
        let right = |node: usize| placed.nodes[node].x + sizes[node].width;
        let ends = if route.back { (from.x, right(route.to)) } else { (right(route.from), to.x) };
        assert!((first.0 - ends.0).abs() <= 1.0 && (last.0 - ends.1).abs() <= 1.0, "it begins and ends at its nodes: {route:?} {ends:?}");
    }
    placed
}

/// Whether a level stretch of an edge runs through a node that is not its own.
fn runs_through(placed: &Placed, sizes: &[Size]) -> Option<(usize, usize)> {
    placed.routes.iter().enumerate().find_map(|(index, route)| {
        let level = route.points.chunks_exact(2).map(|pair| (pair[0].0.min(pair[1].0), pair[0].0.max(pair[1].0), pair[0].1));
        level.into_iter().find_map(|(left, right, y)| {
            let hit = placed.nodes.iter().zip(sizes).enumerate().find(|(node, (place, size))| {
                let within =
                    y > place.y + 1.0 && y < place.y + size.height - 1.0 && left < place.x + size.width - 1.0 && right > place.x + 1.0;
                within && *node != route.from && *node != route.to
            });
            hit.map(|(node, _)| (index, node))
        })
    })
}

fn graphs() -> impl Strategy<Value = (Vec<Size>, Vec<(u32, u32)>)> {
    let size = prop_oneof![Just(NODE), Just(Size { width: 128.0, height: 26.0 }), Just(Size { width: 248.0, height: 46.0 })];
    prop::collection::vec(size, 0..40).prop_flat_map(|sizes| {
        // Some lead nowhere, some to themselves, some in circles, some are given twice.
        let node = 0..u32::try_from(sizes.len() + 1).unwrap();
        (Just(sizes), prop::collection::vec((node.clone(), node), 0..80))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn nothing_overlaps_and_edges_lead_forward_whatever_the_graph((sizes, edges) in graphs()) {
        let placed = check(&sizes, &edges);
        prop_assert_eq!(runs_through(&placed, &sizes), None, "an edge runs through a node");
    }

    #[test]
    fn a_graph_without_circles_has_no_edge_that_leads_back((sizes, edges) in graphs()) {
        let forward: Vec<(u32, u32)> = edges.into_iter().filter(|(from, to)| from < to).collect();
        prop_assert!(layout(&sizes, &forward).routes.iter().all(|route| !route.back));
    }
}

#[test]
fn nothing_is_drawn_of_nothing() {
    assert_eq!(layout(&[], &[]), Placed::default());
    let one = check(&[NODE], &[(0, 0), (0, 7)]);
    assert_eq!((one.width, one.height, one.routes.len()), (180.0, 46.0, 0));
}

#[test]
fn a_chain_is_one_straight_row() {
    let placed = check(&[NODE; 4], &[(0, 1), (1, 2), (2, 3)]);
    assert!(placed.nodes.iter().all(|place| place.y == 0.0), "{placed:?}");
    assert_eq!(placed.nodes.iter().map(|place| place.layer).collect::<Vec<_>>(), [0, 1, 2, 3]);
}

#[test]
fn two_edges_that_need_not_cross_do_not() {
    // Given crosswise: 0 → 3, 1 → 2.
    let placed = check(&[NODE; 5], &[(4, 0), (4, 1), (0, 3), (1, 2)]);
    let y = |node: usize| placed.nodes[node].y;
    assert_eq!(y(0) < y(1), y(3) < y(2), "{placed:?}");
}

#[test]
fn a_circle_is_drawn_with_one_edge_back() {
    let placed = check(&[NODE; 3], &[(0, 1), (1, 2), (2, 0)]);
    assert_eq!(placed.routes.iter().filter(|route| route.back).map(|route| (route.from, route.to)).collect::<Vec<_>>(), [(2, 0)]);
}

#[test]
fn parts_stand_in_their_order_and_what_is_alone_behind_them() {
    let placed = check(&[NODE; 5], &[(1, 2), (3, 4)]);
    let place = |node: usize| (placed.nodes[node].y, placed.nodes[node].x);
    assert!(place(1) < place(3) && place(4) < place(0), "{placed:?}");
}

#[test]
fn a_chain_of_ten_thousand_and_a_thousand_edges_between_all_end() {
    let long: Vec<(u32, u32)> = (0..9_999).map(|node| (node, node + 1)).collect();
    assert_eq!(layout(&vec![NODE; 10_000], &long).nodes[9_999].layer, 9_999);
    let begun = Instant::now();
    let dense: Vec<(u32, u32)> = (0..100).flat_map(|from| (0..100).map(move |to| (from, to))).collect();
    check(&[NODE; 100], &dense);
    assert!(begun.elapsed() < Duration::from_secs(20), "that is no drawing but a hang: {:?}", begun.elapsed());
}
