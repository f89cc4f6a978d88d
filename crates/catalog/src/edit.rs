//! Changes single scalars in a file, and nothing else: not a space, not a comment, not a line's end.
//!
//! The new text is spliced in for exactly the bytes of the old one, and keeps its quotes. Then the result is read again,
//! and refused unless it says the same as before in all but the scalars that were to change.

use towpath_domain::CommitId;

use crate::diagnostic::Place;
use crate::model::Target;
use crate::yaml::{Spot, Tree, parse, read_plain};

/// One scalar to change.
#[derive(Debug, Clone, Copy)]
pub struct Edit<'a> {
    /// Where it is written, as the catalog tells it of these very bytes.
    pub place: &'a Place,
    /// What it says now.
    pub old: &'a str,
    /// What it is to say.
    pub new: &'a str,
}

/// Why a file was not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The file is no YAML.
    #[error("{place}: the file cannot be edited, since it cannot be read: {why}; mend it first")]
    Unreadable {
        /// Where reading failed.
        place: Place,
        /// What is wrong.
        why: String,
    },
    /// No scalar is written at the place.
    #[error("{place}: there is no scalar here any more; load the catalog again and take the place from it")]
    Moved {
        /// Where one was looked for.
        place: Place,
    },
    /// The scalar says something else.
    #[error("{place}: here is {found:?} instead of {expected:?}; load the catalog again and decide anew")]
    Changed {
        /// Where.
        place: Place,
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
    },
    /// The scalar is, or has, an alias, so that more than one place would change.
    #[error("{place}: {old:?} is shared with other places of the file by an anchor and alias; write it out at each place first")]
    Shared {
        /// Where.
        place: Place,
        /// What is there.
        old: String,
    },
    /// The scalar is written in a way that is not edited.
    #[error("{place}: {old:?} is written as a block (`|` or `>`); write it on one line first")]
    Block {
        /// Where.
        place: Place,
        /// What is there.
        old: String,
    },
    /// The new text cannot stand in a file.
    #[error("{place}: {new:?} cannot be written here: it is empty or holds a line break or another control character")]
    BadText {
        /// Where.
        place: Place,
        /// The new text.
        new: String,
    },
    /// Two edits are about the same bytes.
    #[error("{place}: two edits are about the same scalar; make one of them")]
    Twice {
        /// Where.
        place: Place,
    },
    /// After the edit the file would say something else in another place as well.
    #[error("{place}: changing this scalar would change what else the file says, so the file was left as it is; edit it by hand")]
    SideEffect {
        /// The first edit's place.
        place: Place,
    },
}

/// Changes the scalar at `place` from `old` to `new`.
///
/// # Errors
/// [`EditError`] when the file says something else by now, or cannot be changed in this one scalar alone.
pub fn set_scalar(text: &[u8], place: &Place, old: &str, new: &str) -> Result<Vec<u8>, EditError> {
    set_scalars(text, &[Edit { place, old, new }])
}

/// Sets the `ref` of `target` to `new`. `text` are the bytes of the file that [`Target::ref_place`] names.
///
/// # Errors
/// As [`set_scalar`].
pub fn set_ref(text: &[u8], target: &Target, new: &CommitId) -> Result<Vec<u8>, EditError> {
    set_scalar(text, &target.ref_place, &target.git_ref.to_string(), &new.to_string())
}

/// Makes several edits in one file: all or none.
///
/// # Errors
/// As [`set_scalar`], for the first edit that cannot be made.
pub fn set_scalars(text: &[u8], edits: &[Edit<'_>]) -> Result<Vec<u8>, EditError> {
    let Some(first) = edits.first() else { return Ok(text.to_vec()) };
    let before = parse(text).map_err(|problems| unreadable(first.place, &problems))?;
    let mut sorted = edits.to_vec();
    sorted.sort_by_key(|edit| edit.place.start);
    for pair in sorted.windows(2) {
        if let [one, two] = pair
            && two.place.start < one.place.end.max(one.place.start + 1)
        {
            return Err(EditError::Twice { place: two.place.clone() });
        }
    }
    let mut edited = Vec::with_capacity(text.len() + 64);
    let mut done = 0;
    for edit in &sorted {
        check(&before, edit)?;
        let (start, end) = (edit.place.start as usize, edit.place.end as usize);
        let (Some(kept), Some(old)) = (text.get(done..start), text.get(start..end)) else {
            return Err(EditError::Moved { place: edit.place.clone() });
        };
        edited.extend_from_slice(kept);
        edited.extend_from_slice(written(old, edit.new).as_bytes());
        done = end;
    }
    edited.extend_from_slice(text.get(done..).unwrap_or_default());
    let after = parse(&edited).map_err(|_| EditError::SideEffect { place: first.place.clone() })?;
    if before.differs_only(&after, &sorted.iter().map(|edit| (edit.place.start, edit.new)).collect::<Vec<_>>()) {
        Ok(edited)
    } else {
        Err(EditError::SideEffect { place: first.place.clone() })
    }
}

fn unreadable(place: &Place, problems: &[crate::yaml::Problem]) -> EditError {
    let (spot, why) = problems.first().map_or((Spot::top(), String::new()), |problem| (problem.spot, problem.message.clone()));
    EditError::Unreadable { place: spot.place(&place.file), why }
}

/// Whether the scalar of `edit` is there, says what it should, and is nobody else's.
fn check(tree: &Tree<'_>, edit: &Edit<'_>) -> Result<(), EditError> {
    let place = edit.place.clone();
    let old = edit.old.to_owned();
    if edit.new.is_empty() || edit.new.chars().any(char::is_control) {
        return Err(EditError::BadText { place, new: edit.new.to_owned() });
    }
    if tree.aliases().any(|spot| spot.start == place.start) {
        return Err(EditError::Shared { place, old });
    }
    let found = tree.scalars().find(|scalar| scalar.spot.start == place.start && scalar.spot.end == place.end && place.start < place.end);
    let Some(found) = found else { return Err(EditError::Moved { place }) };
    if found.text != edit.old {
        return Err(EditError::Changed { place, expected: old, found: found.text.to_owned() });
    }
    if found.is_aliased {
        return Err(EditError::Shared { place, old });
    }
    if found.is_block {
        return Err(EditError::Block { place, old });
    }
    Ok(())
}

/// `new` as it is written in the place of `old`: in the same quotes, or in double quotes where plain text would be read as
/// something else than text.
fn written(old: &[u8], new: &str) -> String {
    match old.first() {
        Some(b'\'') => format!("'{}'", new.replace('\'', "''")),
        Some(b'"') => double_quoted(new),
        _ if is_plain(new) => new.to_owned(),
        _ => double_quoted(new),
    }
}

pub(crate) fn double_quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Whether readers of any YAML version take `text` without quotes as the same text, in block and in flow style. Says no
/// rather too often.
pub(crate) fn is_plain(text: &str) -> bool {
    let harmless = |b: u8| b.is_ascii_alphanumeric() || b"_./-+".contains(&b);
    let read = read_plain(text);
    let date = text.len() >= 8 && text.bytes().take(5).enumerate().all(|(at, b)| if at == 4 { b == b'-' } else { b.is_ascii_digit() });
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(harmless)
        && !read.ambiguous
        && read.value.is_string()
        && !date
}

#[cfg(test)]
mod tests;
