//! Repositories behind a real Git server, over HTTP, that can be made to fail.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// How a [`GitHttp`] answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Mood {
    /// As it shall.
    Well = 0,
    /// 503 to everything.
    Down = 1,
    /// What is pushed to `main` arrives, and the answer to it is lost.
    Forgetful = 2,
    /// By the first protocol alone, as servers of the years before 2018 do: what no ref of it shows is not served.
    Old = 3,
}

/// `git http-backend` behind the smallest of web servers.
pub struct GitHttp {
    /// Where it is: `http://127.0.0.1:40123`; a repository's path below the folder comes after it.
    pub url: String,
    mood: Arc<AtomicU8>,
    failed: Arc<AtomicU64>,
}

impl GitHttp {
    /// Serves the bare repositories of a folder. It ends with the process.
    ///
    /// # Panics
    /// When there is no port to listen at.
    pub fn start(root: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (mood, failed) = (Arc::new(AtomicU8::new(Mood::Well as u8)), Arc::new(AtomicU64::new(0)));
        let server = (root.to_owned(), Arc::clone(&mood), Arc::clone(&failed));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (root, mood, failed) = server.clone();
                std::thread::spawn(move || {
                    // A client that hangs up is its own affair.
                    let _hung_up = answer(&client, &root, &mood, &failed);
                });
            }
        });
        Self { url, mood, failed }
    }

    /// How it answers from now on.
    pub fn becomes(&self, mood: Mood) {
        self.mood.store(mood as u8, Ordering::SeqCst);
    }

    /// How many requests were failed so far.
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::SeqCst)
    }
}

fn answer(client: &TcpStream, root: &PathBuf, mood: &AtomicU8, failed: &AtomicU64) -> std::io::Result<()> {
    let mut reader = BufReader::new(client);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut words = first.split_whitespace();
    let (method, target) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let header = |name: &str| headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()).unwrap_or_default();
    let mut body = vec![0; header("content-length").parse().unwrap_or(0)];
    reader.read_exact(&mut body)?;
    let mood = mood.load(Ordering::SeqCst);
    if mood == Mood::Down as u8 {
        failed.fetch_add(1, Ordering::SeqCst);
        return fail(client);
    }
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let mut backend = Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REMOTE_USER", "towpath")
        .env("REMOTE_ADDR", "127.0.0.1")
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("REQUEST_METHOD", &method)
        .env("CONTENT_TYPE", header("content-type"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .env("GIT_PROTOCOL", if mood == Mood::Old as u8 { String::new() } else { header("git-protocol") })
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    backend.stdin.take().unwrap().write_all(&body)?;
    let said = backend.wait_with_output()?.stdout;
    let to_main = path.ends_with("/git-receive-pack") && body.windows(16).any(|words| words == b" refs/heads/main");
    if mood == Mood::Forgetful as u8 && to_main {
        failed.fetch_add(1, Ordering::SeqCst);
        return fail(client);
    }
    let end = said.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(said.len());
    let (head, rest) = said.split_at(end);
    let head = String::from_utf8_lossy(head);
    let status = head.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK");
    let mut client = client;
    write!(client, "HTTP/1.1 {status}\r\nConnection: close\r\n")?;
    for line in head.lines().filter(|line| !line.starts_with("Status: ")) {
        write!(client, "{line}\r\n")?;
    }
    let body = rest.get(4..).unwrap_or_default();
    write!(client, "Content-Length: {}\r\n\r\n", body.len())?;
    client.write_all(body)
}

fn fail(mut client: &TcpStream) -> std::io::Result<()> {
    client.write_all(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}
