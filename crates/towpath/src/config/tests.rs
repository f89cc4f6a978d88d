use super::super::Identity;
use super::*;

fn read(text: &str) -> Result<Config, ConfigError> {
    parse(Path::new("/srv/delivery/towpath.toml"), text)
}

#[test]
fn the_shortest_file_names_the_config_repository_and_the_rest_is_usual() {
    let config = read("[config]\nurl = \"config\"\n").unwrap();
    assert_eq!(config.repository.url.expose(), "/srv/delivery/config");
    assert_eq!(config.repository.branch.as_str(), "main");
    assert_eq!(config.state, Path::new("/srv/delivery/.towpath"));
    assert_eq!(config.registry, Path::new("/srv/delivery/.towpath/registry"));
    assert_eq!(config.listen.to_string(), "127.0.0.1:0");
    assert_eq!(config.identity, Identity { name: "Towpath".into(), email: "towpath@localhost".into() });
    assert_eq!((config.poll.local, config.poll.remote), (Span::from_millis(50), Span::from_secs(30)));
    assert_eq!(config.notify, None);
}

#[test]
fn every_key_is_read() {
    let config = read(
        r#"
        config = { url = "git@git.example:team/config.git", branch = "live" }
        state.directory = "/var/lib/towpath"
        server.listen = "unix:run/towpath.sock"
        identity = { name = "Release robot", email = "robot@example.com" }
        poll = { local = "1s", remote = "2m" }
        notify.command = ["notify-send", "towpath"]
        registry.directory = "images"
        "#,
    )
    .unwrap();
    assert_eq!(config.repository.url.expose(), "git@git.example:team/config.git");
    assert_eq!(config.repository.branch.as_str(), "live");
    assert_eq!(config.state, Path::new("/var/lib/towpath"));
    assert_eq!(config.listen.to_string(), "unix:/srv/delivery/run/towpath.sock");
    assert_eq!(config.identity.name, "Release robot");
    assert_eq!((config.poll.local, config.poll.remote), (Span::from_secs(1), Span::from_secs(120)));
    assert_eq!(config.notify.unwrap(), ["notify-send", "towpath"]);
    assert_eq!(config.registry, Path::new("/srv/delivery/images"));
}

#[test]
fn credentials_stand_in_files_or_in_the_secret_store_but_not_in_what_they_open() {
    use super::super::outside::{Credential, SecretRef, Way};
    let file = |secrets: &str| {
        format!(
            "[config]\nurl = \"config\"\n{secrets}\n[clusters.hub]\nserver = \"https://hub:6443\"\ntoken = {{secret = \"ci/hub\", field = \"token\", version = 3}}\n\
             [clusters.other]\nkubeconfig = \"other.conf\"\n[registries.\"quay.io\"]\nusername = \"ci\"\npassword = {{secret = \"ci/quay\", field = \"password\"}}\n"
        )
    };
    let outside = read(&file("[secrets.files]\ndirectory = \"vault\"")).unwrap().outside;
    let token = SecretRef { path: "ci/hub".to_owned(), field: "token".to_owned(), version: Some(3) };
    assert_eq!(outside.clusters["hub"].way, Way::Server { url: "https://hub:6443".to_owned(), ca: None, token: Credential::Secret(token) });
    assert!(matches!(&outside.registries["quay.io"].credentials, Some((name, Credential::Secret(_))) if name == "ci"));
    assert!(read(&file("[secrets.kubernetes]\ncluster = \"other\"")).is_ok());
    for (text, message) in [
        (file("[secrets.kubernetes]\ncluster = \"hub\""), "[clusters.hub] token stands in the cluster that it is for"),
        (file(""), "[clusters.hub] token stands in a secret store, but there is no [secrets]"),
        (file("[secrets.files]\ndirectory = \"v\"").replace("ci/hub", "../hub"), "contains `.` or `..`"),
        (file("[secrets.files]\ndirectory = \"v\"").replace("token = {", "token_file = \"t\"\ntoken = {"), "say the same in two ways"),
        (
            file("[secrets.files]\ndirectory = \"v\"").replace("field = \"token\"", "feld = \"token\""),
            "the key `clusters.hub.token.feld` is not known",
        ),
        (file("[secrets.files]\ndirectory = \"v\"").replace("username = \"ci\"\n", ""), "`username` goes together with"),
    ] {
        let error = read(&text).unwrap_err();
        assert!(error.message.contains(message), "{error}");
    }
}

#[test]
fn what_is_wrong_is_told_with_its_place_and_mend() {
    let with = |more: &str| format!("[config]\nurl = \"config\"\n{more}");
    for (text, place, message, help) in [
        ("", (1, 1), "missing field `config`", "say where"),
        ("[config]\n", (1, 1), "missing field `url`", "say where"),
        ("[config\n", (1, 8), "unclosed table", "mend the TOML"),
        (&with("banch = \"main\""), (3, 1), "`config.banch` is not known", "did you mean `branch`?"),
        (&with("[severs]\nlisten = 1"), (3, 2), "`severs` is not known", "did you mean `server`?"),
        (&with("[poll]\nlokal = \"1s\""), (4, 1), "`poll.lokal` is not known", "did you mean `local`?"),
        (&with("[database]\n"), (3, 2), "`database` is not known", "known here: config, state"),
        (&with("[poll]\nlocal = \"soon\""), (4, 9), "\"soon\" is not a span of time", "correct"),
        (&with("[poll]\n  local = \"1ms\""), (4, 11), "too short", "correct"),
        (&with("[poll]\nlocal = 5"), (4, 9), "invalid type: integer `5`", "correct"),
        (&with("[server]\nlisten = \"0.0.0.0:80\""), (4, 10), "reached from other machines", "correct"),
        (&with("[server]\nlisten = \"here\""), (4, 10), "not an address", "correct"),
        (&with("[notify]\ncommand = []"), (4, 11), "names no program", "correct"),
        (&with("[identity]\nname = \"a\\nb\""), (4, 8), "cannot be part of a Git identity", "correct"),
        (&with("branch = \"\""), (3, 10), "cannot be empty", "correct"),
        ("[config]\nurl = \"--upload-pack=x\"", (2, 7), "cannot be", "correct"),
    ] {
        let error = read(text).unwrap_err();
        assert_eq!((error.line, error.column), place, "{text}\n{error}");
        assert!(error.message.contains(message), "{text}\n{error}");
        assert!(error.help.contains(help), "{text}\n{}", error.help);
    }
}

#[test]
fn a_path_is_meant_from_the_files_folder_and_a_url_is_left_alone() {
    for (written, meant) in [
        ("config", "/srv/delivery/config"),
        ("./config", "/srv/delivery/./config"),
        ("/else/where", "/else/where"),
        ("dir/a:b", "/srv/delivery/dir/a:b"),
        ("https://git.example/config", "https://git.example/config"),
        ("file:///srv/config", "file:///srv/config"),
        ("git@git.example:config", "git@git.example:config"),
    ] {
        assert_eq!(absolute(Path::new("/srv/delivery"), written), meant, "{written}");
    }
}

proptest::proptest! {
    /// Whatever is in the file, there is an answer with a place in it.
    #[test]
    fn no_text_makes_reading_panic(text in "(\\[[a-z.]{0,8}\\]\n|[a-z]{1,9} = [\"'{\\[a-z0-9.:=\\]}-]{0,12}\n|.{0,20}\n){0,8}") {
        if let Err(error) = read(&text) {
            proptest::prop_assert!(error.line >= 1 && error.line <= text.matches('\n').count() + 1);
            proptest::prop_assert!(error.column >= 1);
        }
    }

    /// Any key that is not known is refused, and told by its name.
    #[test]
    fn no_unknown_key_is_passed_over(key in "[a-z]{1,12}") {
        proptest::prop_assume!(!["config", "state", "server", "identity", "poll", "notify", "registry"].contains(&key.as_str()));
        let error = read(&format!("[config]\nurl = \"c\"\n[{key}]\nx = 1\n")).unwrap_err();
        proptest::prop_assert_eq!((error.line, error.message), (3, format!("the key `{key}` is not known")));
    }
}
