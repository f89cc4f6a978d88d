//! `--param-file`: lines of `NAME=VALUE`, as dotenv files have them.

use std::collections::BTreeMap;

use super::is_name;

/// Why a text is not a parameter file. Values are left out of the messages, since they may be secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParamFileError {
    /// A line has no `=`.
    #[error("line {line}: invalid parameter assignment: there is no '='; write NAME=VALUE")]
    NoEquals {
        /// The line, from 1.
        line: usize,
    },
    /// A name is not formed like that of an environment variable.
    #[error("line {line}: {name:?} is not a parameter name (letters, digits and '_', no digit first)")]
    Name {
        /// The line, from 1.
        line: usize,
        /// The name.
        name: String,
    },
    /// A quote is not closed.
    #[error("line {line}: the quote that begins the value of {name} is never closed")]
    OpenQuote {
        /// The line where it begins, from 1.
        line: usize,
        /// The parameter.
        name: String,
    },
    /// Something follows a closing quote.
    #[error("line {line}: only a comment may follow the closing quote of {name}; put the quote at the end of the value")]
    AfterQuote {
        /// The line, from 1.
        line: usize,
        /// The parameter.
        name: String,
    },
    /// A parameter is given twice.
    #[error("line {line}: {name} was provided more than once; remove one")]
    Repeated {
        /// The line of the second, from 1.
        line: usize,
        /// The parameter.
        name: String,
    },
}

/// Reads a parameter file.
///
/// Empty lines and lines beginning with `#` are passed over; `export` may stand before a name. A value in single quotes is
/// taken as it is, one in double quotes knows `\n`, `\r`, `\t`, `\"`, `\\` and `\$`; both may go over several lines. Other
/// values end at the line's end or at a `#` after a space. `${X}` is never expanded here: it may be meant for the template.
///
/// # Errors
/// [`ParamFileError`] for the first line that is wrong.
pub fn parse_param_file(text: &str) -> Result<BTreeMap<String, String>, ParamFileError> {
    let mut values = BTreeMap::new();
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut line = 0;
    while !rest.is_empty() {
        line += 1;
        let (this, after) = rest.split_once('\n').unwrap_or((rest, ""));
        let content = this.trim();
        if content.is_empty() || content.starts_with('#') {
            rest = after;
            continue;
        }
        let (before, _) = this.split_once('=').ok_or(ParamFileError::NoEquals { line })?;
        let name = before.trim();
        let name = name.strip_prefix("export").filter(|bare| bare.starts_with([' ', '\t'])).unwrap_or(name).trim_start();
        if !is_name(name) {
            return Err(ParamFileError::Name { line, name: name.to_owned() });
        }
        let first_line = line;
        let from_value = rest.get(before.len() + 1..).unwrap_or("").trim_start_matches([' ', '\t']);
        let value;
        (value, rest) = match from_value.chars().next().filter(|c| matches!(c, '"' | '\'')) {
            Some(quote) => {
                let (value, tail) =
                    quoted(from_value, quote).ok_or_else(|| ParamFileError::OpenQuote { line: first_line, name: name.to_owned() })?;
                line += from_value.len().checked_sub(tail.len()).and_then(|n| from_value.get(..n)).map_or(0, |v| v.matches('\n').count());
                let (remainder, after) = tail.split_once('\n').unwrap_or((tail, ""));
                let remainder = remainder.trim();
                if !remainder.is_empty() && !remainder.starts_with('#') {
                    return Err(ParamFileError::AfterQuote { line, name: name.to_owned() });
                }
                (value, after)
            }
            None => (plain(from_value.split('\n').next().unwrap_or("")), after),
        };
        if values.insert(name.to_owned(), value).is_some() {
            return Err(ParamFileError::Repeated { line: first_line, name: name.to_owned() });
        }
    }
    Ok(values)
}

/// The quoted value at the start of `text` and what follows the closing quote.
fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            c if c == quote => return Some((value, text.get(at + 1..)?)),
            '\\' if quote == '"' => match chars.next()?.1 {
                'n' => value.push('\n'),
                'r' => value.push('\r'),
                't' => value.push('\t'),
                known @ ('"' | '\\' | '$') => value.push(known),
                other => value.extend(['\\', other]),
            },
            c => value.push(c),
        }
    }
    None
}

/// A value without quotes, up to a comment.
fn plain(text: &str) -> String {
    if text.starts_with('#') {
        return String::new();
    }
    let comment = text.find(" #").into_iter().chain(text.find("\t#")).min();
    text.get(..comment.unwrap_or(text.len())).unwrap_or("").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(text: &str, want: &[(&str, &str)]) {
        let want = want.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        assert_eq!(parse_param_file(text), Ok(want));
    }

    #[test]
    fn lines_comments_and_exports_are_read() {
        check("", &[]);
        check(
            "# c\n\n  A = b # c\nexport B=c#d\nC=\nD=#x\nexported=1\n",
            &[("A", "b"), ("B", "c#d"), ("C", ""), ("D", ""), ("exported", "1")],
        );
        check("\u{feff}A=my,1%pa=s\r\nB=a=b=c", &[("A", "my,1%pa=s"), ("B", "a=b=c")]);
    }

    #[test]
    fn quoted_values_may_go_over_lines() {
        check(r#"A="first\nsecond""#, &[("A", "first\nsecond")]);
        check("A=\"first\nsecond # in\" # out\nB='it\\n \"\n$x'\nC=1", &[("A", "first\nsecond # in"), ("B", "it\\n \"\n$x"), ("C", "1")]);
        check(r#"A="\$ \" \\ \q ${X}""#, &[("A", r#"$ " \ \q ${X}"#)]);
    }

    #[test]
    fn references_are_left_to_the_template() {
        check("A=1\nB=${A}-$A", &[("A", "1"), ("B", "${A}-$A")]);
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        for (text, want) in [
            ("A=1\nnope", "line 2: invalid parameter assignment"),
            ("fo%(o=bar", "line 1: \"fo%(o\" is not a parameter name"),
            ("S P A C E S=test", "line 1: \"S P A C E S\""),
            ("A='1\n2'\nB=\"x\n", "line 3: the quote that begins the value of B"),
            ("A='1\n2' x\n", "line 2: only a comment"),
            ("A=1\nB='\n\n'\nA=2", "line 5: A was provided more than once"),
        ] {
            let error = parse_param_file(text).unwrap_err().to_string();
            assert!(error.starts_with(want), "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[A-C='\"\\\\ #\nné$]{0,40}") {
            let _ = parse_param_file(&text);
        }
    }
}
