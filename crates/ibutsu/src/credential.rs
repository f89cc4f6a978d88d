//! The token that the server knows us by.

use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use towpath_secrets::{Request, SecretStore, SecretValue};

use crate::error::{IbutsuError, IbutsuErrorKind};

/// The largest file of a token, in bytes.
const LARGEST: u64 = 64 << 10;

/// Where the token is. Read anew for each upload, so that it may be changed at any time.
#[derive(Clone)]
pub enum Token {
    /// In this file.
    File(PathBuf),
    /// A field of a secret.
    Stored(Arc<dyn SecretStore>, Request),
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => f.debug_tuple("File").field(file).finish(),
            Self::Stored(_, request) => f.debug_tuple("Stored").field(request).finish(),
        }
    }
}

impl Token {
    /// The token now.
    pub(crate) async fn read(&self) -> Result<SecretValue, IbutsuError> {
        let token = match self {
            Self::File(file) => from_file(file)?,
            Self::Stored(store, request) => {
                let fetched = store.read(request).await.map_err(|error| {
                    IbutsuError::new(
                        IbutsuErrorKind::Token,
                        error.to_string(),
                        "correct `token` of [ibutsu] in towpath.toml, or make the secret",
                    )
                })?;
                SecretValue::new(fetched.value.expose().trim())
            }
        };
        if token.expose().is_empty() || !token.expose().chars().all(|c| c.is_ascii_graphic()) {
            let mend = "put a token there as Ibutsu shows it when it is made, and nothing else";
            return Err(IbutsuError::new(IbutsuErrorKind::Token, "the token is empty, or holds what no token has", mend));
        }
        Ok(token)
    }
}

fn from_file(path: &Path) -> Result<SecretValue, IbutsuError> {
    let read = || {
        let mut text = String::new();
        std::fs::File::open(path)?.take(LARGEST).read_to_string(&mut text)?;
        Ok(text)
    };
    let text = read().map_err(|error: std::io::Error| {
        let mend = "make the file readable, or correct `token_file` of [ibutsu] in towpath.toml";
        IbutsuError::new(IbutsuErrorKind::Token, format!("cannot read {}: {error}", path.display()), mend)
    })?;
    Ok(SecretValue::new(text.trim()))
}
