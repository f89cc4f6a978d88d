//! Where the tests of a cluster leave reports beside their logs: `[clusters.NAME.artifacts]`.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use towpath_artifacts::{Endpoint, FileNames, Pattern};
use towpath_domain::ImageRef;

use super::keys::Shape;

/// The region of servers that have none.
const USUAL_REGION: &str = "us-east-1";

/// The fields of the secrets that Clowder's environments keep for their minio.
const USUAL_FIELDS: (&str, &str) = ("accessKey", "secretKey");

/// Its keys.
pub const SHAPE: Shape = Shape::Table(&[
    ("required", Shape::Value),
    ("files", Shape::Value),
    (
        "s3",
        Shape::Table(&[
            ("endpoint", Shape::Value),
            ("region", Shape::Value),
            ("virtual_host", Shape::Value),
            ("plain_http", Shape::Value),
            ("ca", Shape::Value),
            ("bucket", Shape::Value),
            ("prefix", Shape::Value),
            ("access_key_file", Shape::Value),
            ("secret_key_file", Shape::Value),
            ("secret", Shape::Value),
            ("access_key_field", Shape::Value),
            ("secret_key_field", Shape::Value),
        ]),
    ),
    ("volumes", Shape::Table(&[("image", Shape::Value), ("pull_secret", Shape::Value), ("run_as_user", Shape::Value)])),
]);

/// Where tests leave reports.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Raw")]
pub struct Artifacts {
    /// A test without any report is inconclusive.
    pub required: bool,
    /// Which files are reports.
    pub files: FileNames,
    /// The bucket that tests upload to.
    pub s3: Option<S3>,
    /// How volumes are read.
    pub volumes: Option<Volumes>,
}

/// An S3-compatible server, and where in it the reports are.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawS3")]
pub struct S3 {
    /// Its address.
    pub endpoint: Endpoint,
    /// Its region.
    pub region: String,
    /// The bucket is a part of the host's name.
    pub virtual_host: bool,
    /// Its certificate authority.
    pub ca: Option<PathBuf>,
    /// The bucket's name.
    pub bucket: Pattern,
    /// What keys begin with.
    pub prefix: Pattern,
    /// The credentials.
    pub keys: Keys,
}

/// Where the access key and its secret are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keys {
    /// In two files.
    Files(PathBuf, PathBuf),
    /// In two fields of the secret at this path of `[secrets]`.
    Secret(String, String, String),
}

/// How volumes are read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawVolumes")]
pub struct Volumes {
    /// An image with a shell and `find`.
    pub image: ImageRef,
    /// The `Secret` that it is pulled with.
    pub pull_secret: Option<String>,
    /// The user to read as.
    pub run_as_user: Option<u32>,
}

#[derive(Deserialize)]
struct Raw {
    #[serde(default)]
    required: bool,
    files: Option<Vec<String>>,
    s3: Option<S3>,
    volumes: Option<Volumes>,
}

#[derive(Deserialize)]
struct RawS3 {
    endpoint: String,
    region: Option<String>,
    #[serde(default)]
    virtual_host: bool,
    #[serde(default)]
    plain_http: bool,
    ca: Option<PathBuf>,
    bucket: String,
    prefix: Option<String>,
    access_key_file: Option<PathBuf>,
    secret_key_file: Option<PathBuf>,
    secret: Option<String>,
    access_key_field: Option<String>,
    secret_key_field: Option<String>,
}

#[derive(Deserialize)]
struct RawVolumes {
    image: String,
    pull_secret: Option<String>,
    run_as_user: Option<u32>,
}

impl TryFrom<Raw> for Artifacts {
    type Error = String;
    fn try_from(raw: Raw) -> Result<Self, String> {
        let files = match &raw.files {
            Some(names) => FileNames::new(names).map_err(|error| format!("`files`: {error}"))?,
            None => FileNames::default(),
        };
        Ok(Self { required: raw.required, files, s3: raw.s3, volumes: raw.volumes })
    }
}

impl TryFrom<RawS3> for S3 {
    type Error = String;
    fn try_from(raw: RawS3) -> Result<Self, String> {
        let endpoint: Endpoint = raw.endpoint.parse().map_err(|error| format!("`endpoint`: {error}"))?;
        if endpoint.is_plain_http() && !raw.plain_http {
            return Err(format!(
                "`endpoint`: {endpoint} is plain http: everybody on the way could read along; use https, or allow it (`plain_http = true`)"
            ));
        }
        let pattern = |name: &str, text: &str| text.parse::<Pattern>().map_err(|error| format!("`{name}`: {error}"));
        let (bucket, prefix) = (pattern("bucket", &raw.bucket)?, pattern("prefix", raw.prefix.as_deref().unwrap_or_default())?);
        if !bucket.is_of_one_run() && !prefix.is_of_one_run() {
            return Err(
                "neither `bucket` nor `prefix` has {pod} or {run} in it: reports of earlier runs would be taken for those of later \
                        ones; put one in, such as bucket = \"{pod}-artifacts\""
                    .to_owned(),
            );
        }
        let has_fields = raw.access_key_field.is_some() || raw.secret_key_field.is_some();
        let keys = match (raw.access_key_file, raw.secret_key_file, raw.secret) {
            (Some(access), Some(secret), None) if !has_fields => Keys::Files(access, secret),
            (None, None, Some(path)) => Keys::Secret(
                path,
                raw.access_key_field.unwrap_or_else(|| USUAL_FIELDS.0.to_owned()),
                raw.secret_key_field.unwrap_or_else(|| USUAL_FIELDS.1.to_owned()),
            ),
            _ => {
                return Err(
                    "say where the credentials are: `access_key_file` and `secret_key_file`, or `secret`, a path of [secrets] (with \
                            `access_key_field` and `secret_key_field`, where they are not accessKey and secretKey)"
                        .to_owned(),
                );
            }
        };
        let region = raw.region.unwrap_or_else(|| USUAL_REGION.to_owned());
        Ok(Self { endpoint, region, virtual_host: raw.virtual_host, ca: raw.ca, bucket, prefix, keys })
    }
}

impl TryFrom<RawVolumes> for Volumes {
    type Error = String;
    fn try_from(raw: RawVolumes) -> Result<Self, String> {
        let image = raw.image.parse().map_err(|error| format!("`image`: {error}"))?;
        Ok(Self { image, pull_secret: raw.pull_secret, run_as_user: raw.run_as_user })
    }
}

impl Artifacts {
    /// The same with paths meant from `folder`.
    pub fn from(self, folder: &Path) -> Self {
        let at = |path: PathBuf| folder.join(path);
        let s3 = self.s3.map(|s3| S3 {
            ca: s3.ca.map(at),
            keys: match s3.keys {
                Keys::Files(access, secret) => Keys::Files(at(access), at(secret)),
                keys @ Keys::Secret(..) => keys,
            },
            ..s3
        });
        Self { s3, ..self }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Config, parse};

    fn read(more: &str) -> Result<Option<Artifacts>, String> {
        let text = format!("[config]\nurl = \"c\"\n[clusters.stage]\nkubeconfig = \"k\"\n{more}");
        let config: Config = parse(Path::new("/srv/towpath.toml"), &text).map_err(|error| error.message)?;
        Ok(config.outside.clusters["stage"].artifacts.clone())
    }

    const S3: &str = "[clusters.stage.artifacts.s3]\nendpoint = \"https://minio.example.com:9000\"\n";
    const FILES: &str = "access_key_file = \"access\"\nsecret_key_file = \"/secret\"\n";

    #[test]
    fn every_key_is_read_and_what_is_left_out_is_usual() {
        assert_eq!(read(""), Ok(None));
        let short = read(&format!("{S3}bucket = \"{{pod}}-artifacts\"\n{FILES}")).unwrap().unwrap();
        let s3 = short.s3.unwrap();
        assert_eq!((short.required, short.files, short.volumes), (false, FileNames::default(), None));
        assert_eq!((s3.region.as_str(), s3.virtual_host, s3.prefix), ("us-east-1", false, Pattern::default()));
        assert_eq!(s3.keys, Keys::Files("/srv/access".into(), "/secret".into()));

        let long = read(
            "[clusters.stage.artifacts]\nrequired = true\nfiles = [\"**/*.xml\"]\n\
             volumes = { image = \"registry.example.com/busybox:1\", pull_secret = \"pull\", run_as_user = 1000 }\n\
             [clusters.stage.artifacts.s3]\nendpoint = \"http://minio:9000\"\nplain_http = true\nregion = \"eu\"\nvirtual_host = true\nca = \"ca.pem\"\n\
             bucket = \"reports\"\nprefix = \"{namespace}/{run}/{job}/\"\nsecret = \"stage/env-stage-minio\"\nsecret_key_field = \"s\"\n",
        )
        .unwrap()
        .unwrap();
        let s3 = long.s3.unwrap();
        assert!(long.required && s3.virtual_host);
        assert_eq!(long.files.iter().collect::<Vec<_>>(), ["*.xml"]);
        assert_eq!((s3.region.as_str(), s3.ca), ("eu", Some("/srv/ca.pem".into())));
        assert_eq!(s3.keys, Keys::Secret("stage/env-stage-minio".into(), "accessKey".into(), "s".into()));
        assert_eq!(long.volumes.unwrap().run_as_user, Some(1000));
    }

    #[test]
    fn what_would_go_wrong_later_is_refused() {
        let s3 = |more: &str| format!("{S3}{more}");
        for (text, words) in [
            (s3(&format!("bucket = \"reports\"\n{FILES}")), "reports of earlier runs would be taken"),
            (s3(&format!("bucket = \"reports\"\nprefix = \"{{job}}/\"\n{FILES}")), "reports of earlier runs would be taken"),
            (s3(&format!("bucket = \"{{pot}}\"\n{FILES}")), "`bucket`: \"{pot}\" has a brace"),
            (s3("bucket = \"{pod}\"\n"), "say where the credentials are"),
            (s3(&format!("bucket = \"{{pod}}\"\n{FILES}secret = \"a\"\n")), "say where the credentials are"),
            (s3(&format!("bucket = \"{{pod}}\"\n{FILES}access_key_field = \"a\"\n")), "say where the credentials are"),
            (s3(&format!("bucket = \"{{pod}}\"\n{FILES}token = \"a\"\n")), "`clusters.stage.artifacts.s3.token` is not known"),
            (s3(&format!("bucket = \"{{pod}}\"\n{FILES}")).replace("https", "http"), "is plain http"),
            (s3(&format!("bucket = \"{{pod}}\"\n{FILES}")).replace("minio.", "key:hunter2@minio."), "carries credentials"),
            ("[clusters.stage.artifacts]\nfiles = [\"a/b.xml\"]\n".to_owned(), "`files`: \"a/b.xml\" is no name of a file"),
            ("[clusters.stage.artifacts.volumes]\nimage = \"::\"\n".to_owned(), "`image`"),
            (
                "[clusters.laptop]\nembedded = true\n[clusters.laptop.artifacts.volumes]\nimage = \"localhost/a:1\"\n".to_owned(),
                "volumes of the embedded runtime",
            ),
        ] {
            let told = read(&text).unwrap_err();
            assert!(told.contains(words) && !told.contains("hunter2"), "{told}\n{text}");
        }
    }
}
