//! Bytes to text, whatever a tool wrote.

use std::borrow::Cow;

/// The document as text: UTF-8 or UTF-16 by its mark, Latin-1 if it declares that, else UTF-8 with what is none replaced.
pub(crate) fn text(bytes: &[u8]) -> Cow<'_, str> {
    match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest),
        [0xff, 0xfe, rest @ ..] => Cow::Owned(utf16(rest, u16::from_le_bytes)),
        [0xfe, 0xff, rest @ ..] => Cow::Owned(utf16(rest, u16::from_be_bytes)),
        _ => match std::str::from_utf8(bytes) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) if declares_latin(bytes) => Cow::Owned(bytes.iter().map(|byte| char::from(*byte)).collect()),
            Err(_) => String::from_utf8_lossy(bytes),
        },
    }
}

fn utf16(bytes: &[u8], join: fn([u8; 2]) -> u16) -> String {
    let units = bytes.chunks_exact(2).map(|pair| join([pair[0], pair[1]]));
    char::decode_utf16(units).map(|char| char.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

fn declares_latin(bytes: &[u8]) -> bool {
    let beginning = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).to_ascii_lowercase();
    let declaration = beginning.split("?>").next().unwrap_or_default();
    declaration.starts_with("<?xml") && ["iso-8859-", "latin1", "windows-1252"].iter().any(|name| declaration.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usual_encoding_is_read() {
        assert_eq!(text("\u{feff}<a>ä</a>".as_bytes()), "<a>ä</a>");
        let units: Vec<u8> = "\u{feff}<ä>".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(text(&units), "<ä>");
        let units: Vec<u8> = "\u{feff}<ä>".encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(text(&units), "<ä>");
        assert_eq!(text(b"<?xml version='1.0' encoding='ISO-8859-1'?><a>\xe4</a>"), "<?xml version='1.0' encoding='ISO-8859-1'?><a>ä</a>");
        assert_eq!(text(b"<a>\xe4</a>"), "<a>\u{fffd}</a>");
        // Declared wrongly, but UTF-8.
        assert!(text("<?xml version='1.0' encoding='latin1'?>ä".as_bytes()).ends_with('ä'));
    }
}
