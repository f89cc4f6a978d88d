//! The last step before a container: a process that puts itself in order, then becomes the container's program.
//!
//! Done in a process of its own, because what is done here concerns the process itself, and done between fork and exec it would be unsafe.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use rustix::process::{Signal, getppid, set_parent_process_death_signal, setsid};

/// The program's file is not one that can be started: what shells answer for a command that is not there.
pub(super) const EXIT_NO_PROGRAM: u8 = 127;
/// Something else kept the program from starting.
const EXIT_CANNOT_START: u8 = 126;

/// How a container's process is put in order.
pub(super) struct Order {
    /// The shim: if it is no longer the parent, nothing starts.
    pub(super) parent: u32,
    /// Where to say why the program could not be started.
    pub(super) error: PathBuf,
    /// Files to write the process id to, one for each control group to join.
    pub(super) groups: Vec<PathBuf>,
    /// The program's file.
    pub(super) program: PathBuf,
    /// Its name as it sees it, then its arguments.
    pub(super) argv: Vec<String>,
}

impl Order {
    /// The arguments after which a shim's command carries out this order.
    pub(super) fn args(&self) -> Vec<std::ffi::OsString> {
        let mut args = vec!["exec".into(), self.parent.to_string().into(), self.error.clone().into(), self.groups.len().to_string().into()];
        args.extend(self.groups.iter().map(Into::into));
        args.push(self.program.clone().into());
        args.extend(self.argv.iter().map(Into::into));
        args
    }
}

pub(super) fn run(args: &[&str]) -> ExitCode {
    let Some(order) = parse(args) else { return ExitCode::from(2) };
    let (code, why) = become_program(&order);
    // The shim finds the reason here; if it cannot be written, the exit code remains.
    let _ = fs::write(&order.error, why);
    ExitCode::from(code)
}

fn parse(args: &[&str]) -> Option<Order> {
    let [parent, error, groups, rest @ ..] = args else { return None };
    let (groups, rest) = rest.split_at_checked(groups.parse().ok()?)?;
    let [program, argv @ ..] = rest else { return None };
    Some(Order {
        parent: parent.parse().ok()?,
        error: error.into(),
        groups: groups.iter().map(PathBuf::from).collect(),
        program: program.into(),
        argv: argv.iter().map(|word| (*word).to_owned()).collect(),
    })
}

/// Returns only if it fails, with the exit code and the reason.
fn become_program(order: &Order) -> (u8, String) {
    let cannot = |why: String| (EXIT_CANNOT_START, why);
    if let Err(e) = setsid() {
        return cannot(format!("cannot begin a session: {e}"));
    }
    if let Err(e) = set_parent_process_death_signal(Some(Signal::KILL)) {
        return cannot(format!("cannot tie itself to its shim: {e}"));
    }
    // The shim may have died before the line above took hold.
    if getppid().map(|parent| parent.as_raw_nonzero().get().unsigned_abs()) != Some(order.parent) {
        return cannot("its shim is gone".to_owned());
    }
    for group in &order.groups {
        if let Err(e) = fs::write(group, std::process::id().to_string()) {
            return cannot(format!("cannot join its control group: {e}"));
        }
    }
    let Some((name, args)) = order.argv.split_first() else { return cannot("no program is named".to_owned()) };
    let error = Command::new(&order.program).arg0(name).args(args).exec();
    let no_program = matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied)
        || error.raw_os_error() == Some(rustix::io::Errno::NOEXEC.raw_os_error());
    (if no_program { EXIT_NO_PROGRAM } else { EXIT_CANNOT_START }, format!("{} cannot be started: {error}", order.program.display()))
}
