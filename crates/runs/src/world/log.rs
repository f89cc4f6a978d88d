//! Where a run's lines go.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use towpath_domain::RunId;
use towpath_ledger::logs::{Logs, Masker, RunLog, StepLog, Stream};

use super::Clock;

/// The log of one run, for writing. A log that cannot be written is told once and then done without: a full disk must not make
/// a deploy fail that went well.
#[derive(Clone)]
pub struct LogSink {
    logs: Logs,
    run: RunId,
    clock: Clock,
    masker: Arc<Mutex<Masker>>,
    open: Arc<Mutex<Option<Open>>>,
}

struct Open {
    log: RunLog,
    steps: HashMap<String, StepLog>,
}

impl LogSink {
    /// Opens the log of `run`.
    pub(crate) fn open(logs: &Logs, run: &RunId, clock: &Clock) -> Self {
        let open = match logs.run(run, Masker::default()) {
            Ok(log) => Some(Open { log, steps: HashMap::new() }),
            Err(error) => {
                tracing::error!(%run, %error, "the run's log cannot be opened; its lines are not kept");
                None
            }
        };
        Self { logs: logs.clone(), run: run.clone(), clock: clock.clone(), masker: Arc::default(), open: Arc::new(Mutex::new(open)) }
    }

    /// Masks these values in every line from now on.
    pub(crate) fn mask(&self, values: impl IntoIterator<Item = String>) {
        let values: Vec<String> = values.into_iter().collect();
        let masker = Masker::new(values);
        if let Some(open) = self.lock().as_mut() {
            open.log = open.log.with_masker(masker.clone());
            open.steps.clear();
        }
        *self.masker.lock().unwrap_or_else(PoisonError::into_inner) = masker;
    }

    /// The text with every value replaced that is masked in this log.
    pub(crate) fn masked(&self, text: &str) -> String {
        self.masker.lock().unwrap_or_else(PoisonError::into_inner).mask(text)
    }

    /// Writes a line. `stream` is `stdout`, `stderr`, `towpath`, or the name of the pod's container that said it.
    pub fn line(&self, step: &str, stream: &str, text: &str) {
        let mut guard = self.lock();
        let Some(open) = guard.as_mut() else { return };
        let (kind, text) = match stream {
            "towpath" => (Stream::Towpath, text.to_owned()),
            "stdout" => (Stream::Out, text.to_owned()),
            "stderr" => (Stream::Err, text.to_owned()),
            pod => (Stream::Out, format!("[{pod}] {text}")),
        };
        let at = self.clock.now();
        let written = match open.steps.get_mut(step) {
            Some(log) => log.line(kind, at, &text),
            None => open.log.step(step).and_then(|mut log| {
                let written = log.line(kind, at, &text);
                open.steps.insert(step.to_owned(), log);
                written
            }),
        };
        if let Err(error) = written {
            tracing::error!(run = %self.run, %error, "the run's log cannot be written; further lines are not kept");
            *guard = None;
        }
    }

    /// The last `count` lines that programs said in a step.
    pub(crate) fn tail(&self, step: &str, count: usize) -> Vec<String> {
        let lines = self.logs.tail(&self.run, step, count * 4).unwrap_or_default();
        let said: Vec<String> = lines.into_iter().filter(|l| l.stream != Stream::Towpath).map(|l| l.text).collect();
        said.into_iter().rev().take(count).rev().collect()
    }

    /// Tells who said something in a step, each line anew: pods' containers, as `POD/CONTAINER`.
    pub(crate) fn speakers(&self, step: &str, told: &mut dyn FnMut(&str)) {
        self.each_said(step, &mut |text| {
            if let Some((speaker, _)) = text.strip_prefix('[').and_then(|text| text.split_once("] ")) {
                told(speaker);
            }
        });
    }

    /// Tells the lines of this pod's container that the step's log holds already.
    pub(crate) fn said(&self, step: &str, pod: &str, told: &mut dyn FnMut(&str)) {
        let start = format!("[{pod}] ");
        self.each_said(step, &mut |text| {
            if let Some(text) = text.strip_prefix(&start) {
                told(text);
            }
        });
    }

    /// Tells every line that a program or pod said in a step, with who said it.
    fn each_said(&self, step: &str, told: &mut dyn FnMut(&str)) {
        if let Some(open) = self.lock().as_mut() {
            // What is still in memory counts, too.
            open.steps.remove(step);
        }
        let mut from = 0;
        while let Ok(chunk) = self.logs.read(&self.run, step, from, u64::MAX)
            && chunk.next > from
        {
            from = chunk.next;
            chunk.lines.iter().filter(|line| line.stream == Stream::Out).for_each(|line| told(&line.text));
        }
    }

    /// Writes what is still to be written.
    pub(crate) fn finish(&self) {
        let Some(open) = self.lock().take() else { return };
        for (_, log) in open.steps {
            if let Err(error) = log.finish(self.clock.now()) {
                tracing::warn!(run = %self.run, %error, "the end of the run's log is lost");
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
