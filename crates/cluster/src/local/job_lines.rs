//! What the containers of jobs print, line by line, while they are waited for.

use std::collections::BTreeMap;

use towpath_domain::NamespaceName;

use super::Core;
use crate::api::{LogLine, ObjectKey, Observer};
use crate::pod::{PodDir, logs};

/// How far each container's log was told.
#[derive(Default)]
pub(super) struct JobLines {
    containers: BTreeMap<(String, String), Position>,
}

#[derive(Default)]
struct Position {
    /// The byte to go on from.
    at: u64,
    /// What was printed of a line that has not ended yet.
    rest: Vec<u8>,
    /// Lines that were told before this wait began and are passed over.
    told_before: u64,
}

impl JobLines {
    /// Tells what was printed since the last time; with `ended`, also a last line without an end.
    pub(super) fn tell(&mut self, core: &Core, namespace: &NamespaceName, keys: &[ObjectKey], observer: &dyn Observer, ended: bool) {
        for (pod, container, dir) in containers(core, namespace, keys) {
            let position = self
                .containers
                .entry((pod.clone(), container.clone()))
                .or_insert_with(|| Position { told_before: observer.told(&pod, &container), ..Position::default() });
            position.read(&pod, &container, &dir, observer);
            if ended && !position.rest.is_empty() {
                let last = std::mem::take(&mut position.rest);
                position.line(&pod, &container, &last, observer);
            }
        }
    }
}

impl Position {
    fn read(&mut self, pod: &str, container: &str, dir: &PodDir, observer: &dyn Observer) {
        while let Ok((offset, bytes)) = logs::read_from(&dir.logs(container), self.at)
            && !bytes.is_empty()
        {
            self.at = offset + bytes.len() as u64;
            self.rest.extend(bytes);
            while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                self.line(pod, container, &line, observer);
            }
        }
    }

    fn line(&mut self, pod: &str, container: &str, line: &[u8], observer: &dyn Observer) {
        if self.told_before > 0 {
            self.told_before -= 1;
            return;
        }
        let text = String::from_utf8_lossy(line);
        observer.line(LogLine { pod, container, text: text.trim_end_matches(['\n', '\r']) });
    }
}

/// The containers of the jobs' pods, read outside of the lock. Pods of an incarnation before, which a retry of the same job may find still there, are
/// passed over: what they printed is told already, to the run that they belong to.
fn containers(core: &Core, namespace: &NamespaceName, keys: &[ObjectKey]) -> Vec<(String, String, PodDir)> {
    let world = core.world();
    let mut found = Vec::new();
    for key in keys.iter().filter(|key| key.kind == "Job") {
        let revision = world.objects.get(&(namespace.clone(), key.clone())).and_then(super::draft::revision);
        for (name, pod) in world.pods_of(namespace, key).filter(|(_, pod)| Some(&pod.info.revision) == revision.as_ref()) {
            found.extend(pod.info.containers.iter().map(|container| (name.to_owned(), container.clone(), pod.dir.clone())));
        }
    }
    found
}
