//! Names with places in them: `{pod}-artifacts`.

use std::fmt;
use std::str::FromStr;

/// What a place in a pattern stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// The pod that ran the test.
    Pod,
    /// The namespace that it ran in.
    Namespace,
    /// The run.
    Run,
    /// The rendered `Job` or `ClowdJobInvocation`.
    Job,
}

impl Slot {
    const ALL: [(&'static str, Slot); 4] = [("pod", Slot::Pod), ("namespace", Slot::Namespace), ("run", Slot::Run), ("job", Slot::Job)];
}

/// What the places are filled with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Names<'a> {
    /// The pod.
    pub pod: &'a str,
    /// The namespace.
    pub namespace: &'a str,
    /// The run.
    pub run: &'a str,
    /// The job.
    pub job: &'a str,
}

/// A text with places for names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pattern {
    /// Texts, each with the place after it.
    pieces: Vec<(String, Slot)>,
    /// What comes after the last place.
    end: String,
}

/// Why a text is not a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} has a brace that encloses none of {{pod}}, {{namespace}}, {{run}} and {{job}}")]
pub struct PatternError(String);

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let bad = || PatternError(text.chars().take(200).collect());
        let mut pattern = Self::default();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(at);
            let (name, after) = from.strip_prefix('{').and_then(|from| from.split_once('}')).ok_or_else(bad)?;
            let (_, slot) = Slot::ALL.into_iter().find(|(known, _)| *known == name).ok_or_else(bad)?;
            pattern.pieces.push((before.to_owned(), slot));
            rest = after;
        }
        rest.clone_into(&mut pattern.end);
        Ok(pattern)
    }
}

impl Pattern {
    /// Whether it has a place for this.
    #[must_use]
    pub fn has(&self, slot: Slot) -> bool {
        self.pieces.iter().any(|(_, there)| *there == slot)
    }

    /// Whether what it names is one run's alone: pods and runs come once, everything else comes again.
    #[must_use]
    pub fn is_of_one_run(&self) -> bool {
        self.has(Slot::Pod) || self.has(Slot::Run)
    }

    /// The text with these names in their places.
    #[must_use]
    pub fn fill(&self, names: &Names<'_>) -> String {
        let mut filled = String::new();
        for (text, slot) in &self.pieces {
            filled.push_str(text);
            filled.push_str(match slot {
                Slot::Pod => names.pod,
                Slot::Namespace => names.namespace,
                Slot::Run => names.run,
                Slot::Job => names.job,
            });
        }
        filled.push_str(&self.end);
        filled
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (text, slot) in &self.pieces {
            let name = Slot::ALL.iter().find(|(_, known)| known == slot).map_or("", |(name, _)| name);
            write!(f, "{text}{{{name}}}")?;
        }
        f.write_str(&self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: Names<'_> = Names { pod: "smoke-x7x2p", namespace: "web-stage", run: "deploy-web-1", job: "smoke" };

    #[test]
    fn places_are_filled_and_a_pattern_shows_as_it_was_written() {
        for (text, filled) in [
            ("{pod}-artifacts", "smoke-x7x2p-artifacts"),
            ("reports", "reports"),
            ("", ""),
            ("{namespace}/{job}/{run}/", "web-stage/smoke/deploy-web-1/"),
            ("{pod}{pod}", "smoke-x7x2psmoke-x7x2p"),
        ] {
            let pattern: Pattern = text.parse().unwrap();
            assert_eq!(pattern.fill(&NAMES), filled);
            assert_eq!(pattern.to_string(), text);
        }
    }

    #[test]
    fn what_is_filled_in_is_no_pattern() {
        let pattern: Pattern = "{job}-{run}".parse().unwrap();
        assert_eq!(pattern.fill(&Names { job: "{run}", ..NAMES }), "{run}-deploy-web-1");
    }

    #[test]
    fn only_pods_and_runs_come_once() {
        for (text, alone) in [("{pod}", true), ("a-{run}", true), ("{job}/{namespace}", false), ("reports", false)] {
            assert_eq!(text.parse::<Pattern>().unwrap().is_of_one_run(), alone, "{text}");
        }
    }

    #[test]
    fn slips_are_told() {
        for text in ["{pods}", "{pod", "pod}", "{}", "{{pod}}", "{ pod }"] {
            let error = text.parse::<Pattern>().unwrap_err().to_string();
            assert!(error.contains("none of {pod}, {namespace}, {run} and {job}"), "{error}");
        }
    }
}
