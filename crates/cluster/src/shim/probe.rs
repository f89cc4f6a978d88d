//! Probes: has it started, can it serve, does it still work?

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use super::container::{probe_command, signal_group};
use super::launch::Launch;
use super::supervisor::{ContainerId, Pod};
use crate::pod::{ContainerPlan, PortStatus};
use crate::spec::{HttpGet, IntOrName, Probe};

/// The pauses between tries before the first success: Kubernetes waits a whole period, and deployments would wait with it.
const EAGER_FIRST: Duration = Duration::from_millis(25);
const EAGER_MAX: Duration = Duration::from_millis(250);
/// Whoever is not there after so long is not asked eagerly any more.
const EAGER_FOR: Duration = Duration::from_secs(120);
/// A container that nobody asks counts as ready after this long. At once would call a program ready that ends at its first line.
const READY_UNASKED: Duration = Duration::from_millis(500);
/// A status line and its headers are short; what comes after them is not read.
const HEAD_MAX: u64 = 1024;

struct Watch {
    pod: Arc<Pod>,
    id: ContainerId,
    plan: ContainerPlan,
    ports: Vec<PortStatus>,
}

/// Keeps the container's readiness up to date, and says on `verdict` when the container must be started again.
pub(super) async fn watch(pod: Arc<Pod>, id: ContainerId, plan: ContainerPlan, ports: Vec<PortStatus>, verdict: mpsc::Sender<String>) {
    let watch = Watch { pod, id, plan, ports };
    if let Some(probe) = &watch.plan.startup
        && let Err(why) = watch.wait_for_start(probe).await
    {
        let _ = verdict.send(why).await;
        return;
    }
    tokio::join!(watch.keep_readiness(), async {
        if let Some(probe) = &watch.plan.liveness {
            let why = watch.wait_for_death(probe).await;
            let _ = verdict.send(why).await;
        }
    });
}

fn period(probe: &Probe) -> Duration {
    Duration::from_secs(probe.period_seconds.max(1))
}

fn delay(probe: &Probe) -> Duration {
    Duration::from_secs(probe.initial_delay_seconds)
}

impl Watch {
    /// Tries until the first success, for as long as Kubernetes would: all periods together.
    async fn wait_for_start(&self, probe: &Probe) -> Result<(), String> {
        sleep(delay(probe)).await;
        let end = Instant::now() + period(probe) * probe.failure_threshold.max(1);
        let mut pause = EAGER_FIRST;
        loop {
            let Err(why) = self.ask(probe).await else {
                self.tell_probe(None);
                return Ok(());
            };
            let why = format!("startup probe failed: {why}");
            self.tell_probe(Some(why.clone()));
            if Instant::now() >= end {
                return Err(why);
            }
            sleep(pause).await;
            pause = (pause * 3 / 2).min(EAGER_MAX);
        }
    }

    async fn keep_readiness(&self) {
        let Some(probe) = &self.plan.readiness else {
            sleep(READY_UNASKED).await;
            self.tell_ready(true, None);
            return;
        };
        sleep(delay(probe)).await;
        let (mut ready, mut ever, mut successes, mut failures) = (false, false, 0_u32, 0_u32);
        let (begun, mut pause) = (Instant::now(), EAGER_FIRST);
        loop {
            match self.ask(probe).await {
                Ok(()) => {
                    (successes, failures) = (successes.saturating_add(1), 0);
                    if successes >= probe.success_threshold.max(1) {
                        (ready, ever) = (true, true);
                    }
                    self.tell_ready(ready, None);
                }
                Err(why) => {
                    (successes, failures) = (0, failures.saturating_add(1));
                    if failures >= probe.failure_threshold.max(1) {
                        ready = false;
                    }
                    self.tell_ready(ready, Some(format!("readiness probe failed: {why}")));
                }
            }
            pause = if ever || begun.elapsed() > EAGER_FOR { period(probe) } else { (pause * 3 / 2).min(EAGER_MAX) };
            sleep(pause).await;
        }
    }

    async fn wait_for_death(&self, probe: &Probe) -> String {
        sleep(delay(probe)).await;
        let mut failures = 0_u32;
        loop {
            sleep(period(probe)).await;
            match self.ask(probe).await {
                Ok(()) => failures = 0,
                Err(why) => {
                    failures += 1;
                    if failures >= probe.failure_threshold.max(1) {
                        return format!("liveness probe failed: {why}");
                    }
                }
            }
        }
    }

    fn tell_probe(&self, why: Option<String>) {
        self.pod.update(|status| {
            if let Some(container) = status.containers.get_mut(self.id.at) {
                container.probe = why;
            }
        });
    }

    fn tell_ready(&self, ready: bool, why: Option<String>) {
        self.pod.update(|status| {
            if let Some(container) = status.containers.get_mut(self.id.at) {
                container.ready = ready;
                container.probe = why;
            }
        });
    }

    /// Asks once. An error says what was asked and what came back.
    async fn ask(&self, probe: &Probe) -> Result<(), String> {
        let limit = Duration::from_secs(probe.timeout_seconds.max(1));
        let (what, answer) = if let Some(http) = &probe.http_get {
            (format!("GET {} on port {}", http_path(http), http.port), timeout(limit, self.ask_http(http)).await)
        } else if let Some(tcp) = probe.tcp_socket.as_ref().or(probe.grpc.as_ref()) {
            (format!("connecting to port {}", tcp.port), timeout(limit, self.connect(&tcp.port)).await.map(|r| r.map(drop)))
        } else if let Some(exec) = &probe.exec {
            (exec.command.first().cloned().unwrap_or_default(), self.ask_command(&exec.command, limit).await)
        } else {
            return Ok(());
        };
        match answer {
            Ok(Ok(())) => Ok(()),
            Ok(Err(why)) => Err(format!("{what}: {why}")),
            Err(_) => Err(format!("{what}: no answer within {} s", limit.as_secs())),
        }
    }

    fn host_port(&self, port: &IntOrName) -> Result<u16, String> {
        let by_number = |wanted: u16| self.ports.iter().find(|p| p.container_port == wanted).map_or(wanted, |p| p.host_port);
        match (port.number(), port) {
            (Some(number), _) => Ok(by_number(number)),
            (None, IntOrName::Name(name)) => self
                .ports
                .iter()
                .find(|p| p.name.as_ref() == Some(name))
                .map(|p| p.host_port)
                .ok_or_else(|| format!("the container has no port named {name}")),
            (None, IntOrName::Number(_)) => Err("no port".to_owned()),
        }
    }

    async fn connect(&self, port: &IntOrName) -> Result<TcpStream, String> {
        let port = self.host_port(port)?;
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.map_err(|e| match e.kind() {
            std::io::ErrorKind::ConnectionRefused => {
                format!("nothing listens on port {port} of this machine (the process must listen on $PORT)")
            }
            _ => e.to_string(),
        })
    }

    async fn ask_http(&self, http: &HttpGet) -> Result<(), String> {
        let mut stream = self.connect(&http.port).await?;
        if http.scheme.eq_ignore_ascii_case("https") {
            return Ok(());
        }
        let mut request = format!("GET {} HTTP/1.1\r\n", http_path(http));
        let named = |name: &str| http.http_headers.iter().any(|header| header.name.eq_ignore_ascii_case(name));
        if !named("host") {
            request.push_str("Host: localhost\r\n");
        }
        if !named("user-agent") {
            request.push_str("User-Agent: towpath-probe\r\n");
        }
        for header in &http.http_headers {
            request.push_str(&format!("{}: {}\r\n", header.name, header.value));
        }
        request.push_str("Accept: */*\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.map_err(|e| e.to_string())?;
        let mut head = Vec::new();
        let mut limited = stream.take(HEAD_MAX);
        // The status line is all that is asked for.
        while !head.contains(&b'\n') {
            match limited.read_buf(&mut head).await {
                Ok(0) => break,
                Ok(_) => {}
                Err(e) => return Err(e.to_string()),
            }
        }
        let code = status_code(&head).ok_or("what came back is not HTTP")?;
        if (200..400).contains(&code) { Ok(()) } else { Err(format!("status {code}")) }
    }

    async fn ask_command(&self, command: &[String], limit: Duration) -> Result<Result<(), String>, tokio::time::error::Elapsed> {
        let started = Launch::of_command(&self.pod.plan, &self.pod.dir, &self.plan, &self.ports, command)
            .map_err(|problem| problem.message)
            .and_then(|launch| probe_command(&self.pod, &launch, &self.plan.name).and_then(|mut c| c.spawn()).map_err(|e| e.to_string()));
        let mut child = match started {
            Ok(child) => child,
            Err(why) => return Ok(Err(why)),
        };
        let answer = timeout(limit, child.wait()).await;
        if answer.is_err() {
            signal_group(&child, Signal::KILL);
        }
        answer.map(|status| match status {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(status.to_string()),
            Err(e) => Err(e.to_string()),
        })
    }
}

fn http_path(http: &HttpGet) -> String {
    if http.path.starts_with('/') { http.path.clone() } else { format!("/{}", http.path) }
}

/// The code in a status line such as `HTTP/1.1 200 OK`.
fn status_code(head: &[u8]) -> Option<u16> {
    let line = head.split(|b| *b == b'\n').next()?;
    let line = std::str::from_utf8(line).ok()?;
    line.strip_prefix("HTTP/")?.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_status_line_is_a_status_line() {
        assert_eq!(status_code(b"HTTP/1.1 204 No Content\r\nA: b"), Some(204));
        assert_eq!(status_code(b"HTTP/1.0 500\r\n"), Some(500));
        for bad in [&b""[..], b"200 OK", b"HTTP/1.1", b"\xff\xff", b"HTTP/1.1 x"] {
            assert_eq!(status_code(bad), None);
        }
    }
}
