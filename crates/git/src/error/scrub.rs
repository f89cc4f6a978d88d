//! Keeps credentials out of what is shown.

/// The text without the userinfo of any URL in it: `https://user:token@host/x` becomes `https://…@host/x`.
///
/// Git prints a remote's URL as it used it, which may be one that `insteadOf` made, so every URL is looked at and not only the known one.
pub(crate) fn scrub(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        shown.push_str(before);
        // Userinfo ends at the last @ before the path. Spaces and quotes end a URL in Git's messages.
        let end = after.find(|c: char| c == '/' || c == '\'' || c == '"' || c.is_whitespace()).unwrap_or(after.len());
        let (authority, path) = after.split_at(end);
        match authority.rsplit_once('@') {
            Some((_, host)) => {
                shown.push_str("…@");
                shown.push_str(host);
            }
            None => shown.push_str(authority),
        }
        rest = path;
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use super::scrub;
    use proptest::prelude::*;

    #[test]
    fn the_userinfo_of_every_url_is_taken_out() {
        assert_eq!(
            scrub("fatal: unable to access 'https://bot:hunter2@git.example.com/a.git/': no; see ssh://git:x@h:22/y and http://plain/z@1"),
            "fatal: unable to access 'https://…@git.example.com/a.git/': no; see ssh://…@h:22/y and http://plain/z@1"
        );
        assert_eq!(scrub("Authentication failed for 'https://tok@en@h'"), "Authentication failed for 'https://…@h'");
    }

    proptest! {
        #[test]
        fn no_password_survives(user in "[a-z]{0,5}", secret in "[A-Z0-9:@%._-]{8,20}", before in "[a-z ']{0,9}", after in "[a-z/ ']{0,9}") {
            let shown = scrub(&format!("{before}https://{user}:{secret}@host.example/{after}"));
            prop_assert!(!shown.contains(&secret), "{shown}");
        }
    }
}
