use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use tempfile::TempDir;

use super::*;

struct Scene {
    dir: TempDir,
    store: Files,
}

fn scene() -> Scene {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = dir.path().join("secrets");
    fs::create_dir(&folder).expect("made");
    let config = FilesConfig { folder, pins: Pins::Refuse, kept_for: Duration::ZERO, version_key: VersionKey::new([3; 32]) };
    Scene { dir, store: Files::new(config) }
}

impl Scene {
    fn write(&self, path: &str, text: &str) {
        let file = self.dir.path().join(path);
        fs::create_dir_all(file.parent().expect("a parent")).expect("made");
        fs::write(&file, text).expect("written");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("set");
    }

    async fn read(&self, path: &str, field: &str) -> Result<String, String> {
        match self.store.read(&Request::new(path, field)).await {
            Ok(fetched) => {
                assert_eq!(self.store.version(path, None).await, Ok(fetched.version));
                Ok(fetched.value.expose().to_owned())
            }
            Err(error) => Err(error.to_string()),
        }
    }
}

#[tokio::test]
async fn mappings_and_folders_are_read() {
    let scene = scene();
    scene.write("secrets/app/db.yaml", "user: admin\npassword: 0123\nflag: yes\nkey: |\n  a\n  b\n");
    scene.write("secrets/app/queue.json", r#"{"url": "amqp://x", "port": 5672}"#);
    scene.write("secrets/app/cache/token", "abc\n");
    scene.write("secrets/app/plain", "a: b\n");
    assert_eq!(scene.read("app/db", "user").await.as_deref(), Ok("admin"));
    assert_eq!(scene.read("app/db", "password").await.as_deref(), Ok("0123"));
    assert_eq!(scene.read("app/db", "flag").await.as_deref(), Ok("yes"));
    assert_eq!(scene.read("app/db", "key").await.as_deref(), Ok("a\nb\n"));
    assert_eq!(scene.read("app/queue", "port").await.as_deref(), Ok("5672"));
    assert_eq!(scene.read("app/cache", "token").await.as_deref(), Ok("abc"));
    assert_eq!(scene.read("app/plain", "a").await.as_deref(), Ok("b"));
}

#[tokio::test]
async fn the_version_follows_every_field_of_the_secret() {
    let scene = scene();
    scene.write("secrets/db.yaml", "user: admin\npassword: one\n");
    let before = scene.store.version("db", None).await.expect("a version");
    scene.write("secrets/db.yaml", "password: one\nuser: admin\n");
    assert_eq!(scene.store.version("db", None).await.expect("a version"), before);
    scene.write("secrets/db.yaml", "password: two\nuser: admin\n");
    assert_ne!(scene.store.version("db", None).await.expect("a version"), before);
}

#[tokio::test]
async fn what_is_missing_is_named_with_what_to_do() {
    let scene = scene();
    scene.write("secrets/db.yaml", "user: admin\n");
    let missing = scene.read("queue", "x").await.expect_err("missing");
    assert!(missing.starts_with("secret `queue`, field `x`: there is neither a folder "), "{missing}");
    let field = scene.read("db", "password").await.expect_err("missing");
    assert!(field.contains("no such field: it has `user`"), "{field}");
    let pinned = scene.store.read(&Request::new("db", "user").at_version(Some(2))).await.expect_err("refused");
    assert_eq!(pinned.kind(), SecretErrorKind::Refused);
    scene.write("secrets/db.json", "{}");
    let both = scene.read("db", "user").await.expect_err("refused");
    assert!(both.contains("db.yaml and ") && both.contains("are all there"), "{both}");
}

#[tokio::test]
async fn nothing_outside_of_the_folder_is_read() {
    let scene = scene();
    scene.write("outside.yaml", "password: taken\n");
    scene.write("outside/password", "taken");
    scene.write("secrets/real/password", "mine");
    let folder = scene.dir.path().join("secrets");
    symlink("../outside.yaml", folder.join("file.yaml")).expect("linked");
    symlink("../outside", folder.join("folder")).expect("linked");
    symlink(scene.dir.path().join("outside"), folder.join("absolute")).expect("linked");
    fs::create_dir(folder.join("fields")).expect("made");
    symlink("../../outside/password", folder.join("fields/password")).expect("linked");
    for path in ["file", "folder", "absolute", "fields"] {
        let error = scene.read(path, "password").await.expect_err("refused");
        assert!(error.contains("leads out of the folder"), "{error}");
    }
    assert!(scene.read("../outside", "password").await.expect_err("refused").contains("`..`"));
    // The way Kubernetes mounts a Secret: links that stay inside.
    symlink("real", folder.join("..data")).expect("linked");
    fs::create_dir(folder.join("mounted")).expect("made");
    symlink("../..data/password", folder.join("mounted/password")).expect("linked");
    assert_eq!(scene.read("mounted", "password").await.as_deref(), Ok("mine"));
}

#[tokio::test]
async fn documents_that_cannot_be_read_are_refused_without_being_quoted() {
    let scene = scene();
    for (name, text) in [
        ("a.yaml", "hunter2"),
        ("b.yaml", "password: {hunter2: hunter2}"),
        ("c.yaml", "password: \"hunter2"),
        ("d.yaml", "- hunter2"),
        ("e.json", "{\"password\": hunter2}"),
        ("f.json", "\"hunter2\""),
        ("g.yaml", "password: hunter2\npassword: hunter2\n"),
        ("h.yaml", "password: *hunter2\n"),
    ] {
        scene.write(&format!("secrets/{name}"), text);
        let error = scene.read(&name[..1], "password").await.expect_err("refused");
        assert!(error.contains("is no mapping of field names to texts"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    scene.write("secrets/big.yaml", &"#".repeat(2 << 20));
    assert!(scene.read("big", "x").await.expect_err("refused").contains("larger than 1 MiB"));
}

#[tokio::test]
async fn empty_is_a_text_and_null_is_no_field() {
    let scene = scene();
    scene.write("secrets/db.yaml", "empty: \"\"\nnothing:\ntilde: ~\n");
    assert_eq!(scene.read("db", "empty").await.as_deref(), Ok(""));
    assert!(scene.read("db", "nothing").await.is_err());
    assert!(scene.read("db", "tilde").await.is_err());
}

#[tokio::test]
async fn files_that_others_may_read_are_told() {
    let scene = scene();
    scene.write("secrets/app/db.yaml", "a: b\n");
    assert_eq!(scene.store.examine().await.expect("well").warnings, Vec::<String>::new());
    let file = scene.dir.path().join("secrets/app/db.yaml");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("set");
    let warnings = scene.store.examine().await.expect("well").warnings;
    assert!(warnings.len() == 1 && warnings[0].contains("db.yaml can be read by other users"), "{warnings:?}");
    let gone = Files::new(FilesConfig {
        folder: scene.dir.path().join("nowhere"),
        pins: Pins::Refuse,
        kept_for: Duration::ZERO,
        version_key: VersionKey::new([3; 32]),
    });
    assert_eq!(gone.examine().await.expect_err("gone").kind(), SecretErrorKind::Setup);
}
