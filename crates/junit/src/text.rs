//! Makes text from a report fit to be shown.

/// Replaces references in an attribute's raw value; an unknown one stays as it is written.
pub(crate) fn unescape(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        // No reference is longer.
        let end = rest.char_indices().take(12).find(|(_, char)| *char == ';').map(|(end, _)| end);
        match end.and_then(|end| Some((reference(&rest[1..end])?, end))) {
            Some((char, end)) => {
                out.push(char);
                rest = &rest[end + 1..];
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

/// What a reference (without `&` and `;`) stands for: one of XML's own five, or a character's number. A character that must not be
/// there is replaced.
pub(crate) fn reference(name: &str) -> Option<char> {
    Some(match name {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "quot" => '"',
        "apos" => '\'',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
        }
    })
}

/// Without terminal control: colour codes, other control characters, and characters that turn the direction of writing. Also as
/// pytest writes them, `#x1B`.
pub(crate) fn shown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        let is_escape = char == '\u{1b}' || (char == '#' && text_is(&mut chars, "x1B"));
        if is_escape {
            skip_sequence(&mut chars);
            continue;
        }
        match char {
            '\n' | '\t' => out.push(char),
            '\r' if chars.peek() == Some(&'\n') => {}
            '\r' => out.push('\n'),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => {}
            _ if char.is_control() => {}
            _ => out.push(char),
        }
    }
    out
}

/// The same on one line.
pub(crate) fn on_one_line(text: &str) -> String {
    shown(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// Takes `wanted` if it comes next.
fn text_is(chars: &mut Chars<'_>, wanted: &str) -> bool {
    let mut ahead = chars.clone();
    if wanted.chars().all(|char| ahead.next() == Some(char)) {
        *chars = ahead;
        return true;
    }
    false
}

/// Skips what follows an escape character.
fn skip_sequence(chars: &mut Chars<'_>) {
    match chars.peek() {
        // Parameters and intermediates, then one final byte.
        Some('[') => {
            chars.next();
            while chars.next_if(|char| matches!(char, ' '..='?')).is_some() {}
            chars.next_if(|char| matches!(char, '@'..='~'));
        }
        // A title or a link, up to a bell or another escape sequence; on this line.
        Some(']') => {
            chars.next();
            while let Some(char) = chars.next_if(|char| *char != '\n') {
                if char == '\u{7}' || (char == '\u{1b}' && chars.next_if_eq(&'\\').is_some()) {
                    break;
                }
            }
        }
        Some(' '..='~') => {
            chars.next();
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_replaced_and_unknown_ones_stay() {
        assert_eq!(unescape("a &lt;b&gt; &amp;amp; &quot;&apos; &#65;&#x42; &#x1F600;"), "a <b> &amp; \"' AB \u{1f600}");
        assert_eq!(
            unescape("a & b &unknown; &; &#xZZ; &#1114112; &verylongnamehere;"),
            "a & b &unknown; &; &#xZZ; \u{fffd} &verylongnamehere;"
        );
        assert_eq!(unescape("&"), "&");
        assert_eq!(unescape("ä&ö;ü"), "ä&ö;ü");
    }

    #[test]
    fn terminal_control_is_taken_out() {
        assert_eq!(shown("\u{1b}[31mred\u{1b}[0m #x1B[1mbold#x1B[0m"), "red bold");
        assert_eq!(shown("\u{1b}]8;;http://x\u{7}link\u{1b}]8;;\u{1b}\\!"), "link!");
        assert_eq!(shown("a\r\nb\rc\u{0}\u{8}d\u{202e}e"), "a\nb\ncde");
        assert_eq!(shown("issue #x12 #"), "issue #x12 #");
        assert_eq!(shown("end\u{1b}"), "end");
        assert_eq!(shown("end\u{1b}["), "end");
        assert_eq!(on_one_line(" a\n\tb "), "a b");
    }
}
