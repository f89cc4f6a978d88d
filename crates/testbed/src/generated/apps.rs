//! The apps: who they are, what is committed to them and when, and what they come to.

use towpath_domain::{BranchName, CommitId, RepoUrl, Timestamp};
use towpath_engine::CommitInfo;

use super::dice::Dice;
use super::{Shape, nothing, words};

/// Where an app stands at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// Its last commit runs everywhere.
    Rest,
    /// Its last commit could not be built.
    BuildBroken,
    /// Its last commit failed its test on stage.
    TestFailed,
    /// Its last commit failed in production.
    ProductionFailed,
    /// Its last commit was just pushed.
    Fresh,
    /// Its last commit may not go to production while that is frozen.
    Frozen,
    /// Its last commit waits until a person promotes it.
    Manual,
}

impl Fate {
    /// All of them but rest, with how many apps of a hundred have it.
    const SHARES: [(Self, usize); 6] = [
        (Self::BuildBroken, 1),
        (Self::TestFailed, 2),
        (Self::ProductionFailed, 1),
        (Self::Fresh, 2),
        (Self::Frozen, 2),
        (Self::Manual, 2),
    ];

    /// As tests call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rest => "rest",
            Self::BuildBroken => "build-broken",
            Self::TestFailed => "test-failed",
            Self::ProductionFailed => "production-failed",
            Self::Fresh => "fresh",
            Self::Frozen => "frozen",
            Self::Manual => "manual",
        }
    }

    fn of(number: usize, apps: usize) -> Self {
        // Spread over the alphabet, each at least once.
        let mut begins = 0;
        for (fate, share) in Self::SHARES {
            let count = (apps * share / 100).max(1);
            if (begins..begins + count).contains(&(number * 7 % apps)) {
                return fate;
            }
            begins += count;
        }
        Self::Rest
    }
}

/// An app.
#[derive(Debug)]
pub(super) struct App {
    pub(super) name: String,
    pub(super) url: RepoUrl,
    pub(super) branch: BranchName,
    pub(super) fate: Fate,
    /// Oldest first; ids are known once they are made.
    pub(super) commits: Vec<CommitInfo>,
    pub(super) dice: Dice,
    /// It has a second production.
    pub(super) twice: bool,
}

impl App {
    /// Where the test's and production's refs stand at present.
    pub(super) fn refs(&self) -> (CommitId, CommitId) {
        let at = |back: usize| self.commits[self.commits.len() - back].id;
        match self.fate {
            Fate::Rest | Fate::ProductionFailed => (at(1), at(1)),
            Fate::BuildBroken | Fate::Fresh => (at(2), at(2)),
            Fate::TestFailed | Fate::Frozen | Fate::Manual => (at(1), at(2)),
        }
    }
}

/// Runs that a release takes: a build, two changes and three or four deploys, and a few that fail.
const RUNS_OF_A_RELEASE: f64 = 6.1;

const DAY: i64 = 24 * 3600 * 1000;

/// All apps, their commits without ids.
pub(super) fn plan(shape: Shape, present: Timestamp) -> Vec<App> {
    let all: Vec<u64> = (0..shape.apps).map(|number| 20 + Dice::new(shape.seed, &format!("weight {number}")).below(100)).collect();
    let total: u64 = all.iter().sum();
    (0..shape.apps)
        .map(|number| {
            let releases = (shape.runs as f64 / RUNS_OF_A_RELEASE * all[number] as f64 / total as f64).ceil().max(4.0) as usize;
            app(shape, number, releases, present)
        })
        .collect()
}

/// The name of the app of this number.
pub(super) fn name(number: usize) -> String {
    let (front, end) = (number % words::FRONTS.len(), number / words::FRONTS.len());
    let again = end / words::ENDS.len();
    let name = format!("{}-{}", words::FRONTS[front], words::ENDS[end % words::ENDS.len()]);
    if again == 0 { name } else { format!("{name}-{}", again + 1) }
}

fn app(shape: Shape, number: usize, releases: usize, present: Timestamp) -> App {
    let name = name(number);
    let mut dice = Dice::new(shape.seed, &name);
    let from = present.as_millis() - i64::from(shape.days) * DAY;
    let mut moments: Vec<i64> = (0..releases).map(|_| moment(&mut dice, from, shape.days)).collect();
    moments.sort_unstable();
    let commits = moments.into_iter().map(|at| CommitInfo {
        id: nothing(),
        subject: words::subject(&mut dice),
        author: words::author(&mut dice).to_owned(),
        // Git knows whole seconds.
        at: Timestamp::from_millis(at / 1000 * 1000),
    });
    App {
        url: RepoUrl::new(format!("{}{name}", super::config::HOST)).expect("names are sound"),
        branch: BranchName::new("main").expect("main is a branch"),
        fate: Fate::of(number, shape.apps),
        commits: commits.collect(),
        twice: number.is_multiple_of(3),
        name,
        dice,
    }
}

/// When somebody merges: on working days, mostly by day, and not on the last evening.
fn moment(dice: &mut Dice, from: i64, days: u32) -> i64 {
    loop {
        let day = i64::try_from(dice.below(u64::from(days))).unwrap_or(0);
        let hour = 7 + i64::try_from(dice.below(12)).unwrap_or(0);
        // The past ends on a Sunday.
        let weekday = (i64::from(days) - day) % 7;
        if matches!(weekday, 1 | 2) && !dice.percent(10) {
            continue;
        }
        return from + day * DAY + hour * 3_600_000 + i64::try_from(dice.below(3_600_000)).unwrap_or(0);
    }
}
