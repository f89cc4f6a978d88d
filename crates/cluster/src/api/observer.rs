//! Who listens while a cluster is waited for.

use super::Progress;

/// Listens to what happens while [`Cluster::wait`](super::Cluster::wait) waits.
pub trait Observer: Send + Sync {
    /// An object has come another step.
    fn progress(&self, progress: Progress);

    /// A container of a job printed a line. Lines of one container come in order, each once.
    fn line(&self, line: LogLine<'_>);

    /// How many lines of this container were told before, by a worker that died: they are not told again.
    fn told(&self, pod: &str, container: &str) -> u64;
}

/// A line that a container of a job printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLine<'a> {
    /// The pod.
    pub pod: &'a str,
    /// The container.
    pub container: &'a str,
    /// The line, without its end.
    pub text: &'a str,
}

/// Listens to progress only: for tests and for those who do not care for logs.
impl<F: Fn(Progress) + Send + Sync> Observer for F {
    fn progress(&self, progress: Progress) {
        self(progress);
    }

    fn line(&self, _: LogLine<'_>) {}

    fn told(&self, _: &str, _: &str) -> u64 {
        0
    }
}
