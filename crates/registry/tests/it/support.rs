//! Images and layouts made by hand, good ones and evil ones.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tar::{EntryType, Header};
use towpath_catalog::{Pack, PackFile};
use towpath_domain::{Digest, ImageRef, Timestamp};
use towpath_registry::{ImportRequest, LayoutRegistry, PackRequest, Packed, Platform, RegistryError, TagMove};

/// A folder for one test, with a registry, a cache and a checkout in it.
pub struct World {
    pub dir: tempfile::TempDir,
    pub registry: LayoutRegistry,
}

impl World {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let registry = LayoutRegistry::open(dir.path().join("registry")).unwrap();
        fs::create_dir(dir.path().join("checkout")).unwrap();
        Self { dir, registry }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file of the checkout.
    pub fn file(&self, path: &str, content: &str) -> PathBuf {
        let path = self.path("checkout").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    pub fn pack(&self, pack: &Pack, tag: &str) -> Result<Packed, RegistryError> {
        let checkout = self.path("checkout");
        towpath_registry::pack(&request(pack, &checkout), &self.registry, "app", tag)
    }

    /// Imports the layout in the folder `layout`.
    pub fn import(&self, tag: &str) -> Result<Packed, RegistryError> {
        let layout = self.path("layout");
        let request = ImportRequest { layout: &layout, platform: amd64(), tag_move: TagMove::Refuse };
        towpath_registry::import(&request, &self.registry, "app", tag)
    }

    /// Puts an image into the registry past all checks, and unpacks it.
    pub fn unpack_evil(&self, image: &Image) -> Result<PathBuf, RegistryError> {
        let digest = image.write(&self.path("registry").join("app"), "evil");
        let image = ImageRef::tagged("app", "evil").unwrap().pinned(digest);
        towpath_registry::unpack(&self.registry, &image, &self.path("cache")).map(|unpacked| unpacked.rootfs)
    }
}

pub fn amd64() -> Platform {
    Platform { architecture: "amd64".to_owned(), os: "linux".to_owned() }
}

/// 2023-11-14T22:13:20Z
pub const COMMIT_TIME: Timestamp = Timestamp::from_millis(1_700_000_000_000);

pub fn request<'a>(pack: &'a Pack, checkout: &'a Path) -> PackRequest<'a> {
    let labels = BTreeMap::from([("org.opencontainers.image.revision".to_owned(), "5f8f0e1".to_owned())]);
    PackRequest { pack, checkout, created: COMMIT_TIME, labels, platform: amd64(), tag_move: TagMove::Refuse }
}

pub fn pack_of(files: &[(&str, &str)]) -> Pack {
    let file = |(from, to): &(&str, &str)| PackFile { from: (*from).to_owned(), to: (*to).to_owned(), mode: None };
    Pack {
        base: None,
        files: files.iter().map(file).collect(),
        entrypoint: vec!["/app/server".to_owned()],
        cmd: vec!["--port".to_owned(), "8080".to_owned()],
        env: BTreeMap::from([("MODE".to_owned(), "prod".to_owned())]),
        workdir: "/app".to_owned(),
    }
}

/// A tar made entry by entry, without any of the checks that a tar program makes.
#[derive(Clone, Default)]
pub struct Tar(pub Vec<u8>);

impl Tar {
    pub fn entry(mut self, kind: EntryType, path: &str, link: &str, content: &[u8]) -> Self {
        let mut header = Header::new_gnu();
        let gnu = header.as_gnu_mut().unwrap();
        gnu.name[..path.len()].copy_from_slice(path.as_bytes());
        gnu.linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(0o4755);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_600_000_000);
        header.set_size(content.len() as u64);
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub fn file(self, path: &str, content: &str) -> Self {
        self.entry(EntryType::Regular, path, "", content.as_bytes())
    }

    pub fn folder(self, path: &str) -> Self {
        self.entry(EntryType::Directory, path, "", b"")
    }

    pub fn link(self, path: &str, target: &str) -> Self {
        self.entry(EntryType::Symlink, path, target, b"")
    }

    pub fn hard_link(self, path: &str, target: &str) -> Self {
        self.entry(EntryType::Link, path, target, b"")
    }

    pub fn end(mut self) -> Vec<u8> {
        self.0.extend_from_slice(&[0; 1024]);
        self.0
    }
}

/// How layers are compressed.
#[derive(Clone, Copy, PartialEq)]
pub enum Packing {
    Plain,
    Gzip,
    Zstd,
}

/// An image to be written as a layout.
#[derive(Clone)]
pub struct Image {
    /// The tars, uncompressed.
    pub layers: Vec<Vec<u8>>,
    pub packing: Packing,
    pub platform: Platform,
}

impl Image {
    pub fn of(layers: impl IntoIterator<Item = Tar>) -> Self {
        Self { layers: layers.into_iter().map(Tar::end).collect(), packing: Packing::Plain, platform: amd64() }
    }

    /// Writes it into the layout `folder`, which is made, and tags it.
    pub fn write(&self, folder: &Path, tag: &str) -> Digest {
        let entry = self.write_blobs(folder);
        let digest = entry["digest"].as_str().unwrap().parse().unwrap();
        let mut entry = entry;
        entry["annotations"] = json!({"org.opencontainers.image.ref.name": tag});
        write_index(folder, &[entry]);
        digest
    }

    /// Writes its blobs alone; answers what points to it.
    pub fn write_blobs(&self, folder: &Path) -> Value {
        let mut layers = Vec::new();
        for tar in &self.layers {
            let (kind, bytes) = match self.packing {
                Packing::Plain => ("tar", tar.clone()),
                Packing::Gzip => ("tar+gzip", gzip(tar)),
                Packing::Zstd => ("tar+zstd", zstd(tar)),
            };
            layers.push(blob(folder, &format!("application/vnd.oci.image.layer.v1.{kind}"), &bytes));
        }
        let diff_ids: Vec<String> = self.layers.iter().map(|tar| digest_text(tar)).collect();
        let config = json!({
            "architecture": self.platform.architecture, "os": self.platform.os,
            "config": {"Env": ["PATH=/usr/bin:/bin", "MODE=base"], "Cmd": ["sh"], "WorkingDir": "/srv", "User": "1000", "Labels": {"base": "yes"}},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        });
        let config = blob(folder, "application/vnd.oci.image.config.v1+json", &serde_json::to_vec(&config).unwrap());
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers});
        blob(folder, MANIFEST, &serde_json::to_vec(&manifest).unwrap())
    }
}

pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

pub fn write_index(folder: &Path, manifests: &[Value]) {
    fs::create_dir_all(folder.join("blobs/sha256")).unwrap();
    fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    fs::write(folder.join("index.json"), json!({"schemaVersion": 2, "manifests": manifests}).to_string()).unwrap();
}

/// Writes a blob, and answers what points to it.
pub fn blob(folder: &Path, media_type: &str, bytes: &[u8]) -> Value {
    let digest = digest_text(bytes);
    fs::create_dir_all(folder.join("blobs/sha256")).unwrap();
    fs::write(folder.join("blobs/sha256").join(&digest[7..]), bytes).unwrap();
    json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
}

pub fn digest_text(bytes: &[u8]) -> String {
    Digest::from_bytes(Sha256::digest(bytes).into()).to_string()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

/// All paths below `folder`, sorted, with what they are: `name/`, `name -> target`, `name = content`.
pub fn listing(folder: &Path) -> Vec<String> {
    fn visit(folder: &Path, prefix: &str, out: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = format!("{prefix}{}", path.file_name().unwrap().to_string_lossy());
            let metadata = fs::symlink_metadata(&path).unwrap();
            if metadata.is_dir() {
                out.push(format!("{name}/"));
                visit(&path, &format!("{name}/"), out);
            } else if metadata.is_symlink() {
                out.push(format!("{name} -> {}", fs::read_link(&path).unwrap().display()));
            } else {
                out.push(format!("{name} = {}", String::from_utf8_lossy(&fs::read(&path).unwrap())));
            }
        }
    }
    let mut out = Vec::new();
    visit(folder, "", &mut out);
    out.sort();
    out
}
