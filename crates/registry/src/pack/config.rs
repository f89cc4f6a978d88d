//! The configuration of a packed image.

use towpath_domain::{Digest, Timestamp};

use super::PackRequest;
use super::base::Base;
use crate::image::{ConfigFile, History, Process, RootFs};

/// What the pack block says, upon what the base says.
pub(super) fn config(request: &PackRequest<'_>, base: Option<&Base>, layer: Digest, seconds: u64) -> ConfigFile {
    let created = Some(Timestamp::from_millis(i64::try_from(seconds).unwrap_or(0).saturating_mul(1000)).to_string());
    let inherited = base.map(|base| &base.config);
    let mut diff_ids = inherited.map(|config| config.rootfs.diff_ids.clone()).unwrap_or_default();
    diff_ids.push(layer);
    let mut history = inherited.map(|config| config.history.clone()).unwrap_or_default();
    history.push(History { created: created.clone(), created_by: Some("towpath pack".to_owned()), ..History::default() });
    ConfigFile {
        created,
        platform: inherited.map_or_else(|| request.platform.clone(), |config| config.platform.clone()),
        config: process(request, inherited.map(|config| config.config.clone()).unwrap_or_default()),
        rootfs: RootFs { kind: "layers".to_owned(), diff_ids },
        history,
    }
}

fn process(request: &PackRequest<'_>, mut process: Process) -> Process {
    let pack = request.pack;
    for (name, value) in &pack.env {
        let variable = format!("{name}={value}");
        match process.env.iter_mut().find(|known| known.split('=').next() == Some(name)) {
            Some(known) => *known = variable,
            None => process.env.push(variable),
        }
    }
    if !pack.entrypoint.is_empty() {
        process.entrypoint.clone_from(&pack.entrypoint);
        // The base's arguments were for the base's program.
        process.cmd.clear();
    }
    if !pack.cmd.is_empty() {
        process.cmd.clone_from(&pack.cmd);
    }
    if pack.workdir != "/" || process.working_dir.is_empty() {
        process.working_dir.clone_from(&pack.workdir);
    }
    process.labels.extend(request.labels.iter().map(|(name, value)| (name.clone(), value.clone())));
    process
}
