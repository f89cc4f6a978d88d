//! Who may approve what, and when a change is merged.

mod approvals;
mod holds;
mod labels;
mod props;
mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use towpath_catalog::{Account, Catalog, ForgeKind, InputFile, Target, load};
use towpath_domain::{CommitId, Timestamp};
use towpath_engine::ChangeKind;
use towpath_engine::review::*;

use crate::install::commit;

/// What the branch says. Ann, Bob and Cid own the service; Dan, Eve and Ann production; Kim keeps the repository; Zed has no role.
const FILES: &[(&str, &str)] = &[
    ("apps/web.yml", "$schema: /app-sre/app-1.yml\nname: web\n"),
    ("clusters/c.yml", "$schema: /openshift/cluster-1.yml\nname: c\n"),
    ("env/stage.yml", "$schema: /app-sre/environment-1.yml\nname: stage\n"),
    ("env/prod.yml", "$schema: /app-sre/environment-1.yml\nname: prod\n"),
    (
        "ns/stage.yml",
        "$schema: /openshift/namespace-1.yml\nname: web-stage\ncluster: {$ref: /clusters/c.yml}\napp: {$ref: /apps/web.yml}\nenvironment: {$ref: /env/stage.yml}\n",
    ),
    (
        "ns/prod.yml",
        "$schema: /openshift/namespace-1.yml\nname: web-prod\ncluster: {$ref: /clusters/c.yml}\napp: {$ref: /apps/web.yml}\nenvironment: {$ref: /env/prod.yml}\n",
    ),
    (
        "web/deploy.yml",
        "$schema: /app-sre/saas-file-2.yml\nname: web\napp: {$ref: /apps/web.yml}\nmanagedResourceTypes: [Deployment]\nresourceTemplates:\n  - name: web\n    url: https://git.example.com/web\n    path: /deploy.yml\n    targets:\n      - {namespace: {$ref: /ns/stage.yml}, ref: main, promotion: {publish: [deployed]}}\n      - {namespace: {$ref: /ns/prod.yml}, ref: 5f8f0e1d2c3b4a5968778695a4b3c2d1e0f9a8b7, promotion: {auto: true, subscribe: [deployed]}}\n",
    ),
    (
        "policies/prod.yml",
        "$schema: /towpath/policy-1.yml\nname: prod\nselect: {environments: [prod]}\napprovals: {count: 2, roles: [{$ref: /access/prod.yml}], promotions: pass}\n",
    ),
    ("access/web.yml", "$schema: /access/role-1.yml\nname: web-owners\napproves: [data/web/, data/access/]\n"),
    ("access/prod.yml", "$schema: /access/role-1.yml\nname: prod-owners\n"),
    ("access/all.yml", "$schema: /access/role-1.yml\nname: keepers\napproves: all\n"),
    (
        "access/ann.yml",
        "$schema: /access/user-1.yml\norg_username: ann\ngithub_username: ann\nroles: [{$ref: /access/web.yml}, {$ref: /access/prod.yml}]\n",
    ),
    ("access/bob.yml", "$schema: /access/user-1.yml\norg_username: bob\ngithub_username: bob\nroles: [{$ref: /access/web.yml}]\n"),
    ("access/cid.yml", "$schema: /access/user-1.yml\norg_username: cid\ngithub_username: cid\nroles: [{$ref: /access/web.yml}]\n"),
    ("access/dan.yml", "$schema: /access/user-1.yml\norg_username: dan\ngithub_username: dan\nroles: [{$ref: /access/prod.yml}]\n"),
    ("access/eve.yml", "$schema: /access/user-1.yml\norg_username: eve\ngithub_username: eve\nroles: [{$ref: /access/prod.yml}]\n"),
    ("access/kim.yml", "$schema: /access/user-1.yml\norg_username: kim\ngithub_username: kim\nroles: [{$ref: /access/all.yml}]\n"),
    ("access/zed.yml", "$schema: /access/user-1.yml\norg_username: zed\ngithub_username: zed\n"),
];

pub(super) const SAAS: &str = "data/web/deploy.yml";

pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_millis(second * 1000)
}

/// The newest commit, there since second 100.
pub(super) fn head() -> CommitId {
    commit(7)
}

/// A change and the branch that it is for.
#[derive(Clone)]
pub(super) struct Case {
    pub files: BTreeMap<String, String>,
    pub change: UnderReview,
    pub now: Timestamp,
}

impl Case {
    /// Cid's change of the saas file, opened in second 50; its checks passed.
    pub fn new() -> Self {
        let files = FILES.iter().map(|(path, text)| (format!("data/{path}"), (*text).to_owned())).collect();
        let change = UnderReview {
            forge: ForgeKind::GitHub,
            own: Account::new("towpath[bot]"),
            number: 1,
            kind: Kind::Person,
            authors: BTreeSet::from([Account::new("cid")]),
            asked_by: None,
            opened: at(50),
            head: head(),
            head_since: at(100),
            draft: false,
            conflict: false,
            hotfix: false,
            labels: Vec::new(),
            touched: vec![Touched { path: SAAS.to_owned(), decides: false }],
            targets: Vec::new(),
            comments: Vec::new(),
            reviews: Vec::new(),
            checks: BTreeMap::from([("validation".to_owned(), Check { commit: head(), state: CheckState::Passed })]),
            required: BTreeSet::from(["validation".to_owned()]),
            answered: BTreeSet::new(),
        };
        Self { files, change, now: at(10_000) }
    }

    /// Towpath's own change of this kind, of the production target, which has `auto: true`.
    pub fn own(kind: ChangeKind) -> Self {
        let mut case = Self::new();
        case.change.kind = Kind::Own(kind);
        case.change.authors = BTreeSet::from([case.change.own.clone()]);
        case.touches_target("prod");
        case
    }

    pub fn catalog(&self) -> Catalog {
        let files = self.files.iter().map(|(path, text)| InputFile::new(path.as_str(), text.as_bytes())).collect();
        load(files).catalog
    }

    pub fn target(&self, environment: &str) -> Arc<Target> {
        self.catalog().targets.values().find(|target| target.environment.as_str() == environment).cloned().unwrap()
    }

    pub fn touches_target(&mut self, environment: &str) -> &mut Self {
        self.change.targets.push(self.target(environment));
        self
    }

    pub fn touches(&mut self, path: &str, decides: bool) -> &mut Self {
        self.change.touched.push(Touched { path: path.to_owned(), decides });
        self
    }

    /// Replaces a text in a file of the branch.
    #[track_caller]
    pub fn edit(&mut self, path: &str, from: &str, to: &str) -> &mut Self {
        let text = self.files.get_mut(&format!("data/{path}")).unwrap();
        assert!(text.contains(from), "{path} holds no {from:?}");
        *text = text.replace(from, to);
        self
    }

    pub fn says(&mut self, second: i64, by: &str, body: &str) -> &mut Self {
        let id = format!("c{}", self.change.comments.len());
        self.change.comments.push(Comment { id, by: Account::new(by), body: body.to_owned(), at: at(second), edited: None });
        self
    }

    pub fn reviews(&mut self, second: i64, by: &str, opinion: Opinion, commit: Option<CommitId>) -> &mut Self {
        let id = format!("r{}", self.change.reviews.len());
        self.change.reviews.push(Review { id, by: Account::new(by), opinion, commit, at: at(second) });
        self
    }

    pub fn label(&mut self, name: &str, by: Option<&str>) -> &mut Self {
        self.change.labels.push(Label { name: name.to_owned(), by: by.map(Account::new) });
        self
    }

    pub fn judge(&self) -> ReviewVerdict {
        judge(&self.catalog(), self.now, &self.change)
    }

    /// What holds, in words.
    pub fn holds(&self) -> Vec<String> {
        self.judge().holds.iter().map(text::hold_text).collect()
    }

    #[track_caller]
    pub fn merges(&self) {
        assert_eq!(self.holds(), [""; 0]);
    }

    /// Held by exactly one thing, whose words begin so.
    #[track_caller]
    pub fn held_by(&self, wanted: &str) {
        let holds = self.holds();
        assert!(holds.len() == 1 && holds[0].starts_with(wanted), "{holds:#?}");
    }
}
