use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use towpath_domain::BranchName;
use towpath_forge::fake::github::FakeApp;
use towpath_forge::fake::{FakeForge, forgejo as fake_forgejo, github as fake_github, gitlab as fake_gitlab};
use towpath_git::{Git, Identity, Mirror, Settings as GitSettings};
use towpath_testbed::{missing_program, skipped};

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

/// A bare repository with one commit on `main`.
fn repository(folder: &Path, name: &str) -> std::path::PathBuf {
    let at = folder.join(name);
    let git = |args: &[&str]| {
        let run = std::process::Command::new("git").arg("--git-dir").arg(&at).args(args).output().unwrap();
        assert!(run.status.success(), "{args:?}: {}", String::from_utf8_lossy(&run.stderr));
        String::from_utf8(run.stdout).unwrap().trim().to_owned()
    };
    git(&["init", "--quiet", "--bare", "--initial-branch=main"]);
    let tree = git(&["hash-object", "-t", "tree", "-w", "/dev/null"]);
    let who = ["-c", "user.name=Ann", "-c", "user.email=ann@example.com"];
    let commit = git(&[&who[..], &["commit-tree", &tree, "-m", name]].concat());
    git(&["update-ref", "refs/heads/main", &commit]);
    at
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
    let fake: FakeForge = fake_gitlab::start(&repository(folder.path(), "web.git")).await.unwrap();
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

#[tokio::test]
async fn repositories_on_this_machine_each_have_the_forge_that_their_table_names() {
    let folder = tempfile::tempdir().unwrap();
    let (web, api) = (repository(folder.path(), "web.git"), repository(folder.path(), "api.git"));
    let fakes = [fake_forgejo::start_as(&web, "org/web").await.unwrap(), fake_github::start_as(&api, "team/api").await.unwrap()];
    for (fake, author) in fakes.iter().zip(["ann", "ben"]) {
        let mut world = fake.world();
        world.token = format!("token-{}", if author == "ann" { "web" } else { "team" });
        let head = world.repository.head("main").unwrap();
        world.open_from_fork(author, "theirs", &head);
        // It holds nothing of its own, which would be taken for merged.
        world.rules.sees_merges = false;
    }
    let table = |kind: &str, fake: &FakeForge, api: &str, at: &str, name: &str, token: &str| {
        format!(
            "[[forges]]\nkind = \"{kind}\"\nfor = [\"{at}\"]\nbase_url = \"{}{api}\"\nrepository = \"{name}\"\ntoken_file = \"{token}\"\n",
            fake.url()
        )
    };
    let text = "config.url = \"config\"\n".to_owned()
        + &table("gitea", &fakes[0], "/api/v1", "web.git", "org/web", "web")
        + &table("github", &fakes[1], "/api/v3", "api", "team/api", "team");
    let forges = forges(folder.path(), &text).await.unwrap();
    for (at, author) in [(&web, "ann"), (&api, "ben")] {
        let forge = Hosts::forge(&forges, &plain(folder.path(), at.to_str().unwrap()).await).unwrap().unwrap();
        let pulls = forge.open_pulls().await.unwrap();
        assert_eq!(pulls.iter().map(|pull| (pull.author.as_str(), pull.from_fork)).collect::<Vec<_>>(), [(author, true)]);
    }
}

#[tokio::test]
async fn as_an_app_git_is_given_a_token_for_each_repository_of_its_own() {
    if let Some(program) = missing_program(&["openssl"]) {
        return skipped(&format!("{program} is missing, which makes keys")).unwrap_or_default();
    }
    let folder = tempfile::tempdir().unwrap();
    let openssl = |args: &[&str]| {
        let run = std::process::Command::new("openssl").args(args).current_dir(&folder).output().unwrap();
        assert!(run.status.success(), "{args:?}: {}", String::from_utf8_lossy(&run.stderr));
        run.stdout
    };
    openssl(&["genrsa", "-out", "key.pem", "2048"]);
    let public_key = openssl(&["rsa", "-in", "key.pem", "-RSAPublicKey_out", "-outform", "DER"]);
    let (address, heard) = git_server();
    let mut text = "config.url = \"config\"\n".to_owned();
    let mut fakes = Vec::new();
    for name in ["team/api", "team/web"] {
        let fake = fake_github::start_as(&repository(folder.path(), &name.replace('/', "-")), name).await.unwrap();
        let mut world = fake.world();
        // Tokens differ by how much has happened before.
        if name == "team/web" {
            world.next_id();
        }
        let (slug, page) = ("towpath".to_owned(), "https://towpath.example.com".to_owned());
        let (id, tokens) = (7, Vec::new());
        world.github.app = Some(FakeApp { id, slug, page, public_key: public_key.clone(), installed: true, token_lasts: 3600, tokens });
        drop(world);
        text += &format!(
            "[[forges]]\nkind = \"github\"\nfor = [\"{address}/{name}\"]\nbase_url = \"{}/api/v3\"\napp_id = 7\nprivate_key_file = \"key.pem\"\n",
            fake.url()
        );
        fakes.push(fake);
    }
    let forges = forges(folder.path(), &text).await.unwrap();
    let git = Git::new(GitSettings { credentials: forges.git(), ..GitSettings::new(Identity::new("T", "t@example.com").unwrap()) });
    let main = BranchName::new("main").unwrap();
    for name in ["team/api", "team/web"] {
        let source = plain(folder.path(), &format!("{address}/{name}.git")).await;
        let forge = Hosts::forge(&forges, &source).unwrap().unwrap();
        forge.open_pulls().await.unwrap();
        // Another branch of the repository has the same App.
        let live = PlainGit::new(source.mirror().clone(), BranchName::new("live").unwrap());
        Hosts::forge(&forges, &live).unwrap().unwrap().open_pulls().await.unwrap();
    }
    for name in ["team/api", "team/web"] {
        let _not_there = git.ls_remote(&url(&format!("{address}/{name}.git")), &main).await.unwrap_err();
    }
    let tokens: Vec<Vec<(String, i64)>> = fakes.iter().map(|fake| fake.world().github.app.as_ref().unwrap().tokens.clone()).collect();
    assert_eq!(tokens.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1], "one for each repository, whoever asks");
    assert_ne!(tokens[0][0].0, tokens[1][0].0);
    let said: Vec<String> = tokens.iter().map(|tokens| STANDARD.encode(format!("x-access-token:{}", tokens[0].0))).collect();
    assert_eq!(*heard.lock().unwrap(), said);
}
