//! What a machine lacks for a test.

use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Says loudly that something is skipped, and why; with `CI` set this panics instead.
pub fn skipped<T>(why: &str) -> Option<T> {
    assert!(std::env::var_os("CI").is_none(), "{why}; in CI nothing may be skipped");
    eprintln!("SKIPPED: {why}");
    None
}

/// The first of these programs that is not on the `PATH`.
pub fn missing_program<'a>(programs: &[&'a str]) -> Option<&'a str> {
    let there = |program: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", "command -v \"$1\"", "sh", program]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    programs.iter().find(|program| !there(program)).copied()
}

/// The folder with archives and definitions that lies beside the workspace: `TOWPATH_SHARED`, or `shared` beside the checkout.
pub fn shared() -> PathBuf {
    std::env::var_os("TOWPATH_SHARED").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from)
}
