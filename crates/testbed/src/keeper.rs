//! Looks after a server for as long as the test process lives, and not longer.

use std::fs::File;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

/// A small shell in a session of its own that runs a script. The script is expected to `read` its standard input, a pipe
/// which this process holds open: it ends when the keeper is dropped, and also when the process is killed, so that the rest
/// of the script can clean up. (A parent-death signal would not do: that one looks at the thread, and tests are threads.)
pub struct Keeper {
    shell: Child,
    alive: Option<ChildStdin>,
}

impl Keeper {
    /// Starts `script` with `arguments` as `$1`, `$2`, …; its words on errors go to `log`. `lock` stays locked until the
    /// script has ended, whatever happens to this process: the script's standard output is that file.
    ///
    /// # Panics
    /// When no shell can be started.
    pub fn start(script: &str, arguments: &[&Path], log: &Path, lock: Option<File>) -> Keeper {
        let mut shell = Command::new("setsid");
        shell.args(["sh", "-c", script, "keeper"]).args(arguments).stdin(Stdio::piped());
        shell.stdout(lock.map_or_else(Stdio::null, Stdio::from)).stderr(File::create(log).expect("the keeper's log can be written"));
        let mut shell = shell.spawn().expect("setsid and sh can be started");
        let alive = shell.stdin.take();
        Keeper { shell, alive }
    }
}

impl Drop for Keeper {
    /// Ends what is kept, and waits until it is gone.
    fn drop(&mut self) {
        drop(self.alive.take());
        let _ = self.shell.wait();
    }
}
