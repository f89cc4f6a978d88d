//! The commit messages, all for people to read.

use towpath_domain::ChangeId;

use crate::Proposal;

/// Longer titles are cut: tools that list commits show no more.
const MAX_TITLE_CHARS: usize = 200;

/// The last line of every message, by which a commit is traced to its change.
fn trailer(id: &ChangeId) -> String {
    format!("Towpath-Change: {id}\n")
}

/// The message of a change's own commit.
pub(super) fn of_change(proposal: &Proposal) -> String {
    let description = proposal.description.replace('\0', "");
    let description = description.trim();
    let gap = if description.is_empty() { "" } else { "\n\n" };
    format!("{}\n\n{description}{gap}{}", one_line(&proposal.title), trailer(&proposal.id))
}

/// The message of the merge commit.
pub(crate) fn of_merge(id: &ChangeId, title: &str) -> String {
    format!("Merge change: {}\n\n{}", one_line(title), trailer(id))
}

/// A title is one line, whatever was handed in.
pub(crate) fn one_line(title: &str) -> String {
    let words: Vec<&str> = title.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect();
    let line: String = words.join(" ").chars().take(MAX_TITLE_CHARS).collect();
    if line.is_empty() { "Change without a title".to_owned() } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_one_line_whatever_comes() {
        assert_eq!(one_line("  Promote\nweb \0 to\tstage "), "Promote web to stage");
        assert_eq!(one_line("\n"), "Change without a title");
        assert_eq!(one_line(&"ü".repeat(300)).chars().count(), MAX_TITLE_CHARS);
    }

    #[test]
    fn a_merge_names_its_change() {
        let id = ChangeId::new("web-1a2b").unwrap();
        assert_eq!(of_merge(&id, "Promote web"), "Merge change: Promote web\n\nTowpath-Change: web-1a2b\n");
    }
}
