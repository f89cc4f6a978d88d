//! Targets, inline or in a file of their own.

use towpath_domain::{Channel, GitRef, SaasFileName};

use super::fields::{At, Reader};
use super::{Param, Ref, Secret};
use crate::yaml::{Node, Spot};

/// One target as it is written.
#[derive(Debug)]
pub(crate) struct RawTarget {
    pub name: Option<At<String>>,
    pub namespace: Ref,
    pub git_ref: At<GitRef>,
    pub promotion: Option<RawPromotion>,
    pub parameters: Option<Vec<Param>>,
    pub secrets: Option<Vec<Secret>>,
    pub disable: Option<bool>,
    pub delete: Option<bool>,
    /// `upstream`, `images`, `slos`, where there: what Towpath cannot carry out, as JSON for the original's hash.
    pub foreign: Vec<Foreign>,
    /// Where the target begins.
    pub spot: Spot,
}

/// A field of a target that Towpath cannot carry out.
#[derive(Debug)]
pub(crate) struct Foreign {
    pub field: &'static str,
    pub value: serde_json::Value,
    pub spot: Spot,
}

/// A promotion block as it is written: the original's hash tells absent from empty.
#[derive(Debug, Default)]
pub(crate) struct RawPromotion {
    pub publish: Option<Vec<At<Channel>>>,
    pub subscribe: Option<Vec<At<Channel>>>,
    pub auto: Option<bool>,
    pub soak_days: Option<u32>,
    pub schedule: Option<At<String>>,
    pub redeploy: Option<bool>,
    pub data: Option<Vec<RawPromotionData>>,
}

/// `promotion_data` of one channel.
#[derive(Debug)]
pub(crate) struct RawPromotionData {
    pub channel: At<Channel>,
    pub data: Option<Vec<RawChannelData>>,
}

/// One entry of a channel's `promotion_data`.
#[derive(Debug)]
pub(crate) struct RawChannelData {
    pub kind: String,
    pub parent_saas: Option<SaasFileName>,
    pub hash: Option<At<String>>,
}

/// Reads a target; `None` if an error makes it unusable.
pub(super) fn read(reader: &mut Reader, map: Node<'_, '_>) -> Option<RawTarget> {
    let errors = reader.errors();
    if !map.is_mapping() {
        reader.wrong_type(map, "target", "a mapping");
        return None;
    }
    let name = map.get("name").and_then(|node| Some(At { value: reader.text(node, "name")?.to_owned(), spot: node.spot() }));
    let namespace = read_namespace(reader, map);
    let git_ref = reader.required(map, "ref").and_then(|node| reader.parse::<GitRef>(node, "ref", "bad-git-ref"));
    let promotion = map.get("promotion").and_then(|node| read_promotion(reader, node));
    let parameters = reader.parameters(map, true);
    let secrets = reader.secrets(map);
    let disable = reader.flag(map, "disable");
    let delete = reader.flag(map, "delete");
    let foreign = ["upstream", "images", "slos"].into_iter().filter_map(|field| {
        let node = map.get(field)?;
        Some(Foreign { field, value: crate::yaml::to_json(node, &mut |_| {}), spot: node.spot() })
    });
    let foreign: Vec<_> = foreign.collect();
    for found in &foreign {
        let message = format!("`{}` is not supported: the target is held", found.field);
        reader.warn("unsupported", found.spot, message, "Remove it; Towpath waits for the images of its own sources by itself.");
    }
    let good = reader.errors() == errors;
    let (namespace, git_ref) = (namespace?, git_ref?);
    let spot = map.entries().next().map_or_else(|| map.spot(), |entry| entry.key_spot);
    good.then_some(RawTarget { name, namespace, git_ref, promotion, parameters, secrets, disable, delete, foreign, spot })
}

fn read_namespace(reader: &mut Reader, map: Node<'_, '_>) -> Option<Ref> {
    if let Some(selector) = map.get("namespaceSelector") {
        let message = "`namespaceSelector` is not supported: the target is not used";
        reader.warn("unsupported", selector.spot(), message, "Write one target for each namespace.");
        return None;
    }
    reader.reference(map, "namespace")
}

fn read_promotion(reader: &mut Reader, map: Node<'_, '_>) -> Option<RawPromotion> {
    if !map.is_mapping() {
        reader.wrong_type(map, "promotion", "a mapping");
        return None;
    }
    let publish = reader.names(map, "publish");
    let subscribe = reader.names(map, "subscribe");
    let auto = reader.flag(map, "auto");
    // A century is more than anybody waits, and far from any overflow.
    let soak_days = reader.number(map, "soakDays", 0..=36_500).and_then(|days| u32::try_from(days).ok());
    let schedule = map.get("schedule").and_then(|node| Some(At { value: reader.text(node, "schedule")?.to_owned(), spot: node.spot() }));
    let redeploy = reader.flag(map, "redeployOnPublisherConfigChange");
    let data = reader.list(map, "promotion_data").map(|items| items.into_iter().filter_map(|item| read_data(reader, item)).collect());
    if auto == Some(true) && subscribe.as_ref().is_none_or(Vec::is_empty) {
        let spot = map.get("auto").map_or_else(|| map.spot(), |node| node.spot());
        reader.error(
            "auto-without-subscribe",
            spot,
            "`auto` needs `subscribe`: nothing would ever be promoted",
            "Name the channels under `subscribe:`, or remove `auto`.",
        );
    }
    Some(RawPromotion { publish, subscribe, auto, soak_days, schedule, redeploy, data })
}

fn read_data(reader: &mut Reader, item: Node<'_, '_>) -> Option<RawPromotionData> {
    let channel = reader.name(item, "channel");
    let data = reader.list(item, "data").map(|entries| {
        let read = entries.into_iter().filter_map(|entry| {
            let kind = reader.required(entry, "type")?;
            let kind = reader.text(kind, "type")?.to_owned();
            let parent_saas = entry.get("parent_saas").and_then(|node| reader.parse(node, "parent_saas", "bad-name")).map(|at| at.value);
            let hash = entry.get("target_config_hash");
            let hash = hash.and_then(|node| Some(At { value: reader.text(node, "target_config_hash")?.to_owned(), spot: node.spot() }));
            Some(RawChannelData { kind, parent_saas, hash })
        });
        read.collect()
    });
    Some(RawPromotionData { channel: channel?, data })
}
