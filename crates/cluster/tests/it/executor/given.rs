//! A namespace for tasks, tasks, and who listens to them.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::Value;
use towpath_cluster::{
    Amounts, Connection, Executor, JobSettings, KubeCluster, KubeSettings, KubernetesJobs, LogLine, Observer, Progress, Task, TaskEnd,
    TaskFailure, TaskResources, task_name,
};
use towpath_domain::{NamespaceName, RunId};
use towpath_testbed::Kube;

/// Longer than anything takes that goes well.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A namespace on a real cluster, for tasks.
pub struct Given {
    pub kube: &'static Kube,
    pub cluster: KubeCluster,
    pub namespace: NamespaceName,
}

impl Given {
    /// With an API server, where nothing reconciles.
    pub fn api() -> Option<Self> {
        Kube::api().map(Self::on)
    }

    /// With a node, where pods run.
    pub fn node() -> Option<Self> {
        Kube::node().map(Self::on)
    }

    fn on(kube: &'static Kube) -> Self {
        towpath_testbed::init();
        let connection = Connection::Kubeconfig { path: kube.kubeconfig.clone(), context: None };
        let cluster = KubeCluster::new("hub", connection, KubeSettings::default());
        Self { kube, cluster, namespace: NamespaceName::new(kube.namespace("builds")).unwrap() }
    }

    /// The usual settings, with the image that the node has.
    pub fn settings(&self) -> Option<JobSettings> {
        let image = self.kube.builder_image()?.parse().unwrap();
        Some(JobSettings { image: Some(image), ..JobSettings::new(self.namespace.clone()) })
    }

    pub fn jobs(&self, settings: JobSettings) -> KubernetesJobs {
        KubernetesJobs::new(self.cluster.clone(), settings)
    }

    pub fn get(&self, what: &[&str]) -> Value {
        self.kube.get(&[&["-n", self.namespace.as_str()], what].concat())
    }

    /// The names of what is there of a kind.
    pub fn names(&self, kind: &str) -> Vec<String> {
        let list = self.get(&[kind]);
        list["items"].as_array().unwrap().iter().map(|item| item["metadata"]["name"].as_str().unwrap().to_owned()).collect()
    }
}

impl Given {
    /// Waits until nothing of this is there any more: what is deleted takes its time to go.
    pub async fn until_none(&self, what: &[&str]) {
        let begun = std::time::Instant::now();
        while !self.get(what)["items"].as_array().unwrap().is_empty() {
            assert!(begun.elapsed() < PATIENCE, "{what:?} does not go away");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// A task of this run, done by a shell.
pub fn task(run: &str, script: &str) -> Task {
    let run = RunId::new(run).unwrap();
    Task {
        name: task_name("web", "build", &run),
        run,
        image: None,
        command: ["sh", "-c", script].map(str::to_owned).to_vec(),
        env: BTreeMap::new(),
        checkout: None,
        resources: limited("64Mi"),
        memory_at_least: None,
        timeout: PATIENCE,
        labels: BTreeMap::new(),
        parameters: BTreeMap::new(),
    }
}

pub fn limited(memory: &str) -> TaskResources {
    TaskResources { limits: Amounts { memory: Some(memory.to_owned()), cpu: None }, ..TaskResources::default() }
}

/// Carries a task out that fails.
pub async fn fails(executor: &dyn Executor, task: &Task) -> TaskFailure {
    *executor.execute(task, &Heard::default()).await.expect_err("it cannot end well")
}

/// Carries a task out that ends well; answers with what was heard.
pub async fn ends_well(executor: &dyn Executor, task: &Task) -> (TaskEnd, Vec<String>) {
    let heard = Heard::default();
    let end = executor.execute(task, &heard).await.unwrap_or_else(|failure| panic!("{failure:#?}"));
    (end, heard.texts())
}

/// What was heard of tasks: like a ledger, it knows what it was told before.
#[derive(Default)]
pub struct Heard {
    lines: Mutex<Vec<(String, String)>>,
    news: tokio::sync::Notify,
}

impl Heard {
    pub fn texts(&self) -> Vec<String> {
        self.lines.lock().unwrap().iter().map(|(_, text)| text.clone()).collect()
    }

    /// Waits until a line was heard.
    pub async fn until(&self, text: &str) {
        loop {
            let news = self.news.notified();
            if self.texts().iter().any(|line| line == text) {
                return;
            }
            news.await;
        }
    }
}

impl Observer for Heard {
    fn progress(&self, _: Progress) {}

    fn line(&self, line: LogLine<'_>) {
        self.lines.lock().unwrap().push((format!("{}/{}", line.pod, line.container), line.text.to_owned()));
        self.news.notify_waiters();
    }

    fn told(&self, pod: &str, container: &str) -> u64 {
        let place = format!("{pod}/{container}");
        self.lines.lock().unwrap().iter().filter(|(of, _)| *of == place).count() as u64
    }
}
