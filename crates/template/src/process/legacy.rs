//! Kinds of OpenShift that were once in the API version `v1` and have groups now.

use serde_json::Value;

/// Group and kinds, from openshift/library-go's `legacygroupification`. `List` kinds count, too.
const GROUPS: [(&str, &[&str]); 11] = [
    ("apps.openshift.io", &["DeploymentConfig", "DeploymentConfigRollback", "DeploymentLog", "DeploymentRequest"]),
    (
        "authorization.openshift.io",
        &[
            "ClusterRole",
            "ClusterRoleBinding",
            "IsPersonalSubjectAccessReview",
            "LocalResourceAccessReview",
            "LocalSubjectAccessReview",
            "ResourceAccessReview",
            "Role",
            "RoleBinding",
            "RoleBindingRestriction",
            "SelfSubjectRulesReview",
            "SubjectAccessReview",
            "SubjectRulesReview",
        ],
    ),
    ("build.openshift.io", &["Build", "BuildConfig", "BuildLog", "BuildRequest"]),
    (
        "image.openshift.io",
        &["Image", "ImageSignature", "ImageStream", "ImageStreamImage", "ImageStreamImport", "ImageStreamMapping", "ImageStreamTag"],
    ),
    ("network.openshift.io", &["ClusterNetwork", "EgressNetworkPolicy", "HostSubnet", "NetNamespace"]),
    ("oauth.openshift.io", &["OAuthAccessToken", "OAuthAuthorizeToken", "OAuthClient", "OAuthClientAuthorization"]),
    ("project.openshift.io", &["Project", "ProjectRequest"]),
    ("quota.openshift.io", &["AppliedClusterResourceQuota", "ClusterResourceQuota"]),
    ("route.openshift.io", &["Route"]),
    (
        "security.openshift.io",
        &["PodSecurityPolicyReview", "PodSecurityPolicySelfSubjectReview", "PodSecurityPolicySubjectReview", "SecurityContextConstraints"],
    ),
    ("template.openshift.io", &["BrokerTemplateInstance", "Template", "TemplateInstance"]),
];

/// Kinds of `user.openshift.io`.
const USERS: [&str; 4] = ["Group", "Identity", "User", "UserIdentityMapping"];

/// Writes the group of a legacy kind into its `apiVersion: v1`, and an empty apiVersion where there is none.
pub(super) fn groupify(object: &mut Value) {
    let Some(map) = object.as_object_mut() else { return };
    let kind = map.get("kind").and_then(Value::as_str).unwrap_or("");
    let group = group_of(kind.strip_suffix("List").unwrap_or(kind));
    let version = map.entry("apiVersion").or_insert_with(|| Value::String(String::new()));
    if let (Some(group), Some("v1")) = (group, version.as_str()) {
        *version = Value::String(format!("{group}/v1"));
    }
}

fn group_of(kind: &str) -> Option<&'static str> {
    if USERS.contains(&kind) {
        return Some("user.openshift.io");
    }
    GROUPS.iter().find(|(_, kinds)| kinds.contains(&kind)).map(|(group, _)| *group)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn version(api_version: &str, kind: &str) -> String {
        let mut object = json!({"apiVersion": api_version, "kind": kind});
        groupify(&mut object);
        object["apiVersion"].as_str().unwrap().to_owned()
    }

    #[test]
    fn legacy_kinds_get_their_group() {
        for (kind, group) in [
            ("DeploymentConfig", "apps"),
            ("BuildConfig", "build"),
            ("Build", "build"),
            ("ImageStream", "image"),
            ("ImageStreamTag", "image"),
            ("ImageStreamList", "image"),
            ("Route", "route"),
            ("Template", "template"),
            ("User", "user"),
            ("Group", "user"),
            ("Identity", "user"),
            ("Project", "project"),
            ("SecurityContextConstraints", "security"),
            ("Role", "authorization"),
            ("RoleBinding", "authorization"),
            ("ClusterRole", "authorization"),
            ("ClusterRoleBinding", "authorization"),
        ] {
            assert_eq!(version("v1", kind), format!("{group}.openshift.io/v1"), "{kind}");
        }
    }

    #[test]
    fn everything_else_stays() {
        for (version_in, kind) in
            [("v1", "ConfigMap"), ("v1", "List"), ("rbac.authorization.k8s.io/v1", "Role"), ("route.openshift.io/v1", "Route")]
        {
            assert_eq!(version(version_in, kind), version_in, "{kind}");
        }
        let mut object = json!({"kind": "Route"});
        groupify(&mut object);
        assert_eq!(object["apiVersion"], "");
    }
}
