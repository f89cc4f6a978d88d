//! News that comes late: the watches of jobs and of pods know nothing of each other.

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use towpath_cluster::{Cluster, Connection, KubeCluster, KubeSettings, Ready, Reason, WaitFailure};

use super::given::{Given, Heard, PATIENCE, PAUSE, job, key, owner};

/// A way to the API on which nobody hears of what watches of pods say.
async fn without_news_of_pods(api: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(pass(client, api.clone()));
        }
    });
    format!("http://{address}")
}

async fn pass(client: TcpStream, api: String) {
    let server = TcpStream::connect(api).await.unwrap();
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let (deaf, mut is_deaf) = watch::channel(false);
    let asking = async move {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = from_client.read(&mut buffer).await {
            let asked = String::from_utf8_lossy(&buffer[..count]);
            let first = asked.lines().next().unwrap_or_default();
            if first.contains("/pods?") && first.contains("watch=true") {
                deaf.send_replace(true);
            }
            if to_server.write_all(&buffer[..count]).await.is_err() {
                return;
            }
        }
    };
    let answering = async move {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = from_server.read(&mut buffer).await {
            // For good: the connection is the watch's own from there on.
            if *is_deaf.borrow() && is_deaf.wait_for(|deaf| !deaf).await.is_err() {
                return;
            }
            if to_client.write_all(&buffer[..count]).await.is_err() {
                return;
            }
        }
    };
    tokio::join!(asking, answering);
}

/// Waits for a job, of whose pod no watch says anything after it was begun.
async fn waited_for(given: &Given, arguments: &[&str], heard: &Heard) -> Result<Ready, Box<WaitFailure>> {
    let plain = given.kube.proxy();
    let server = without_news_of_pods(plain.address.clone()).await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("kubeconfig");
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "late",
        "clusters": [{"name": "late", "cluster": {"server": server}}],
        "users": [{"name": "late", "user": {}}],
        "contexts": [{"name": "late", "context": {"cluster": "late", "user": "late"}}],
    });
    std::fs::write(&path, config.to_string()).unwrap();
    let cluster = KubeCluster::new("late", Connection::Kubeconfig { path, context: None }, KubeSettings::default());

    let owner = owner("smoke", "run-1");
    let mut object = job("smoke", json!({"image": PAUSE, "args": arguments}));
    // Tests run side by side on one node, each with a label of its own.
    let label = format!("late-{}", given.namespace);
    object["spec"]["template"]["spec"]["nodeSelector"] = json!({label.as_str(): "yes"});
    given.apply(&owner, std::slice::from_ref(&object)).await.unwrap();
    let keys = [key(&object)];
    let waiting = cluster.wait(&given.namespace, &keys, &owner.run, PATIENCE, heard);
    let starting = async {
        while heard.progress.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        // All was looked at once; what comes now, watches tell.
        given.kube.kubectl(&["label", "node", "--all", &format!("{label}=yes")]);
    };
    let (ended, ()) = tokio::join!(waiting, starting);
    ended
}

#[tokio::test]
async fn the_lines_of_a_job_are_told_also_when_its_end_is_heard_of_before_its_pods_beginning() {
    let Some(given) = Given::node() else { return };
    let heard = Heard::default();
    let ready = waited_for(&given, &["echo", "all is well"], &heard).await.unwrap();
    assert!(ready.unread.is_empty());
    assert_eq!(heard.texts(), ["all is well"]);
}

#[tokio::test]
async fn the_exit_code_of_a_job_is_told_also_when_its_end_is_heard_of_before_its_pods() {
    let Some(given) = Given::node() else { return };
    let failure = waited_for(&given, &["fail"], &Heard::default()).await.unwrap_err();
    assert!(matches!(failure.reason, Reason::JobFailed { exit: Some(code) } if code != 0), "{failure:#?}");
    assert!(failure.message.contains("exit code"), "{failure:#?}");
}
