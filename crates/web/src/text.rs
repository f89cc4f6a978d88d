//! Text for markup.

/// Text as it may stand in HTML and SVG, in elements and in quoted attributes. What XML cannot hold is left out.
pub(crate) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_people_write_becomes_markup() {
        assert_eq!(escaped("<a b='c' d=\"e\">&\u{0}\u{1b}ü</a>"), "&lt;a b=&#39;c&#39; d=&quot;e&quot;&gt;&amp;ü&lt;/a&gt;");
    }
}
