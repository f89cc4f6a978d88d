//! `towpath man`.

use std::path::PathBuf;

use super::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;

/// Prints the manual page, or writes a page for each command into a folder.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath man | man -l -
  towpath man --dir ~/.local/share/man/man1")]
pub(crate) struct Args {
    /// Writes towpath.1, towpath-status.1 and so on into this folder.
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let command = super::command();
    match &args.dir {
        None => {
            let mut page = Vec::new();
            let rendered = clap_mangen::Man::new(command).render(&mut page);
            rendered.map_err(|error| Failure::new(Exit::Failed, format!("cannot write the page: {error}")))?;
            context.out.print(&String::from_utf8_lossy(&page))?;
        }
        Some(folder) => {
            let written = std::fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(command, folder));
            written.map_err(|error| Failure::new(Exit::Failed, format!("cannot write into {}: {error}", folder.display())))?;
        }
    }
    Ok(Exit::Ok)
}
