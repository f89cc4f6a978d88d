//! Puts into a registry what no client of Towpath's own would.

use std::path::Path;
use std::process::{Command, Output};

use sha2::{Digest as _, Sha256};

use super::{REGISTRY_PASSWORD, REGISTRY_USER, Registry};

impl Registry {
    /// Puts a blob into a repository. Answers with its digest.
    #[track_caller]
    pub fn put_blob(&self, repository: &str, content: &[u8]) -> String {
        let digest = digest_of(content);
        let file = self.file(content);
        let begun = self.curl(&["-X", "POST", "-D", "-", "-o", "/dev/null"], &format!("/v2/{repository}/blobs/uploads/"));
        let headers = String::from_utf8_lossy(&begun.stdout).into_owned();
        let location = headers.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("location").then(|| value.trim().to_owned())
        });
        let location = location.unwrap_or_else(|| panic!("no upload was begun: {headers}"));
        let divider = if location.contains('?') { '&' } else { '?' };
        let file = file.path().display().to_string();
        self.curl(
            &["-X", "PUT", "-H", "content-type: application/octet-stream", "--data-binary", &format!("@{file}")],
            &format!("{location}{divider}digest={digest}"),
        );
        digest
    }

    /// Puts a manifest into a repository, under a tag or its digest. Answers with its digest.
    #[track_caller]
    pub fn put_manifest(&self, repository: &str, reference: Option<&str>, media_type: &str, content: &str) -> String {
        let digest = digest_of(content.as_bytes());
        let file = self.file(content.as_bytes());
        let path = format!("/v2/{repository}/manifests/{}", reference.unwrap_or(&digest));
        let data = format!("@{}", file.path().display());
        self.curl(&["-X", "PUT", "-H", &format!("content-type: {media_type}"), "--data-binary", &data], &path);
        digest
    }

    /// A manifest as it stands in a repository, by tag or digest.
    #[track_caller]
    pub fn manifest(&self, repository: &str, reference: &str) -> String {
        let kinds = "accept: application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json";
        let out = self.curl(&["-H", kinds], &format!("/v2/{repository}/manifests/{reference}"));
        String::from_utf8(out.stdout).expect("a manifest is text")
    }

    /// The digest that a tag stands for.
    #[track_caller]
    pub fn digest(&self, repository: &str, tag: &str) -> String {
        digest_of(self.manifest(repository, tag).as_bytes())
    }

    /// The tags of a repository, which must be there.
    #[track_caller]
    pub fn tags(&self, repository: &str) -> Vec<String> {
        let path = format!("/v2/{repository}/tags/list");
        let out = self.curl(&[], &path);
        let list: serde_json::Value = serde_json::from_slice(&out.stdout).expect("the list of tags is JSON");
        list["tags"].as_array().into_iter().flatten().filter_map(|tag| tag.as_str().map(str::to_owned)).collect()
    }

    fn file(&self, content: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new_in(self.dir.path()).expect("a file can be made");
        std::fs::write(file.path(), content).expect("a file can be written");
        file
    }

    #[track_caller]
    fn curl(&self, arguments: &[&str], path: &str) -> Output {
        assert!(self.token.is_none(), "what takes tokens takes nothing from curl");
        let scheme = if self.ca.is_some() { "https" } else { "http" };
        let url = if path.starts_with('/') { format!("{scheme}://{}{path}", self.host) } else { path.to_owned() };
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--fail-with-body"]).args(arguments);
        if self.signs_in {
            curl.args(["-u", &format!("{REGISTRY_USER}:{REGISTRY_PASSWORD}")]);
        }
        if let Some(ca) = &self.ca {
            curl.arg("--cacert").arg::<&Path>(ca);
        }
        let out = curl.arg(url).output().expect("curl can be started");
        let told = [&out.stdout[..], &out.stderr[..]].concat();
        assert!(out.status.success(), "curl {path}: {}", String::from_utf8_lossy(&told));
        out
    }
}

fn digest_of(content: &[u8]) -> String {
    let hex: String = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}
