//! Catalogs made by hand.

use std::collections::BTreeMap;
use std::sync::Arc;

use towpath_catalog::*;
use towpath_domain::*;

pub fn commit(number: u32) -> CommitId {
    format!("{number:07x}{number:033x}").parse().unwrap()
}

pub fn target_id(name: &str) -> TargetId {
    TargetId::new(name).unwrap()
}

pub fn channel(name: &str) -> Channel {
    Channel::new(name).unwrap()
}

pub fn url() -> RepoUrl {
    RepoUrl::new("https://git.example.com/web").unwrap()
}

pub fn main_branch() -> BranchName {
    BranchName::new("main").unwrap()
}

pub fn place(line: u32) -> Place {
    Place { file: Arc::from("data/web.yml"), line, column: 7, start: 0, end: 1 }
}

/// What the config repository says, in pieces that tests change.
#[derive(Clone, Default)]
pub struct Install {
    pub targets: BTreeMap<TargetId, Arc<Target>>,
    pub sources: BTreeMap<SourceName, Arc<Source>>,
    pub apps: BTreeMap<AppName, Arc<App>>,
    pub policies: Vec<Arc<Policy>>,
    pub broken: Vec<BrokenFile>,
    /// The target that the broken file takes away.
    pub away: Option<Arc<Target>>,
}

impl Install {
    /// A source `web`; `stage` follows its branch, `test` tests stage, `prod` follows the test. All pinned to commit 1.
    pub fn chain() -> Self {
        let mut install = Self::default();
        install.source("web");
        install.target("stage", |target| {
            target.git_ref = GitRef::Branch(main_branch());
            target.promotion.publish = vec![channel("stage-ok")];
        });
        install.target("test", |target| {
            target.promotion.subscribe = vec![channel("stage-ok")];
            target.promotion.publish = vec![channel("test-ok")];
            target.promotion.auto = true;
            target.promotion.redeploy_on_publisher_config_change = true;
        });
        install.target("prod", |target| {
            target.promotion.subscribe = vec![channel("test-ok")];
            target.promotion.auto = true;
        });
        install
    }

    pub fn source(&mut self, name: &str) {
        let source = Source {
            name: SourceName::new(name).unwrap(),
            app: AppName::new("shop").unwrap(),
            url: url(),
            branch: main_branch(),
            image: format!("registry.example.com/{name}"),
            hash_length: 7,
            build: Build {
                command: None,
                env: BTreeMap::new(),
                pack: None,
                timeout: Span::from_secs(1800),
                image: None,
                resources: None,
                push: false,
            },
            check: None,
            place: place(1),
        };
        self.sources.insert(source.name.clone(), Arc::new(source));
    }

    /// Adds a target, pinned to commit 1, of its own environment.
    pub fn target(&mut self, name: &str, change: impl FnOnce(&mut Target)) {
        let saas_file = SaasFile {
            name: SaasFileName::new("web").unwrap(),
            app: AppName::new("shop").unwrap(),
            labels: BTreeMap::new(),
            managed_resource_types: vec!["Deployment".to_owned()],
            managed_resource_names: BTreeMap::new(),
            image_patterns: Vec::new(),
            timeout: Span::from_secs(3600),
            publish_job_logs: false,
            use_channel_in_image_tag: false,
            takeover: false,
            deploy_resources: None,
            notices: None,
            place: place(1),
        };
        let mut target = Target {
            id: target_id(name),
            saas_file: Arc::new(saas_file),
            resource_template: "web".to_owned(),
            name: None,
            namespace: NamespaceName::new(format!("web-{name}")).unwrap(),
            cluster: ClusterName::new("local").unwrap(),
            environment: EnvironmentName::new(name).unwrap(),
            namespace_labels: BTreeMap::new(),
            url: url(),
            path: "/deploy.yml".to_owned(),
            provider: Provider::OpenshiftTemplate,
            git_ref: GitRef::Commit(commit(1)),
            ref_place: place(10),
            branch: Some(main_branch()),
            source: self.sources.keys().next().cloned(),
            promotion: Promotion::default(),
            parameters: BTreeMap::new(),
            secret_parameters: BTreeMap::new(),
            hash_length: 7,
            disable: false,
            delete: false,
            input_hash: Arc::from("input-1"),
            target_config_hash: Arc::from("0123456789abcdef"),
            unsupported: Vec::new(),
        };
        change(&mut target);
        self.targets.insert(target.id.clone(), Arc::new(target));
    }

    pub fn edit(&mut self, name: &str, change: impl FnOnce(&mut Target)) {
        change(Arc::make_mut(self.targets.get_mut(name).unwrap()));
    }

    /// Adds a policy, or replaces the one of that name.
    pub fn policy(&mut self, name: &str, change: impl FnOnce(&mut Policy)) {
        let mut policy = Policy {
            name: Arc::from(name),
            select: Selector::default(),
            freezes: Vec::new(),
            windows: Vec::new(),
            queue: None,
            retries: None,
            batching: None,
            tests: towpath_catalog::TestPolicy::default(),
            automatic_rollback: None,
            blocks: Vec::new(),
            require_signed: None,
            approvals: None,
            broken: None,
            place: place(20),
        };
        change(&mut policy);
        self.policies.retain(|known| known.name != policy.name);
        self.policies.push(Arc::new(policy));
        self.policies.sort_by(|a, b| a.name.cmp(&b.name));
    }

    /// Promotions of an environment wait for each other.
    pub fn batching(&mut self, environment: &str, window: Span, limit: u32) {
        self.policy(&format!("batch-{environment}"), |policy| {
            policy.select.environments = vec![EnvironmentName::new(environment).unwrap()];
            policy.batching = Some(Batching { window, limit, place: place(40) });
        });
    }

    pub fn block(&mut self, target: &str, bad: CommitId, rollback: bool) {
        self.policy(&format!("block-{target}-{bad}"), |policy| {
            policy.select.targets = vec![target_id(target)];
            policy.blocks = vec![Block { url: url(), commit: bad, reason: Arc::from("it is bad"), rollback, place: place(30) }];
        });
    }

    pub fn freeze(&mut self, target: &str, from: Option<Timestamp>, until: Option<Timestamp>) {
        self.policy(&format!("freeze-{target}"), |policy| {
            policy.select.targets = vec![target_id(target)];
            policy.freezes = vec![Freeze { from, until, reason: Arc::from("inventory"), by: Some(Arc::from("ann")), place: place(40) }];
        });
    }

    /// Requires that the images of `target` are signed by a key of this name.
    pub fn require_signed(&mut self, target: &str, key: &str) {
        self.policy(&format!("signed-{target}-{key}"), |policy| {
            policy.select.targets = vec![target_id(target)];
            let signer = Signer::Key { pem: Arc::from(key) };
            policy.require_signed = Some(Arc::new(SignatureRequirement::new(signer, Vec::new(), place(70))));
        });
    }

    /// `target` takes these secrets, at their newest version where none is given.
    pub fn secrets(&mut self, target: &str, paths: &[(&str, Option<u64>)]) {
        let one = |(path, version): &(&str, Option<u64>)| {
            let secret = SecretRef { path: (*path).to_owned(), field: "key".to_owned(), version: *version, base64: false };
            (path.to_uppercase(), secret)
        };
        self.edit(target, |target| target.secret_parameters = paths.iter().map(one).collect());
    }

    pub fn thaw(&mut self, target: &str) {
        self.policies.retain(|policy| *policy.name != *format!("freeze-{target}"));
    }

    pub fn versions(&mut self, blocked: Vec<CommitId>, hotfixes: Vec<CommitId>) {
        let name = AppName::new("shop").unwrap();
        let component = CodeComponent { url: url(), blocked_versions: blocked, hotfix_versions: hotfixes };
        let app = App { name: name.clone(), parent: None, code_components: vec![component], escalation: Vec::new(), place: place(50) };
        self.apps.insert(name, Arc::new(app));
    }

    pub fn catalog(&self) -> Catalog {
        let mut channels: BTreeMap<Channel, ChannelUse> = BTreeMap::new();
        for target in self.targets.values() {
            for channel in target.promotion.publish.iter().filter(|_| !target.delete) {
                channels.entry(channel.clone()).or_default().publishers.push(target.id.clone());
            }
            for channel in &target.promotion.subscribe {
                channels.entry(channel.clone()).or_default().subscribers.push(target.id.clone());
            }
        }
        Catalog {
            sources: self.sources.clone(),
            apps: self.apps.clone(),
            environments: BTreeMap::new(),
            targets: self.targets.iter().map(|(id, target)| (id.clone(), target.clone())).collect(),
            channels,
            policies: self.policies.clone(),
            access: Access::default(),
            pools: BTreeMap::new(),
            broken_pools: Vec::new(),
            broken_saas_files: self.broken.clone(),
        }
    }
}
