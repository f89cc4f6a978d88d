//! `towpath init`.

mod check;
mod content;
mod git;
mod questions;
mod write;

use std::path::PathBuf;

use super::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use questions::Asker;

/// Sets up delivery for a service of your own: a config repository with stage, smoke test and production, and towpath.toml.
///
/// Asks what it needs to know, or takes it from flags. Nothing that is there is overwritten. Into the service's own repository,
/// when it is a folder on this machine, it puts a deployment template and a smoke test below deploy/, for you to look at and commit;
/// for a repository elsewhere it leaves them beside the config repository.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  towpath init
  towpath init --source ../web --start './server' --yes
  towpath init --source git@git.example.com:team/web.git --name web --branch main \\
      --build 'make' --start './server' --health /healthz --yes

The service must listen on the port that PORT names, and answer on the --health path once it is well.")]
pub(crate) struct Args {
    /// The service's repository: a folder, or any URL that git can reach.
    #[arg(long, value_name = "URL")]
    source: Option<String>,
    /// The service's name: letters, digits and dashes. [default: the repository's]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The branch that is released. [default: the repository's own]
    #[arg(long, value_name = "BRANCH")]
    branch: Option<String>,
    /// What the image is called, without a tag. [default: towpath.local/NAME]
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    /// The shell command that builds a checkout; none when there is nothing to build.
    #[arg(long, value_name = "COMMAND")]
    build: Option<String>,
    /// The shell command that starts the service, in the built checkout.
    #[arg(long, visible_alias = "command", value_name = "COMMAND")]
    start: Option<String>,
    /// The HTTP path that answers once the service is well.
    #[arg(long, value_name = "PATH")]
    health: Option<String>,
    /// The folder for towpath.toml and the config repository. [default: this one, or NAME-delivery beside the service's own]
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
    /// Asks nothing, and takes what is usual for what no flag says.
    #[arg(long)]
    yes: bool,
}

/// A service to set up, every answer given and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Service {
    /// Its name, a DNS label.
    name: String,
    /// Its repository as the catalog names it: a URL, or an absolute path.
    url: String,
    /// The folder of its repository, when it is a work tree on this machine.
    folder: Option<PathBuf>,
    /// The branch that is released.
    branch: String,
    /// The image's name without a tag.
    image: String,
    /// The command that builds a checkout.
    build: Option<String>,
    /// The command that starts the service.
    start: String,
    /// The HTTP path that answers once it is well.
    health: String,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let asker = Asker::new(context, args.yes);
    let here = context.folder()?;
    let usage =
        |message: &str, flag: &str| Failure::new(Exit::Usage, message).help(format!("say it with {flag}, or call this on a terminal"));

    let source = asker.ask(args.source.as_deref(), "Where is the service's repository (a folder or a URL)?", None)?;
    let source = source.ok_or_else(|| usage("no repository is given", "--source URL"))?;
    let remote = git::look(&source, &here, args.branch.as_deref())?;

    let usual = check::usual_name(&remote.url);
    let name = asker.ask(args.name.as_deref(), "What is the service called?", usual.as_deref())?;
    let name = check::name(&name.ok_or_else(|| usage("the repository's name makes no name for the service", "--name NAME"))?)?;
    let usual = format!("towpath.local/{name}");
    let image = asker.ask(args.image.as_deref(), "What is its image called?", Some(&usual))?.unwrap_or(usual);
    let build = asker.ask(args.build.as_deref(), "Which shell command builds a checkout (empty for none)?", Some(""))?;
    let start = asker.ask(args.start.as_deref(), "Which shell command starts it? It must listen on $PORT.", None)?;
    let start = start.ok_or_else(|| usage("nothing says how the service is started", "--start COMMAND"))?;
    let health = asker.ask(args.health.as_deref(), "Which HTTP path answers once it is well?", Some("/"))?;
    let service = Service {
        image: check::image(&image)?,
        build: build.filter(|build| !build.is_empty()).map(|build| check::one_line("--build", &build)).transpose()?,
        start: check::one_line("--start", &start)?,
        health: check::health(&health.unwrap_or_else(|| "/".to_owned()))?,
        name,
        url: remote.url,
        folder: remote.folder,
        branch: remote.branch,
    };
    let usual = check::usual_folder(&here, &service);
    let folder = match &args.dir {
        Some(folder) => here.join(folder),
        None => here.join(
            asker.ask(None, "Where should towpath.toml and the config repository be?", Some(&usual.to_string_lossy()))?.unwrap_or_default(),
        ),
    };
    let folder = check::outside(&folder, &service)?;
    let written = write::write(&folder, &service)?;
    context.out.print(&content::story(&service, &written))?;
    Ok(Exit::Ok)
}
