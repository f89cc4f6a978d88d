//! The container that clones a commit before the task begins.

use serde_json::{Value, json};
use towpath_domain::RepoUrl;

use super::names::literal;
use super::{Checkout, TaskFailure};

/// The container's name.
pub(super) const CONTAINER: &str = "checkout";

/// The folder that everything is done in; it goes with the pod.
pub(super) const WORKSPACE: &str = "/workspace";

/// Where the commit is laid out: a folder that git itself made, and so owns.
pub(super) const FOLDER: &str = "/workspace/source";

/// Where the credentials are, for the checkout only.
const SECRET: &str = "/var/run/towpath/git";

/// Clones the commit. All that differs from task to task comes in by the environment: nothing of it is ever read as a command.
///
/// A server that gives no single commits is asked for all of its branches. A merge that nobody pushed is made here once more: the same settings and
/// the same two commits make the same tree, and the commit is written as it is. Credentials are read by git's helper at the moment they are
/// asked for, for the repository's own host alone, and are on no command line.
const SCRIPT: &str = r#"set -eu
cd "$TOWPATH_WORKSPACE"
rm -rf source
git init -q --template= source
cd source
git remote add origin "$TOWPATH_CHECKOUT_URL"
if [ -f "$TOWPATH_GIT_SECRET/password" ]; then
    git config "credential.$TOWPATH_CHECKOUT_HOST.helper" '!f() { test "$1" = get || exit 0; printf "username="; cat "$TOWPATH_GIT_SECRET/username"; printf "\npassword="; cat "$TOWPATH_GIT_SECRET/password"; printf "\n"; }; f'
fi
if [ -f "$TOWPATH_GIT_SECRET/ssh-privatekey" ]; then
    export GIT_SSH_COMMAND="ssh -i $TOWPATH_GIT_SECRET/ssh-privatekey -o IdentitiesOnly=yes -o StrictHostKeyChecking=yes -o UserKnownHostsFile=$TOWPATH_GIT_SECRET/known_hosts"
fi
branches='+refs/heads/*:refs/remotes/origin/*'
if [ -n "${TOWPATH_MERGE_OBJECT:-}" ]; then
    git fetch -q --no-tags origin "$branches"
    for commit in "$TOWPATH_MERGE_BASE" "$TOWPATH_MERGE_HEAD"; do
        git cat-file -e "$commit^{commit}" 2>/dev/null || git fetch -q --no-tags origin "$commit"
    done
    set --
    for rule in $TOWPATH_MERGE_RULES; do
        set -- "$@" -c "$rule"
    done
    tree="$(GIT_ATTR_NOSYSTEM=1 GIT_ATTR_SOURCE="$TOWPATH_MERGE_BASE" git "$@" merge-tree --write-tree --no-messages "$TOWPATH_MERGE_BASE" "$TOWPATH_MERGE_HEAD")" || {
        echo "$TOWPATH_MERGE_HEAD cannot be merged into $TOWPATH_MERGE_BASE here; the image that clones needs git 2.38 or newer" >&2
        exit 1
    }
    made="$(printf %s "$TOWPATH_MERGE_OBJECT" | git hash-object -t commit -w --stdin)"
    if [ "$made" != "$TOWPATH_CHECKOUT_COMMIT" ] || [ "$(git rev-parse "$made^{tree}")" != "$tree" ]; then
        echo "$TOWPATH_MERGE_HEAD merged into $TOWPATH_MERGE_BASE is not the same here as where Towpath runs; give both the same version of git" >&2
        exit 1
    fi
else
    git fetch -q --no-tags --depth 1 origin "$TOWPATH_CHECKOUT_COMMIT" || git fetch -q --no-tags origin "$branches"
fi
git -c advice.detachedHead=false checkout -q --detach "$TOWPATH_CHECKOUT_COMMIT"
git config --remove-section "credential.$TOWPATH_CHECKOUT_HOST" 2>/dev/null || true
"#;

/// Command and environment of the container that clones; the rest of it is as for every container of tasks.
pub(super) fn container(checkout: &Checkout, has_secret: bool) -> Value {
    let url = checkout.url.expose();
    let env = [
        ("TOWPATH_WORKSPACE", WORKSPACE),
        ("TOWPATH_GIT_SECRET", SECRET),
        ("TOWPATH_CHECKOUT_URL", url),
        ("TOWPATH_CHECKOUT_HOST", origin(url)),
        ("TOWPATH_CHECKOUT_COMMIT", &checkout.commit.to_string()),
        ("GIT_TERMINAL_PROMPT", "0"),
        ("HOME", "/tmp"),
    ]
    .map(|(name, value)| json!({"name": name, "value": literal(value)}));
    let merge = checkout.merge.iter().flat_map(|merge| {
        let (base, head) = (merge.base.to_string(), merge.head.to_string());
        [
            ("TOWPATH_MERGE_BASE", base),
            ("TOWPATH_MERGE_HEAD", head),
            ("TOWPATH_MERGE_OBJECT", merge.object.clone()),
            ("TOWPATH_MERGE_RULES", merge.rules.join(" ")),
        ]
    });
    let env: Vec<Value> = env.into_iter().chain(merge.map(|(name, value)| json!({"name": name, "value": literal(&value)}))).collect();
    let mut mounts = Vec::new();
    if has_secret {
        mounts.push(json!({"name": "git-secret", "mountPath": SECRET, "readOnly": true}));
    }
    json!({"name": CONTAINER, "command": ["sh", "-c", literal(SCRIPT)], "env": env, "volumeMounts": mounts})
}

/// `https://git.example.com` of a URL: what credentials are for.
fn origin(url: &str) -> &str {
    let Some(host) = url.find("://").map(|at| at + 3) else { return url };
    let end = url.get(host..).and_then(|rest| rest.find('/')).map_or(url.len(), |end| host + end);
    url.get(..end).unwrap_or(url)
}

/// Whether a pod can clone from there, and everybody may see the address.
///
/// # Errors
/// The refusal, without what it must not show.
pub(super) fn check(url: &RepoUrl) -> Result<(), Box<TaskFailure>> {
    let text = url.expose();
    let refused = |why: &str| Err(TaskFailure::refused(format!("{url} cannot be cloned in a pod: {why}")));
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (scheme.to_ascii_lowercase(), rest),
        // `git@host:path`: of that, the host ends at the first colon, and no slash is before it.
        None if text.split_once(':').is_some_and(|(host, path)| !host.contains('/') && !path.starts_with(':')) => ("ssh".to_owned(), text),
        None if text.contains("::") => (String::new(), text),
        None => return refused("it is a folder of this machine; give the source a URL that the cluster reaches"),
    };
    let authority = rest.split('/').next().unwrap_or_default();
    let user = authority.rsplit_once('@').map(|(user, _)| user);
    match scheme.as_str() {
        "file" => refused("it is a folder of this machine; give the source a URL that the cluster reaches"),
        "http" | "https" | "git" | "ssh" | "git+ssh" | "ssh+git" => {
            let secret = user.is_some_and(|user| user.contains(':') || scheme.starts_with("http"));
            // Of an address like `git@host:path`, what comes after the colon is the path.
            if secret && text.contains("://") {
                return refused(
                    "it holds credentials, and everybody who may see pods would see them; take them out of the URL and name a Secret that holds \
                     them in towpath.toml (`git_secret`)",
                );
            }
            Ok(())
        }
        _ => refused("git in a pod takes https, ssh and git addresses only"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(url: &str) -> Option<String> {
        check(&RepoUrl::new(url).unwrap()).err().map(|failure| failure.message)
    }

    #[test]
    fn addresses_without_secrets_are_cloned() {
        for url in [
            "https://git.example.com/a/b",
            "ssh://git@git.example.com/a/b",
            "ssh://git@git.example.com:2222/a/b",
            "git@git.example.com:a/b.git",
            "git://10.244.0.1/web",
            "https://git.example.com/a@b:c",
        ] {
            assert_eq!(refusal(url), None, "{url}");
        }
    }

    #[test]
    fn addresses_with_secrets_are_refused_without_showing_them() {
        for url in
            ["https://user:hunter2@git.example.com/a/b", "https://hunter2@git.example.com/a/b", "ssh://git:hunter2@git.example.com/a"]
        {
            let why = refusal(url).unwrap();
            assert!(why.contains("holds credentials") && why.contains("git_secret") && !why.contains("hunter2"), "{why}");
        }
    }

    #[test]
    fn what_no_pod_can_reach_is_refused() {
        for url in ["/srv/git/web", "./web", "file:///srv/git/web"] {
            assert!(refusal(url).unwrap().contains("folder of this machine"), "{url}");
        }
        for url in ["ext::sh -c x", "fd::7", "ftp://example.com/a"] {
            assert!(refusal(url).unwrap().contains("https, ssh and git addresses only"), "{url}");
        }
    }

    #[test]
    fn credentials_are_for_the_host_alone() {
        assert_eq!(origin("https://git.example.com:8443/a/b"), "https://git.example.com:8443");
        assert_eq!(origin("https://git.example.com"), "https://git.example.com");
        assert_eq!(origin("git@host:a"), "git@host:a");
    }
}
