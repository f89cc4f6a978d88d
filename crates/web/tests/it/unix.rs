//! Unix sockets.

use std::os::unix::fs::PermissionsExt;

use towpath_web::fake::Shown;
use towpath_web::{Endpoint, ListenError, Listener};

use crate::harness::server;

#[tokio::test]
async fn a_socket_is_its_owners_alone_and_gone_after_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("towpath.sock");
    let server = server(&format!("unix:{}", path.display()), Shown::default()).await;
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(server.get("/healthz").await.body, "ok\n");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left beside it");
    server.stop.send(true).unwrap();
    server.ended.await.unwrap();
    assert!(!path.exists());
}

#[tokio::test]
async fn a_socket_that_a_killed_server_left_is_replaced_and_a_live_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let server = server(&format!("unix:{}", path.display()), Shown::default()).await;
    assert_eq!(server.get("/healthz").await.body, "ok\n");
    let second = Listener::bind(&Endpoint::Unix(path.clone())).await;
    assert!(matches!(second, Err(ListenError::InUse { .. })), "{second:?}");
    assert_eq!(server.get("/healthz").await.body, "ok\n");
}

#[tokio::test]
async fn a_file_in_the_way_is_never_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    std::fs::write(&path, "mine").unwrap();
    let refused = Listener::bind(&Endpoint::Unix(path.clone())).await;
    assert!(matches!(refused, Err(ListenError::InTheWay { .. })), "{refused:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
    let long = folder.path().join("x".repeat(150));
    assert!(matches!(Listener::bind(&Endpoint::Unix(long)).await, Err(ListenError::Io { .. })));
}
