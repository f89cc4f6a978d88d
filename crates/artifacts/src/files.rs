//! Which files are reports.

/// The longest name, in bytes.
const LONGEST: usize = 200;

/// The most names.
const MOST: usize = 20;

/// Names of files, wherever they lie: `*` stands for any characters, `?` for one.
///
/// The shell's other signs are refused, so that everybody who matches with them (this part, and `find` in a pod) finds the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileNames(Vec<String>);

/// Why texts are no names of files.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileNamesError {
    /// There is none, or there are too many.
    #[error("give one to {MOST} names of files")]
    Count,
    /// One is none.
    #[error("{0:?} is no name of a file: write it without a folder, such as junit*.xml; * stands for any characters, ? for one")]
    Bad(String),
}

impl FileNames {
    /// These names. A leading `**/` says what is meant anyway.
    ///
    /// # Errors
    /// [`FileNamesError`].
    pub fn new(names: &[String]) -> Result<Self, FileNamesError> {
        if names.is_empty() || names.len() > MOST {
            return Err(FileNamesError::Count);
        }
        let plain = |name: &String| {
            let short = name.strip_prefix("**/").unwrap_or(name);
            let bad = |c: char| c.is_control() || "/\\[]{}!".contains(c);
            // What begins with a dash would be an option to somebody.
            if short.is_empty() || short.len() > LONGEST || short.starts_with('-') || short.contains(bad) {
                return Err(FileNamesError::Bad(name.chars().take(LONGEST).collect()));
            }
            Ok(short.to_owned())
        };
        names.iter().map(plain).collect::<Result<_, _>>().map(Self)
    }

    /// The names, as they are matched.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether the file at this path has one of the names.
    #[must_use]
    pub fn are_of(&self, path: &str) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        !name.is_empty() && self.0.iter().any(|pattern| matches(pattern, name))
    }
}

impl Default for FileNames {
    /// What pytest's plugins, surefire and their like call them.
    fn default() -> Self {
        Self(["junit*.xml", "TEST-*.xml"].map(str::to_owned).to_vec())
    }
}

/// Whether the pattern matches the whole name. Only the last star is ever gone back to, so that no pattern takes long.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut at, mut read) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(char) = name.get(read) {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, read));
                at += 1;
            }
            Some(wanted) if *wanted == '?' || wanted == char => {
                at += 1;
                read += 1;
            }
            _ => match star {
                Some((star_at, from)) => {
                    star = Some((star_at, from + 1));
                    at = star_at + 1;
                    read = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(at).all(|left| *left == '*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(patterns: &[&str]) -> Result<FileNames, FileNamesError> {
        FileNames::new(&patterns.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_file_is_known_by_its_name_wherever_it_lies() {
        let usual = FileNames::default();
        for path in ["junit-rbac-sequential.xml", "a/b/junit.xml", "target/surefire-reports/TEST-a.B.xml"] {
            assert!(usual.are_of(path), "{path}");
        }
        for path in ["", "junit/", "junit.xml/x.txt", "report.xml", "xjunit.xml", "junit.xml.gz", "test-a.xml"] {
            assert!(!usual.are_of(path), "{path}");
        }
        let odd = names(&["**/*a*b?.xml", "ä?"]).unwrap();
        assert!(odd.are_of("xaxbab1.xml") && odd.are_of("äö") && !odd.are_of("ab.xml") && !odd.are_of("ä"));
    }

    #[test]
    fn names_that_would_mean_something_else_elsewhere_are_refused() {
        for bad in ["", "**/", "a/b.xml", "[ab].xml", "a\\*.xml", "-delete", "a\nb", "{a,b}.xml", "!a"] {
            assert!(matches!(names(&[bad]), Err(FileNamesError::Bad(_))), "{bad:?}");
        }
        assert_eq!(names(&[]), Err(FileNamesError::Count));
        assert_eq!(names(&["a"; 21]), Err(FileNamesError::Count));
    }

    proptest! {
        #[test]
        fn a_star_is_whatever_it_must_be(parts in prop::collection::vec("[ab.]{0,4}", 1..4), between in "[ab.]{0,4}") {
            prop_assert!(matches(&parts.join("*"), &parts.join(&between)));
            prop_assert!(matches(&parts.concat(), &parts.concat()));
        }

        #[test]
        fn without_signs_only_the_same_is_the_same(a in "[ab]{1,3}", b in "[ab]{1,3}") {
            prop_assert_eq!(matches(&a, &b), a == b);
        }
    }
}
