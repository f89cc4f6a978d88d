//! The Job that reads a volume: made once for a run, found again, and deleted in any case. The test plays its controller.

use serde_json::{Value, json};
use towpath_cluster::artifacts::{Asked, Claim, PodUser, VolumeError, VolumeReader, VolumeSettings};
use towpath_cluster::{ObjectKey, Owner};
use towpath_domain::RunId;

use super::given::{Given, Heard, PAUSE, job, key, owner};

/// A test that was applied, and what reads its volume.
struct Reading {
    given: Given,
    owner: Owner,
    test: ObjectKey,
    reader: VolumeReader,
}

impl Reading {
    async fn new() -> Option<Self> {
        let given = Given::api()?;
        let owner = owner("smoke", "deploy-smoke-5f8f0e1-0123456789");
        let object = job("smoke", json!({"image": PAUSE, "args": ["echo", "x"]}));
        given.apply(&owner, std::slice::from_ref(&object)).await.unwrap();
        let settings = VolumeSettings { image: PAUSE.parse().unwrap(), pull_secret: None, run_as_user: None };
        let reader = VolumeReader::new(given.cluster.clone(), settings);
        Some(Self { test: key(&object), given, owner, reader })
    }

    async fn read(&self, run: &RunId) -> Result<(), VolumeError> {
        let (claim, user, files): (Claim, _, _) = ("left/junit".parse().unwrap(), PodUser::default(), ["junit*.xml".to_owned()]);
        let asked = Asked { namespace: &self.given.namespace, run, test: &self.test, claim: &claim, files: &files, user: &user };
        self.reader.read(&asked, &Heard::default()).await
    }

    fn collector(&self) -> Option<Value> {
        let jobs = self.given.get(&["jobs"])["items"].as_array().unwrap().clone();
        jobs.into_iter().find(|job| job["metadata"]["name"] == "reports-smoke-0123456789")
    }

    /// Says what its controller would say of the Job once it is there, and answers with it as it was.
    async fn ends(&self, condition: &str) -> Value {
        let job = loop {
            match self.collector() {
                Some(job) => break job,
                None => tokio::task::yield_now().await,
            }
        };
        let mut ended = job.clone();
        ended["status"] = json!({"conditions": [{"type": condition, "status": "True", "reason": "Played", "message": "by the test"}]});
        let path = format!("/apis/batch/v1/namespaces/{}/jobs/reports-smoke-0123456789/status", self.given.namespace);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), ended.to_string()).unwrap();
        self.given.kube.kubectl(&["replace", "--raw", &path, "-f", file.path().to_str().unwrap()]);
        job
    }
}

#[tokio::test]
async fn it_belongs_to_the_tests_own_job_and_is_gone_afterwards_whatever_came_of_it() {
    let Some(reading) = Reading::new().await else { return };
    let run = reading.owner.run.clone();
    let (read, job) = tokio::join!(reading.read(&run), reading.ends("Complete"));
    read.unwrap();
    assert_eq!(reading.collector(), None);
    let uid = reading.given.get(&["job", "smoke"])["metadata"]["uid"].clone();
    assert_eq!(job["metadata"]["ownerReferences"][0]["uid"], uid);
    let (read, _) = tokio::join!(reading.read(&run), reading.ends("Failed"));
    let told = read.unwrap_err().to_string();
    assert!(told.contains("the volume left/junit could not be read to its end"), "{told}");
    assert_eq!(reading.collector(), None);
}

#[tokio::test]
async fn one_that_a_worker_left_is_followed_by_the_next_and_not_made_again() {
    let Some(reading) = Reading::new().await else { return };
    let run = reading.owner.run.clone();
    // The first worker dies when it has made it.
    let left = tokio::select! {
        _ = reading.read(&run) => panic!("nobody ended it"),
        left = async {
            loop {
                if let Some(job) = reading.collector() {
                    break job;
                }
                tokio::task::yield_now().await;
            }
        } => left,
    };
    let (read, job) = tokio::join!(reading.read(&run), reading.ends("Complete"));
    read.unwrap();
    assert_eq!(job["metadata"]["uid"], left["metadata"]["uid"]);
    assert_eq!(reading.collector(), None);
}

#[tokio::test]
async fn one_of_another_run_is_left_alone_and_told() {
    let Some(reading) = Reading::new().await else { return };
    // Another run whose name ends alike.
    let other = RunId::new("deploy-other-5f8f0e1-0123456789").unwrap();
    let making = async {
        tokio::select! {
            _ = reading.read(&other) => panic!("nobody ended it"),
            () = async { while reading.collector().is_none() { tokio::task::yield_now().await } } => {}
        }
    };
    making.await;
    let told = reading.read(&reading.owner.run).await.unwrap_err().to_string();
    assert!(told.contains("Job/reports-smoke-0123456789 is there already and is not this run's; delete it"), "{told}");
    assert!(reading.collector().is_some());
}
