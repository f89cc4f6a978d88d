//! XML to a report, element by element; no tree is built.

mod attributes;
mod fold;
mod frames;

use quick_xml::Reader;
use quick_xml::errors::{Error, IllFormedError, SyntaxError};
use quick_xml::events::{BytesStart, Event};

use self::frames::Builder;
use crate::error::ReportError;
use crate::limits::Limits;
use crate::report::Report;
use crate::text::{on_one_line, reference};

pub(crate) fn document(text: &str, limits: &Limits) -> Result<Report, ReportError> {
    if text.trim().is_empty() {
        return Err(ReportError::Empty);
    }
    let mut reader = Reader::from_str(text);
    let config = reader.config_mut();
    config.allow_dangling_amp = true;
    config.check_end_names = true;
    let mut builder = Builder::new(limits);
    loop {
        match reader.read_event() {
            Ok(Event::Start(element)) => open(&mut builder, &element)?,
            Ok(Event::Empty(element)) => {
                open(&mut builder, &element)?;
                builder.close();
            }
            Ok(Event::End(_)) => builder.close(),
            Ok(Event::Text(text)) => builder.text(&text.into_inner()),
            Ok(Event::CData(text)) => builder.text(&text.into_inner()),
            // Nothing but XML's own references is known, so nothing can expand to much.
            Ok(Event::GeneralRef(name)) => {
                let name = name.into_inner();
                match reference(&name) {
                    Some(char) => builder.text(char.encode_utf8(&mut [0; 4])),
                    None => ["&", &*name, ";"].iter().for_each(|part| builder.text(part)),
                }
            }
            Ok(Event::DocType(_)) => return Err(ReportError::DocumentType),
            Ok(Event::Decl(_) | Event::PI(_) | Event::Comment(_)) => {}
            Ok(Event::Eof) if builder.is_open() => return Err(ReportError::CutShort { so_far: Box::new(builder.finish()) }),
            Ok(Event::Eof) => break,
            // The end of the text in the midst of a tag, or before a closing one.
            Err(error) if builder.is_open() && is_unclosed(&error) => {
                return Err(ReportError::CutShort { so_far: Box::new(builder.finish()) });
            }
            Err(error) => return Err(malformed(text, reader.error_position(), &error.to_string())),
        }
    }
    if !builder.had_root() {
        return Err(malformed(text, 0, "there is no element"));
    }
    Ok(builder.finish())
}

fn open(builder: &mut Builder<'_>, element: &BytesStart<'_>) -> Result<(), ReportError> {
    builder.open(element.local_name().as_ref(), &attributes::of(element))
}

fn is_unclosed(error: &Error) -> bool {
    match error {
        Error::Syntax(SyntaxError::InvalidBangMarkup) => false,
        Error::Syntax(_) | Error::IllFormed(IllFormedError::MissingEndTag(_)) => true,
        _ => false,
    }
}

fn malformed(text: &str, position: u64, why: &str) -> ReportError {
    let at = text.floor_char_boundary(usize::try_from(position).unwrap_or(usize::MAX).min(text.len()));
    let before = &text[..at];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let why: String = on_one_line(why).chars().take(200).collect();
    ReportError::Malformed { line, column, why }
}
