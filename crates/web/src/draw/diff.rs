//! Unified diffs as rows: what each line says by its sign, and which part of a changed line differs.

/// A line of a diff.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What it is.
    pub kind: Kind,
    /// Its text up to where it differs from its other side; all of it when it has none.
    pub same: String,
    /// What differs.
    pub differs: String,
    /// What is the same again.
    pub rest: String,
}

/// What a line of a diff is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It came.
    Added,
    /// It went.
    Removed,
    /// It stayed.
    Kept,
    /// Where the lines behind it are.
    Place,
}

impl Kind {
    /// The sign before the line.
    #[must_use]
    pub fn sign(self) -> &'static str {
        match self {
            Self::Added => "+",
            Self::Removed => "−",
            Self::Kept | Self::Place => " ",
        }
    }

    /// The class of its row.
    #[must_use]
    pub fn class(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Kept => "kept",
            Self::Place => "place",
        }
    }

    /// What it is, for those who listen.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Added => "added: ",
            Self::Removed => "removed: ",
            Self::Kept | Self::Place => "",
        }
    }
}

/// Reads the lines of a unified diff. Where as many lines came as went, each is compared with its other side.
#[must_use]
pub fn lines(diff: &[String]) -> Vec<Line> {
    let mut lines: Vec<Line> = diff.iter().enumerate().filter_map(|(index, line)| read(line, index < 2)).collect();
    let mut at = 0;
    while at < lines.len() {
        let run = |from: usize, kind: Kind| lines[from..].iter().take_while(|line| line.kind == kind).count();
        let removed = run(at, Kind::Removed);
        let added = run(at + removed, Kind::Added);
        if removed > 0 && removed == added {
            let (went, came) = lines[at..at + removed + added].split_at_mut(removed);
            went.iter_mut().zip(came).for_each(|(went, came)| mark(went, came));
        }
        at += (removed + added).max(1);
    }
    lines
}

/// How many lines came, and how many went.
#[must_use]
pub fn count(lines: &[Line]) -> (usize, usize) {
    let of = |kind| lines.iter().filter(|line| line.kind == kind).count();
    (of(Kind::Added), of(Kind::Removed))
}

/// One line; none for the names of the two sides, which stand first if anywhere.
fn read(line: &str, first: bool) -> Option<Line> {
    let (kind, text) = match line.as_bytes().first() {
        Some(b'-') if first && line.starts_with("--- ") => return None,
        Some(b'+') if first && line.starts_with("+++ ") => return None,
        Some(b'+') => (Kind::Added, &line[1..]),
        Some(b'-') => (Kind::Removed, &line[1..]),
        Some(b'@') => (Kind::Place, line),
        Some(b' ') => (Kind::Kept, &line[1..]),
        _ => (Kind::Kept, line),
    };
    // Control characters could hide what is there.
    let same = text.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect();
    Some(Line { kind, same, differs: String::new(), rest: String::new() })
}

/// Marks what differs between two sides of a line, unless next to nothing is the same.
fn mark(went: &mut Line, came: &mut Line) {
    let before = common(went.same.chars(), came.same.chars());
    let longest = went.same.len().min(came.same.len()) - before;
    let after = common(went.same[before..].chars().rev(), came.same[before..].chars().rev()).min(longest);
    let indent = went.same.len() - went.same.trim_start().len();
    if before <= indent && after == 0 {
        return;
    }
    for line in [went, came] {
        line.rest = line.same.split_off(line.same.len() - after);
        line.differs = line.same.split_off(before);
    }
}

/// The bytes that two texts have in common from where they begin.
fn common(a: impl Iterator<Item = char>, b: impl Iterator<Item = char>) -> usize {
    a.zip(b).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(diff: &[&str]) -> Vec<String> {
        let diff: Vec<String> = diff.iter().map(|line| (*line).to_owned()).collect();
        lines(&diff).iter().map(|line| format!("{}{}[{}]{}", line.kind.sign(), line.same, line.differs, line.rest)).collect()
    }

    #[test]
    fn what_differs_in_a_changed_line_is_marked() {
        let seen = shown(&["--- a", "+++ b", "@@ -1,3 +1,3 @@", " spec:", "-  image: web:1a2b", "+  image: web:9f2b", " x: 1"]);
        assert_eq!(seen, [" @@ -1,3 +1,3 @@[]", " spec:[]", "−  image: web:[1a]2b", "+  image: web:[9f]2b", " x: 1[]"]);
    }

    #[test]
    fn lines_that_share_nothing_or_have_no_other_side_are_whole() {
        assert_eq!(shown(&["-  a: 1", "+  b: 2"]), ["−  a: 1[]", "+  b: 2[]"]);
        assert_eq!(shown(&["-a: 1", "-b: 1", "+a: 2"]), ["−a: 1[]", "−b: 1[]", "+a: 2[]"]);
    }

    #[test]
    fn a_document_that_begins_with_dashes_is_no_header_further_down() {
        assert_eq!(shown(&["@@ -1 +1 @@", " a", "--- x"]), [" @@ -1 +1 @@[]", " a[]", "−-- x[]"]);
    }

    #[test]
    fn letters_of_any_length_are_never_cut() {
        assert_eq!(shown(&["-é: ü", "+é: ö"]), ["−é: [ü]", "+é: [ö]"]);
        assert_eq!(shown(&["-aaa", "+aa"]), ["−aa[a]", "+aa[]"]);
        assert_eq!(shown(&["-a\u{1b}[2J", "+"])[0], "−a\u{fffd}[2J[]");
    }

    #[test]
    fn what_came_and_went_is_counted() {
        let diff: Vec<String> = ["+a", "+b", "-c", " d"].map(str::to_owned).into();
        assert_eq!(count(&lines(&diff)), (2, 1));
    }
}
