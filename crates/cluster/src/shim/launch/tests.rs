use super::*;
use crate::pod::{EnvItem, HostPlan};
use crate::spec::RestartPolicy;
use towpath_domain::{RunId, Timestamp};

fn pod() -> PodPlan {
    PodPlan {
        uid: "u1".into(),
        namespace: "ns".into(),
        name: "web-1".into(),
        object: "Deployment.apps/web".parse().unwrap(),
        revision: "1".into(),
        run: RunId::new("run").unwrap(),
        ordinal: 0,
        labels: BTreeMap::new(),
        restart: RestartPolicy::Always,
        grace_ms: 0,
        init: Vec::new(),
        containers: Vec::new(),
        images: BTreeMap::new(),
        host: HostPlan { shim_command: Vec::new(), path: "/usr/bin:/bin".into(), wake: PathBuf::new(), log_segment_bytes: 1 },
        created: Timestamp::default(),
    }
}

fn container(root: &Path, argv: &[&str]) -> ContainerPlan {
    ContainerPlan {
        name: "web".into(),
        root: root.into(),
        argv: argv.iter().map(|word| (*word).to_owned()).collect(),
        image_env: vec![("PATH".into(), "/app/bin".into()), ("HOME".into(), "/root".into()), ("MODE".into(), "image".into())],
        env: Vec::new(),
        workdir: "/app".into(),
        mounts: Vec::new(),
        ports: Vec::new(),
        readiness: None,
        liveness: None,
        startup: None,
        memory_bytes: None,
        cpu_millis: None,
    }
}

fn program(path: PathBuf) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, "#!/bin/sh\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn launch(root: &Path, argv: &[&str]) -> Result<Launch, Problem> {
    let dir = PodDir::new(root.join("pod"));
    Launch::of_container(&pod(), &dir, &container(root, argv), &[])
}

#[test]
fn a_command_comes_from_the_image_before_it_comes_from_the_host() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    program(root.join("app/bin/serve"));
    program(root.join("app/bin/sh"));
    program(root.join("app/run"));
    for (name, file) in [("serve", "app/bin/serve"), ("sh", "app/bin/sh"), ("/app/run", "app/run"), ("./run", "app/run")] {
        let found = launch(root, &[name]).unwrap();
        assert_eq!((found.program, found.note), (root.join(file), None), "{name}");
    }
    let from_host = launch(root, &["env", "x"]).unwrap();
    assert_eq!(from_host.argv, ["env", "x"]);
    assert!(from_host.note.unwrap().contains("taken from the host"));
}

#[test]
fn a_command_that_is_nowhere_is_named() {
    let dir = tempfile::tempdir().unwrap();
    for argv in [&["no-such-program"][..], &["/no/such"], &["../../bin/sh"], &[]] {
        let problem = launch(dir.path(), argv).err().unwrap();
        assert_eq!(problem.reason, Reason::CommandMissing);
        assert!(problem.message.contains("container web"), "{}", problem.message);
    }
}

#[test]
fn variables_come_from_the_image_the_machine_and_the_template_in_this_order() {
    let dir = tempfile::tempdir().unwrap();
    let mut plan = container(dir.path(), &["sh", "-c", "$(URL)"]);
    let item = |name: &str, value: &str, expand| EnvItem { name: name.into(), value: value.into(), expand };
    plan.env =
        vec![item("URL", "http://127.0.0.1:$(PORT)/$(MODE)", true), item("SECRET", "$(PORT)", false), item("POD_NAME", "mine", true)];
    let ports = [PortStatus { name: Some("web-ui".into()), container_port: 8080, host_port: 12345 }];
    let found = Launch::of_container(&pod(), &PodDir::new(dir.path().join("pod")), &plan, &ports).unwrap();
    let env = |name: &str| found.env.get(name).map(String::as_str);
    assert_eq!(env("URL"), Some("http://127.0.0.1:12345/image"));
    assert_eq!(found.argv[2], "http://127.0.0.1:12345/image");
    assert_eq!(env("SECRET"), Some("$(PORT)"));
    assert_eq!((env("POD_NAME"), env("PORT_WEB_UI"), env("POD_NAMESPACE")), (Some("mine"), Some("12345"), Some("ns")));
    assert_ne!(env("HOME"), Some("/root"));
    assert!(env("PATH").unwrap().ends_with("/app/bin:/usr/bin:/bin"));
    assert_eq!(env("CARGO"), None);
}

#[test]
fn a_command_may_come_from_a_volume() {
    let dir = tempfile::tempdir().unwrap();
    let mut plan = container(&dir.path().join("root"), &["/scripts/run"]);
    plan.mounts = vec![("/scripts".into(), dir.path().join("volume"))];
    program(dir.path().join("volume/run"));
    let found = Launch::of_container(&pod(), &PodDir::new(dir.path().join("pod")), &plan, &[]).unwrap();
    assert_eq!((found.program, found.note), (dir.path().join("volume/run"), None));
}
