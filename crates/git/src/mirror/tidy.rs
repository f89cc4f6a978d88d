//! Keeps a mirror quick over months.

use crate::command::Limit;
use crate::{GitError, Mirror};

impl Mirror {
    /// Packs what many small fetches brought. Git's own cleaning is off in mirrors, since it may start at any moment and deletes what no
    /// branch holds; this deletes nothing but second copies. Once a day is enough; reading goes on meanwhile.
    ///
    /// # Errors
    /// [`GitError::Corrupt`], [`GitError::Io`], [`GitError::Timeout`].
    pub async fn tidy(&self) -> Result<(), GitError> {
        let _turn = self.inner.fetching.lock().await;
        // Geometric: packs are joined only while small ones are many, so the cost follows what came, not what is there.
        for args in [&["repack", "--quiet", "-d", "--geometric=2"][..], &["pack-refs", "--all"]] {
            let call = self.call("tidying a mirror", Limit::Transfer).holding(self.inner.lock.duplicate()?);
            call.args(args).run().await?.bytes()?;
        }
        Ok(())
    }
}
