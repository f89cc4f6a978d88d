//! Drawings made on the server: SVG as text, in the colours of the style sheet's classes. No part of them needs a script or a style of its own.
//!
//! - [`layout`]: places the nodes of a graph; pure arithmetic.
//! - [`graph`]: what publishes to what.
//! - [`chart`]: bars, lines and bands over time, each with its figures as a table.
//! - [`diff`]: unified diffs as rows.
//! - [`scale`]: round numbers for axes.

pub mod chart;
pub mod diff;
pub mod graph;
pub mod layout;
pub mod scale;
mod svg;

pub(crate) use svg::encode;
