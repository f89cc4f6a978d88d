//! Whole trees, from files to a catalog.

mod given;
