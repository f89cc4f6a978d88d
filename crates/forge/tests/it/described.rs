//! What is sent and what the fakes answer, held against what packages carry of the forges' published descriptions.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;
use towpath_forge::fake::others::Ends;
use towpath_forge::fake::{Asked, Rules, Told};
use towpath_forge::{MergeOutcome, Number, Opinion, Queued, Status, StatusState};
use towpath_testbed::npm_package;

use crate::stage::{Forgejo, GitLab, Hosted, Stage};
use crate::support::{id, open, order, proposal};
use crate::typescript::{Types, Whole, snake};

/// All that is ever asked, once: a change from its proposal to its merge, another that is closed and opened again, and one by the queue.
async fn everything<S: Stage>(stage: S, hosted: impl Fn(&S) -> &Hosted) -> Vec<(Asked, Told)> {
    let base = stage.lab().people_push("main", "ref", "1\n");
    let forge = stage.forge("m").await;
    let mut change = proposal("web-1", base, "ref", "2\n");
    open(&*forge, &change).await;
    change.title = "Promote more".to_owned();
    change.labels = vec!["lgtm".to_owned()];
    let head = open(&*forge, &change).await;
    let one = Number(1);
    for body in ["one", "two"] {
        forge.comment(one, "plan", body).await.unwrap();
    }
    forge.label(one, &["bot/hold".to_owned()], &["lgtm".to_owned()]).await.unwrap();
    stage.people_review(one, "ann", true);
    stage.people_review(one, "ben", false);
    assert!(forge.reviews(one).await.unwrap().iter().any(|review| review.opinion == Opinion::Refuses));
    for state in [StatusState::Pending, StatusState::Success, StatusState::Failure, StatusState::Error] {
        let (summary, url) = ("so".to_owned(), Some("https://towpath.example.com".to_owned()));
        forge.set_status(head, &Status { context: "towpath/plan".to_owned(), state, summary, details: String::new(), url }).await.unwrap();
    }
    if forge.abilities().reruns {
        stage.others_check(head, Ends::Badly);
        assert!(!forge.rerun_failed(one, head).await.unwrap().begun.is_empty());
    }
    assert_eq!(forge.open_pulls().await.unwrap().len(), 1);
    let _closed = forge.close(&id("web-1"), head, "why").await.unwrap();
    let head = open(&*forge, &change).await;
    stage.rule(Rules { sees_merges: false, required_approvals: 1, ..Rules::default() });
    let checked = order(&*forge, "web-1", head).await;
    assert_eq!(forge.merge(&checked).await.unwrap(), MergeOutcome::Merged { commit: checked.commit });

    stage.rule(Rules { no_push: true, up_to_date: true, required_approvals: 1, ..Rules::default() });
    let forge = stage.forge("m2").await;
    let head = open(&*forge, &proposal("web-2", checked.commit, "ref", "3\n")).await;
    let by_forge = order(&*forge, "web-2", head).await;
    assert!(matches!(forge.merge(&by_forge).await.unwrap(), MergeOutcome::Refused { .. }));
    let newest = Number(u64::try_from(stage.seen().len()).unwrap());
    stage.people_review(newest, "ann", true);
    let merged = forge.merge(&by_forge).await.unwrap();
    let MergeOutcome::Merged { commit } = merged else { panic!("{merged:?}") };

    stage.rule(Rules { queue: true, no_push: true, up_to_date: true, ..Rules::default() });
    let forge = stage.forge("m3").await;
    let head = open(&*forge, &proposal("web-3", commit, "ref", "4\n")).await;
    let by_queue = order(&*forge, "web-3", head).await;
    for _ in 0..2 {
        let _waits = forge.merge(&by_queue).await.unwrap();
    }
    if forge.abilities().queue {
        let three = Number(u64::try_from(stage.seen().len()).unwrap());
        stage.queue(Some("lint"));
        assert!(matches!(forge.queued(three, head).await.unwrap(), Queued::ThrownOut { .. }));
        forge.queue_again(three, head).await.unwrap();
    }
    hosted(&stage).fake.take_asked()
}

/// What stands between slashes fits a pattern such as `/repos/{owner}/{repo}/pulls/{base}/{head}`. A branch takes all that is left.
fn fits(pattern: &str, path: &[String]) -> bool {
    let pattern: Vec<&str> = pattern.split('/').skip(1).collect();
    let open = |part: &str| part.starts_with('{');
    let one = |(pattern, part): (&&str, &String)| open(pattern) || pattern == part;
    let greedy = pattern.last() == Some(&"{head}") && path.len() >= pattern.len();
    (pattern.len() == path.len() || greedy) && pattern.iter().zip(path).all(one)
}

/// A method of the generated client: `GET:/repos/…`, with what it takes and gives.
struct Described {
    method: String,
    path: String,
    takes: Option<String>,
    queries: BTreeSet<String>,
    gives: String,
}

/// The methods of gitea-js, from the comment and the signature of each.
fn methods(text: &str) -> Vec<Described> {
    let mut found = Vec::new();
    for block in text.split("* @request ").skip(1) {
        let Some((method, path)) = block.lines().next().and_then(|line| line.split_once(':')) else { continue };
        // Up to the next method's comment; what is in between may hold comments of its own on parameters.
        let Some((signature, rest)) = block.split_once("=> Promise<HttpResponse<") else { continue };
        let gives = rest.split(", any>>").next().unwrap_or_default().to_owned();
        let takes = signature.split_once(", body: ").map(|(_, rest)| rest.split([',', ')']).next().unwrap_or_default().to_owned());
        let name = |line: &str| line.trim().split_once("?: ").filter(|(name, _)| !name.contains(' ')).map(|(name, _)| name.to_owned());
        let queries = signature.lines().filter_map(name).collect();
        found.push(Described { method: method.to_owned(), path: path.trim().to_owned(), takes, queries, gives });
    }
    found
}

#[tokio::test]
async fn forgejo_is_asked_and_answers_as_its_description_says() {
    let Some(package) = npm_package("gitea-js", "1.23.0") else { return };
    let text = fs::read_to_string(package.join("dist/index.d.ts")).unwrap();
    let (types, methods) = (Types::read(&text), methods(&text));
    assert!(methods.len() > 300, "{} methods", methods.len());
    let mut seen = BTreeSet::new();
    for (asked, told) in everything(Forgejo::start().await, |stage| &stage.0).await {
        let path = &asked.path[2..];
        // One of the same length comes first, then one with more words of its own: `/issues/comments/{id}` before `/issues/{index}/…`.
        let fitting = methods.iter().filter(|method| method.method == asked.method && fits(&method.path, path));
        let order = |method: &&Described| (method.path.split('/').count() != path.len() + 1, method.path.matches('{').count());
        let method = fitting.min_by_key(order).unwrap_or_else(|| panic!("{} /{}", asked.method, path.join("/")));
        let place = format!("{}:{}", method.method, method.path);
        for name in asked.query.keys() {
            assert!(method.queries.contains(name), "{place} takes no parameter {name}");
        }
        if let Some(takes) = method.takes.as_deref().filter(|_| !asked.body.is_null()) {
            assert_eq!(types.misfit(&asked.body, takes, Whole::Yes), None, "{place} takes {takes}");
        }
        if let (Some(body), 200 | 201) = (&told.body, told.status) {
            assert_eq!(types.misfit(body, &method.gives, Whole::No), None, "{place} gives {}", method.gives);
        }
        seen.insert(place);
    }
    assert!(seen.len() >= 16, "{seen:#?}");
}

type Called = (&'static str, &'static str, &'static [&'static str], &'static [&'static str], &'static str);

/// What gitbeaker calls what is asked of GitLab: a path, the options of its method, what that takes beside them, and the type that it gives.
const GITLAB: &[Called] = &[
    ("GET", "/user", &[], &[], "UserSchema"),
    ("GET", "/projects/{id}", &[], &[], "ProjectSchema"),
    ("GET", "/projects/{id}/repository/branches/{branch}", &[], &[], "BranchSchema"),
    ("GET", "/projects/{id}/approval_rules", &[], &["per_page"], "ProjectLevelApprovalRuleSchema[]"),
    ("GET", "/projects/{id}/merge_requests", &["AllMergeRequestsOptions"], &["per_page"], "MergeRequestSchema[]"),
    (
        "POST",
        "/projects/{id}/merge_requests",
        &["EditMergeRequestOptions"],
        &["source_branch", "target_branch"],
        "ExpandedMergeRequestSchema",
    ),
    ("GET", "/projects/{id}/merge_requests/{iid}", &[], &[], "ExpandedMergeRequestSchema"),
    ("PUT", "/projects/{id}/merge_requests/{iid}", &["EditMergeRequestOptions"], &[], "ExpandedMergeRequestSchema"),
    ("PUT", "/projects/{id}/merge_requests/{iid}/merge", &["AcceptMergeRequestOptions"], &[], "ExpandedMergeRequestSchema"),
    ("GET", "/projects/{id}/merge_requests/{iid}/notes", &[], &["sort", "order_by", "per_page"], "MergeRequestNoteSchema[]"),
    ("POST", "/projects/{id}/merge_requests/{iid}/notes", &[], &["body"], "MergeRequestNoteSchema"),
    ("PUT", "/projects/{id}/merge_requests/{iid}/notes/{note}", &[], &["body"], "MergeRequestNoteSchema"),
    ("GET", "/projects/{id}/merge_requests/{iid}/pipelines", &[], &["per_page"], "PipelineSchema[]"),
    ("POST", "/projects/{id}/pipelines/{pipeline}/retry", &[], &[], "ExpandedPipelineSchema"),
    ("GET", "/projects/{id}/merge_requests/{iid}/approvals", &[], &[], "MergeRequestLevelMergeRequestApprovalSchema"),
    ("GET", "/projects/{id}/merge_requests/{iid}/reviewers", &[], &[], "MergeRequestReviewerSchema[]"),
    ("GET", "/projects/{id}/merge_trains/merge_requests/{iid}", &[], &[], "MergeTrainSchema"),
    // Its options have no name of their own; `auto_merge` is what 17.11 calls `when_pipeline_succeeds`.
    (
        "POST",
        "/projects/{id}/merge_trains/merge_requests/{iid}",
        &[],
        &["when_pipeline_succeeds", "auto_merge", "sha", "squash"],
        "MergeTrainSchema[]",
    ),
    ("GET", "/projects/{id}/repository/commits/{sha}/statuses", &[], &["per_page"], "CommitStatusSchema[]"),
    ("POST", "/projects/{id}/statuses/{sha}", &["EditPipelineStatusOptions"], &["state"], "CommitStatusSchema"),
];

/// Newer than the description, and read where they are there.
const NEWER: &[&str] =
    &["approved_at", "merge_trains_enabled", "merge_pipelines_enabled", "applies_to_all_protected_branches", "rule_type"];

#[tokio::test]
async fn gitlab_is_asked_and_answers_as_its_description_says() {
    let Some(package) = npm_package("@gitbeaker/core", "43.8.0") else { return };
    let types = Types::read(&fs::read_to_string(package.join("dist/index.d.ts")).unwrap());
    let mut seen = BTreeSet::new();
    for (asked, told) in everything(GitLab::start().await, |stage| &stage.0).await {
        let path = &asked.path[2..];
        let known = GITLAB.iter().position(|(method, pattern, ..)| *method == asked.method && fits_whole(pattern, path));
        let known = known.unwrap_or_else(|| panic!("{} /{}", asked.method, path.join("/")));
        let (method, pattern, options, more, gives) = GITLAB[known];
        let mut names: BTreeSet<String> = options.iter().flat_map(|options| types.names(options)).collect();
        names.extend(more.iter().map(|name| snake(name)));
        let sent = asked.query.keys().chain(asked.body.as_object().into_iter().flat_map(|body| body.keys()));
        for name in sent {
            assert!(names.contains(name), "{method} {pattern} takes no {name}");
        }
        if let (Some(body), 200 | 201) = (&told.body, told.status) {
            assert_eq!(types.misfit(&without_newer(body), gives, Whole::No), None, "{method} {pattern} gives {gives}");
        }
        seen.insert(known);
    }
    let never: Vec<_> = GITLAB.iter().enumerate().filter(|(number, _)| !seen.contains(number)).collect();
    assert!(never.is_empty(), "never asked: {never:?}");
}

fn fits_whole(pattern: &str, path: &[String]) -> bool {
    pattern.split('/').count() == path.len() + 1 && fits(pattern, path)
}

fn without_newer(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(without_newer).collect(),
        Value::Object(fields) => {
            let old = fields.iter().filter(|(name, _)| !NEWER.contains(&name.as_str()));
            old.map(|(name, value)| (name.clone(), without_newer(value))).collect()
        }
        other => other.clone(),
    }
}
