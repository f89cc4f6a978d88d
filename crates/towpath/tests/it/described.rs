//! The API is what its description says: held against it by schemathesis, which makes up requests, good and bad ones, for each operation.

use std::process::Command;

use towpath_testbed::python_programs;

use crate::pages::server::Server;

/// The program and all that it stands on, as it was when these tests were written.
const PACKAGES: &str = include_str!("schemathesis.txt");

/// How long it may make requests up, in seconds.
const FOR: &str = "45";

#[test]
fn nothing_that_can_be_asked_of_the_api_is_answered_otherwise_than_described() {
    let Some(programs) = python_programs("schemathesis", PACKAGES) else { return };
    let server = Server::with_the_demo();
    let mut run = Command::new(programs.join("schemathesis"));
    // What its configuration leaves out and allows stands there with the reasons.
    run.args(["--config-file", concat!(env!("CARGO_MANIFEST_DIR"), "/../web/schemathesis.toml")]);
    run.args(["run", "--url", &server.base, "--max-time", FOR, "--seed", "1", "--no-color", "--checks", "all"]);
    run.arg(format!("{}/api/v1/openapi.json", server.base)).current_dir(&server.folder).env("COLUMNS", "160");
    let output = run.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("Test cases"), "requests were made: {said}");
}
