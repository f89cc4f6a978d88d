//! Stopping a server that people wait on.

use std::time::{Duration, Instant};

use towpath_web::fake::Shown;

use crate::harness::server;

#[tokio::test]
async fn a_stopped_server_answers_those_who_wait_and_lets_nobody_in() {
    let server = server("127.0.0.1:0", Shown::default()).await;
    let began = Instant::now();
    let (waited, ()) = tokio::join!(server.get("/api/v1/runs/b-1/logs?waitMs=30000"), async {
        while server.brain.asked().is_empty() {
            tokio::task::yield_now().await;
        }
        server.stop.send(true).unwrap();
    });
    assert_eq!(waited.json()["done"], false);
    let towpath_web::Endpoint::Tcp(address) = server.endpoint.clone() else { panic!() };
    server.ended.await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn an_idle_connection_does_not_keep_a_server_from_stopping() {
    let server = server("127.0.0.1:0", Shown::default()).await;
    let towpath_web::Endpoint::Tcp(address) = server.endpoint.clone() else { panic!() };
    let _idle = tokio::net::TcpStream::connect(address).await.unwrap();
    server.get("/healthz").await;
    server.stop.send(true).unwrap();
    tokio::time::timeout(Duration::from_secs(8), server.ended).await.unwrap().unwrap();
}
