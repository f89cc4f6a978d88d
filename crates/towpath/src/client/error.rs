//! What can go wrong between the command line and the server.

use std::io;
use std::path::PathBuf;

use towpath_control::view::Problem;
use towpath_web::Endpoint;

use crate::exit::Exit;
use crate::failure::{Failure, chain};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No server ever said where it listens, or it ended as it should.
    #[error("no server is running: there is no {}", file.display())]
    NotRunning {
        /// The file that a server would have left.
        file: PathBuf,
    },
    /// The file that says where the server is makes no sense.
    #[error("cannot read {}", file.display())]
    ServerFile {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Nobody listens there.
    #[error("the server does not answer at {endpoint}")]
    Unreachable {
        /// Where.
        endpoint: Endpoint,
        /// The process that listened there.
        pid: Option<u32>,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It took too long.
    #[error("the server at {endpoint} did not answer within {seconds} s")]
    TimedOut {
        /// Where.
        endpoint: Endpoint,
        /// How long was waited.
        seconds: u64,
    },
    /// No token may be sent there.
    #[error("{url:?} is no server to ask: {why}")]
    BadServer {
        /// Where.
        url: String,
        /// Why not.
        why: String,
    },
    /// A server elsewhere does not answer.
    #[error("the server at {server} does not answer: {why}")]
    Away {
        /// Where.
        server: String,
        /// Why.
        why: String,
    },
    /// Something answers that leads elsewhere.
    #[error("what answers at {server} leads elsewhere (status {status}), and a token is sent to no other place")]
    NotTheServer {
        /// Where.
        server: String,
        /// What it said.
        status: u16,
    },
    /// It answered something that this program does not understand.
    #[error("the server's answer makes no sense: {what}")]
    Unreadable {
        /// What was wrong with it.
        what: String,
    },
    /// It refused.
    #[error("{}", detail(.0))]
    Refused(Problem),
}

fn detail(problem: &Problem) -> String {
    if problem.detail.is_empty() { problem.title.clone() } else { format!("{}: {}", problem.title, problem.detail) }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let (exit, help) = match &error {
            ClientError::NotRunning { .. } => (Exit::Unreachable, "start one with `towpath serve`".to_owned()),
            ClientError::ServerFile { file, .. } => {
                (Exit::Unreachable, format!("remove {} and start the server again with `towpath serve`", file.display()))
            }
            ClientError::Unreachable { pid: Some(pid), .. } => {
                (Exit::Unreachable, format!("its process was {pid}; if it is gone, start it again with `towpath serve`"))
            }
            ClientError::Unreachable { .. } => (Exit::Unreachable, "start it with `towpath serve`".to_owned()),
            ClientError::TimedOut { .. } => {
                (Exit::Unreachable, "try again; `towpath doctor` and the server's log show what is slow".to_owned())
            }
            ClientError::Unreadable { .. } => {
                (Exit::Failed, "is the server of another version? `towpath doctor` tells; restart it with this one".to_owned())
            }
            ClientError::BadServer { .. } => (Exit::Usage, "write https://host, as in --server https://towpath.example.com".to_owned()),
            ClientError::Away { .. } => (Exit::Unreachable, "check the address, and that this machine can reach it".to_owned()),
            ClientError::NotTheServer { .. } => {
                (Exit::Unreachable, "use the address that the pages have: [server] base_url of the installation".to_owned())
            }
            ClientError::Refused(problem) if problem.status == 404 => (Exit::Held, problem.mend.clone()),
            ClientError::Refused(problem) => (Exit::Failed, problem.mend.clone()),
        };
        Self::new(exit, chain(&error)).help(help)
    }
}
