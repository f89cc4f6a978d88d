//! What somebody may try by a pull request, by the ids of the list of attacks.

use towpath_forge::fake::Fate;

use super::stage::{Hosted, Speaks, folder};

/// What nobody's pull request from a fork may see.
const SECRET: &str = "reallysecret";

/// The secret as it comes through a log that hides it: each letter moved by 13.
const MOVED: &str = "ernyylfrperg";

/// A job that tells what it was given, in letters that no log hides.
const TELLTALE: &str = "echo \"given $(printf %s \"$TOKEN\" | tr a-z n-za-m)\"; cat verdict; grep -q good verdict";

/// What a fork's build and command do in the place of the branch's own.
const SPY: &str = "\
echo \"$TOWPATH_PULL_REQUEST the fork's\" >> \"${OUT:-.}/ran\"
{ env; cat \"$HOME/token\" \"$HOME/.netrc\" ./token; ls -A \"$HOME\"; } 2>/dev/null | tr a-z n-za-m
cp verdict built
";

/// A source whose test is given a secret of the reference environment.
fn with_a_secret(speaks: Speaks) -> Option<Hosted> {
    let on = Hosted::new(speaks)?;
    let it = &on.it;
    it.replace_in("web/deploy/smoke.yaml", "cat verdict; grep -q good verdict", TELLTALE);
    it.replace_in("web/deploy/smoke.yaml", "parameters:\n", "parameters:\n  - {name: TOKEN, value: none}\n");
    it.replace_in(
        "web/deploy/smoke.yaml",
        "              image:",
        "              env: [{name: TOKEN, value: '${TOKEN}'}]\n              image:",
    );
    it.release("second", true);
    let secret =
        "parameters: {IMAGE: localhost/web}\n    secretParameters:\n      - {name: TOKEN, secret: {path: web/token, field: token}}";
    it.replace("web/test.yml", "parameters: {IMAGE: localhost/web}", secret);
    it.replace("web/test.yml", "resourceTemplates:", "allowedSecretParameterPaths: [web]\nresourceTemplates:");
    it.commit("config", "A secret");
    it.write("secrets/web/token.yaml", &format!("token: {SECRET}\n"));
    // The server's home is the installation's folder.
    it.write(".netrc", &format!("machine git.example.com login towpath password {SECRET}\n"));
    let config = it.read("towpath.toml");
    it.write("towpath.toml", &format!("{config}[secrets.files]\ndirectory = \"secrets\"\n"));
    Some(on)
}

#[test]
fn b5_on_forgejo_a_forks_pull_request_runs_only_by_somebodys_word_and_gets_at_nothing() {
    poisoned_on(Speaks::Forgejo);
}

#[test]
fn b5_and_so_it_is_on_github() {
    poisoned_on(Speaks::GitHub);
}

fn poisoned_on(speaks: Speaks) {
    let Some(mut on) = with_a_secret(speaks) else { return };
    on.it.start_with(&[("CI_TOKEN", SECRET)]);
    // That the traps work: a branch of the source's own is given all of it.
    let own = on.open("own", "bea", &[("verdict", "good\n"), ("build.sh", SPY), ("ci/check.sh", SPY)]);
    on.until_said(&own.head, "towpath/check", "success", "passed");
    let log = on.it.ok(&["logs", &on.runs(1)[0].id]);
    for given in ["given", "cnffjbeq"] {
        assert!(log.contains(&format!("{given} {MOVED}")) || log.contains(&format!("{given}={MOVED}")), "{given}: {log}");
    }
    assert!(log.contains("snxr-gbxra"), "its home is the server's: {log}");
    assert_eq!(on.ran(), "1 the fork's\n", "a branch of the source's own says how it is checked");

    let theirs =
        on.open_from_fork("theirs", "mallory", &[("verdict", "good\n"), ("build.sh", SPY), ("ci/check.sh", SPY), ("ci/more.sh", SPY)]);
    on.until_said(&theirs.head, "towpath/check", "pending", "comes from a fork");
    on.until_written(2, &format!("`/ok-to-test {}`", &theirs.head[..12]));
    let short = &theirs.head[..12];
    for (who, text, is_new, is_edited, answer) in [
        ("mallory", format!("/ok-to-test {short}"), true, false, "ask somebody whose role has a permission"),
        ("bea", format!("/ok-to-test {short}"), true, false, "ask somebody whose role has a permission"),
        ("ada", format!("/ok-to-test {short}"), true, true, "the comment was changed after it was written"),
        ("ada", "/ok-to-test".to_owned(), false, false, "came after it was written"),
        ("ada", format!("/ok-to-test {}", &own.head[..12]), true, false, "is not the newest commit"),
    ] {
        let known = on.answers(2, answer);
        on.comment(2, who, &text, is_new, is_edited);
        on.until(&format!("an answer to {who}: {answer}"), |on| (on.answers(2, answer) == known + 1).then_some(()));
    }
    on.say(2, "mallory", "/retest");
    on.until_looked();
    assert_eq!((on.runs(2).len(), on.said(&theirs.head, "towpath/check").unwrap().state), (0, "pending"));
    let leases =
        on.it.events().iter().filter(|line| line.to_string().contains("\"forks\"") && line["event"]["pool_event"] == "requested").count();
    assert_eq!(leases, 0);

    on.say(2, "ada", &format!("/ok-to-test {short}"));
    let run = on.until_ran(2, 1);
    let log = on.it.ok(&["logs", &run.id]);
    assert_eq!(run.ended(), "checked", "{log}");
    gets_nothing(&on, &log);

    // Whatever comes after it needs a word of its own.
    let more = on.push_to_fork(&theirs, &[("verdict", "good\n"), ("build.sh", SPY), ("ci/check.sh", SPY), ("changes/2", "")]);
    on.until_said(&more.head, "towpath/check", "pending", "comes from a fork");
    on.until_looked();
    assert_eq!(on.runs(2).len(), 1);
    on.say(2, "ada", &format!("/ok-to-test {short}"));
    on.until("the refusal", |on| (on.answers(2, "is not the newest commit") == 2).then_some(()));
    assert_eq!(on.runs(2).len(), 1);
    on.say(2, "ada", "/ok-to-test");
    let run = on.until_ran(2, 2);
    assert_eq!((run.ended(), run.head.as_str()), ("checked", more.head.as_str()));
    on.nothing_is_held();
}

/// What a fork's run was given, by its log.
fn gets_nothing(on: &Hosted, log: &str) {
    for secret in [SECRET, MOVED, "fake-token", "snxr-gbxra"] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
    assert!(log.contains("the secret parameters TOKEN are left out") && log.contains("given abar"), "{log}");
    assert!(log.contains("ci is taken from the branch that it is for"), "{log}");
    assert_eq!(on.ran().lines().filter(|line| line.starts_with('2')).collect::<Vec<_>>(), ["2 the branch's own"]);
    let names = on.it.events();
    let granted = names
        .iter()
        .map(|line| &line["event"])
        .filter(|event| event["pool_event"] == "granted")
        .map(|event| event["namespace"].as_str().unwrap());
    assert!(granted.last().unwrap().starts_with("forks-"), "{log}");
}

#[test]
fn b6_who_may_and_how_it_is_checked_is_said_by_the_config_branch_and_by_no_pull_request() {
    let Some(mut on) = Hosted::new(Speaks::Forgejo) else { return };
    let config = Speaks::Forgejo.start(&on.it.path("config.git"), &format!("{}/config", folder(&on.it)));
    let table = format!(
        "[forge]\nkind = \"forgejo\"\nbase_url = \"{}/api/v1\"\nrepository = \"{}/config\"\ntoken_file = \"token\"\npatience = \"5s\"\n",
        config.url(),
        folder(&on.it)
    );
    on.it.write("towpath.toml", &(on.it.read("towpath.toml") + &table));
    on.it.start(None);
    // A change of the config repository that makes its author somebody who may, and has nothing checked any more.
    let before = on.it.git("config.git", &["rev-parse", "main"]);
    on.it.git("config", &["checkout", "--quiet", "-B", "mine"]);
    on.it.replace("people/bea.yml", "roles: []", "roles: [{$ref: /people/checkers.yml}, {$ref: /people/owners.yml}]");
    on.it.write("config/data/people/owners.yml", "$schema: /access/role-1.yml\nname: owners\napproves: all\n");
    on.it.replace("web/source.yml", "command: sh ci/check.sh", "command: echo well");
    on.it.git("config", &["add", "--all"]);
    on.it.git("config", &["commit", "--quiet", "--message", "Mine"]);
    on.it.git("config", &["push", "--quiet", "origin", "mine"]);
    let number = config.world().open("mine", "main", "Mine", "").unwrap().number;
    let index = config.world().index(number).unwrap();
    config.world().pulls[index].author = "stan".to_owned();
    let answered = |words: &str| {
        config.world().pulls[index].comments.iter().any(|comment| comment.author == "towpath" && comment.body.contains(words))
    };
    on.until("the change to be looked at", |_| answered("What this change does").then_some(()));
    config.world().epoch = i64::try_from(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()).unwrap();
    config.world().comment(index, "bea", "/lgtm");
    on.until("the answer", |_| answered("no role that covers it").then_some(()));

    // Neither does that change count for pull requests of the source, nor do their own copies of such files.
    let files = [
        ("verdict", "good\n"),
        ("broken", ""),
        ("data/web/source.yml", "$schema: /towpath/source-1.yml\nname: web\ncheck: {command: echo well}\n"),
        (
            "data/people/bea.yml",
            "$schema: /access/user-1.yml\norg_username: bea\nforgejo_username: bea\nroles: [{$ref: /people/checkers.yml}]\n",
        ),
        ("towpath.toml", "[config]\nurl = \".\"\n"),
    ];
    let one = on.open("one", "cyd", &files);
    on.until_said(&one.head, "towpath/check", "failure", "command");
    assert_eq!(on.ran(), "1 the branch's own\n");
    on.say(1, "bea", "/retest");
    on.until_written(1, "this was not heard");
    assert_eq!(on.runs(1).len(), 1);
    let theirs = on.open_from_fork("theirs", "mallory", &files);
    on.until_said(&theirs.head, "towpath/check", "pending", "comes from a fork");
    on.say(2, "bea", &format!("/ok-to-test {}", &theirs.head[..12]));
    on.until_written(2, "/ok-to-test was not heard");
    assert_eq!(on.runs(2).len(), 0);
    assert!(config.world().pulls[index].fate == Fate::Open);
    let changed = on.it.git("config.git", &["log", "--format=%s", &format!("{before}..main"), "--", "data/people", "data/web/source.yml"]);
    assert_eq!(changed, "");
}

#[test]
fn i5_a_namespace_in_which_a_check_left_things_is_never_handed_out_again() {
    let Some(mut on) = Hosted::new(Speaks::Forgejo) else { return };
    // One namespace at a time: whoever comes next would get the very same if anything did.
    on.it.replace("pools/own.yml", "size: 1\nlimit: 2", "size: 1\nlimit: 1");
    on.it.commit("config", "One at a time");
    on.it.replace("web/deploy.yml", "managedResourceTypes: [Deployment]", "managedResourceTypes: [Deployment, ConfigMap]");
    on.it.commit("config", "More kinds");
    let stays = format!("echo $$ > {}; trap '' TERM; while :; do sleep 0.1; done", on.out("left").display());
    on.it.start(None);
    let web = on.it.read("web/deploy/web.yaml").replace("trap exit TERM; echo up; while :; do sleep 0.1; done", &stays.replace('\'', "''"));
    let more =
        "  - apiVersion: v1\n    kind: ConfigMap\n    metadata: {name: left-over, finalizers: [example.com/never]}\n    data: {a: b}\n";
    on.open("one", "bea", &[("verdict", "good\n"), ("deploy/web.yaml", &(web + more))]);
    let first = on.until_ran(1, 1);
    assert_eq!(first.ended(), "checked", "{}", on.it.ok(&["logs", &first.id]));
    let pid = std::fs::read_to_string(on.out("left")).unwrap();
    on.open("two", "bea", &[("verdict", "good\n"), ("changes/2", "")]);
    assert_eq!(on.until_ran(2, 1).ended(), "checked");
    let events = on.it.events();
    let granted: Vec<&str> = events
        .iter()
        .map(|line| &line["event"])
        .filter(|event| event["pool_event"] == "granted")
        .map(|event| event["namespace"].as_str().unwrap())
        .collect();
    assert!(granted.len() == 2 && granted[0] != granted[1], "{granted:?}");
    let gone = |name: &str| events.iter().any(|line| line["event"]["pool_event"] == "gone" && line["event"]["namespace"] == name);
    assert!(gone(granted[0]), "it was gone before there was another");
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    assert!(stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('Z')), "its process is ended: {stat}");
}
