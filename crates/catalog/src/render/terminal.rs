use std::ops::Range;
use std::sync::Arc;

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
        let mut group = Group::with_title(title);
        for element in shown(found, &source) {
            group = group.element(element);
        }
        if !found.mend.is_empty() {
            group = group.element(Level::HELP.message(harmless(&found.mend)));
        }
        out.push_str(&renderer.render(&[group]));
        out.push_str("\n\n");
    }
    out
}

/// The places of a diagnostic, those in one file together.
fn shown<'a>(found: &Diagnostic, source: &impl Fn(&str) -> Option<&'a [u8]>) -> Vec<Element<'a>> {
    let related = found.related.iter().map(|(place, remark)| (place, Some(harmless(remark)), AnnotationKind::Context));
    let mut rest: Vec<_> = std::iter::once((&found.place, None, AnnotationKind::Primary)).chain(related).collect();
    let mut elements = Vec::new();
    while let Some((first, ..)) = rest.first() {
        let file = Arc::clone(&first.file);
        let (here, elsewhere): (Vec<_>, Vec<_>) = rest.into_iter().partition(|(place, ..)| place.file == file);
        rest = elsewhere;
        let text = source(&file).and_then(|bytes| std::str::from_utf8(bytes).ok());
        let mut annotations = Vec::new();
        for (place, remark, kind) in here {
            match text.and_then(|text| first_line(text, place)) {
                Some(span) => annotations.push(kind.span(span).label(remark)),
                None => elements.push(Origin::path(harmless(&file)).line(place.line as usize).char_column(place.column as usize).into()),
            }
        }
        if let (Some(text), false) = (text, annotations.is_empty()) {
            elements.push(Snippet::source(text).path(harmless(&file)).annotations(annotations).into());
        }
    }
    elements
}

/// A place's bytes up to the end of its first line: nobody wants a whole mapping underlined.
fn first_line(text: &str, place: &Place) -> Option<Range<usize>> {
    let start = place.start as usize;
    let rest = text.get(start..)?;
    let line_end = start + rest.find(['\n', '\r']).unwrap_or(rest.len());
    let end = (place.end as usize).clamp(start, line_end);
    text.get(start..end).map(|_| start..end)
}
