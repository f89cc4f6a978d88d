//! The registry as its users see it: real files, real processes, and other people's tools as judges.

mod crashing;
mod importing;
mod layouts;
mod mutated;
mod packing;
mod support;
mod tools;
mod unpacking;
