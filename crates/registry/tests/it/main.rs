//! The registry as its users see it: real files, real processes, and other people's tools as judges.
#![allow(clippy::unwrap_used)]

#[cfg(test)]
mod crashing;
#[cfg(test)]
mod importing;
#[cfg(test)]
mod layouts;
#[cfg(test)]
mod mutated;
#[cfg(test)]
mod packing;
#[cfg(test)]
mod remote;
#[cfg(test)]
mod signing;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tools;
#[cfg(test)]
mod unpacking;
