//! How many files this process may open: each connection is one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Sees to it that the process may open so many files, as far as the system allows, and answers with how many it may. Systems begin with few for the
/// sake of old programs, and let each process have more.
pub fn open_files(wanted: u64) -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let now = limit.current.unwrap_or(u64::MAX);
    let raised = limit.maximum.map_or(wanted, |maximum| wanted.min(maximum));
    if now >= raised {
        return now;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum: limit.maximum }) {
        Ok(()) => raised,
        Err(_) => now,
    }
}
