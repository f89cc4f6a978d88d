//! `towpath init`: what it writes is valid, whole, and never in the way of what is there.

use crate::harness::Place;

fn init(place: &Place, more: &[&str]) -> crate::harness::Said {
    let mut args = vec!["init", "--source", "web", "--start", "./server.sh --port \"$PORT\"", "--yes"];
    args.extend(more);
    place.towpath(&args)
}

#[test]
fn a_service_of_ones_own_gets_a_config_repository_that_validates() {
    let place = Place::new();
    place.repository("web");
    let said = init(&place, &["--build", "make 'all of it'", "--health", "/healthz"]).ok();
    assert!(said.stdout.contains("Next:") && said.stdout.contains("towpath serve"), "{said:?}");
    let said = place.towpath(&["validate"]).ok();
    assert_eq!(said.stderr, "9 files, 3 targets: no errors, no warnings\n");
    assert_eq!(place.git("config", &["status", "--porcelain"]), "", "all of it is committed");
    assert_eq!(place.git("config", &["log", "--format=%s"]), "Config for Towpath");
    assert!(place.read("config/data/apps/web/deploy.yml").contains(&"0".repeat(40)), "nothing was promoted yet, and the file says so");
    assert!(place.read("config/data/apps/web/source.yml").contains(&*place.path("web").canonicalize().unwrap().to_string_lossy()));
    place.towpath(&["status"]).exits(4).refusal();
}

#[test]
fn the_templates_that_it_writes_render_and_its_test_script_is_a_script() {
    let place = Place::new();
    place.repository("my-web");
    place.towpath(&["init", "--source", "my-web", "--start", "./server.sh", "--yes"]).ok().stdout.clear();
    let said = place.towpath(&["render", "-f", "my-web/deploy/service.yml", "-p", "IMAGE_TAG=abc", "-p", "REPLICAS=3"]).ok().json();
    assert_eq!(said["items"][0]["spec"]["replicas"], 3);
    assert_eq!(said["items"][0]["spec"]["template"]["spec"]["containers"][0]["image"], "towpath.local/my-web:abc");
    place.towpath(&["render", "-f", "my-web/deploy/smoke-test.yml", "-p", "IMAGE_TAG=abc"]).ok().stdout.clear();
    let script = place.read("my-web/deploy/smoke-test.sh");
    assert!(script.contains("${MY_WEB_SERVICE_HOST}"), "{script}");
    assert!(place.program("sh", &["-n", "my-web/deploy/smoke-test.sh"]).status().unwrap().success());
}

#[test]
fn nothing_that_is_there_is_overwritten() {
    let place = Place::new();
    place.repository("web");
    place.write("web/deploy/service.yml", "mine");
    let said = init(&place, &[]).ok();
    assert!(said.stdout.contains("left as they are:\n  deploy/service.yml"), "{said:?}");
    assert_eq!(place.read("web/deploy/service.yml"), "mine");
    assert!(place.path("web/deploy/smoke-test.sh").exists());

    place.write("towpath.toml", "mine");
    let said = init(&place, &[]).exits(1);
    assert!(said.refusal().0.contains("is there already"), "{said:?}");
    assert_eq!(place.read("towpath.toml"), "mine");
}

#[test]
fn a_repository_elsewhere_keeps_its_files_and_gets_them_handed_over() {
    let place = Place::new();
    place.repository("web");
    place.git("web", &["clone", "--quiet", "--bare", ".", "../web.git"]);
    let said = place.towpath(&["init", "--source", "web.git", "--start", "./server.sh", "--dir", "delivery", "--yes"]).ok();
    assert!(said.stdout.contains("commit it on main and push it"), "{said:?}");
    assert!(place.path("delivery/for-web/deploy/service.yml").exists());
    place.towpath(&["validate", "delivery/config"]).ok().stdout.clear();
}

#[test]
fn what_is_called_from_inside_the_service_lands_beside_it() {
    let place = Place::new();
    place.repository("web");
    let mut command = place.program(env!("CARGO_BIN_EXE_towpath"), &["init", "--source", ".", "--start", "./server.sh", "--yes"]);
    let output = command.current_dir(place.path("web")).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(place.path("web-delivery/towpath.toml").exists());
    for inside in ["web/delivery", "web-delivery/../web/delivery", "nowhere/../web"] {
        let said = init(&place, &["--dir", inside]).exits(2);
        assert!(said.refusal().0.contains("inside the service's own repository"), "{inside}: {said:?}");
    }
}

#[test]
fn answers_that_make_no_sense_are_refused_before_anything_is_written() {
    let place = Place::new();
    place.repository("web");
    for (args, told) in [
        (&["init", "--yes"][..], "no repository is given"),
        (&["init", "--source", "web", "--yes"], "nothing says how the service is started"),
        (&["init", "--source", "nowhere", "--start", "x", "--yes"], "nowhere cannot be reached"),
        (&["init", "--source", "web", "--start", "x", "--branch", "other", "--yes"], "no commit on a branch other"),
        (&["init", "--source", "web", "--start", "x", "--branch", "-x", "--yes"], "unexpected argument"),
        (&["init", "--source", "web", "--start", "x", "--branch=-x", "--yes"], "is no branch's name"),
        (&["init", "--source", "web", "--start", "x", "--name", "Web", "--yes"], "is no name for a service"),
        (&["init", "--source", "web", "--start", "a\nb", "--yes"], "--start takes one line"),
        (&["init", "--source", "https://user:hunter2@127.0.0.1:1/x", "--start", "x", "--yes"], "cannot be reached"),
    ] {
        let said = place.towpath(args);
        assert!(said.code != 0 && said.stderr.contains(told), "{args:?}: {said:?}");
        assert!(!said.stderr.contains("hunter2"), "{said:?}");
    }
    assert!(!place.path("towpath.toml").exists() && !place.path("config").exists());
}
