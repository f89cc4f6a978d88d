//! Gives a namespace to one.

use serde_json::{Value, json};
use towpath_domain::NamespaceName;

use super::make::{self, refused};
use super::{look, mark, plan};
use crate::api::{ClusterError, Requester};
use crate::kube::{Core, prune};

/// Gives it. It counts as given before anybody may do anything there.
pub(super) async fn grant(core: &Core, name: &NamespaceName, installation: &str, to: &Requester) -> Result<(), ClusterError> {
    let subject = plan::subject(to)?;
    let namespace: Option<Value> = core.read(&look::path(name.as_str())).await?;
    let ours = namespace.filter(|namespace| mark::is_made_for(namespace, name, installation) && !mark::is_going(namespace));
    let Some(namespace) = ours else {
        return Err(ClusterError::NotFound { namespace: name.to_string(), what: format!("pool of installation {installation}") });
    };
    if subject.is_some() {
        is_there(core, &to.role).await?;
    }
    let title = format!("Namespace/{name}");
    make::merge(core, &look::path(name.as_str()), &title, &namespace, &json!({ mark::REQUESTER: to.name })).await?;

    let path = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{name}/rolebindings/{}", plan::BINDING);
    let live: Option<Value> = core.read(&path).await?;
    let wanted = subject.map(|subject| plan::binding(name.as_str(), &to.role, &subject));
    // Which role a binding gives cannot be changed.
    let goes = |live: &Value| wanted.as_ref().is_none_or(|wanted| wanted["roleRef"]["name"] != live["roleRef"]["name"]);
    if let Some(live) = live.filter(goes) {
        prune::delete(core, &path, &live).await?;
    }
    match wanted {
        Some(binding) => make::apply(core, &path, &format!("RoleBinding/{}", plan::BINDING), &binding).await,
        None => Ok(()),
    }
}

/// Whether there is such a role: a binding to none is taken, and lets nobody do anything.
async fn is_there(core: &Core, role: &str) -> Result<(), ClusterError> {
    if !crate::api::is_dns_name(role) {
        return Err(refused(&format!("ClusterRole/{role}"), "is no name of a role; correct the role that requesters get".to_owned()));
    }
    match core.read::<Value>(&format!("/apis/rbac.authorization.k8s.io/v1/clusterroles/{role}")).await {
        Ok(None) => {
            let why = "is not there, so that nobody can be granted it; make it, or have the pool grant another".to_owned();
            Err(refused(&format!("ClusterRole/{role}"), why))
        }
        // Whoever may bind a role need not see it.
        Ok(Some(_)) | Err(ClusterError::Forbidden { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}
