//! Pushes of many changes at the same time, as one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use towpath_git::{GitError, Mirror, PushOutcome, RefUpdate};

/// How many branches one push names, at most.
const TOGETHER_MAX: usize = 100;

/// Those who wait to push. A push is a conversation with the repository, whatever it holds: whoever waits while one is under way goes along
/// with the next.
#[derive(Debug, Clone, Default)]
pub(super) struct Pushes {
    waiting: Arc<Mutex<Waiting>>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// What each wants to push, and who hears of it when it is.
type Waiting = Vec<(RefUpdate, oneshot::Sender<()>)>;

impl Pushes {
    /// Pushes one branch, with those of others or alone.
    pub(super) async fn push(&self, mirror: &Mirror, update: RefUpdate) -> Result<PushOutcome, GitError> {
        let (done, mut pushed) = oneshot::channel();
        self.waiting().push((update.clone(), done));
        let turn = self.turn.lock().await;
        match pushed.try_recv() {
            Ok(()) => return Ok(PushOutcome::Done),
            // Somebody took it along, and it did not come to an end for all of them.
            Err(oneshot::error::TryRecvError::Closed) => {
                drop(turn);
                return mirror.push(&[update]).await;
            }
            Err(oneshot::error::TryRecvError::Empty) => {}
        }
        let taken = {
            let mut waiting = self.waiting();
            // Whoever gave up is not pushed for.
            waiting.retain(|(_, done)| !done.is_closed());
            let taken = waiting.len().min(TOGETHER_MAX);
            let rest = waiting.split_off(taken);
            std::mem::replace(&mut *waiting, rest)
        };
        let updates: Vec<RefUpdate> = taken.iter().map(|(update, _)| update.clone()).collect();
        // All or none: where it is none, each finds out by itself what stood in its way.
        let together = updates.len() > 1 && mirror.push(&updates).await? == PushOutcome::Done;
        let mut own = false;
        for (update_of, done) in taken {
            own |= update_of == update;
            if together {
                let _ = done.send(());
            }
        }
        drop(turn);
        if together && own { Ok(PushOutcome::Done) } else { mirror.push(&[update]).await }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
