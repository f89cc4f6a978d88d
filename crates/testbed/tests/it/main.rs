//! The servers that other tests stand on do what those tests expect of them.

mod cluster;
