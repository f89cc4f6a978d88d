//! What an answer that is no success means, and how to mend it. Pure.

use std::time::Duration;

use reqwest::StatusCode;

use crate::error::{IbutsuError, IbutsuErrorKind};

/// What `status` means when Ibutsu at `address` was asked to do `what` for `project`, and said `said`.
pub(crate) fn refused(
    address: &str,
    project: &str,
    what: &str,
    status: StatusCode,
    said: &str,
    retry_after: Option<Duration>,
) -> IbutsuError {
    let told = if said.is_empty() { String::new() } else { format!(": {said}") };
    let why = |does: &str| format!("Ibutsu at {address} {does} {what} ({}){told}", status.as_u16());
    let new = |kind, why, mend: &str| IbutsuError::new(kind, why, mend);
    match status.as_u16() {
        401 => new(
            IbutsuErrorKind::Token,
            why("does not take the token to"),
            "it may have expired: make a new one in Ibutsu (the user's menu, Tokens), and put it where [ibutsu] in towpath.toml says",
        ),
        403 => no_member(address, project),
        404 | 405 => new(
            IbutsuErrorKind::Setup,
            why("cannot"),
            "look whether `url` of [ibutsu] in towpath.toml is that of Ibutsu's API, and not of its pages",
        ),
        400 if said.contains("doesn't exist") || said.contains("Invalid project") => no_project(address, project),
        400 | 422 => new(
            IbutsuErrorKind::Content,
            why("does not"),
            "this run is not told of; if nothing else explains it, report it as a fault of Towpath's",
        ),
        413 => new(
            IbutsuErrorKind::TooLarge,
            why("finds it too large to"),
            "write less into reports, or let the server (or the proxy before it) take more",
        ),
        415 => new(
            IbutsuErrorKind::Setup,
            why("knows no archives, and does not"),
            "look whether `url` of [ibutsu] in towpath.toml is that of an Ibutsu server; `mode = \"api\"` needs no archive",
        ),
        300..=399 => new(
            IbutsuErrorKind::Setup,
            why("points elsewhere, and does not"),
            "no redirect is followed, as the token goes along: name the server itself as `url` of [ibutsu] in towpath.toml",
        ),
        408 | 429 | 500..=599 => IbutsuError::away(why("cannot now")).after(retry_after),
        _ => new(IbutsuErrorKind::Content, why("does not"), "look at the server's own log"),
    }
}

/// There is no such project.
pub(crate) fn no_project(address: &str, project: &str) -> IbutsuError {
    let why = format!("Ibutsu at {address} has no project `{project}`, or the token's user is no member of it");
    IbutsuError::new(IbutsuErrorKind::Project, why, "make it there, add the user, or correct `project` of [ibutsu] in towpath.toml")
}

fn no_member(address: &str, project: &str) -> IbutsuError {
    let why = format!("Ibutsu at {address} lets the token's user do nothing in project `{project}`");
    IbutsuError::new(IbutsuErrorKind::Project, why, "add the user to the project in Ibutsu (administration, Projects)")
}

/// A token that the server cannot read: it fails with whatever is asked with one (observed: a garbage token is answered with 500).
pub(crate) fn garbage(address: &str) -> IbutsuError {
    let why =
        format!("Ibutsu at {address} is well without a token, and fails (500) with this one, as with every token that it cannot read");
    IbutsuError::new(
        IbutsuErrorKind::Token,
        why,
        "look whether what is where [ibutsu] in towpath.toml says is a token of this server, whole",
    )
}

#[cfg(test)]
mod tests {
    use towpath_domain::FailureClass::{Environment, Own, Unknown};

    use super::*;

    #[test]
    fn each_refusal_says_whose_fault_it_is_and_how_to_mend_it() {
        let told = |status: u16, said: &str| {
            refused("https://i/api", "web", "import the archive", StatusCode::from_u16(status).unwrap(), said, None)
        };
        for (status, said, kind, class, is_final, words) in [
            (400, "Project web doesn't exist", IbutsuErrorKind::Project, Unknown, false, "has no project `web`"),
            (400, "Bad request", IbutsuErrorKind::Content, Unknown, true, "does not import the archive (400): Bad request"),
            (401, "", IbutsuErrorKind::Token, Unknown, false, "make a new one in Ibutsu"),
            (403, "", IbutsuErrorKind::Project, Unknown, false, "add the user to the project"),
            (404, "", IbutsuErrorKind::Setup, Unknown, false, "is that of Ibutsu's API"),
            (413, "", IbutsuErrorKind::TooLarge, Own, true, "too large to import the archive"),
            (415, "Unsupported Media Type", IbutsuErrorKind::Setup, Unknown, false, "knows no archives"),
            (302, "", IbutsuErrorKind::Setup, Unknown, false, "no redirect is followed"),
            (500, "", IbutsuErrorKind::Away, Environment, false, "cannot now import the archive (500)"),
            (503, "", IbutsuErrorKind::Away, Environment, false, "it is tried again"),
            (429, "", IbutsuErrorKind::Away, Environment, false, "(429)"),
        ] {
            let error = told(status, said);
            assert_eq!((error.kind(), error.class(), error.is_final()), (kind, class, is_final), "{status} {said}");
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}
