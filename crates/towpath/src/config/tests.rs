use towpath_cluster::JobSettings;
use towpath_domain::NamespaceName;

use super::super::Identity;
use super::super::builds::Builds;
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
    assert_eq!(config.notify, super::super::notify::Notify::default());
    assert_eq!(config.memory_max, 16 << 30);
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
        runs.memory_max = "4Gi"
        "#,
    )
    .unwrap();
    assert_eq!(config.repository.url.expose(), "git@git.example:team/config.git");
    assert_eq!(config.repository.branch.as_str(), "live");
    assert_eq!(config.state, Path::new("/var/lib/towpath"));
    assert_eq!(config.listen.to_string(), "unix:/srv/delivery/run/towpath.sock");
    assert_eq!(config.identity.name, "Release robot");
    assert_eq!((config.poll.local, config.poll.remote), (Span::from_secs(1), Span::from_secs(120)));
    assert_eq!(config.notify.command.unwrap(), ["notify-send", "towpath"]);
    assert_eq!(config.registry, Path::new("/srv/delivery/images"));
    assert_eq!(config.memory_max, 4 << 30);
}

#[test]
fn people_are_told_in_the_ways_that_the_file_names() {
    use super::super::notify::{Tls, To};
    use super::super::outside::Credential;
    let config = read(
        r#"
        config = { url = "config" }
        server.base_url = "https://towpath.example.com/"
        [notify.slack.coreos]
        token_file = "slack-token"
        [notify.slack.quiet]
        workspace = "coreos"
        token_file = "/run/slack"
        channel = "deploys"
        digest = "1h"
        saas_files = ["api"]
        events = ["failed", "promoted"]
        [notify.mail.team]
        server = "smtp.example.com"
        from = "Towpath <towpath@example.com>"
        to = ["team@example.com"]
        ca = "ca.pem"
        [notify.mattermost.town]
        url_file = "hook"
        channel = "town-square"
        "#,
    )
    .unwrap();
    assert_eq!(config.base_url.as_deref(), Some("https://towpath.example.com"));
    let ways = config.notify.ways;
    assert_eq!(ways.keys().map(String::as_str).collect::<Vec<_>>(), ["mail.team", "mattermost.town", "slack.coreos", "slack.quiet"]);
    let To::Slack { workspace, token, api, .. } = &ways["slack.coreos"].to else { panic!("{ways:?}") };
    assert_eq!((workspace.as_str(), api.as_str()), ("coreos", "https://slack.com/api"));
    assert_eq!(*token, Credential::File("/srv/delivery/slack-token".into()));
    assert!(ways["slack.coreos"].route.hears_of_progress() && !ways["mail.team"].route.hears_of_progress());
    let quiet = &ways["slack.quiet"].route;
    assert_eq!((quiet.digest, quiet.topics.len(), quiet.saas_files.contains("api")), (Some(Span::from_secs(3600)), 2, true));
    let To::Mail { host, port, tls, .. } = &ways["mail.team"].to else { panic!("{ways:?}") };
    assert_eq!((host.as_str(), *port, *tls), ("smtp.example.com", 587, Tls::Starttls));
    assert_eq!(ways["mail.team"].ca.as_deref(), Some(Path::new("/srv/delivery/ca.pem")));
    assert_eq!(ways["mattermost.town"].to, To::Mattermost(Credential::File("/srv/delivery/hook".into()), Some("town-square".into())));
}

#[test]
fn results_are_told_where_the_file_says() {
    use towpath_ibutsu::Mode;

    use super::super::outside::Credential;
    assert_eq!(read("[config]\nurl = \"config\"").unwrap().ibutsu, None);
    let text =
        "[config]\nurl = \"config\"\n[ibutsu]\nurl = \"https://ibutsu-api.example.com\"\nproject = \"insights\"\ntoken_file = \"ibutsu\"\n";
    let usual = read(text).unwrap().ibutsu.unwrap();
    assert_eq!(usual.url.to_string(), "https://ibutsu-api.example.com/api");
    assert_eq!(usual.token, Credential::File("/srv/delivery/ibutsu".into()));
    assert_eq!(
        (usual.project.as_str(), usual.source.as_str(), usual.mode, usual.frontend, usual.ca),
        ("insights", "towpath", Mode::Archive, None, None)
    );
    let more = "mode = \"api\"\nsource = \"stage\"\nfrontend = \"https://ibutsu.example.com\"\nca = \"ca.pem\"\n";
    let all = read(&format!("{text}{more}")).unwrap().ibutsu.unwrap();
    assert_eq!((all.mode, all.source.as_str(), all.frontend.as_deref()), (Mode::Api, "stage", Some("https://ibutsu.example.com")));
    assert_eq!(all.ca.as_deref(), Some(Path::new("/srv/delivery/ca.pem")));
    let plain = text.replace("https", "http");
    assert!(read(&format!("{plain}plain_http = true")).unwrap().ibutsu.is_some());
    let here = text.replace("https://ibutsu-api.example.com", "http://127.0.0.1:8080");
    assert!(read(&here).unwrap().ibutsu.is_some(), "nobody is on the way");
}

/// An installation whose builds are carried out on its cluster `hub`.
fn builds(how: &str, more: &str) -> String {
    format!(
        "[config]\nurl = \"config\"\n[clusters.hub]\nin_cluster = true\n[builds.{how}]\ncluster = \"hub\"\nnamespace = \"ci\"\n{more}\n"
    )
}

#[test]
fn builds_are_carried_out_where_the_file_says_with_the_usual_settings_for_the_rest() {
    assert_eq!(read("[config]\nurl = \"config\"\n").unwrap().builds, None);
    let Some(Builds::Kubernetes { cluster, settings }) = read(&builds("kubernetes", "")).unwrap().builds else { panic!("Jobs") };
    assert_eq!((cluster.as_str(), &*settings), ("hub", &JobSettings::new(NamespaceName::new("ci").unwrap())));

    let all = r#"
        image = "quay.io/builders/go:1"
        git_image = "quay.io/tools/git:2"
        service_account = "builder"
        mount_token = true
        pull_secret = "pull"
        push_secret = "push"
        git_secret = "git"
        requests = { cpu = "500m" }
        limits = { memory = "4Gi" }
        security = { read_only_root = false, capabilities = ["SETUID", "SETGID"], run_as_user = 1000, seccomp = false }
        node_selector = { builds = "yes" }
        workspace_size = "10Gi"
        kept_for = "1h"
    "#;
    let Some(Builds::Kubernetes { settings, .. }) = read(&builds("kubernetes", all)).unwrap().builds else { panic!("Jobs") };
    assert_eq!(settings.image.unwrap().to_string(), "quay.io/builders/go:1");
    assert_eq!((settings.push_secret.as_deref(), settings.git_secret.as_deref(), settings.mount_token), (Some("push"), Some("git"), true));
    assert_eq!((settings.resources.requests.cpu.as_deref(), settings.resources.requests.memory.as_deref()), (Some("500m"), Some("256Mi")));
    assert_eq!(settings.resources.limits.memory.as_deref(), Some("4Gi"));
    assert_eq!((settings.security.read_only_root, settings.security.seccomp, settings.security.run_as_user), (false, false, Some(1000)));
    assert_eq!(settings.kept_for.as_secs(), 3600);

    let Some(Builds::Tekton { settings, .. }) = read(&builds("tekton", "pipeline = \"build\"")).unwrap().builds else { panic!("Tekton") };
    assert_eq!((settings.pipeline.as_str(), settings.workspace_size.as_str()), ("build", "1Gi"));
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
fn each_webhook_receiver_has_a_secret_or_two() {
    use super::super::outside::Credential;
    use towpath_web::hooks::Receiver;
    let with = |more: &str| format!("[config]\nurl = \"config\"\n{more}");
    let hooks =
        read(&with("[webhooks.github]\nsecret_file = \"new\"\nother_secret_file = \"/old\"\n[webhooks.gitlab]\nsecret_file = \"/g\""))
            .unwrap()
            .webhooks
            .0;
    let file = |path: &str| Credential::File(path.into());
    assert_eq!(hooks[&Receiver::GitHub], [file("/srv/delivery/new"), file("/old")]);
    assert_eq!(hooks[&Receiver::GitLab], [file("/g")]);
    assert_eq!(hooks.len(), 2);
    let stored = with("[webhooks.forgejo]\nsecret = {secret = \"ci/hook\", field = \"key\"}\n");
    assert!(read(&format!("{stored}[secrets.files]\ndirectory = \"v\"")).is_ok());
    for (text, message) in [
        (stored, "[webhooks.forgejo] secret stands in a secret store, but there is no [secrets]"),
        (with("[webhooks.github]\nother_secret_file = \"x\""), "a webhook is checked with `secret_file`"),
        (with("[webhooks.github]\nsecret_file = \"x\"\nsecret = {secret = \"a\", field = \"b\"}"), "say the same in two ways"),
        (with("[webhooks.github]\nsecret = \"in plain sight\""), "no credential stands in this file"),
        (with("[webhooks.github]\nsecret = 5"), "no credential stands in this file"),
        (with("[webhooks.github]\nsecret = true"), "expected the place of a secret"),
        (with("[webhooks.githib]\nsecret_file = \"x\""), "the key `webhooks.githib` is not known"),
    ] {
        let error = read(&text).unwrap_err();
        assert!(error.message.contains(message), "{error}");
        assert!(!error.to_string().contains("plain sight"), "{error}");
    }
}

#[test]
fn traces_go_to_the_collector_that_the_file_names() {
    use super::super::outside::Credential;
    assert_eq!(read("[config]\nurl = \"config\"").unwrap().telemetry, None);
    let text = "[config]\nurl = \"config\"\n[telemetry.otlp]\nendpoint = \"https://otel.example.com:4318\"\nheader = \"authorization\"\n";
    let otlp = read(&format!("{text}value_file = \"key\"\nca = \"ca.pem\"")).unwrap().telemetry.unwrap();
    assert_eq!(otlp.endpoint, "https://otel.example.com:4318");
    assert_eq!(otlp.ca, Some("/srv/delivery/ca.pem".into()));
    assert_eq!(otlp.header, Some(("authorization".to_owned(), Credential::File("/srv/delivery/key".into()))));
    let error = read(&format!("{text}value = {{secret = \"ops/otel\", field = \"key\"}}")).unwrap_err();
    assert!(error.message.contains("no [secrets]"), "{error}");
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
        (&with("[server]\nlisten = \"0.0.0.0:80\""), (4, 10), "reached from other machines, and nobody has to sign in", "[auth]"),
        (&with("[server]\nlisten = \"here\""), (4, 10), "not an address", "correct"),
        (&with("[notify]\ncommand = []"), (4, 11), "names no program", "correct"),
        (&with("[server]\nbase_url = \"towpath.example.com\""), (4, 12), "no address that links can begin with", "correct"),
        (&with("[telemetry.otlp]\nendpoint = \"collector:4318\""), (3, 1), "no address of a collector", "correct"),
        (&with("[telemetry.otlp]\nendpoint = \"http://c:4318/v1/traces\""), (3, 1), "has it already", "correct"),
        (&with("[telemetry.otlp]\nendpoint = \"http://c:4318\"\nheader = \"x-key\""), (3, 1), "`header` has no value", "correct"),
        (&with("[telemetry.otlp]\nendpoint = \"http://c:4318\"\nvalue_file = \"key\""), (3, 1), "but no `header`", "correct"),
        (&with("[ibutsu]\nproject = \"web\"\ntoken_file = \"t\""), (3, 1), "needs `url`, the address of Ibutsu", "correct"),
        (&with("[ibutsu]\nurl = \"https://i\"\nproject = \"web\""), (3, 1), "Ibutsu needs `token_file`", "correct"),
        (&with("[ibutsu]\nurl = \"ibutsu\"\nproject = \"web\"\ntoken_file = \"t\""), (3, 1), "`url`: \"ibutsu\" is no address", "correct"),
        (&with("[ibutsu]\nurl = \"http://i\"\nproject = \"web\"\ntoken_file = \"t\""), (3, 1), "is plain http", "correct"),
        (&with("[ibutsu]\nurl = \"https://i\"\nproject = \" \"\ntoken_file = \"t\""), (3, 1), "needs `project`", "correct"),
        (
            &with("[ibutsu]\nurl = \"https://i\"\nproject = \"web\"\ntoken = \"eyJ\""),
            (6, 9),
            "no credential stands in this file",
            "correct",
        ),
        (
            &with("[ibutsu]\nurl = \"https://i\"\nproject = \"web\"\ntoken_file = \"t\"\nmode = \"s3\""),
            (7, 8),
            "unknown variant `s3`",
            "correct",
        ),
        (
            &with("[ibutsu]\nurl = \"https://i\"\nproject = \"web\"\ntoken_file = \"t\"\nfrontend = \"i\""),
            (3, 1),
            "`frontend`: \"i\" is no",
            "correct",
        ),
        (&with("[[forges]]\nfr = []\n"), (4, 1), "`forges.fr` is not known", "did you mean `for`?"),
        (
            &with("[[forges]]\nkind = \"gitlab\"\ntoken_file = \"t\"\nfor = []\n"),
            (3, 1),
            "say which sources are on it",
            "towpath serve --help",
        ),
        (
            &with(
                "[[forges]]\nkind = \"gitlab\"\ntoken_file = \"t\"\nfor = [\"https://a/b\"]\n[[forges]]\nkind = \"gitlab\"\ntoken_file = \"t\"\n\
                 for = [\"https://a/b.git\"]\n",
            ),
            (7, 1),
            "what begins with \"https://a/b\" is on this forge and on one above",
            "towpath serve --help",
        ),
        (&with("[ibutsu]\ntoken_fil = \"t\""), (4, 1), "`ibutsu.token_fil` is not known", "did you mean `token_file`?"),
        (
            &with("[ibutsu]\nurl = \"https://i\"\nproject = \"web\"\ntoken = {secret = \"a/b\", field = \"c\"}"),
            (1, 1),
            "[ibutsu] token stands in a secret store, but there is no [secrets]",
            "operate.md",
        ),
        (&with("[notify.slak.a]\n"), (3, 9), "`notify.slak` is not known", "did you mean `slack`?"),
        (&with("[notify.slack.a]\ntoken_fil = \"t\""), (4, 1), "`notify.slack.a.token_fil` is not known", "did you mean `token_file`?"),
        (&with("[notify.slack.a]\nchannel = \"c\""), (3, 1), "a bot needs `token_file`", "correct"),
        (&with("[notify.slack.a]\ntoken_file = \"t\"\ndigest = \"1h\""), (3, 1), "`digest` needs `channel`", "correct"),
        (&with("[notify.slack.a]\ntoken_file = \"t\"\nevents = [\"failure\"]"), (3, 1), "unknown variant `failure`", "correct"),
        (
            &with("[notify.slack.a]\ntoken = {secret = \"a/b\", field = \"c\"}"),
            (1, 1),
            "there is no [secrets] to read it from",
            "operate.md",
        ),
        (&with("[notify.webhook.a]\nurl = \"http://example.com\"\nkey_file = \"k\""), (3, 1), "does not begin with https://", "correct"),
        (&with("[notify.teams.a]\nchannel = \"x\""), (3, 1), "the webhook's address is its secret", "correct"),
        (
            &with(
                "[notify.mail.a]\nserver = \"m\"\ntls = \"none\"\nusername = \"u\"\npassword_file = \"p\"\nfrom = \"a@b.c\"\nto = [\"a@b.c\"]",
            ),
            (3, 1),
            "in the clear",
            "correct",
        ),
        (&with("[identity]\nname = \"a\\nb\""), (4, 8), "cannot be part of a Git identity", "correct"),
        (&with("branch = \"\""), (3, 10), "cannot be empty", "correct"),
        ("[config]\nurl = \"--upload-pack=x\"", (2, 7), "cannot be", "correct"),
        (&with("[runs]\nmemory_max = \"1Mi\""), (4, 14), "too little: at least 16Mi", "correct"),
        (&with("[runs]\nmemory_max = \"much\""), (4, 14), "no amount", "correct"),
        (&with("[builds.kubernets]\n"), (3, 9), "`builds.kubernets` is not known", "did you mean `kubernetes`?"),
        (&builds("kubernetes", "image = \"a b\""), (8, 9), "\"a b\"", "correct"),
        (&builds("kubernetes", "").replace("\"ci\"", "\"Ci\""), (7, 13), "no name of a namespace", "correct"),
        (&builds("kubernetes", "pull_secret = \"Pull\""), (8, 15), "no name of an object", "correct"),
        (&builds("kubernetes", "kept_for = \"1m\""), (8, 12), "too short: at least 10m", "correct"),
        (&builds("kubernetes", "limits = {memory = \"1GiB\"}"), (8, 20), "no amount", "correct"),
        (&builds("kubernetes", "security = {capabilities = [\"CAP_SETUID\"]}"), (8, 28), "write it as SETUID", "correct"),
        (
            &builds("kubernetes", "requests = {cpu = \"2\"}\nlimits = {cpu = \"1\"}"),
            (5, 1),
            "requests more cpu (2) than its limit (1)",
            "correct",
        ),
        (
            &builds("kubernetes", "").replace("cluster = \"hub\"", "cluster = \"hob\""),
            (6, 11),
            "the cluster hob is none of [clusters]",
            "correct",
        ),
        (&builds("kubernetes", "").replace("in_cluster", "embedded"), (6, 11), "hub is the embedded runtime", "correct"),
        (&builds("tekton", ""), (5, 1), "missing field `pipeline`", "correct"),
        (
            &builds("kubernetes", "[builds.tekton]\ncluster = \"hub\"\nnamespace = \"ci\"\npipeline = \"build\""),
            (8, 1),
            "one place: write `kubernetes` or `tekton`",
            "correct",
        ),
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
        proptest::prop_assume!(!["config", "state", "server", "identity", "poll", "notify", "registry", "runs", "builds", "ibutsu"].contains(&key.as_str()));
        let error = read(&format!("[config]\nurl = \"c\"\n[{key}]\nx = 1\n")).unwrap_err();
        proptest::prop_assert_eq!((error.line, error.message), (3, format!("the key `{key}` is not known")));
    }
}

#[test]
fn people_sign_in_as_the_file_says() {
    use towpath_web::auth::Everybody;

    use super::super::outside::Credential;
    let config = read(
        r#"
        config = { url = "config" }
        server = { listen = "0.0.0.0:7001", base_url = "https://towpath.example.com/" }
        [auth]
        everybody = "nothing"
        trusted_proxies = ["10.0.0.0/8", "::1"]
        session_idle = "1h"
        token_max = "30d"
        [auth.oidc]
        issuer = "https://sso.example.com/realms/staff"
        client_id = "towpath"
        client_secret_file = "oidc-secret"
        scopes = ["profile"]
        username_claim = "preferred_username"
        ca = "ca.pem"
        "#,
    )
    .unwrap();
    let auth = config.auth.unwrap();
    assert_eq!((auth.base_url.to_string().as_str(), auth.everybody), ("https://towpath.example.com", Everybody::Nothing));
    assert_eq!((auth.session_idle, auth.session_max, auth.token_max), (Some("1h".parse().unwrap()), None, Some("30d".parse().unwrap())));
    assert_eq!(auth.trusted_proxies.len(), 2);
    let oidc = auth.oidc.unwrap();
    assert_eq!(oidc.client_secret, Credential::File("/srv/delivery/oidc-secret".into()));
    assert_eq!(oidc.ca.as_deref(), Some(Path::new("/srv/delivery/ca.pem")));
    assert_eq!((oidc.username_claim.as_deref(), oidc.name), (Some("preferred_username"), None));
    let tokens_only = read("[config]\nurl = \"c\"\n[server]\nbase_url = \"http://127.0.0.1:7001\"\n[auth]\n").unwrap();
    assert!(tokens_only.auth.unwrap().oidc.is_none());
}

#[test]
fn what_is_wrong_with_sign_in_is_told_where_it_stands() {
    let with = |auth: &str| format!("[config]\nurl = \"c\"\n[server]\nbase_url = \"https://towpath.example.com\"\n{auth}\n");
    let oidc = "[auth.oidc]\nissuer = \"https://sso.example.com\"\nclient_id = \"t\"\n";
    for (text, line, message) in [
        ("[config]\nurl = \"c\"\n[auth]\n".to_owned(), 3, "set base_url under [server]"),
        (with("[auth]").replace("https", "http"), 4, "not https"),
        (with("[auth]").replace(".com", ".com/towpath"), 4, "nothing after it"),
        (with("[auth]\neverybody = \"admin\""), 6, "unknown variant `admin`"),
        (with("[auth]\ntrusted_proxies = [\"10.0.0.0/40\"]"), 6, "is no network"),
        (with("[auth]\nsession_max = \"1s\""), 6, "too short"),
        (with(oidc), 5, "client_secret_file"),
        (with(&format!("{oidc}client_secret = \"hunter2\"")), 8, "no credential stands in this file"),
        (with(&format!("{oidc}client_secret_file = \"s\"\nscopes = [\"a b\"]")), 5, "is no scope"),
        (with(&format!("{oidc}client_secret = {{ secret = \"team/sso\", field = \"s\" }}")), 1, "there is no [secrets]"),
        (with("[auth]\nround_robin = 1"), 6, "`auth.round_robin` is not known"),
    ] {
        let error = read(&text).unwrap_err();
        assert!(error.line == line && error.message.contains(message) && !error.message.contains("hunter2"), "{text}\n{error:?}");
    }
}
