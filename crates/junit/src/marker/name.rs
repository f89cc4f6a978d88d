//! Names of reports, from whoever wrote the log.

use std::collections::HashMap;

use crate::text::on_one_line;

/// The longest name, in bytes.
const LONGEST: usize = 200;

/// A name that is safe to show and to use as a file's: its folders are divided by `-`, and nothing in it climbs or hides.
pub(super) fn sanitised(name: &str) -> String {
    let name = on_one_line(name);
    let parts: Vec<_> =
        name.split(['/', '\\']).map(str::trim).filter(|part| !part.is_empty() && !part.chars().all(|char| char == '.')).collect();
    let joined: String =
        parts
            .join("-")
            .chars()
            .map(|char| {
                if char.is_alphanumeric() || matches!(char, '.' | '-' | '_' | ' ' | '+' | '@' | '=' | ',' | '(' | ')') { char } else { '_' }
            })
            .collect();
    let joined = joined.trim_start_matches(['.', '-', ' ']).trim_end();
    // The end of a long one tells more.
    let begin = joined.ceil_char_boundary(joined.len().saturating_sub(LONGEST));
    if joined.is_empty() { "report.xml".to_owned() } else { joined[begin..].to_owned() }
}

/// The names of a log's reports.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// By name, the number that was last put before it.
    taken: HashMap<String, u32>,
}

impl Names {
    /// The name, with a number if another report has it already.
    pub fn add(&mut self, name: String) -> String {
        let Some(mut number) = self.taken.get(&name).copied() else {
            self.taken.insert(name.clone(), 1);
            return name;
        };
        loop {
            number = number.saturating_add(1);
            let numbered = format!("{number}-{name}");
            if number == u32::MAX || !self.taken.contains_key(&numbered) {
                self.taken.insert(name, number);
                self.taken.insert(numbered.clone(), 1);
                return numbered;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_climb_or_hide() {
        for (name, safe) in [
            ("smoke.xml", "smoke.xml"),
            ("target/surefire-reports/TEST-a.b.C.xml", "target-surefire-reports-TEST-a.b.C.xml"),
            ("../../etc/passwd", "etc-passwd"),
            ("..\\..\\x", "x"),
            ("/abs.xml", "abs.xml"),
            (".hidden", "hidden"),
            ("-rf", "rf"),
            ("a\u{1b}[31mb<script>\u{202e}.xml", "ab_script_.xml"),
            ("", "report.xml"),
            ("../..", "report.xml"),
        ] {
            assert_eq!(sanitised(name), safe, "{name:?}");
        }
        assert!(sanitised(&"ä".repeat(1000)).len() <= LONGEST);
    }

    #[test]
    fn two_of_the_same_name_are_told_apart() {
        let mut names = Names::default();
        let added: Vec<_> = ["a.xml", "2-a.xml", "a.xml", "a.xml", "b.xml"].iter().map(|name| names.add((*name).to_owned())).collect();
        assert_eq!(added, ["a.xml", "2-a.xml", "3-a.xml", "4-a.xml", "b.xml"]);
    }
}
