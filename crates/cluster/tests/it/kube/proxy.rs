//! Between Towpath and an API server: what goes wrong on the way.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use towpath_cluster::{Connection, KubeCluster, KubeSettings, Token};
use towpath_testbed::{Kube, KubeProxy};

/// What becomes of a request.
pub enum Answer {
    /// It is passed on.
    Pass,
    /// This is answered instead.
    Say(String),
    /// The connection ends without an answer.
    Hang,
}

/// Decides over requests by their first line.
type Judge = Box<dyn FnMut(&str) -> Answer + Send>;

/// A proxy that ends with the test.
pub struct Proxy {
    pub port: u16,
    live: Arc<Mutex<Vec<TcpStream>>>,
    _api: Option<KubeProxy>,
}

impl Proxy {
    /// Passes bytes on, whatever they are: HTTP/2 within TLS.
    pub fn of_bytes(kube: &Kube) -> Self {
        let server = kube.kubectl(&["config", "view", "-o", "jsonpath={.clusters[0].cluster.server}"]);
        let port: u16 = server.rsplit_once(':').unwrap().1.parse().unwrap();
        Self::start(None, move |client, live| {
            let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { return };
            both(client, server, live);
        })
    }

    /// Passes requests on that `judge` lets pass, by way of `kubectl proxy`, which speaks plain HTTP/1.1.
    pub fn of_requests(kube: &Kube, judge: impl FnMut(&str) -> Answer + Send + 'static) -> Self {
        let api = kube.proxy();
        let server = api.address.clone();
        let judge: Arc<Mutex<Judge>> = Arc::new(Mutex::new(Box::new(judge)));
        Self::start(Some(api), move |mut client, live| {
            let Some(request) = request(&mut client) else { return };
            let first = String::from_utf8_lossy(&request).lines().next().unwrap_or_default().to_owned();
            let answer = (judge.lock().unwrap())(&first);
            match answer {
                Answer::Pass => {
                    let Ok(mut server) = TcpStream::connect(&server) else { return };
                    let _ = server.write_all(&request);
                    both(client, server, live);
                }
                Answer::Say(text) => {
                    let _ = client.write_all(text.as_bytes());
                    let _ = client.shutdown(Shutdown::Both);
                }
                Answer::Hang => {
                    let _ = client.shutdown(Shutdown::Both);
                }
            }
        })
    }

    fn start(api: Option<KubeProxy>, serve: impl Fn(TcpStream, Arc<Mutex<Vec<TcpStream>>>) + Clone + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let live: Arc<Mutex<Vec<TcpStream>>> = Arc::default();
        let all = Arc::clone(&live);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                all.lock().unwrap().push(client.try_clone().unwrap());
                let (serve, live) = (serve.clone(), Arc::clone(&all));
                std::thread::spawn(move || serve(client, live));
            }
        });
        Self { port, live, _api: api }
    }

    /// Cuts all connections that there are now.
    pub fn cut(&self) -> usize {
        let live = std::mem::take(&mut *self.live.lock().unwrap());
        live.iter().filter(|stream| stream.shutdown(Shutdown::Both).is_ok()).count()
    }

    /// A cluster behind a proxy of requests.
    pub fn cluster(&self) -> KubeCluster {
        let url = format!("http://127.0.0.1:{}", self.port);
        let connection = Connection::Server { url, ca: None, token: Token::Value("none".to_owned().into()) };
        KubeCluster::new("test", connection, KubeSettings::default())
    }

    /// The cluster behind a proxy of bytes.
    pub fn cluster_by_tls(&self, kube: &Kube, dir: &std::path::Path) -> KubeCluster {
        let mut config: serde_json::Value = serde_json::from_str(&kube.kubectl(&["config", "view", "--raw", "-o", "json"])).unwrap();
        config["clusters"][0]["cluster"]["server"] = format!("https://127.0.0.1:{}", self.port).into();
        let path = dir.join("kubeconfig");
        std::fs::write(&path, config.to_string()).unwrap();
        KubeCluster::new("test", Connection::Kubeconfig { path, context: None }, KubeSettings::default())
    }
}

/// One request, asking for the connection to end with the answer.
fn request(client: &mut TcpStream) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let text = String::from_utf8_lossy(&head).to_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    client.read_exact(&mut body).ok()?;
    head.truncate(head.len() - 2);
    head.extend(b"connection: close\r\n\r\n");
    head.extend(body);
    Some(head)
}

/// Copies both ways until one side ends.
fn both(client: TcpStream, server: TcpStream, live: Arc<Mutex<Vec<TcpStream>>>) {
    live.lock().unwrap().push(server.try_clone().unwrap());
    let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    let (mut from_server, mut to_client) = (server, client);
    let _ = std::io::copy(&mut from_server, &mut to_client);
    let _ = to_client.shutdown(Shutdown::Both);
}
