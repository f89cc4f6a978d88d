//! Whom Git tells a secret, seen from the servers.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use towpath_domain::RepoUrl;
use towpath_git::{Credential, Git, GitError, Settings};

use crate::support::{Lab, branch, towpath};

/// `towpath:hunter2`, `towpath:renewed`.
const BASIC: &str = "Basic dG93cGF0aDpodW50ZXIy";
const RENEWED: &str = "Basic dG93cGF0aDpyZW5ld2Vk";

/// A server that asks everybody who they are and notes what they say; or sends everybody elsewhere.
struct Server {
    address: String,
    heard: Arc<Mutex<Vec<Option<String>>>>,
}

impl Server {
    fn start(elsewhere: Option<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let heard: Arc<Mutex<Vec<Option<String>>>> = Arc::default();
        let notes = Arc::clone(&heard);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                answer(stream.unwrap(), elsewhere.as_deref(), &notes);
            }
        });
        Self { address, heard }
    }

    fn heard(&self) -> Vec<Option<String>> {
        std::mem::take(&mut *self.heard.lock().unwrap())
    }
}

fn answer(mut stream: TcpStream, elsewhere: Option<&str>, notes: &Mutex<Vec<Option<String>>>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let path = lines.next().unwrap().unwrap().split(' ').nth(1).unwrap().to_owned();
    let headers: Vec<String> = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let said = headers.iter().find_map(|line| line.strip_prefix("Authorization: ")).map(str::to_owned);
    let (status, header) = match (elsewhere, &said) {
        (Some(other), Some(_)) => ("302 Found", format!("Location: {other}{path}")),
        (_, None) => ("401 Unauthorized", "WWW-Authenticate: Basic realm=\"git\"".to_owned()),
        _ => ("503 Service Unavailable", "Retry-After: 1".to_owned()),
    };
    notes.lock().unwrap().push(said);
    let _gone = write!(stream, "HTTP/1.1 {status}\r\n{header}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
}

async fn look(git: &Git, place: &str) -> GitError {
    git.ls_remote(&RepoUrl::new(format!("{place}/config.git")).unwrap(), &branch("main")).await.unwrap_err()
}

#[tokio::test]
async fn a_secret_goes_to_the_server_that_it_is_for_and_to_no_other_not_even_by_redirection() {
    let lab = Lab::new();
    let other = Server::start(None);
    let (ours, sends_on) = (Server::start(None), Server::start(Some(other.address.clone())));
    let mut settings = Settings::new(towpath());
    settings.extra_env =
        vec![lab.home(), ("GIT_CONFIG_NOSYSTEM".to_owned(), "1".to_owned()), ("GIT_ASKPASS".to_owned(), "false".to_owned())];
    let credential = Credential::new(&ours.address).unwrap();
    settings.credentials = vec![credential.clone(), Credential::new(&sends_on.address).unwrap()];
    for credential in &settings.credentials {
        credential.set("towpath", "hunter2").unwrap();
    }
    let git = Git::new(settings);

    let error = look(&git, &ours.address).await;
    assert!(matches!(error, GitError::Unreachable { .. }), "{error:?}");
    assert_eq!(ours.heard(), [None, Some(BASIC.to_owned())], "asked, it says who it is");

    let _refused = look(&git, &other.address).await;
    assert_eq!(other.heard(), [None], "another server asks in vain");

    let _refused = look(&git, &sends_on.address).await;
    assert_eq!(sends_on.heard(), [None, Some(BASIC.to_owned())]);
    assert_eq!(other.heard(), [None], "whom a server sends it to asks in vain, too");

    credential.set("towpath", "renewed").unwrap();
    let _unreachable = look(&git, &ours.address).await;
    assert_eq!(ours.heard(), [None, Some(RENEWED.to_owned())], "a renewed one takes its place at once");
}
