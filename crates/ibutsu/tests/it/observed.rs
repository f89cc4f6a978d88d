//! The stand-in, held to what a real server was seen to do: row by row.

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use towpath_ibutsu::fake::{FakeIbutsu, Importer, PROJECT, TOKEN};

/// Whoever asks the server, without any help.
struct Caller {
    server: FakeIbutsu,
    token: Option<&'static str>,
}

impl Caller {
    async fn new() -> Self {
        towpath_testbed::init();
        Self { server: FakeIbutsu::start().await.unwrap(), token: Some(TOKEN) }
    }

    async fn ask(&self, method: &str, path: &str, body: Option<(&str, Vec<u8>)>) -> (u16, Value) {
        let method = method.parse().unwrap();
        let mut request = reqwest::Client::new().request(method, format!("{}/api{path}", self.server.address()));
        if let Some(token) = self.token {
            request = request.bearer_auth(token);
        }
        if let Some((kind, body)) = body {
            request = request.header("content-type", kind).body(body);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let bytes = response.bytes().await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or_else(|_| json!(String::from_utf8_lossy(&bytes))))
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.ask("GET", path, None).await
    }

    async fn json(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        self.ask(method, path, Some(("application/json", body.to_string().into_bytes()))).await
    }

    async fn form(&self, path: &str, fields: &[(&str, &str)], file: Option<(&str, &str, &[u8])>) -> (u16, Value) {
        let mut body = Vec::new();
        for (name, value) in fields {
            body.extend(format!("--B\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").into_bytes());
        }
        if let Some((name, filename, content)) = file {
            body.extend(format!("--B\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{filename}\"\r\n\r\n").into_bytes());
            body.extend_from_slice(content);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"--B--\r\n");
        self.ask("POST", path, Some(("multipart/form-data; boundary=B", body))).await
    }

    async fn run(&self) -> String {
        let (status, run) = self.json("POST", "/run", json!({"metadata": {"project": PROJECT.0}})).await;
        assert_eq!(status, 201, "{run}");
        run["id"].as_str().unwrap().to_owned()
    }

    /// What an archive of these files comes to, once there is nothing more to come.
    async fn import(&self, files: &[(&str, Value)]) -> Value {
        let (status, import) = self.form("/import", &[("project", PROJECT.0)], Some(("importFile", "run.tar.gz", &packed(files)))).await;
        assert_eq!((status, &import["status"]), (202, &json!("pending")), "{import}");
        let path = format!("/import/{}", import["id"].as_str().unwrap());
        for _ in 0..5 {
            self.get(&path).await;
        }
        self.get(&path).await.1
    }
}

fn packed(files: &[(&str, Value)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, value) in files {
        let content = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, path, content.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

const RUN: &str = "4947c7e8-0000-5000-8000-000000000001";
const RESULT: &str = "4947c7e8-0000-5000-8000-000000000002";

fn result(id: &str, run: &str) -> Value {
    json!({"id": id, "test_id": "t", "result": "passed", "start_time": "2026-11-22T20:54:06Z", "metadata": {"run": run, "project": PROJECT.0}})
}

#[tokio::test]
async fn signing_in_projects_tokens_and_people() {
    let caller = Caller::new().await;
    let (status, signed_in) = caller.json("POST", "/login", json!({"email": "member@example.com", "password": "member"})).await;
    assert_eq!((status, &signed_in["token"]), (200, &json!(TOKEN)));
    let (status, refused) = caller.json("POST", "/login", json!({"email": "member@example.com", "password": "x"})).await;
    assert_eq!((status, &refused["code"]), (401, &json!("INVALID")));
    let (status, project) = caller.json("POST", "/project", json!({"name": "other", "title": "Other"})).await;
    assert_eq!((status, project["users"][0]["_password"].is_string()), (201, true), "it tells its members' hashes");
    let (status, _) = caller.json("POST", "/user/token", json!({"name": "ci"})).await;
    assert_eq!(status, 400, "a token ends some day");
    let (status, token) = caller.json("POST", "/user/token", json!({"name": "ci", "expires": "2038-12-31T23:59:59+00:00"})).await;
    assert_eq!(status, 201);
    let (status, _) = caller.ask("DELETE", &format!("/user/token/{}", token["id"].as_str().unwrap()), None).await;
    assert_eq!(status, 200);
    let deleted = Caller { token: Some(token["token"].as_str().unwrap().to_owned().leak()), ..caller };
    assert_eq!(deleted.get("/run").await.0, 200, "a token that was deleted works on");
    assert_eq!(deleted.json("POST", "/admin/user", json!({"email": "a@example.com", "name": "A"})).await.0, 201);
}

#[tokio::test]
async fn without_a_token_and_with_one_that_is_none() {
    let mut caller = Caller::new().await;
    caller.token = None;
    assert_eq!(caller.get("/run").await.0, 401);
    assert_eq!(caller.get("/health/info").await.0, 200);
    caller.token = Some("garbage");
    assert_eq!(caller.get("/run").await.0, 500);
    assert_eq!(caller.json("POST", "/run", json!({"metadata": {"a": 1}})).await.0, 500);
}

#[tokio::test]
async fn a_run_needs_metadata_and_is_counted_anew_five_seconds_later() {
    let caller = Caller::new().await;
    for empty in [json!({}), json!({"metadata": {}}), json!({"source": "x"})] {
        assert_eq!(caller.json("POST", "/run", empty).await, (400, json!("Bad request, no data supplied")));
    }
    let body = json!({"id": RUN, "env": "beside", "component": "beside", "summary": {"collected": 3, "tests": 99},
        "metadata": {"project": PROJECT.1, "env": "stage", "jenkins": {"build_number": "9"}}});
    let (status, run) = caller.json("POST", "/run", body.clone()).await;
    assert_eq!((status, &run["id"], &run["project_id"]), (201, &json!(RUN), &json!(PROJECT.1)));
    assert_eq!((&run["env"], &run["component"]), (&json!("stage"), &Value::Null), "from the metadata, whatever stands beside it");
    assert_eq!(run["summary"]["tests"], 99);
    assert_eq!(caller.json("POST", "/result", result(RESULT, RUN)).await.0, 201);
    caller.server.five_seconds_later();
    let (_, run) = caller.get(&format!("/run/{RUN}")).await;
    let expected = json!({"tests": 1, "passes": 1, "failures": 0, "errors": 0, "skips": 0, "xfailures": 0, "xpasses": 0, "collected": 3, "not_run": 2, "pass_percent": 100});
    assert_eq!(run["summary"], expected);
    assert_eq!(caller.json("POST", "/run", body).await.0, 500, "nobody catches that it is there");
    assert_eq!(caller.json("POST", "/run", json!({"title": "x", "metadata": {"a": 1}})).await.0, 500, "nor a field too many");
}

#[tokio::test]
async fn an_update_merges_metadata_all_the_way_down_and_has_the_run_counted() {
    let caller = Caller::new().await;
    assert_eq!(caller.json("PUT", &format!("/run/{RUN}"), json!({"metadata": {"a": 1}})).await.0, 404);
    caller
        .json("POST", "/run", json!({"id": RUN, "metadata": {"project": PROJECT.0, "jenkins": {"job_name": "pr", "build_number": "9"}}}))
        .await;
    let body = json!({"metadata": {"jenkins": {"build_number": "10"}, "tags": ["x"]}, "summary": {"collected": 7}});
    let (status, run) = caller.json("PUT", &format!("/run/{RUN}"), body).await;
    assert_eq!((status, &run["metadata"]["jenkins"]), (200, &json!({"job_name": "pr", "build_number": "10"})));
    caller.server.five_seconds_later();
    let (_, run) = caller.get(&format!("/run/{RUN}")).await;
    assert_eq!((&run["summary"]["collected"], &run["summary"]["not_run"], &run["metadata"]["tags"]), (&json!(7), &json!(7), &json!(["x"])));
}

#[tokio::test]
async fn a_results_run_is_taken_from_its_metadata_alone() {
    let caller = Caller::new().await;
    let run = caller.run().await;
    let beside = json!({"test_id": "t", "result": "passed", "run_id": run, "project_id": PROJECT.1, "metadata": {"x": 1}});
    let (status, stored) = caller.json("POST", "/result", beside).await;
    assert_eq!((status, &stored["run_id"]), (201, &Value::Null));
    let mut within = result(RESULT, &run);
    within["metadata"]["user_properties"] = json!({"jira": "A-1"});
    let (status, stored) = caller.json("POST", "/result", within.clone()).await;
    assert_eq!((status, &stored["run_id"], &stored["metadata"]["jira"]), (201, &json!(run), &json!("A-1")));
    assert!(stored["metadata"].get("user_properties").is_none());
    assert_eq!(caller.json("POST", "/result", within).await, (400, json!(format!("Result id {RESULT} already exist"))));
    let mut odd = result("4947c7e8-0000-5000-8000-000000000003", &run);
    odd["result"] = json!("flaky");
    assert_eq!(caller.json("POST", "/result", odd).await.0, 400);
}

#[tokio::test]
async fn a_file_belongs_to_one_thing_and_is_neither_empty_nor_larger_than_five_mebibytes() {
    let caller = Caller::new().await;
    let run = caller.run().await;
    caller.json("POST", "/result", result(RESULT, &run)).await;
    let of_run = [("filename", "a.log"), ("runId", run.as_str())];
    let file = |content| Some(("file", "a.log", content));
    let most = vec![b'x'; 5 << 20];
    let more = vec![b'x'; (5 << 20) + 1];
    for (fields, content, status) in [
        (&of_run[..], &b"x"[..], 201),
        (&of_run, &most, 201),
        (&of_run, &more, 400),
        (&of_run, b"", 400),
        (&[("filename", "a.log")], b"x", 400),
        (&[("filename", "a.log"), ("runId", run.as_str()), ("resultId", RESULT)], b"x", 400),
        (&[("filename", "a.log"), ("resultId", RESULT)], b"x", 201),
        (&[("filename", "a.log"), ("resultId", "no-uuid")], b"x", 400),
        (&[("filename", "a.log"), ("resultId", RESULT), ("additionalMetadata", "[")], b"x", 400),
    ] {
        let (told, answer) = caller.form("/artifact", fields, file(content)).await;
        assert_eq!(told, status, "{fields:?}: {answer}");
    }
    let (_, list) = caller.get(&format!("/artifact?runId={run}")).await;
    assert_eq!(list["pagination"]["totalItems"], 2, "each upload is a file of its own, whatever its name");
    let id = list["artifacts"][0]["id"].as_str().unwrap();
    assert_eq!(caller.get(&format!("/artifact/{id}/view")).await, (200, json!("x")));
    assert_eq!(caller.get(&format!("/artifact/{id}")).await.0, 500);
    assert_eq!(caller.get(&format!("/artifact/{id}/download")).await.0, 500);
    assert_eq!(caller.ask("DELETE", &format!("/artifact/{id}"), None).await.0, 500);
    let (_, list) = caller.get(&format!("/artifact?resultId={RESULT}")).await;
    let id = list["artifacts"][0]["id"].as_str().unwrap();
    assert_eq!(caller.get(&format!("/artifact/{id}")).await.0, 200);
    assert_eq!(caller.ask("DELETE", &format!("/artifact/{id}"), None).await.0, 200);
}

#[tokio::test]
async fn an_import_goes_from_pending_over_running_to_done_and_names_its_run_in_its_metadata() {
    let caller = Caller::new().await;
    let archive = packed(&[
        (&format!("{RUN}/run.json"), json!({"id": RUN, "metadata": {"env": "stage"}})),
        (&format!("{RUN}/console.log"), json!("hello")),
        (&format!("{RUN}/{RESULT}/result.json"), result(RESULT, RUN)),
        (&format!("{RUN}/{RESULT}/traceback.log"), json!("at line 7")),
    ]);
    let fields = [("project", PROJECT.0), ("source", "pr-check"), ("metadata", "{\"build\": 9}")];
    let (status, import) = caller.form("/import", &fields, Some(("importFile", "x.tar.gz", &archive))).await;
    assert_eq!((status, &import["status"], import.get("run_id")), (202, &json!("pending"), None));
    let path = format!("/import/{}", import["id"].as_str().unwrap());
    let mut states = Vec::new();
    for _ in 0..4 {
        states.push(caller.get(&path).await.1["status"].as_str().unwrap().to_owned());
    }
    assert_eq!(states, ["pending", "running", "done", "done"]);
    let (_, import) = caller.get(&path).await;
    assert_eq!((&import["metadata"]["run_id"], import.get("run_id")), (&json!([RUN]), None));
    caller.server.five_seconds_later();
    let (_, run) = caller.get(&format!("/run/{RUN}")).await;
    assert_eq!((&run["source"], &run["project_id"], &run["metadata"]["build"]), (&json!("pr-check"), &json!(PROJECT.1), &json!(9)));
    assert_eq!((&run["summary"]["passes"], &run["summary"]["pass_percent"]), (&json!(1), &json!(100)), "the whole summary");
    assert_eq!(caller.server.files(RUN), [("console.log".to_owned(), b"hello".to_vec())]);
}

#[tokio::test]
async fn what_is_no_archive_is_refused_and_leaves_an_import_behind() {
    let caller = Caller::new().await;
    let (status, said) = caller.form("/import", &[("project", PROJECT.0)], Some(("importFile", "run.zip", b"PK"))).await;
    assert_eq!((status, said, caller.server.imports().len()), (415, json!("Unsupported Media Type"), 1));
    assert_eq!(caller.form("/import", &[("project", PROJECT.0)], None).await.0, 400);
    let (status, said) = caller.form("/import", &[("project", "no")], Some(("importFile", "x.tar.gz", b"x"))).await;
    assert_eq!((status, said), (400, json!("Project no doesn't exist")));
}

#[tokio::test]
async fn whatever_is_wrong_with_an_archive_leaves_its_import_running_for_ever() {
    let run = (format!("{RUN}/run.json"), json!({"id": RUN, "metadata": {"project": PROJECT.0}}));
    let mut no_start = result(RESULT, RUN);
    no_start.as_object_mut().unwrap().remove("start_time");
    let first = (format!("{RUN}/4947c7e8-0000-5000-8000-000000000009/result.json"), result("4947c7e8-0000-5000-8000-000000000009", RUN));
    let of_result = |value| (format!("{RUN}/{RESULT}/result.json"), value);
    let large = "x".repeat((5 << 20) + 1);
    for (what, files) in [
        ("the first part of a path is no UUID", vec![("run-1/run.json".to_owned(), json!({}))]),
        ("there is no folder", vec![("run.json".to_owned(), json!({}))]),
        ("the second part is none", vec![run.clone(), (format!("{RUN}/first/result.json"), result(RESULT, RUN))]),
        ("it is deeper", vec![run.clone(), (format!("{RUN}/{RESULT}/logs/a.log"), json!("a"))]),
        ("a result has no start", vec![run.clone(), first, of_result(no_start)]),
        ("a run has a field too many", vec![(run.0.clone(), json!({"id": RUN, "title": "x", "metadata": {"a": 1}}))]),
        (
            "a result ended as none does",
            vec![run.clone(), of_result(json!({"id": RESULT, "result": "flaky", "start_time": "2026", "metadata": {}}))],
        ),
        ("it is no JSON", vec![(run.0.clone(), json!("{"))]),
        ("a file is larger than 5 MiB", vec![run.clone(), (format!("{RUN}/a.log"), json!(large))]),
        ("a file is taken for the run", vec![run.clone(), (format!("{RUN}/dry-run.json"), json!("[]"))]),
    ] {
        let caller = Caller::new().await;
        let files: Vec<_> = files.iter().map(|(path, value)| (path.as_str(), value.clone())).collect();
        assert_eq!(caller.import(&files).await["status"], "running", "{what}");
        // The one that they mended says so, and leaves nothing behind.
        let caller = Caller::new().await;
        caller.server.importer(Importer::Mended);
        assert_eq!((&caller.import(&files).await["status"], caller.server.runs().len()), (&json!("error"), 0), "{what}");
    }
}

#[tokio::test]
async fn an_archive_that_is_imported_twice_updates_the_run_and_on_old_servers_makes_its_results_again() {
    for (importer, results, files) in [(Importer::Observed, 2, 2), (Importer::Mended, 1, 1)] {
        let caller = Caller::new().await;
        caller.server.importer(importer);
        let run = format!("{RUN}/run.json");
        let (path, log) = (format!("{RUN}/{RESULT}/result.json"), format!("{RUN}/console.log"));
        let files_of = [(run.as_str(), json!({"id": RUN, "metadata": {"a": {"b": 1}}})), (&path, result(RESULT, RUN)), (&log, json!("x"))];
        assert_eq!(caller.import(&files_of).await["status"], "done");
        assert_eq!(caller.import(&files_of).await["status"], "done");
        assert_eq!((caller.server.runs().len(), caller.server.results(RUN).len(), caller.server.files(RUN).len()), (1, results, files));
    }
}

#[tokio::test]
async fn lists_are_filtered_and_whoever_sees_everything_names_a_project() {
    let caller = Caller::new().await;
    for (id, build) in [(RUN, "9"), (RESULT, "10")] {
        caller.json("POST", "/run", json!({"id": id, "metadata": {"project": PROJECT.0, "jenkins": {"build_number": build}}})).await;
    }
    let (_, all) = caller.get("/run?pageSize=1&page=2").await;
    assert_eq!(
        (&all["pagination"], all["runs"].as_array().unwrap().len()),
        (&json!({"page": 2, "pageSize": 1, "totalItems": 2, "totalPages": 2}), 1)
    );
    let filters = format!("filter=project_id={}&filter=metadata.jenkins.build_number=9", PROJECT.1);
    let (_, one) = caller.get(&format!("/run?{filters}")).await;
    assert_eq!((&one["pagination"]["totalItems"], &one["runs"][0]["id"]), (&json!(1), &json!(RUN)));
    caller.server.superadmin();
    assert_eq!((caller.get("/run").await.0, caller.get(&format!("/run?{filters}")).await.0), (400, 200));
    let many = caller.json("POST", "/runs/bulk-update?pageSize=26", json!({"metadata": {"tag": "x"}})).await;
    assert_eq!(many.0, 405);
    let (status, updated) = caller
        .json("POST", "/runs/bulk-update?filter=metadata.jenkins.build_number=10&pageSize=25", json!({"metadata": {"tag": "x"}}))
        .await;
    assert_eq!((status, updated.as_array().unwrap().len(), &updated[0]["metadata"]["tag"]), (200, 1, &json!("x")));
}

#[tokio::test]
async fn it_says_where_its_pages_are() {
    let caller = Caller::new().await;
    caller.server.frontend("https://ibutsu.example.com");
    assert_eq!(caller.get("/health/info").await.1["frontend"], "https://ibutsu.example.com");
}
