//! From a draft to a pod's folder: unpacks images, lays out volumes, and at last writes the plan.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use towpath_domain::Digest;

use super::draft::{ContainerDraft, PodDraft, VolumeDraft};
use crate::api::Reason;
use crate::files::{self, Durability};
use crate::image::{ImageConfig, ImageError, ImageStore};
use crate::pod::{ContainerPlan, PodDir, PodPlan, Problem};
use crate::shim::resolve_within;
use crate::spec::{cpu_millis, memory_bytes};

/// Makes the pod's folder from `draft` and `plan`, which lacks its containers and images. Answers with the digests of what was unpacked.
pub(super) async fn prepare(
    images: &dyn ImageStore,
    dir: &PodDir,
    claims: &Path,
    draft: PodDraft,
    mut plan: PodPlan,
) -> Result<BTreeMap<String, Digest>, Problem> {
    let host = |e: io::Error| Problem { reason: Reason::Host, message: e.to_string() };
    files::make_private_dir(dir.path()).map_err(host)?;
    let folders = lay_out(dir, claims, &draft.volumes).map_err(host)?;
    for container in &draft.containers {
        let root = dir.root(&container.container.name);
        files::make_private_dir(&root).map_err(host)?;
        let pinned = container.image.pinned(container.digest);
        let unpacked = images.unpack(&pinned, &root).await.map_err(|e| problem(&container.container.name, &e))?;
        if unpacked.digest != container.digest {
            let message = format!(
                "container {}: image {} was unpacked as {}, but it was {} that was asked for; deploy again",
                container.container.name, container.image, unpacked.digest, container.digest
            );
            return Err(Problem { reason: Reason::ImageMissing, message });
        }
        plan.images.insert(container.container.image.clone(), unpacked.digest);
        let mounts = mount(container, &root, &folders).map_err(host)?;
        let made = ContainerPlan { mounts, ..container_plan(container, root, unpacked.config) };
        if container.init { plan.init.push(made) } else { plan.containers.push(made) }
    }
    // Last: from now on the folder is a pod.
    files::write_json(&dir.plan(), &plan, Durability::Power).map_err(host)?;
    Ok(plan.images)
}

/// What a failing image means for the object.
pub(super) fn image_problem(error: &ImageError) -> Problem {
    let reason = match error {
        ImageError::Missing { .. } | ImageError::Damaged { .. } => Reason::ImageMissing,
        ImageError::Unavailable { .. } => Reason::ImageUnavailable,
    };
    Problem { reason, message: error.to_string() }
}

fn problem(container: &str, error: &ImageError) -> Problem {
    let problem = image_problem(error);
    Problem { message: format!("container {container}: {}", problem.message), ..problem }
}

fn container_plan(draft: &ContainerDraft, root: PathBuf, image: ImageConfig) -> ContainerPlan {
    let spec = &draft.container;
    // As container engines do: a command of one's own does away with the image's arguments, too.
    let (first, rest) = match (spec.command.is_empty(), spec.args.is_empty()) {
        (true, true) => (image.entrypoint, image.cmd),
        (true, false) => (image.entrypoint, spec.args.clone()),
        (false, _) => (spec.command.clone(), spec.args.clone()),
    };
    let limit = |name: &str| spec.resources.limits.get(name);
    ContainerPlan {
        name: spec.name.clone(),
        root,
        argv: first.into_iter().chain(rest).collect(),
        image_env: image.env,
        env: draft.env.clone(),
        workdir: spec.working_dir.clone().unwrap_or(image.workdir),
        mounts: Vec::new(),
        ports: draft.ports.clone(),
        readiness: spec.readiness_probe.clone(),
        liveness: spec.liveness_probe.clone(),
        startup: spec.startup_probe.clone(),
        memory_bytes: limit("memory").and_then(|text| memory_bytes(text)),
        cpu_millis: limit("cpu").and_then(|text| cpu_millis(text)),
    }
}

/// Makes the volumes' folders.
fn lay_out(dir: &PodDir, claims: &Path, volumes: &BTreeMap<String, VolumeDraft>) -> io::Result<BTreeMap<String, PathBuf>> {
    let mut folders = BTreeMap::new();
    for (name, volume) in volumes {
        let folder = match volume {
            VolumeDraft::Files(contents) => {
                let folder = dir.volumes().join(name);
                files::make_private_dir(&folder)?;
                for file in contents {
                    let there = within(&folder, &file.path)?;
                    files::make_private_dir(there.parent().unwrap_or(&folder))?;
                    files::write_atomic(&there, &file.content, Durability::Process)?;
                    if file.executable {
                        fs::set_permissions(&there, fs::Permissions::from_mode(0o700))?;
                    }
                }
                folder
            }
            VolumeDraft::Claim(claim) => {
                let folder = claims.join(claim);
                files::make_private_dir(&folder)?;
                folder
            }
        };
        folders.insert(name.clone(), folder);
    }
    Ok(folders)
}

fn within(root: &Path, path: &str) -> io::Result<PathBuf> {
    resolve_within(root, Path::new(path)).ok_or_else(|| io::Error::other(format!("{path} is a link in circles")))
}

/// Links the volumes into the container's root. What the image has there gives way, as it does under a real mount.
fn mount(container: &ContainerDraft, root: &Path, folders: &BTreeMap<String, PathBuf>) -> io::Result<Vec<(String, PathBuf)>> {
    let mut mounts = Vec::new();
    for mount in &container.container.volume_mounts {
        let Some(folder) = folders.get(&mount.name) else { continue };
        let source = match mount.sub_path.as_deref().filter(|path| !path.is_empty()) {
            None => folder.clone(),
            Some(path) => {
                let source = within(folder, path)?;
                if !source.exists() {
                    files::make_private_dir(&source)?;
                }
                source
            }
        };
        let there = within(root, &mount.mount_path)?;
        if there == root {
            return Err(io::Error::other(format!("{} is the container's root, which nothing can be mounted on", mount.mount_path)));
        }
        files::make_private_dir(there.parent().unwrap_or(root))?;
        match fs::symlink_metadata(&there) {
            Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(&there)?,
            Ok(_) => fs::remove_file(&there)?,
            Err(_) => {}
        }
        symlink(&source, &there)?;
        mounts.push((mount.mount_path.clone(), source));
    }
    Ok(mounts)
}
