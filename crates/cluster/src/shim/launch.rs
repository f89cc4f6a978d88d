//! From a container's plan to a process: its ports, its variables, its program, its folder.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::expand::expand;
use super::scope;
use crate::api::Reason;
use crate::files;
use crate::pod::{ContainerPlan, PodDir, PodPlan, PortStatus, Problem};

/// All it takes to start a process of a container.
pub(super) struct Launch {
    pub(super) program: PathBuf,
    /// Its name as it sees it, then its arguments.
    pub(super) argv: Vec<String>,
    pub(super) env: BTreeMap<String, String>,
    pub(super) workdir: PathBuf,
    /// What the run's record should say.
    pub(super) note: Option<String>,
}

impl Launch {
    /// How the container's own program is started.
    pub(super) fn of_container(pod: &PodPlan, dir: &PodDir, container: &ContainerPlan, ports: &[PortStatus]) -> Result<Self, Problem> {
        let env = environment(pod, dir, container, ports)?;
        let argv = container.argv.iter().map(|word| expand(word, &env)).collect();
        Self::find(pod, container, argv, env)
    }

    /// How a command is started within the container, as an exec probe asks.
    pub(super) fn of_command(
        pod: &PodPlan,
        dir: &PodDir,
        container: &ContainerPlan,
        ports: &[PortStatus],
        command: &[String],
    ) -> Result<Self, Problem> {
        Self::find(pod, container, command.to_vec(), environment(pod, dir, container, ports)?)
    }

    fn find(pod: &PodPlan, container: &ContainerPlan, argv: Vec<String>, env: BTreeMap<String, String>) -> Result<Self, Problem> {
        let missing = |message: String| Problem { reason: Reason::CommandMissing, message };
        let Some(name) = argv.first().filter(|name| !name.is_empty()) else {
            return Err(missing(format!("container {}: neither the container nor its image names a command; set command", container.name)));
        };
        let host = |message: String| Problem { reason: Reason::Host, message };
        let workdir = locate(container, Path::new(&container.workdir)).ok_or_else(|| {
            host(format!("container {}: its working directory {} is a link in circles", container.name, container.workdir))
        })?;
        files::make_private_dir(&workdir).map_err(|e| host(format!("container {}: {e}", container.name)))?;
        let Some((program, from_host)) = find_program(container, name, &pod.host.path) else {
            return Err(missing(format!(
                "container {}: command {name:?} is neither in its image nor on this machine; mend command, or build the image with it",
                container.name
            )));
        };
        let note =
            from_host.then(|| format!("container {}: command {name} was taken from the host: its image does not hold it", container.name));
        Ok(Self { program, argv, env, workdir, note })
    }
}

/// The variables of a container: of the image, of the services, of the machine, of the template; later ones win.
fn environment(pod: &PodPlan, dir: &PodDir, container: &ContainerPlan, ports: &[PortStatus]) -> Result<BTreeMap<String, String>, Problem> {
    let scratch = dir.scratch(&container.name);
    files::make_private_dir(&scratch)
        .map_err(|e| Problem { reason: Reason::Host, message: format!("container {}: {e}", container.name) })?;
    // What this runtime must tell is stronger than what the image says, and weaker than what the template says.
    let mut env: BTreeMap<String, String> = container.image_env.iter().cloned().collect();
    let scratch = scratch.to_string_lossy().into_owned();
    for (name, value) in [
        ("POD_NAME", pod.name.as_str()),
        ("POD_NAMESPACE", pod.namespace.as_str()),
        ("HOSTNAME", pod.name.as_str()),
        ("HOME", &scratch),
        ("TMPDIR", &scratch),
        ("TOWPATH_ROOT", &container.root.to_string_lossy()),
    ] {
        env.insert(name.to_owned(), value.to_owned());
    }
    for (at, port) in ports.iter().enumerate() {
        if at == 0 {
            env.insert("PORT".to_owned(), port.host_port.to_string());
        }
        if let Some(name) = &port.name {
            env.insert(format!("PORT_{}", variable_name(name)), port.host_port.to_string());
        }
        env.insert(format!("PORT_{}", port.container_port), port.host_port.to_string());
    }
    for item in &container.env {
        let value = if item.expand { expand(&item.value, &env) } else { item.value.clone() };
        env.insert(item.name.clone(), value);
    }
    let path = search_path(container, env.get("PATH").map(String::as_str), &pod.host.path);
    env.insert("PATH".to_owned(), path);
    env.insert(crate::pod::MARKER.to_owned(), format!("{}.{}", pod.uid, container.name));
    Ok(env)
}

/// A service's or port's name as a part of a variable's name.
pub(crate) fn variable_name(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

/// The image's `PATH` below the root, then the host's.
fn search_path(container: &ContainerPlan, of_image: Option<&str>, of_host: &str) -> String {
    let within = of_image.unwrap_or_default().split(':').filter(|dir| dir.starts_with('/'));
    let mut dirs: Vec<String> = within.map(|dir| container.root.join(dir.trim_start_matches('/')).to_string_lossy().into_owned()).collect();
    dirs.extend(of_host.split(':').filter(|dir| !dir.is_empty()).map(str::to_owned));
    dirs.join(":")
}

/// The host's path of `path` within the container: below a volume if one is mounted there, else below the root.
fn locate(container: &ContainerPlan, path: &Path) -> Option<PathBuf> {
    let path = Path::new("/").join(path);
    let volumes = container.mounts.iter().filter_map(|(at, folder)| Some((at.len(), folder, path.strip_prefix(at).ok()?)));
    match volumes.max_by_key(|(len, _, _)| *len) {
        Some((_, folder, rest)) => scope::resolve(folder, rest),
        None => scope::resolve(&container.root, &path),
    }
}

/// The program's file for `name`, and whether it is the host's.
fn find_program(container: &ContainerPlan, name: &str, host_path: &str) -> Option<(PathBuf, bool)> {
    let within = |path: &Path| locate(container, path).filter(|file| is_program(file));
    if name.starts_with('/') {
        return within(Path::new(name))
            .map(|file| (file, false))
            .or_else(|| Some(PathBuf::from(name)).filter(|file| is_program(file)).map(|file| (file, true)));
    }
    if name.contains('/') {
        return within(&Path::new("/").join(&container.workdir).join(name)).map(|file| (file, false));
    }
    let of_image = container.image_env.iter().rev().find(|(variable, _)| variable == "PATH").map(|(_, value)| value.as_str());
    let dirs = of_image.unwrap_or(IMAGE_PATH_DEFAULT).split(':').filter(|dir| dir.starts_with('/'));
    if let Some(file) = dirs.map(|dir| Path::new(dir).join(name)).find_map(|path| within(&path)) {
        return Some((file, false));
    }
    let dirs = host_path.split(':').filter(|dir| dir.starts_with('/'));
    dirs.map(|dir| Path::new(dir).join(name)).find(|file| is_program(file)).map(|file| (file, true))
}

/// Where commands are looked for in an image that names no `PATH`: what container engines take.
const IMAGE_PATH_DEFAULT: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

fn is_program(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests;
