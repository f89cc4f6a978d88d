//! Ids that follow from what they name: the same run has the same id in every process, every time.

use towpath_domain::RunId;
use uuid::Uuid;

/// The namespace of Towpath's ids (RFC 9562, section 5.5). It never changes: what was sent is found again by it.
const NAMESPACE: Uuid = Uuid::from_u128(0x8d0c_9e1f_5a51_4f0a_9c3e_7b60_2f7c_4d19);

/// The id in Ibutsu of a run from `source`.
#[must_use]
pub fn run_uuid(source: &str, run: &RunId) -> Uuid {
    named(NAMESPACE, &["run", source, run.as_str()])
}

/// The id of a test's result in a run: the test is known by its report, suite, class and name, and by how many before it had the same.
pub(crate) fn result_uuid(run: Uuid, test: [&str; 4], before: usize) -> Uuid {
    let [report, suite, class, name] = test;
    named(run, &["result", report, suite, class, name, &before.to_string()])
}

/// Each part has its length before it, so that none runs into the next.
fn named(namespace: Uuid, parts: &[&str]) -> Uuid {
    let name: String = parts.iter().map(|part| format!("{}:{part}", part.len())).collect();
    Uuid::new_v5(&namespace, name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_the_same_for_ever() {
        let run = RunId::new("deploy-web-stage-0123456789").unwrap();
        let id = run_uuid("towpath", &run);
        // Who changes this sends every run that is under way a second time.
        assert_eq!(id.to_string(), "7e4f0d87-7e65-5102-9369-44f65fcc4f61");
        assert_eq!(id.get_version_num(), 5);
    }

    #[test]
    fn other_things_have_other_ids() {
        let run = |name: &str| RunId::new(name).unwrap();
        let one = run_uuid("towpath", &run("a"));
        assert_ne!(one, run_uuid("towpath", &run("b")));
        assert_ne!(one, run_uuid("towpath-2", &run("a")), "two installations may feed one project");
        let id = |test, before| result_uuid(one, test, before);
        assert_ne!(id(["r", "s", "c", "n"], 0), id(["r", "s", "c", "n"], 1));
        assert_ne!(id(["r", "s", "c", "n"], 0), id(["r", "s", "", "cn"], 0), "no part runs into the next");
        assert_ne!(id(["r", "s", "c1:n", ""], 0), id(["r", "s", "c", "1:n"], 0));
    }
}
