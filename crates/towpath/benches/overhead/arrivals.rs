//! When each commit arrived in the source repository: by the time of the branch's file, since Git itself notes only seconds.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, UNIX_EPOCH};

use towpath_domain::{CommitId, Timestamp};

/// How often the file is looked at. Its own time counts, so this need only be shorter than the time between two pushes.
const LOOK: Duration = Duration::from_millis(50);

/// A watch on a branch's file.
pub struct Arrivals {
    over: Arc<AtomicBool>,
    watching: JoinHandle<BTreeMap<CommitId, Timestamp>>,
}

impl Arrivals {
    /// Watches `branch`, which need not be there yet.
    pub fn watch(branch: PathBuf) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&over);
        let watching = std::thread::spawn(move || {
            let mut seen = BTreeMap::new();
            while !stop.load(Ordering::Relaxed) {
                let at = std::fs::metadata(&branch).and_then(|meta| meta.modified());
                if let (Ok(at), Ok(text)) = (at, std::fs::read_to_string(&branch))
                    && let Ok(commit) = text.trim().parse()
                {
                    let ms = at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
                    seen.entry(commit).or_insert(Timestamp::from_millis(i64::try_from(ms).unwrap_or(i64::MAX)));
                }
                std::thread::sleep(LOOK);
            }
            seen
        });
        Self { over, watching }
    }

    /// Ends the watch; when each commit came.
    pub fn stop(self) -> BTreeMap<CommitId, Timestamp> {
        self.over.store(true, Ordering::Relaxed);
        self.watching.join().unwrap_or_default()
    }
}
