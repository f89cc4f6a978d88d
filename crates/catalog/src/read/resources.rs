//! Requests and limits.

use super::fields::Reader;
use crate::resources::{DeployResources, Quantity, Resources};
use crate::yaml::Node;

/// Reads `requests` and `limits` below `field`.
pub(super) fn read(reader: &mut Reader, map: Node<'_, '_>, field: &str) -> DeployResources {
    if !map.is_mapping() {
        reader.wrong_type(map, field, "a mapping with `requests` and `limits`");
        return DeployResources::default();
    }
    let read = DeployResources { requests: part(reader, map, "requests"), limits: part(reader, map, "limits") };
    for (name, request, limit) in [("cpu", &read.requests.cpu, &read.limits.cpu), ("memory", &read.requests.memory, &read.limits.memory)] {
        if let (Some(request), Some(limit)) = (request, limit)
            && request.thousandths() > limit.thousandths()
        {
            let message = format!("`{field}` requests more {name} ({request}) than its limit ({limit}): no cluster runs that");
            reader.error("bad-quantity", map.spot(), message, "Raise the limit, or lower the request.");
        }
    }
    read
}

fn part(reader: &mut Reader, map: Node<'_, '_>, field: &str) -> Resources {
    let Some(node) = map.get(field) else { return Resources::default() };
    if !node.is_mapping() {
        reader.wrong_type(node, field, "a mapping with `cpu` and `memory`");
        return Resources::default();
    }
    let mut amount = |name| {
        let node = node.get(name)?;
        let text = reader.text(node, name)?;
        match text.parse::<Quantity>() {
            Ok(amount) => Some(amount),
            Err(error) => {
                let mend = if name == "cpu" { "Write something like 500m or 2." } else { "Write something like 512Mi or 2Gi." };
                reader.error("bad-quantity", node.spot(), format!("`{name}`: {error}"), mend);
                None
            }
        }
    };
    Resources { cpu: amount("cpu"), memory: amount("memory") }
}
