//! Changes on a forge, with people: from the server to what they see there.

use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::runtime::Runtime;
use towpath_forge::fake::others::{Ends, Runs};
use towpath_forge::fake::{FakeForge, FakePull, Fate, Place, Rules, forgejo, github, gitlab};

use crate::installation::{Installation, PRODUCTION, TESTS};

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap());

/// People and what they may approve: Ada all, Bea nothing.
const PEOPLE: [(&str, &str); 3] = [
    ("access/owners.yml", "$schema: /access/role-1.yml\nname: owners\napproves: all\n"),
    (
        "access/ada.yml",
        "$schema: /access/user-1.yml\nname: Ada\norg_username: ada\nforgejo_username: ada\n\
         github_username: ada\ngitlab_username: ada\nroles: [{$ref: /access/owners.yml}]\n",
    ),
    (
        "access/bea.yml",
        "$schema: /access/user-1.yml\nname: Bea\norg_username: bea\nforgejo_username: bea\n\
         github_username: bea\nroles: []\n",
    ),
];

/// Where people would find the server's pages.
const PAGES: &str = "https://towpath.example.com";

/// An installation whose config repository lives on a forge.
struct OnForge {
    it: Installation,
    forge: FakeForge,
}

/// Which language a forge speaks.
#[derive(Clone, Copy)]
enum Speaks {
    Forgejo,
    GitHub,
    GitLab,
}

impl OnForge {
    fn new() -> Self {
        Self::speaking(Speaks::Forgejo)
    }

    fn speaking(language: Speaks) -> Self {
        let it = Installation::new();
        for (path, text) in PEOPLE {
            it.write(&format!("config/data/{path}"), text);
        }
        it.commit("config", "People");
        let repository = it.path("config.git");
        let (forge, kind, api, name) = RUNTIME.block_on(async {
            match language {
                Speaks::Forgejo => (forgejo::start(&repository).await, "forgejo", "/api/v1", "org/config"),
                Speaks::GitHub => (github::start(&repository).await, "github", "/api/v3", github::REPOSITORY),
                Speaks::GitLab => (gitlab::start(&repository).await, "gitlab", "/api/v4", gitlab::PROJECT),
            }
        });
        let forge = forge.unwrap();
        it.write("token", "fake-token\n");
        let table = format!(
            "[server]\nbase_url = \"{PAGES}\"\n[forge]\nkind = \"{kind}\"\nbase_url = \"{}{api}\"\nrepository = \"{name}\"\ntoken_file = \"token\"\npatience = \"5s\"\n",
            forge.url()
        );
        let config = it.read("towpath.toml").replace("local = \"50ms\"", "local = \"50ms\"\nremote = \"300ms\"");
        it.write("towpath.toml", &(config + &table));
        Self { it, forge }
    }

    /// Changes as the forge has them now.
    fn pulls(&self) -> Vec<FakePull> {
        let mut world = self.forge.world();
        world.follow();
        world.pulls.clone()
    }

    /// Waits until one of the changes is as wanted.
    fn until_pull(&mut self, what: &str, wanted: impl Fn(&FakePull) -> bool) -> FakePull {
        let forge = &self.forge;
        self.it.until(what, |_| {
            let mut world = forge.world();
            world.follow();
            world.pulls.iter().find(|pull| wanted(pull)).cloned()
        })
    }

    /// A person writes a comment, a moment from now.
    fn say(&self, number: u64, who: &str, text: &str) {
        let mut world = self.forge.world();
        let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
        world.epoch = now;
        let index = world.index(number).unwrap();
        world.comment(index, who, text);
    }

    /// What a status on a change's newest commit says: how it stands, and the line.
    fn status(&self, pull: &FakePull, context: &str) -> Option<(String, String)> {
        let world = self.forge.world();
        let found = world.statuses.iter().find(|status| status.commit == pull.head && status.context == context);
        found.map(|status| (status.state.clone(), status.summary.clone()))
    }

    /// A person pushes an edit of the config repository to a branch and opens a change.
    fn edit(&self, branch: &str, who: &str, edit: impl Fn(&Installation)) -> u64 {
        self.it.git("config", &["fetch", "--quiet", "origin"]);
        self.it.git("config", &["checkout", "--quiet", "-B", branch, "origin/main"]);
        edit(&self.it);
        self.it.git("config", &["commit", "--quiet", "--all", "--message", branch]);
        self.it.git("config", &["push", "--quiet", "--force", "origin", &format!("HEAD:refs/heads/{branch}")]);
        self.it.git("config", &["checkout", "--quiet", "main"]);
        let mut world = self.forge.world();
        let number = world.open(branch, "main", branch, "").unwrap().number;
        let index = world.index(number).unwrap();
        who.clone_into(&mut world.pulls[index].author);
        number
    }
}

/// What Towpath wrote on a change, all of it.
fn written(pull: &FakePull) -> String {
    pull.comments.iter().filter(|comment| comment.author == "towpath").map(|comment| comment.body.as_str()).collect::<Vec<_>>().join("\n")
}

#[test]
fn promotions_are_changes_that_people_see_with_checks_and_plan_and_merge_by_themselves() {
    promoted_on(Speaks::Forgejo);
}

#[test]
fn on_github_too() {
    promoted_on(Speaks::GitHub);
}

#[test]
fn and_on_gitlab() {
    promoted_on(Speaks::GitLab);
}

fn promoted_on(language: Speaks) {
    let mut on = OnForge::speaking(language);
    let first = on.it.release("first", true);
    on.it.start(None);
    on.it.until_at(PRODUCTION, &first);
    let pulls = on.pulls();
    assert_eq!(pulls.len(), 2, "{pulls:#?}");
    for pull in &pulls {
        assert!(matches!(pull.fate, Fate::Merged(_)), "{pull:#?}");
        for context in ["towpath/validation", "towpath/gate", "towpath/plan"] {
            assert_eq!(on.status(pull, context).unwrap().0, "success", "{context} of {pull:#?}");
        }
        assert!(pull.labels.contains("bot/automerge"), "{pull:#?}");
        assert!(pull.body.contains("Vouched for by") && pull.body.contains("/hold"), "{}", pull.body);
        // Why now, with the run that vouched; what comes with it; and how it stands.
        let id = pull.branch.strip_prefix("towpath/").unwrap();
        let leads = |to: &str| pull.body.contains(&format!("]({PAGES}/{to}"));
        assert!(leads("runs/deploy-web") && leads("targets/") && leads(&format!("commits/{first}")), "{}", pull.body);
        assert!(leads(&format!("changes/{id})")), "{}", pull.body);
        let page = format!("{PAGES}/changes/{id}");
        let world = on.forge.world();
        let own = world.statuses.iter().filter(|status| status.commit == pull.head && status.context.starts_with("towpath/"));
        assert_eq!(own.filter(|status| status.url.as_deref() == Some(&*page)).count(), 3, "{:#?}", world.statuses);
    }
    // Addresses are for people: what is merged does not depend on them.
    assert!(!on.it.git("config.git", &["log", "--format=%B", "main"]).contains(PAGES));
    let plan = written(&pulls[1]);
    assert!(plan.contains("What this change does") && plan.contains(PRODUCTION) && plan.contains(&first[..7]), "{plan}");
    assert_eq!(plan.matches("What this change does").count(), 1, "updated in place: {plan}");
    assert!(plan.contains(&format!("[`{PRODUCTION}`]({PAGES}/targets/")), "{plan}");
    assert!(plan.contains(&format!("[`{}`]({PAGES}/commits/{first})", &first[..7])), "{plan}");
    let doctor = on.it.ok(&["doctor"]);
    assert!(doctor.contains("as towpath"), "{doctor}");
}

#[test]
fn a_promotion_that_a_policy_wants_approved_waits_whatever_is_asked_of_its_branch_and_goes_once_it_is() {
    let mut on = OnForge::new();
    let first = on.it.release("first", true);
    on.it.start(None);
    on.it.until_at(PRODUCTION, &first);
    let policy = "$schema: /towpath/policy-1.yml\nname: owners\nselect: {environments: [production]}\n\
                  approvals: {count: 1, roles: [{$ref: /access/owners.yml}], promotions: wait}\n";
    let commit = on.it.configure("Production wants an approval", |it| it.write("config/data/owners.yml", policy));
    on.it.until_read(&commit);
    let second = on.it.release("second", true);
    let held = on.it.until_held(PRODUCTION, "change-open");
    let number = on.until_pull("the promotion to wait", |pull| pull.fate == Fate::Open && pull.title.contains("production")).number;
    assert!(held.contains("is open") || held.contains("under way"), "{held}");
    on.say(number, "ada", "/rebase");
    on.until_pull("the answer", |pull| pull.number == number && written(pull).contains("made anew"));
    // The run that was asked for has made the branch anew, and merged nothing.
    on.it.until("the branch to be made anew", |it| {
        let runs = it.ask(&["runs", "--limit", "100"])?;
        let made =
            |run: &&serde_json::Value| run["kind"] == "change" && run.to_string().contains(&second[..7]) && run["state"] == "succeeded";
        (runs.as_array()?.iter().filter(made).filter(|run| run.to_string().contains("production")).count() >= 2).then_some(())
    });
    assert!(on.pulls().iter().any(|pull| pull.number == number && pull.fate == Fate::Open));
    assert_eq!(on.it.current(PRODUCTION), Some(first));
    on.say(number, "bea", "/lgtm");
    on.say(number, "ada", "/lgtm");
    on.it.until_at(PRODUCTION, &second);
    let pull = on.pulls().into_iter().find(|pull| pull.number == number).unwrap();
    assert!(matches!(pull.fate, Fate::Merged(_)) && written(&pull).contains("no role that covers it"), "{}", written(&pull));
}

#[test]
fn what_a_person_changes_waits_for_somebody_elses_approval_and_is_answered() {
    let mut on = OnForge::new();
    let first = on.it.release("first", true);
    on.it.start(None);
    on.it.until_at(PRODUCTION, &first);
    let before = on.it.git("config.git", &["rev-parse", "main"]);
    let number = on.edit("more", "bea", |it| it.write("config/data/web/app.yml", &(it.read("config/data/web/app.yml") + "# more\n")));
    on.until_pull("the change to be checked", |pull| pull.number == number && written(pull).contains("What this change does"));
    on.say(number, "bea", "/lgtm");
    on.say(number, "bea", "/why");
    let pull = on.until_pull("the answers", |pull| pull.number == number && written(pull).contains("This change waits"));
    assert!(written(&pull).contains("Who wrote a change"), "{}", written(&pull));
    assert_eq!(on.it.git("config.git", &["rev-parse", "main"]), before, "its author does not approve it");

    on.say(number, "ada", "/hold let me look");
    on.until_pull("the hold", |pull| pull.number == number && pull.labels.contains("bot/hold"));
    on.say(number, "ada", "/lgtm");
    on.until_pull("the approval to show", |pull| pull.number == number && pull.labels.contains("lgtm"));
    assert_eq!(on.it.git("config.git", &["rev-parse", "main"]), before, "a hold holds what is approved");
    on.say(number, "ada", "/hold cancel");
    let pull = on.until_pull("it to be merged", |pull| pull.number == number && pull.fate != Fate::Open);
    assert!(matches!(pull.fate, Fate::Merged(_)));
    assert_eq!(on.it.git("config.git", &["rev-parse", "more"]), pull.head, "its branch is its author's");
}

#[test]
fn a_promotion_by_hand_of_what_nobody_vouches_for_fails_the_gate_whoever_approves() {
    let mut on = OnForge::new();
    let first = on.it.release("first", true);
    on.it.start(None);
    on.it.until_at(PRODUCTION, &first);
    let bad = on.it.release("bad", false);
    on.it.until_held(TESTS, "failed");
    let number = on.edit("by-hand", "bea", |it| it.replace("web/deploy.yml", &first, &bad));
    let pull = on.until_pull("the gate to speak", |pull| pull.number == number && on_gate(pull));
    let (state, summary) = on.status(&pull, "towpath/gate").unwrap();
    assert!(state == "failure" && summary.contains("tested"), "{state}: {summary}");
    on.say(number, "ada", "/lgtm");
    on.until_pull("the approval to show", |pull| pull.number == number && pull.labels.contains("lgtm"));
    let good = on.it.release("good", true);
    on.it.until_at(PRODUCTION, &good);
    assert!(on.pulls().iter().any(|pull| pull.number == number && pull.fate == Fate::Open), "it is still open");
}

fn on_gate(pull: &FakePull) -> bool {
    written(pull).contains("What speaks against it")
}

/// What holds a target, as `explain` tells it.
fn explained(it: &Installation, title: &str) -> String {
    it.ok(&["explain", title])
}

#[test]
fn on_github_a_branch_that_demands_the_merge_queue_gets_all_by_it_and_what_it_throws_out_waits_for_somebody() {
    queued_on(Speaks::GitHub, "number 1 of the merge queue");
}

#[test]
fn and_on_gitlab_by_the_merge_train() {
    queued_on(Speaks::GitLab, "on the merge train");
}

fn queued_on(language: Speaks, waits: &str) {
    let mut on = OnForge::speaking(language);
    on.forge.rule(Rules { queue: true, no_push: true, ..Rules::default() });
    let first = on.it.release("first", true);
    on.it.start(None);
    let in_queue = |pull: &FakePull| pull.fate == Fate::Open && pull.place == Place::Queued;
    // Nothing is tested before the queue has brought the test's own promotion in.
    on.until_pull("the promotion of the test in the queue", in_queue);
    on.forge.world().run_queue();
    let is_production = |pull: &FakePull| pull.title.contains("production");
    let pull = on.until_pull("production's promotion in the queue", |pull| is_production(pull) && in_queue(pull));
    let id = pull.branch.strip_prefix("towpath/").unwrap().to_owned();
    on.it.until("the queue to be followed", |it| explained(it, PRODUCTION).contains(waits).then_some(()));

    let index = on.forge.world().index(pull.number).unwrap();
    on.forge.world().throw_out(index, "lint says no");
    on.it.until("the reason to be told", |it| explained(it, PRODUCTION).contains("lint says no").then_some(()));
    let shown = on.until_pull("how it gets there again to be told", |pull| written(pull).contains("lint says no"));
    assert!(written(&shown).contains(&format!("towpath retry {id}")), "{}", written(&shown));
    // However often it is looked at, it is put there again by nobody.
    let is_look = |name: &String| name == "status" || name == "statuses";
    let looks =
        || on.forge.take_asked().iter().filter(|(asked, _)| asked.method == "GET" && asked.path.last().is_some_and(is_look)).count();
    looks();
    let mut looked = 0;
    on.it.until("more looks", |_| {
        looked += looks();
        (looked > 12).then_some(())
    });
    assert_eq!(on.pulls()[index].place, Place::ThrownOut);

    on.it.ok(&["retry", &id, "--by", "Ada", "--reason", "lint is mended"]);
    on.until_pull("it to be in the queue once more", |pull| is_production(pull) && in_queue(pull));
    on.forge.world().throw_out(index, "lint says no once more");
    on.it.until("the newest reason to be told", |it| explained(it, PRODUCTION).contains("no once more").then_some(()));
    on.say(pull.number, "ada", "/why");
    let told =
        on.until_pull("why it waits", |pull| is_production(pull) && written(pull).contains("The forge's queue threw this change out"));
    assert!(!written(&told).contains("Nothing holds this change"), "{}", written(&told));
    on.say(pull.number, "ada", "/retest");
    on.until_pull("it to be in the queue for the third time", |pull| is_production(pull) && in_queue(pull));
    assert_eq!(on.it.current(PRODUCTION), None, "nothing is deployed before it is merged");
    on.forge.world().run_queue();
    on.it.until_at(PRODUCTION, &first);
    let pulls = on.pulls();
    assert!(pulls.len() == 2 && matches!(pulls[index].fate, Fate::Merged(_)), "one change from first to last: {pulls:#?}");
    assert_eq!(pulls[index].head, pull.head, "what was approved and checked is what was merged");
}

#[test]
fn what_failed_of_others_checks_is_run_again_when_somebody_says_so_and_its_success_merges() {
    let mut on = OnForge::speaking(Speaks::GitHub);
    on.forge.rule(Rules { required_statuses: vec!["ci".to_owned()], up_to_date: true, ..Rules::default() });
    let first = on.it.release("first", true);
    on.it.start(None);
    let forge = &on.forge;
    on.it.until("production", |it| {
        // Of Towpath's own changes, others find nothing bad.
        let mut world = forge.world();
        let heads: Vec<String> = world.pulls.iter().map(|pull| pull.head.clone()).collect();
        heads.iter().for_each(|head| world.others_check(head, "ci", Runs::Itself, Ends::Well));
        drop(world);
        (it.current(PRODUCTION)? == first).then_some(())
    });
    let number = on.edit("more", "bea", |it| it.write("config/data/web/app.yml", &(it.read("config/data/web/app.yml") + "# more\n")));
    let pull = on.until_pull("the change to be checked", |pull| pull.number == number && written(pull).contains("What this change does"));
    on.forge.world().others_check(&pull.head, "ci", Runs::Itself, Ends::Badly);
    on.forge.world().others_check(&pull.head, "scan", Runs::App, Ends::Badly);
    on.say(number, "ada", "/lgtm");
    on.until_pull("the approval to show", |pull| pull.number == number && pull.labels.contains("lgtm"));
    on.say(number, "ada", "/retest");
    let answered = on.until_pull("the answer", |pull| pull.number == number && written(pull).contains("run again"));
    assert!(written(&answered).contains("- `ci`\n- `scan`"), "{}", written(&answered));
    let again = |on: &OnForge| {
        let world = on.forge.world();
        world.others.iter().filter(|check| check.commit == pull.head).map(|check| check.again).collect::<Vec<_>>()
    };
    assert_eq!(again(&on), [1, 1]);
    assert_eq!(answered.fate, Fate::Open, "it runs");
    for name in ["ci", "scan"] {
        on.forge.world().others_check(&pull.head, name, Runs::Itself, Ends::Well);
    }
    let merged = on.until_pull("it to be merged", |pull| pull.number == number && pull.fate != Fate::Open);
    assert!(matches!(merged.fate, Fate::Merged(_)) && again(&on) == [1, 1], "{merged:#?}");
}

#[test]
fn a_new_branch_that_was_asked_for_while_nothing_may_move_is_made_once_it_may() {
    let mut on = OnForge::new();
    let first = on.it.release("first", true);
    on.it.start(None);
    on.it.until_at(PRODUCTION, &first);
    let policy = |more: &str| {
        format!(
            "$schema: /towpath/policy-1.yml\nname: owners\nselect: {{environments: [production]}}\n\
             approvals: {{count: 1, roles: [{{$ref: /access/owners.yml}}], promotions: wait}}\n{more}"
        )
    };
    let commit = on.it.configure("Production wants an approval", |it| it.write("config/data/owners.yml", &policy("")));
    on.it.until_read(&commit);
    let second = on.it.release("second", true);
    let open = |pull: &FakePull| pull.fate == Fate::Open && pull.title.contains("production");
    let pull = on.until_pull("the promotion to wait", |pull| open(pull) && written(pull).contains("What this change does"));
    let frozen = policy("freezes: [{reason: not yet}]\n");
    let commit = on.it.configure("And is frozen", |it| it.write("config/data/owners.yml", &frozen));
    on.it.until_read(&commit);
    on.it.until_held(PRODUCTION, "frozen");
    on.say(pull.number, "ada", "/rebase");
    on.say(pull.number, "ada", "/retest");
    let answered =
        on.until_pull("the answers", |pull| open(pull) && written(pull).contains("made anew") && written(pull).contains("way to"));
    assert!(
        written(&answered).contains("Forgejo at") && written(&answered).contains("Start them where they run"),
        "{}",
        written(&answered)
    );
    // It is looked at many times before it may move.
    on.say(pull.number, "ada", "/why");
    on.until_pull("another look", |pull| open(pull) && written(pull).contains("This change waits"));
    assert_eq!(on.pulls().into_iter().find(open).unwrap().head, pull.head);
    on.it.configure("It thaws", |it| it.write("config/data/owners.yml", &policy("")));
    let anew = on.until_pull("the branch to be made anew", |now| open(now) && now.head != pull.head);
    assert_eq!(anew.number, pull.number);
    on.say(pull.number, "ada", "/lgtm");
    on.it.until_at(PRODUCTION, &second);
}

#[test]
fn a_promotion_that_somebody_closed_stays_closed_until_somebody_asks_for_it_as_its_page_says() {
    let mut on = OnForge::new();
    let policy = "$schema: /towpath/policy-1.yml\nname: owners\nselect: {environments: [production]}\n\
                  approvals: {count: 1, roles: [{$ref: /access/owners.yml}], promotions: wait}\n";
    on.it.configure("Production wants an approval", |it| it.write("config/data/owners.yml", policy));
    let first = on.it.release("first", true);
    on.it.start(None);
    let is_open = |pull: &FakePull| pull.fate == Fate::Open && pull.title.contains("production");
    let pull = on.until_pull("the promotion to wait", |pull| is_open(pull) && written(pull).contains("What this change does"));
    let index = on.forge.world().index(pull.number).unwrap();
    on.forge.world().pulls[index].fate = Fate::Closed;
    on.it.until("it to be told", |it| explained(it, PRODUCTION).contains("somebody closed it").then_some(()));
    let id = pull.branch.strip_prefix("towpath/").unwrap();
    let retry = format!("`towpath retry {id} --reason …`");
    assert!(pull.body.contains(&retry), "{}", pull.body);
    on.it.ok(&["retry", id, "--by", "Ada", "--reason", "a slip"]);
    let pull = on.until_pull("it to be open again", is_open);
    on.say(pull.number, "ada", "/lgtm");
    on.it.until_at(PRODUCTION, &first);
}
