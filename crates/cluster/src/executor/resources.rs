//! What a task asks for, and may not go beyond.

use serde_json::{Value, json};

use crate::spec::{cpu_millis, memory_bytes};

/// Amounts of processor time and memory, as Kubernetes writes them: `500m`, `2Gi`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Amounts {
    /// Processor time, in processors.
    pub cpu: Option<String>,
    /// Memory, in bytes.
    pub memory: Option<String>,
}

/// What a task asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskResources {
    /// What it is sure to get.
    pub requests: Amounts,
    /// What it may not go beyond.
    pub limits: Amounts,
}

impl TaskResources {
    /// What executors give to tasks that ask for nothing: enough for a small build, and a limit that protects the others.
    #[must_use]
    pub fn usual() -> Self {
        let amounts = |cpu: Option<&str>, memory: &str| Amounts { cpu: cpu.map(str::to_owned), memory: Some(memory.to_owned()) };
        Self { requests: amounts(Some("100m"), "256Mi"), limits: amounts(None, "2Gi") }
    }

    /// These, with what they leave open taken from `usual`, and a memory limit no lower than `memory_at_least` bytes.
    ///
    /// A usual request that is beyond the limit comes down to it: a cluster refuses the rest.
    #[must_use]
    pub fn or(&self, usual: &Self, memory_at_least: Option<u64>) -> Self {
        let mut limits = Amounts {
            cpu: self.limits.cpu.clone().or_else(|| fitting(&usual.limits.cpu, &self.requests.cpu, cpu_millis, true)),
            memory: self.limits.memory.clone().or_else(|| fitting(&usual.limits.memory, &self.requests.memory, memory_bytes, true)),
        };
        if let Some(bytes) = memory_at_least
            && limits.memory.as_deref().and_then(memory_bytes).is_none_or(|limit| limit < bytes)
        {
            limits.memory = Some(bytes.to_string());
        }
        let requests = Amounts {
            cpu: self.requests.cpu.clone().or_else(|| fitting(&usual.requests.cpu, &limits.cpu, cpu_millis, false)),
            memory: self.requests.memory.clone().or_else(|| fitting(&usual.requests.memory, &limits.memory, memory_bytes, false)),
        };
        Self { requests, limits }
    }

    /// As a container says it.
    pub(super) fn to_json(&self) -> Value {
        json!({"requests": amounts_json(&self.requests), "limits": amounts_json(&self.limits)})
    }
}

/// The usual amount, or the other one where the usual one is not on its side of it.
fn fitting(usual: &Option<String>, other: &Option<String>, read: impl Fn(&str) -> Option<u64>, at_least: bool) -> Option<String> {
    let amount = usual.clone()?;
    match (read(&amount), other.as_deref().and_then(read)) {
        (Some(own), Some(bound)) if (at_least && own < bound) || (!at_least && own > bound) => other.clone(),
        _ => Some(amount),
    }
}

fn amounts_json(amounts: &Amounts) -> Value {
    let mut map = serde_json::Map::new();
    for (name, amount) in [("cpu", &amounts.cpu), ("memory", &amounts.memory)] {
        if let Some(amount) = amount {
            map.insert(name.to_owned(), Value::from(amount.as_str()));
        }
    }
    Value::Object(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(request: Option<&str>, limit: Option<&str>) -> TaskResources {
        let amounts = |memory: Option<&str>| Amounts { cpu: None, memory: memory.map(str::to_owned) };
        TaskResources { requests: amounts(request), limits: amounts(limit) }
    }

    #[track_caller]
    fn check(asked: (Option<&str>, Option<&str>), at_least: Option<u64>, given: (&str, &str)) {
        let found = memory(asked.0, asked.1).or(&memory(Some("256Mi"), Some("2Gi")), at_least);
        assert_eq!((found.requests.memory.as_deref(), found.limits.memory.as_deref()), (Some(given.0), Some(given.1)), "{asked:?}");
    }

    #[test]
    fn what_is_left_open_is_usual_and_never_contradicts_what_was_asked_for() {
        check((None, None), None, ("256Mi", "2Gi"));
        check((Some("1Gi"), None), None, ("1Gi", "2Gi"));
        check((Some("4Gi"), None), None, ("4Gi", "4Gi"));
        check((None, Some("64Mi")), None, ("64Mi", "64Mi"));
        check((None, Some("8Gi")), None, ("256Mi", "8Gi"));
    }

    #[test]
    fn an_attempt_that_ran_out_of_memory_raises_the_limit_and_never_lowers_it() {
        check((None, Some("64Mi")), Some(128 << 20), ("134217728", "134217728"));
        check((None, Some("1Gi")), Some(128 << 20), ("256Mi", "1Gi"));
        check((Some("32Mi"), Some("64Mi")), Some(128 << 20), ("32Mi", "134217728"));
    }
}
