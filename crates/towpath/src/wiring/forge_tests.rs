use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use towpath_domain::BranchName;
use towpath_forge::fake::{FakeForge, gitlab as fake_gitlab};
use towpath_git::{Git, Identity, Mirror, Settings as GitSettings};

use super::*;

fn url(text: &str) -> RepoUrl {
    RepoUrl::new(text).unwrap()
}

/// What `towpath.toml` makes of this text, in a folder with a few tokens.
async fn forges(folder: &Path, text: &str) -> anyhow::Result<Forges> {
    let _already = rustls::crypto::aws_lc_rs::default_provider().install_default();
    for name in ["own", "team", "web"] {
        std::fs::write(folder.join(name), format!("token-{name}\n")).unwrap();
    }
    let config = crate::config::parse(&folder.join("towpath.toml"), text).unwrap();
    let outside = Reached::new(&config.outside, &folder.join("state")).unwrap();
    Forges::read(&config, &outside).await
}

/// A repository of plain Git, which is there in name only.
async fn plain(folder: &Path, at: &str) -> PlainGit {
    let git = Git::new(GitSettings::new(Identity::new("T", "t@example.com").unwrap()));
    let name: String = at.chars().filter(char::is_ascii_alphanumeric).collect();
    let mirror = Mirror::open(&git, folder.join("mirrors").join(name), &url(at)).await.unwrap();
    PlainGit::new(mirror, BranchName::new("main").unwrap())
}

/// The forge that a source is on; none for plain Git.
async fn of(forges: &Forges, folder: &Path, at: &str) -> Option<String> {
    let forge = Hosts::forge(forges, &plain(folder, at).await).unwrap();
    assert_eq!(forge.is_some(), forges.kind(&url(at)).is_some(), "{at}");
    forge.map(|forge| forge.name().to_owned())
}

#[tokio::test]
async fn sources_on_the_config_repositorys_host_are_on_its_forge_and_others_where_a_table_says() {
    let folder = tempfile::tempdir().unwrap();
    let text = "config.url = \"git@github.example.com:org/config.git\"\n\
                [forge]\nkind = \"github\"\ntoken_file = \"own\"\nrepository = \"org/config\"\n\
                [[forges]]\nkind = \"gitlab\"\ntoken_file = \"team\"\nfor = [\"https://git.example.com/team/\", \"https://github.example.com/moved\"]\n\
                [[forges]]\nkind = \"gitea\"\ntoken_file = \"web\"\nfor = [\"/srv/git/web.git\"]\nbase_url = \"https://code.example.com/api/v1\"\n\
                repository = \"org/web\"\n";
    let forges = forges(folder.path(), text).await.unwrap();
    for (at, name) in [
        ("git@github.example.com:org/web.git", Some("GitHub at github.example.com")),
        ("https://github.example.com/org/web.git", Some("GitHub at github.example.com")),
        ("https://github.com/org/web.git", None),
        ("https://git.example.com/team/web", Some("GitLab at git.example.com")),
        ("https://git.example.com/other/web", None),
        ("https://github.example.com/moved/web", Some("GitLab at github.example.com")),
        ("/srv/git/web.git", Some("Forgejo at code.example.com")),
        ("/srv/git/config.git", None),
    ] {
        assert_eq!(of(&forges, folder.path(), at).await.as_deref(), name, "{at}");
    }
    assert_eq!(forges.kind(&url("/srv/git/web.git")), Some(ForgeKind::Forgejo));
    // Where the API of the config repository's forge is does not follow from how a source is reached.
    let (_, (api, repository)) = forges.of_source(&url("http://github.example.com/org/web.git")).unwrap();
    assert_eq!((api.as_deref(), repository), (Some("https://github.example.com/api/v3"), None));
    // Commits have pages on all of them.
    let page =
        forges.commit_pages().of(&url("https://git.example.com/team/web"), "5f8f0e1d2c3b4a5968778695a4b3c2d1e0f9a8b7".parse().unwrap());
    assert!(page.is_some_and(|page| page.starts_with("https://git.example.com/team/web/-/commit/")));
}

#[tokio::test]
async fn without_a_forge_all_is_plain_git_and_a_token_that_is_not_there_is_told_with_its_table() {
    let folder = tempfile::tempdir().unwrap();
    let none = forges(folder.path(), "config.url = \"https://github.com/org/config\"\n").await.unwrap();
    assert_eq!((of(&none, folder.path(), "https://github.com/org/web").await, none.accounts(), none.git().len()), (None, None, 0));
    let text =
        "config.url = \"config\"\n[[forges]]\nkind = \"gitlab\"\ntoken_file = \"nowhere\"\nfor = [\"https://git.example.com/team/\"]\n";
    let Err(error) = forges(folder.path(), text).await else { panic!("there is no such file") };
    let error = format!("{error:#}");
    assert!(error.contains("[[forges]] for \"https://git.example.com/team\"") && error.contains("nowhere"), "{error}");
}

#[tokio::test]
async fn a_forge_whose_host_is_known_by_its_api_alone_has_the_sources_there() {
    let folder = tempfile::tempdir().unwrap();
    for (api, source) in [
        ("https://api.github.com", "git@github.com:org/web.git"),
        ("https://github.example.com:8443/api/v3", "https://github.example.com:8443/org/web.git"),
    ] {
        let text = format!(
            "config.url = \"config\"\n[forge]\nkind = \"github\"\ntoken_file = \"own\"\nrepository = \"org/config\"\nbase_url = \"{api}\"\n"
        );
        let forges = forges(folder.path(), &text).await.unwrap();
        let (_, (base, repository)) = forges.of_source(&url(source)).unwrap();
        assert_eq!((base.as_deref(), repository), (Some(api), None));
        assert!(forges.kind(&url("https://github.example.com:9000/org/web.git")).is_none());
    }
}

#[tokio::test]
async fn the_repository_is_the_sources_own_and_never_the_config_repositorys() {
    let folder = tempfile::tempdir().unwrap();
    let bare = folder.path().join("web.git");
    let made = std::process::Command::new("git").args(["init", "--quiet", "--bare"]).arg(&bare).status().unwrap();
    assert!(made.success());
    let fake: FakeForge = fake_gitlab::start(&bare).await.unwrap();
    let text = format!(
        "config.url = \"config\"\n[forge]\nkind = \"gitlab\"\ntoken_file = \"own\"\nrepository = \"org/another\"\nbase_url = \"{}/api/v4\"\n",
        fake.url()
    );
    let forges = forges(folder.path(), &text).await.unwrap();
    let source = format!("{}/{}.git", fake.url(), fake_gitlab::PROJECT);
    let forge = Hosts::forge(&forges, &plain(folder.path(), &source).await).unwrap().unwrap();
    // It knows no such token; what matters is where it was asked.
    assert!(forge.open_pulls().await.is_err());
    let asked = fake.take_asked();
    let (asked, _) = asked.first().unwrap();
    assert_eq!((asked.path[3].as_str(), asked.token.as_deref()), (fake_gitlab::PROJECT, Some("token-own")));
}

/// A Git server that asks who it is, and notes what it hears.
fn git_server() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let heard = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&heard);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let headers: Vec<String> =
                BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
            let said = headers.iter().find_map(|line| line.strip_prefix("Authorization: Basic ")).map(str::to_owned);
            let status = if said.is_some() { "404 Not Found" } else { "401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"git\"" };
            notes.lock().unwrap().extend(said);
            write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
        }
    });
    (address, heard)
}

#[tokio::test]
async fn git_is_given_the_token_of_the_forge_that_a_source_is_on() {
    let folder = tempfile::tempdir().unwrap();
    let (address, heard) = git_server();
    let text = format!(
        "config.url = \"{address}/org/config.git\"\n[forge]\nkind = \"gitlab\"\ntoken_file = \"own\"\n\
         [[forges]]\nkind = \"github\"\ntoken_file = \"team\"\nfor = [\"{address}/team/\"]\n\
         [[forges]]\nkind = \"forgejo\"\ntoken_file = \"web\"\nfor = [\"{address}/team/web\"]\n"
    );
    let forges = forges(folder.path(), &text).await.unwrap();
    assert_eq!(forges.git().len(), 1, "one per server");
    let settings = GitSettings { credentials: forges.git(), ..GitSettings::new(Identity::new("T", "t@example.com").unwrap()) };
    let git = Git::new(settings);
    let main = BranchName::new("main").unwrap();
    for path in ["org/api.git", "team/api.git", "team/web.git"] {
        let _not_there = git.ls_remote(&url(&format!("{address}/{path}")), &main).await.unwrap_err();
    }
    let said = heard.lock().unwrap().clone();
    assert_eq!(said, ["oauth2:token-own", "x-access-token:token-team", "towpath:token-web"].map(|said| STANDARD.encode(said)));
}
