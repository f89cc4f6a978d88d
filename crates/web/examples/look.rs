//! The pages with made-up data, to look at while they are worked on: `cargo run -p towpath-web --example look [APPS]`.
#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::Arc;

use tokio::sync::watch;
use towpath_web::fake::FakeBrain;
use towpath_web::{Listener, Settings, serve};

#[path = "../tests/it/pages/sample.rs"]
mod sample;

#[tokio::main]
async fn main() {
    let mut shown = sample::shown();
    let mut asked = std::env::args().skip(1);
    if let Some(apps) = asked.next().and_then(|apps| apps.parse().ok()).filter(|apps| *apps > 0) {
        shown.board = sample::large(apps);
    }
    if asked.next().is_some() {
        shown.run_detail = Some(sample::open_run());
        shown.log_done = false;
    }
    let listener = Listener::bind(&"127.0.0.1:8090".parse().unwrap()).await.unwrap();
    println!("http://127.0.0.1:8090");
    let (_stop, stopping) = watch::channel(false);
    serve(listener, Arc::new(FakeBrain::new(shown)), Settings::default(), stopping).await;
}
