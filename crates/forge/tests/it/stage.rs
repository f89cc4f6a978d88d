//! Where the conformance suite plays: each forge over a real repository, with people and mishaps.

use std::process::Command;
use std::sync::Arc;

use towpath_domain::{CommitId, Span};
use towpath_forge::fake::others::{Ends, Runs};
use towpath_forge::fake::{self, FakeForge, FakeReview, Fate, Mishap, Rules};
use towpath_forge::{Forge, ForgeError, Number, PlainGit, Settings};

use crate::support::Lab;

/// A change as people see it on a forge's page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub number: Number,
    pub branch: String,
    pub state: &'static str,
    pub title: String,
    pub body: String,
    pub labels: Vec<String>,
    /// Author and text, the oldest first, without what the forge wrote itself.
    pub comments: Vec<(String, String)>,
}

/// A forge, the repository that it is about, and people.
pub trait Stage: Sized {
    async fn start() -> Self;
    fn lab(&self) -> &Lab;
    /// Towpath's forge with an empty mirror of its own: another name is another process.
    async fn forge(&self, name: &str) -> Arc<dyn Forge> {
        self.over(self.lab().forge(name).await)
    }
    /// The same with this mirror.
    fn over(&self, plain: PlainGit) -> Arc<dyn Forge>;
    /// How many calls came, and how many of them were to change something, since this was asked last.
    fn take_calls(&self) -> (usize, usize);
    fn rule(&self, rules: Rules);
    fn seen(&self) -> Vec<Seen>;
    /// People open a change from their branch of the config repository.
    fn people_open(&self, branch: &str, author: &str);
    /// People open a change from their fork, or push to the one that they opened.
    fn people_fork(&self, branch: &str, author: &str, head: CommitId);
    fn people_close(&self, number: Number);
    fn people_comment(&self, number: Number, author: &str, body: &str);
    fn people_review(&self, number: Number, author: &str, approves: bool);
    /// The queue merges what is first in it, or throws it out for this reason.
    fn queue(&self, thrown_out: Option<&str>);
    /// Checks of others end so at a commit; what the forge cannot be asked to run again is among them where it has such.
    fn others_check(&self, commit: CommitId, ends: Ends);
    /// Others do not let their checks be run again, for this reason.
    fn others_refuse(&self, why: &str);
    /// How often checks of others were run again.
    fn run_again(&self) -> usize;
    fn limit_pages(&self, most: usize);
    /// People move a branch to a commit while it is asked what the config branch demands.
    fn meanwhile(&self, branch: &'static str, to: CommitId);
    fn plan(&self, call: usize, mishap: Mishap);
    fn is_planned(&self) -> bool;
}

/// Plain Git: there is nothing but the repository.
pub struct Plain(Lab);

impl Stage for Plain {
    async fn start() -> Self {
        Self(Lab::new())
    }
    fn lab(&self) -> &Lab {
        &self.0
    }
    fn over(&self, plain: PlainGit) -> Arc<dyn Forge> {
        Arc::new(plain)
    }
    fn take_calls(&self) -> (usize, usize) {
        (0, 0)
    }
    fn rule(&self, _rules: Rules) {}
    fn seen(&self) -> Vec<Seen> {
        Vec::new()
    }
    fn people_open(&self, _branch: &str, _author: &str) {}
    fn people_fork(&self, _branch: &str, _author: &str, _head: CommitId) {}
    fn people_close(&self, _number: Number) {}
    fn people_comment(&self, _number: Number, _author: &str, _body: &str) {}
    fn people_review(&self, _number: Number, _author: &str, _approves: bool) {}
    fn queue(&self, _thrown_out: Option<&str>) {}
    fn others_check(&self, _commit: CommitId, _ends: Ends) {}
    fn others_refuse(&self, _why: &str) {}
    fn run_again(&self) -> usize {
        0
    }
    fn limit_pages(&self, _most: usize) {}
    fn meanwhile(&self, _branch: &'static str, _to: CommitId) {}
    fn plan(&self, _call: usize, _mishap: Mishap) {}
    fn is_planned(&self) -> bool {
        false
    }
}

type Connect = fn(&Settings, PlainGit) -> Result<Arc<dyn Forge>, ForgeError>;

/// A hosted forge whose fake is a [`FakeForge`].
pub struct Hosted {
    pub lab: Lab,
    pub fake: FakeForge,
    connect: Connect,
    api: &'static str,
    repository: &'static str,
}

impl Drop for Hosted {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.fake.world().github.misfits, Vec::<String>::new());
        }
    }
}

impl Hosted {
    fn seen(&self) -> Vec<Seen> {
        let mut world = self.fake.world();
        world.follow();
        let seen = |pull: &fake::FakePull| Seen {
            number: Number(pull.number),
            branch: pull.branch.clone(),
            state: match pull.fate {
                Fate::Open => "open",
                Fate::Closed => "closed",
                Fate::Merged(_) => "merged",
            },
            title: pull.title.clone(),
            body: pull.body.clone(),
            labels: pull.labels.iter().cloned().collect(),
            comments: pull.comments.iter().filter(|c| !c.system).map(|c| (c.author.clone(), c.body.clone())).collect(),
        };
        world.pulls.iter().map(seen).collect()
    }

    fn index(&self, number: Number) -> usize {
        self.fake.world().index(number.0).unwrap()
    }
}

macro_rules! hosted {
    ($name:ident, $start:path, $connect:path, $api:literal, $repository:expr) => {
        pub struct $name(pub Hosted);

        impl AsRef<Hosted> for $name {
            fn as_ref(&self) -> &Hosted {
                &self.0
            }
        }

        impl Stage for $name {
            async fn start() -> Self {
                towpath_testbed::init();
                let lab = Lab::new();
                let fake = $start(&lab.path("config.git")).await.unwrap();
                Self(Hosted { lab, fake, connect: $connect, api: $api, repository: $repository })
            }
            fn lab(&self) -> &Lab {
                &self.0.lab
            }
            fn over(&self, plain: PlainGit) -> Arc<dyn Forge> {
                let settings = Settings {
                    base_url: Some(format!("{}{}", self.0.fake.url(), self.0.api)),
                    repository: Some(self.0.repository.to_owned()),
                    token: secrecy::SecretString::from("fake-token").into(),
                    ca_file: None,
                    patience: Span::from_millis(1500),
                };
                (self.0.connect)(&settings, plain).unwrap()
            }
            fn take_calls(&self) -> (usize, usize) {
                let asked = self.0.fake.take_asked();
                (asked.len(), asked.iter().filter(|(asked, _)| asked.method != "GET").count())
            }
            fn rule(&self, rules: Rules) {
                self.0.fake.rule(rules);
            }
            fn seen(&self) -> Vec<Seen> {
                self.0.seen()
            }
            fn people_open(&self, branch: &str, author: &str) {
                let mut world = self.0.fake.world();
                world.open(branch, "main", "Tidy up", "").unwrap();
                author.clone_into(&mut world.pulls.last_mut().unwrap().author);
            }
            fn people_fork(&self, branch: &str, author: &str, head: CommitId) {
                let mut world = self.0.fake.world();
                match world.pulls.iter().position(|pull| pull.fork && pull.branch == branch) {
                    Some(index) => world.head_moves(index, &head.to_string()),
                    None => drop(world.open_from_fork(author, branch, &head.to_string())),
                }
            }
            fn people_close(&self, number: Number) {
                let index = self.0.index(number);
                self.0.fake.world().pulls[index].fate = Fate::Closed;
            }
            fn people_comment(&self, number: Number, author: &str, body: &str) {
                let index = self.0.index(number);
                self.0.fake.world().comment(index, author, body);
            }
            fn people_review(&self, number: Number, author: &str, approves: bool) {
                let index = self.0.index(number);
                let mut world = self.0.fake.world();
                let (at, commit) = (world.now(), world.pulls[index].head.clone());
                world.pulls[index].reviews.push(FakeReview { author: author.to_owned(), approves, commit, at });
            }
            fn queue(&self, thrown_out: Option<&str>) {
                let mut world = self.0.fake.world();
                match thrown_out {
                    Some(why) => {
                        let first = world.pulls.iter().position(|pull| pull.place == fake::Place::Queued);
                        world.throw_out(first.expect("one is in the queue"), why);
                    }
                    None => world.run_queue(),
                }
            }
            fn others_check(&self, commit: CommitId, ends: Ends) {
                let mut world = self.0.fake.world();
                world.others_check(&commit.to_string(), "build", Runs::Itself, ends);
                world.others_check(&commit.to_string(), "scan", Runs::App, ends);
            }
            fn others_refuse(&self, why: &str) {
                self.0.fake.world().others.iter_mut().for_each(|check| check.refuses = Some(why.to_owned()));
            }
            fn run_again(&self) -> usize {
                self.0.fake.world().others.iter().map(|check| check.again).sum()
            }
            fn limit_pages(&self, most: usize) {
                self.0.fake.mishaps().limit_pages(most);
            }
            fn meanwhile(&self, branch: &'static str, to: CommitId) {
                let repository = self.0.lab.path("config.git");
                self.0.fake.meanwhile("branches", move || {
                    let name = format!("refs/heads/{branch}");
                    let moved = Command::new("git").arg("--git-dir").arg(repository).args(["update-ref", &name, &to.to_string()]).status();
                    assert!(moved.unwrap().success());
                });
            }
            fn plan(&self, call: usize, mishap: Mishap) {
                self.0.fake.mishaps().plan(call, mishap);
            }
            fn is_planned(&self) -> bool {
                self.0.fake.mishaps().is_planned()
            }
        }
    };
}

hosted!(Forgejo, fake::forgejo::start, towpath_forge::forgejo, "/api/v1", "org/config");
hosted!(GitLab, fake::gitlab::start, towpath_forge::gitlab, "/api/v4", fake::gitlab::PROJECT);

/// A GitHub that is held against its published description, wherever that can be had.
async fn described_github(folder: &std::path::Path) -> std::io::Result<FakeForge> {
    let fake = fake::github::start(folder).await?;
    crate::openapi::is_there();
    let mut world = fake.world();
    world.github.description = Some(crate::openapi::refuses);
    world.github.describes = Some(crate::openapi::misfit);
    drop(world);
    Ok(fake)
}

hosted!(GitHub, described_github, towpath_forge::github, "/api/v3", fake::github::REPOSITORY);
