//! The Job that prints what is in a volume. Pure.

use serde_json::{Map, Value, json};

use super::reader::{Asked, VolumeSettings};
use crate::kube::labels;

/// The name of the container that prints.
pub const COLLECTOR: &str = "towpath-reports";

/// Where the volume is mounted.
const VOLUME: &str = "/reports";

/// How long it may take, in seconds: a volume that is attached elsewhere takes its time.
pub(super) const DEADLINE_SECONDS: u64 = 300;

/// How long it stays when nobody comes to delete it, in seconds, where the cluster cares for that.
const KEPT_SECONDS: u64 = 600;

/// How much the clocks of a cluster's machines may differ, in seconds.
const CLOCKS_DIFFER_SECONDS: i64 = 5;

/// The most files that are printed.
const FILES_MAX: usize = 500;

/// The largest file that is printed, in bytes.
const BYTES_MAX: usize = 64 << 20;

/// Prints the files whose names are asked for, each between the lines that reports stand between. Packed where the image can do that, since
/// lines of a report may be longer than a log's.
///
/// All that differs from test to test comes in by the environment and by arguments: nothing of it is ever read as a command. Links are not
/// followed, and a folder that a link leads out of the volume is refused. What was there before the test began is passed over: a volume keeps
/// what earlier runs wrote. What cannot be printed makes it fail.
const SCRIPT: &str = r#"set -eu
cd -P "$TOWPATH_VOLUME"
volume=$(pwd -P)
if [ -n "$TOWPATH_FOLDER" ]; then
    if [ ! -d "./$TOWPATH_FOLDER" ]; then
        echo "the volume has no folder $TOWPATH_FOLDER"
        exit 0
    fi
    cd -P "./$TOWPATH_FOLDER"
fi
case "$(pwd -P)/" in
"$volume"/*) ;;
*)
    echo "the folder $TOWPATH_FOLDER leads out of the volume"
    exit 3
    ;;
esac
files=$(find . -type f \( "$@" \))
[ -n "$files" ] || exit 0
printf '%s\n' "$files" | {
    count=0
    old=0
    while IFS= read -r file; do
        written=$(date -r "$file" +%s)
        if [ "$written" -lt "$TOWPATH_SINCE" ]; then
            old=$((old + 1))
            continue
        fi
        count=$((count + 1))
        if [ "$count" -gt "$TOWPATH_FILES_MAX" ]; then
            echo "there are more than $TOWPATH_FILES_MAX reports"
            exit 3
        fi
        size=$(wc -c <"$file")
        if [ "$size" -gt "$TOWPATH_BYTES_MAX" ]; then
            echo "$file is larger than $TOWPATH_BYTES_MAX bytes"
            exit 3
        fi
        if command -v gzip >/dev/null && command -v base64 >/dev/null; then
            echo "-----BEGIN JUNIT REPORT $file (gzip+base64)-----"
            gzip -c <"$file" | base64
        else
            echo "-----BEGIN JUNIT REPORT $file-----"
            cat "$file"
            echo
        fi
        echo "-----END JUNIT REPORT-----"
    done
    [ "$old" = 0 ] || echo "reports that are older than the test, and passed over: $old"
}
"#;

/// As which user the pod reads: the test's own, as its Job says, so that it may read what that one wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodUser {
    user: Option<u64>,
    group: Option<u64>,
    fs_group: Option<u64>,
    groups: Vec<u64>,
}

impl PodUser {
    /// The user of a rendered `Job`; the image's own where it says nothing.
    #[must_use]
    pub fn of(job: &Value) -> Self {
        let number = |field: &str| job.pointer(&format!("/spec/template/spec/securityContext/{field}")).and_then(Value::as_u64);
        let groups = job.pointer("/spec/template/spec/securityContext/supplementalGroups").and_then(Value::as_array);
        Self {
            user: number("runAsUser"),
            group: number("runAsGroup"),
            fs_group: number("fsGroup"),
            groups: groups.into_iter().flatten().filter_map(Value::as_u64).collect(),
        }
    }

    fn to_json(&self, settings: &VolumeSettings) -> Value {
        let mut context = Map::new();
        context.insert("seccompProfile".to_owned(), json!({"type": "RuntimeDefault"}));
        let numbers =
            [("runAsUser", settings.run_as_user.map(u64::from).or(self.user)), ("runAsGroup", self.group), ("fsGroup", self.fs_group)];
        for (field, number) in numbers {
            if let Some(number) = number {
                context.insert(field.to_owned(), json!(number));
            }
        }
        if !self.groups.is_empty() {
            context.insert("supplementalGroups".to_owned(), json!(self.groups));
        }
        Value::Object(context)
    }
}

/// The Job; `owner` is the test's own, which it goes with.
pub(super) fn job(name: &str, asked: &Asked<'_>, settings: &VolumeSettings, owner: Option<&Value>) -> Value {
    let managed = json!({"app.kubernetes.io/managed-by": "towpath"});
    let annotations = json!({(labels::RUN): asked.run.as_str()});
    let mut job = json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": asked.namespace.as_str(), "labels": managed, "annotations": annotations},
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": DEADLINE_SECONDS,
            "ttlSecondsAfterFinished": KEPT_SECONDS,
            "template": {"metadata": {"labels": managed, "annotations": annotations}, "spec": pod(asked, settings, owner)},
        },
    });
    if let Some(owner) = owner {
        let text = |pointer: &str| owner.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        job["metadata"]["ownerReferences"] =
            json!([{"apiVersion": "batch/v1", "kind": "Job", "name": text("/metadata/name"), "uid": text("/metadata/uid")}]);
    }
    job
}

fn pod(asked: &Asked<'_>, settings: &VolumeSettings, test: Option<&Value>) -> Value {
    let begun = test.and_then(|job| job.pointer("/metadata/creationTimestamp")?.as_str()?.parse::<jiff::Timestamp>().ok());
    let since = begun.map_or(0, |begun| begun.as_second() - CLOCKS_DIFFER_SECONDS);
    let env = [
        ("TOWPATH_SINCE", since.to_string()),
        ("TOWPATH_VOLUME", VOLUME.to_owned()),
        ("TOWPATH_FOLDER", asked.claim.folder.clone()),
        ("TOWPATH_FILES_MAX", FILES_MAX.to_string()),
        ("TOWPATH_BYTES_MAX", BYTES_MAX.to_string()),
    ];
    let mut command = vec!["sh", "-c", SCRIPT, COLLECTOR];
    for (index, name) in asked.files.iter().enumerate() {
        if index > 0 {
            command.push("-o");
        }
        command.extend(["-name", name]);
    }
    let mut pod = json!({
        "restartPolicy": "Never",
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
        "terminationGracePeriodSeconds": 1,
        "securityContext": asked.user.to_json(settings),
        "volumes": [{"name": "reports", "persistentVolumeClaim": {"claimName": asked.claim.name}}],
        "containers": [{
            "name": COLLECTOR,
            "image": settings.image.to_string(),
            "command": command,
            "env": env.map(|(name, value)| json!({"name": name, "value": value})),
            "volumeMounts": [{"name": "reports", "mountPath": VOLUME, "readOnly": true}],
            "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"cpu": "500m", "memory": "128Mi"}},
            "securityContext": {
                "allowPrivilegeEscalation": false,
                "capabilities": {"drop": ["ALL"]},
                "readOnlyRootFilesystem": true,
            },
        }],
    });
    if let Some(secret) = &settings.pull_secret {
        pod["imagePullSecrets"] = json!([{"name": secret}]);
    }
    pod
}

#[cfg(test)]
#[path = "collector_tests.rs"]
mod tests;
