//! `towpath demo`: the whole loop, on two repositories of its own, told as it happens.

mod page;
mod repositories;
mod server;
mod story;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Serialize;

use self::repositories::{CHAPTERS, Repositories};
use self::server::Server;
use self::story::{Commit, Happening, Story};
use super::Shown;
use super::context::{Context, block_on};
use super::serve::stop_signal;
use crate::client::Client;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Format, Out};

/// Shows the whole loop: three commits on their way to production, one of which must not get there.
///
/// Makes two Git repositories in a folder of its own, starts a server on a free port, pushes a good commit, one whose smoke
/// test fails, and a mended one, and tells the story as it happens. Everything goes through the same code as a repository of
/// your own. The folder is removed at the end unless you keep it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath demo
  towpath demo --keep --dir ./demo      # leaves the server running, to look around in
  towpath demo --output json            # one object: commits, production, events")]
pub(crate) struct Args {
    /// Leaves everything running at the end, and says how to go on.
    #[arg(long)]
    pub(crate) keep: bool,
    /// The folder to make everything in; it must be empty or not there yet. A temporary one otherwise.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) shown: Shown,
}

/// What `--output json` prints.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    /// Each commit and what became of it.
    commits: Vec<Commit>,
    /// The commit that runs in production at the end.
    production: String,
    /// All that happened.
    events: Vec<Happening>,
}

/// Runs it.
pub(crate) fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let dir = match &args.dir {
        Some(dir) => Folder::Given(empty(&context.absolute(dir)?)?),
        None => Folder::Temporary(
            tempfile::Builder::new()
                .prefix("towpath-demo-")
                .tempdir()
                .map_err(|error| Failure::new(Exit::Failed, format!("no temporary folder can be made: {error}")))?,
        ),
    };
    let human = args.shown.output == Format::Human;
    let live = human.then_some(&context.out);
    let report = block_on(async { Ok(play(dir.path(), live, args.keep).await?) })?;
    let good = report.commits.iter().map(|c| c.reached_production).eq([true, false, true]);
    if human {
        context.out.print(&summary(&report))?;
        context.out.print(&if args.keep { going_on(dir.path()) } else { what_next() })?;
    } else {
        context.out.json(&report)?;
    }
    if args.keep {
        dir.keep();
    }
    if good { Ok(Exit::Ok) } else { Err(Failure::new(Exit::Failed, "the story did not end as it should: see above")) }
}

/// Where everything is made.
enum Folder {
    Given(PathBuf),
    Temporary(tempfile::TempDir),
}

impl Folder {
    fn path(&self) -> &Path {
        match self {
            Self::Given(path) => path,
            Self::Temporary(dir) => dir.path(),
        }
    }

    fn keep(self) {
        if let Self::Temporary(dir) = self {
            let _path = dir.keep();
        }
    }
}

fn empty(dir: &Path) -> Result<PathBuf, Failure> {
    let failed = |error: std::io::Error| Failure::new(Exit::Failed, format!("{}: {error}", dir.display()));
    std::fs::create_dir_all(dir).map_err(failed)?;
    if std::fs::read_dir(dir).map_err(failed)?.next().is_some() {
        return Err(Failure::new(Exit::Failed, format!("{} is not empty", dir.display())).help("name a folder that is not there yet"));
    }
    Ok(dir.to_owned())
}

/// Plays the story; leaves nothing running unless `keep`.
async fn play(dir: &Path, live: Option<&Out>, keep: bool) -> anyhow::Result<Report> {
    let repositories = Repositories::make(dir)?;
    let (server, client) = Server::start(dir, repositories.config()).await?;
    let mut stopping = stop_signal()?;
    let told = tokio::select! {
        told = tell(&repositories, &server, &client, live) => told,
        _ = stopping.wait_for(|stopping| *stopping) => {
            server.stop().await?;
            return Err(Failure::new(Exit::Failed, "interrupted; all that the demonstration had started was ended").into());
        }
    };
    if keep && told.is_ok() {
        server.leave();
        return told;
    }
    let words = told.is_err().then(|| server.last_words());
    let stopped = server.stop().await;
    match (told, words) {
        (Err(error), Some(words)) => Err(error).with_context(|| format!("the demonstration stopped; the server said:\n{words}\nand")),
        (told, _) => stopped.and(told),
    }
}

async fn tell(repositories: &Repositories, server: &Server, client: &Client, live: Option<&Out>) -> anyhow::Result<Report> {
    let mut story = Story::new(client, live);
    story.say(&format!(
        "A web service, its stage, a smoke test and its production, in {}.\nEvery line is an event of the ledger of a real server ({}).\n",
        server.config().file.parent().unwrap_or(Path::new(".")).display(),
        client.place(),
    ));
    let mut commits = Vec::new();
    for chapter in CHAPTERS {
        let sha = repositories.push(chapter)?;
        story.tell(&format!("{} pushes {} “{}”", chapter.author, &sha[..7], chapter.subject));
        let commit = story.follow(chapter, &sha).await?;
        let status = client.status().await?;
        let stands = story::production(&status).and_then(|t| t.current.as_ref()).map(|c| c.commit.id.short(7));
        let stands = stands.unwrap_or_else(|| "nothing".to_owned());
        match &commit.held_by {
            Some(why) => {
                story.tell(&format!("held: {why}"));
                story.tell(&format!("production stays at {stands}"));
            }
            None => story.tell(&format!("{} is live after {}", &sha[..7], seconds(commit.lead_time_ms))),
        }
        story.say("");
        commits.push(commit);
    }
    let status = client.status().await?;
    let production = story::production(&status).and_then(|t| t.current.as_ref()).map(|c| c.commit.id.to_string()).unwrap_or_default();
    Ok(Report { commits, production, events: story.events })
}

fn seconds(ms: Option<u64>) -> String {
    ms.map_or_else(String::new, |ms| format!("{}.{:02} s", ms / 1000, ms % 1000 / 10))
}

fn summary(report: &Report) -> String {
    let mut text = String::from("What became of each commit:\n");
    for commit in &report.commits {
        let end = match &commit.held_by {
            None => format!("in production after {}", seconds(commit.lead_time_ms)),
            Some(_) => "never reached production".to_owned(),
        };
        text.push_str(&format!("  {}  {:<38}  {end}\n", &commit.sha[..7], commit.subject));
    }
    text
}

fn what_next() -> String {
    "\nNext:\n  towpath demo --keep      the same, left running to look around in\n  towpath init             a config repository for a service of your own\n".to_owned()
}

fn going_on(dir: &Path) -> String {
    let config = dir.join(crate::config::FILE_NAME);
    let config = config.display();
    format!(
        "\nEverything is left running. Look around:\n  export TOWPATH_CONFIG={config}\n  towpath status\n  towpath explain production\n  \
         towpath rollback production --reason \"to see it\"\n  git -C {web} log --oneline        the service; commit and push to see it travel\n  \
         git -C {web} push origin HEAD:refs/heads/pull/1   after a commit: a pull request, which is checked; see `towpath check list`\n  \
         towpath doctor\nTo end it: stop the server with `kill $(grep -o '\"pid\": *[0-9]*' {state}/server.json | grep -o '[0-9]*$')`,\n\
         then the services with `towpath stop-services`, and remove the folder.\n",
        web = dir.join("web").display(),
        state = dir.join(".towpath").display(),
    )
}
