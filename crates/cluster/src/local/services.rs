//! Services: their ports, their proxies, and where these lead.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use towpath_domain::NamespaceName;

use super::world::{Named, PodEntry, ServiceEntry, Shim, World};
use super::{Core, pods, store};
use crate::digest;
use crate::files::{self, Durability};
use crate::shim::{Endpoints, ProxyPlan, ProxyStatus, port_is_free};
use crate::spec::{IntOrName, Service, Spec};

/// Where services' ports are looked for: below Linux's range of ports for outgoing connections, and apart from the pods' range.
const SERVICE_PORTS: Range<u16> = 20_000..30_000;

/// Gives each port of the service a port of this machine, once and for all: clients keep it.
pub(super) fn allot_ports(world: &World, namespace: &NamespaceName, name: &str, service: &Service, ports: &mut BTreeMap<u16, u16>) {
    ports.retain(|port, _| service.ports.iter().any(|wanted| wanted.port == *port));
    let of_others: Vec<u16> = world
        .objects
        .iter()
        .filter(|((of, key), _)| of != namespace || key.name != name || key.kind != "Service")
        .flat_map(|(_, object)| object.record.state.ports.values().copied())
        .collect();
    for wanted in &service.ports {
        if let Some(fixed) = wanted.node_port {
            ports.insert(wanted.port, fixed);
            continue;
        }
        if ports.contains_key(&wanted.port) {
            continue;
        }
        // From a place of its own, so that the same service finds the same port on a fresh directory of the same name.
        let seed = digest::of_text(&format!("{} {namespace}/{name}:{}", world.dir.display(), wanted.port));
        let first = seed.get(..8).and_then(|hex| u32::from_str_radix(hex, 16).ok()).unwrap_or_default();
        let len = u32::from(SERVICE_PORTS.end - SERVICE_PORTS.start);
        let candidates = (0..len).map(|at| SERVICE_PORTS.start + ((first % len + at) % len) as u16);
        let free = |port: &u16| !of_others.contains(port) && !ports.values().any(|own| own == port) && port_is_free(*port);
        if let Some(found) = candidates.clone().find(free) {
            ports.insert(wanted.port, found);
        }
    }
}

/// Sees how the proxies do, takes away those of deleted services, and starts those that are missing.
pub(super) fn tend(core: &Arc<Core>, world: &mut World) {
    let wanted: Vec<Named> = world
        .objects
        .iter()
        .filter(|(_, object)| matches!(object.spec, Spec::Service(_)))
        .map(|((namespace, key), _)| (namespace.clone(), key.name.clone()))
        .collect();
    for place in &wanted {
        world.services.entry(place.clone()).or_insert_with(|| ServiceEntry {
            dir: store::service_dir(&core.settings.dir, &place.0, &place.1),
            status: ProxyStatus::default(),
            seen: None,
            stopping: false,
            shim: Shim::default(),
        });
    }
    let plans: BTreeMap<Named, (ProxyPlan, Endpoints)> =
        wanted.into_iter().filter_map(|place| Some((place.clone(), plan(core, world, &place)?))).collect();
    let mut gone = Vec::new();
    for (place, entry) in &mut world.services {
        if let Err(e) = tend_one(core, entry, plans.get(place), place, &mut gone) {
            tracing::warn!(namespace = %place.0, service = %place.1, error = %e, "a service cannot be tended");
        }
    }
    for place in gone {
        if let Some(entry) = world.services.get(&place)
            && store::discard(&world.dir, entry.dir.path(), &place.1).is_ok()
        {
            world.services.remove(&place);
        }
    }
}

fn tend_one(
    core: &Arc<Core>,
    entry: &mut ServiceEntry,
    plan: Option<&(ProxyPlan, Endpoints)>,
    place: &Named,
    gone: &mut Vec<Named>,
) -> io::Result<()> {
    entry.shim.alive = entry.shim.has_child() || files::is_locked(&entry.dir.lock());
    if let Some(status) = pods::read_if_new(&entry.dir.status(), &mut entry.seen) {
        entry.status = status;
    }
    let Some((plan, endpoints)) = plan else {
        if !entry.shim.alive {
            gone.push(place.clone());
        } else if !entry.stopping {
            entry.stopping = true;
            files::write_atomic(&entry.dir.stop(), b"", Durability::Power)?;
            pods::signal_stop(entry.status.shim);
        }
        return Ok(());
    };
    if entry.stopping {
        // Deleted and applied again before its proxy had ended: it is made anew when that is gone.
        if !entry.shim.alive {
            gone.push(place.clone());
        }
        return Ok(());
    }
    files::make_private_dir(entry.dir.path())?;
    write_if_other(&entry.dir.endpoints(), endpoints)?;
    write_if_other(&entry.dir.plan(), plan)?;
    if !entry.shim.alive {
        // What a dead proxy said no longer holds.
        entry.status = ProxyStatus::default();
        pods::start_shim(core, &mut entry.shim, "proxy", entry.dir.path())?;
    }
    Ok(())
}

fn write_if_other<T: serde::Serialize + serde::de::DeserializeOwned + PartialEq>(path: &std::path::Path, value: &T) -> io::Result<()> {
    if files::read_json::<T>(path).ok().flatten().as_ref() == Some(value) {
        return Ok(());
    }
    files::write_json(path, value, Durability::Process)
}

/// What a service's proxy should do now.
fn plan(core: &Core, world: &World, place: &Named) -> Option<(ProxyPlan, Endpoints)> {
    let (namespace, name) = place;
    let object = world.objects.iter().find(|((of, key), _)| of == namespace && key.name == *name && key.kind == "Service")?.1;
    let Spec::Service(service) = &object.spec else { return None };
    let listen = object.record.state.ports.clone();
    let serving = serving(world, namespace, service);
    let host_ports = |target: &IntOrName| serving.iter().filter_map(|pod| host_port(pod, target)).collect();
    let ports = service.ports.iter().map(|port| (port.port, host_ports(&port.target()))).collect();
    Some((ProxyPlan { listen, wake: super::controller::wake_path(&core.settings.dir) }, Endpoints { ports }))
}

/// The pods a service leads to: those that are ready, and of a deployment in transition only those of the revision that serves.
fn serving<'a>(world: &'a World, namespace: &NamespaceName, service: &Service) -> Vec<&'a PodEntry> {
    if service.selector.is_empty() {
        return Vec::new();
    }
    let selected = |pod: &PodEntry| service.selector.iter().all(|(label, value)| pod.info.labels.get(label) == Some(value));
    let ready = |pod: &PodEntry| !pod.stopping && pod.shim.alive && pod.status.as_ref().is_some_and(|status| status.ready);
    let all: Vec<&PodEntry> =
        world.pods.iter().filter(|((of, _), pod)| of == namespace && selected(pod) && ready(pod)).map(|(_, pod)| pod).collect();
    let active = |pod: &PodEntry| {
        let object = world.objects.get(&(namespace.clone(), pod.info.object.clone()));
        object.and_then(|object| object.record.state.active.clone())
    };
    let mut serving: Vec<&PodEntry> =
        all.iter().filter(|pod| active(pod).is_none_or(|revision| revision == pod.info.revision)).copied().collect();
    if serving.is_empty() {
        // Better a new pod that is ready than nobody.
        serving = all;
    }
    serving
}

fn host_port(pod: &PodEntry, target: &IntOrName) -> Option<u16> {
    let mut ports = pod.status.as_ref()?.containers.iter().flat_map(|container| &container.ports);
    match (target.number(), target) {
        (Some(number), _) => Some(ports.find(|port| port.container_port == number).map_or(number, |port| port.host_port)),
        (None, IntOrName::Name(name)) => ports.find(|port| port.name.as_ref() == Some(name)).map(|port| port.host_port),
        (None, IntOrName::Number(_)) => None,
    }
}
