use std::ops::Range;

use annotate_snippets::{AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet};

use super::harmless;
use crate::diagnostic::{Diagnostic, Place, Severity};

/// All diagnostics as a compiler shows them: with the lines they are about, and how to mend them.
///
/// `source` gives the bytes of a file by its path, such as [`crate::Loaded::bytes`]; a file that it does not know is shown
/// by its place only.
#[must_use]
pub fn terminal<'a>(diagnostics: &'a [Diagnostic], source: impl Fn(&str) -> Option<&'a [u8]>, color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let mut out = String::new();
    for found in diagnostics {
        let level = match found.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(harmless(&found.message)).id(found.rule);
        let mut group = Group::with_title(title).element(shown(&found.place, None, AnnotationKind::Primary, &source));
        for (place, remark) in &found.related {
            group = group.element(shown(place, Some(harmless(remark)), AnnotationKind::Context, &source));
        }
        if !found.mend.is_empty() {
            group = group.element(Level::HELP.message(harmless(&found.mend)));
        }
        out.push_str(&renderer.render(&[group]));
        out.push_str("\n\n");
    }
    out
}

fn shown<'a>(place: &Place, remark: Option<String>, kind: AnnotationKind, source: &impl Fn(&str) -> Option<&'a [u8]>) -> Element<'a> {
    let path = harmless(&place.file);
    let text = source(&place.file).and_then(|bytes| std::str::from_utf8(bytes).ok());
    match text.and_then(|text| Some((text, first_line(text, place)?))) {
        Some((text, span)) => {
            let annotation = kind.span(span).label(remark);
            Snippet::source(text).path(path).annotation(annotation).into()
        }
        None => Origin::path(path).line(place.line as usize).char_column(place.column as usize).into(),
    }
}

/// A place's bytes up to the end of its first line: nobody wants a whole mapping underlined.
fn first_line(text: &str, place: &Place) -> Option<Range<usize>> {
    let start = place.start as usize;
    let rest = text.get(start..)?;
    let line_end = start + rest.find(['\n', '\r']).unwrap_or(rest.len());
    let end = (place.end as usize).clamp(start, line_end);
    text.get(start..end).map(|_| start..end)
}
