//! `towpath completions`.

use clap_complete::Shell;

use super::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;

/// Prints a script that lets a shell complete Towpath's commands.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath completions bash > ~/.local/share/bash-completion/completions/towpath
  towpath completions zsh > ~/.zfunc/_towpath
  towpath completions fish > ~/.config/fish/completions/towpath.fish")]
pub(crate) struct Args {
    /// The shell.
    shell: Shell,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::command(), "towpath", &mut script);
    context.out.print(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Ok)
}
