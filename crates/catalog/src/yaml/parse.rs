//! Text to tree, within limits.

use granit_parser::{Event, Marker, Options, Parser, ScalarStyle, ScanError, Span, Tag};

use super::builder::{Anchored, Builder, MAX_DEPTH, Problem};
use super::tree::{Kind, NONE, Style, Tree};
use super::{Spot, narrow, simple};

/// The largest file in bytes. The largest saas files people write have a few hundred kilobytes.
pub(crate) const MAX_BYTES: usize = 8 << 20;

/// Reads one file. All duplicate keys are told at once; anything else ends at the first problem.
pub(crate) fn parse(bytes: &[u8]) -> Result<Tree<'_>, Vec<Problem>> {
    if bytes.len() > MAX_BYTES {
        let message = format!("the file has {} bytes; at most {MAX_BYTES} are read", bytes.len());
        return Err(vec![Problem::invalid(Spot::top(), message, "Split the file.")]);
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let spot = Spot::of_byte(bytes, error.valid_up_to());
            return Err(vec![Problem::invalid(spot, "the file is not UTF-8 from here on", "Save the file as UTF-8.")]);
        }
    };
    if let Some(tree) = simple::parse(text) {
        return Ok(tree);
    }
    parse_any(text)
}

/// Reads any YAML.
pub(super) fn parse_any(text: &str) -> Result<Tree<'_>, Vec<Problem>> {
    let mut builder = Builder::for_text(text.len());
    let mut options = Options::default();
    options.set_emit_comments(false);
    options.block_nesting_limit = MAX_DEPTH;
    options.flow_nesting_limit = MAX_DEPTH;
    let mut parser = Parser::new_from_str_with_options(text, options);
    while let Some(event) = parser.next_event() {
        let step = match event {
            Ok((event, span)) => take(&mut builder, event, spot_of(&span), span.tag_start.as_ref().map(spot_at)),
            Err(error) => Err(scan_problem(&error, text)),
        };
        if let Err(problem) = step {
            builder.problems.push(problem);
            return Err(builder.problems);
        }
    }
    builder.finish()
}

fn spot_of(span: &Span) -> Spot {
    let start = spot_at(&span.start);
    Spot { end: span.end.byte_offset().map_or(start.end, narrow), ..start }
}

fn spot_at(mark: &Marker) -> Spot {
    let at = narrow(mark.byte_offset().unwrap_or_default());
    Spot { line: narrow(mark.line()).max(1), column: narrow(mark.col()).saturating_add(1), start: at, end: at }
}

fn scan_problem(error: &ScanError, text: &str) -> Problem {
    let mut spot = spot_at(error.marker());
    spot.start = spot.start.min(narrow(text.len()));
    spot.end = spot.start;
    let mut message = error.kind().to_string();
    message.truncate(message.floor_char_boundary(300));
    let line = text.lines().nth(spot.line.saturating_sub(1) as usize).unwrap_or_default();
    let mend = if line.trim_start_matches(' ').starts_with('\t') {
        "Indent with spaces; YAML takes no tabs there."
    } else if line.contains(": ") {
        "Mend the YAML here. A text that holds \": \", \" #\" or begins with one of @ ` % & * ! | > [ { needs quotes."
    } else {
        "Mend the YAML here, or on the line before."
    };
    Problem::invalid(spot, format!("this is not YAML: {message}"), mend)
}

fn take<'t>(builder: &mut Builder<'t>, event: Event<'t>, spot: Spot, tag_spot: Option<Spot>) -> Result<(), Problem> {
    let tag_spot = tag_spot.unwrap_or(spot);
    match event {
        Event::DocumentStart(..) => {
            builder.documents += 1;
            if builder.documents > 1 {
                return Err(Problem::invalid(spot, "the file holds a second document", "Put each document into a file of its own."));
            }
            Ok(())
        }
        Event::Scalar(text, style, anchor, tag) => {
            let style = match (style, tag_name(tag.as_deref(), tag_spot)?) {
                (ScalarStyle::Plain, TagName::None) => Style::Plain,
                (ScalarStyle::SingleQuoted, TagName::None | TagName::Str) => Style::Single,
                (ScalarStyle::Literal | ScalarStyle::Folded, TagName::None | TagName::Str) => Style::Block,
                (_, TagName::None | TagName::Str) => Style::Double,
                _ => return Err(refused_tag(tag_spot)),
            };
            let weight = 16 + text.len() as u64;
            let id = builder.add(Kind::Scalar(text, style), spot, weight, 1)?;
            builder.anchor(anchor, Anchored { id, weight, height: 1 });
            Ok(())
        }
        Event::SequenceStart(_, anchor, tag) => {
            if !matches!(tag_name(tag.as_deref(), tag_spot)?, TagName::None | TagName::Seq) {
                return Err(refused_tag(tag_spot));
            }
            builder.enter(Kind::Sequence { first: NONE }, spot, anchor, false)
        }
        Event::MappingStart(_, anchor, tag) => {
            if !matches!(tag_name(tag.as_deref(), tag_spot)?, TagName::None | TagName::Map) {
                return Err(refused_tag(tag_spot));
            }
            builder.enter(Kind::Mapping { first: NONE, merges: false }, spot, anchor, true)
        }
        Event::SequenceEnd | Event::MappingEnd => builder.leave(spot),
        Event::Alias(anchor) => builder.alias(anchor, spot),
        _ => Ok(()),
    }
}

enum TagName {
    None,
    Str,
    Seq,
    Map,
}

fn tag_name(tag: Option<&Tag>, spot: Spot) -> Result<TagName, Problem> {
    match tag.map(Tag::core_suffix) {
        None => Ok(TagName::None),
        Some(Some("str")) => Ok(TagName::Str),
        Some(Some("seq")) => Ok(TagName::Seq),
        Some(Some("map")) => Ok(TagName::Map),
        Some(_) => Err(refused_tag(spot)),
    }
}

fn refused_tag(spot: Spot) -> Problem {
    Problem::invalid(
        spot,
        "a tag stands before this value; only !!str, !!seq and !!map are taken, each before what it names",
        "Remove the tag.",
    )
}

#[cfg(test)]
mod tests;
