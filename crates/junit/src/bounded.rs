//! Keeps the beginning and the end of a text.

use std::collections::VecDeque;

/// Collects text up to a number of bytes: of what is longer, its first half and its last half.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bounded {
    limit: usize,
    head: String,
    tail: VecDeque<u8>,
    left_out: usize,
}

impl Bounded {
    /// Keeps about `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    pub fn push(&mut self, text: &str) {
        let half = self.limit / 2;
        let mut text = text;
        if self.tail.is_empty() && self.left_out == 0 && self.head.len() < half {
            let fits = text.floor_char_boundary((half - self.head.len()).min(text.len()));
            self.head.push_str(&text[..fits]);
            text = &text[fits..];
            if text.is_empty() {
                return;
            }
        }
        let bytes = text.as_bytes();
        let room = self.limit - half;
        let skipped = bytes.len().saturating_sub(room);
        self.left_out += skipped;
        let too_many = (self.tail.len() + bytes.len() - skipped).saturating_sub(room);
        self.left_out += too_many;
        self.tail.drain(..too_many);
        self.tail.extend(&bytes[skipped..]);
    }

    /// The text, with a line where something was left out.
    pub fn finish(mut self) -> String {
        let tail = self.tail.make_contiguous();
        // The cut may have gone through a character.
        let begin = tail.iter().take(4).position(|byte| byte & 0xc0 != 0x80).unwrap_or(tail.len());
        let tail = String::from_utf8_lossy(&tail[begin..]).into_owned();
        if self.left_out + begin == 0 {
            return self.head + &tail;
        }
        if self.limit == 0 {
            return String::new();
        }
        format!("{}\n… {} bytes left out …\n{tail}", self.head, self.left_out + begin)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_middle_of_a_long_text_is_left_out() {
        let mut text = Bounded::new(10);
        text.push("0123456789abcdefghij");
        assert_eq!(text.finish(), "01234\n… 10 bytes left out …\nfghij");
        let mut none = Bounded::new(0);
        none.push("x");
        assert_eq!(none.finish(), "");
    }

    proptest! {
        #[test]
        fn what_fits_is_kept_as_it_is_and_nothing_grows_beyond(parts in prop::collection::vec("[a-zä€😀\n]{0,12}", 0..12), limit in 0_usize..80) {
            let whole = parts.concat();
            let mut bounded = Bounded::new(limit);
            for part in &parts {
                bounded.push(part);
            }
            let kept = bounded.finish();
            if whole.len() <= limit {
                // A character that does not fit into the first half begins the second.
                prop_assert!(kept == whole || kept.contains("left out"));
            }
            if whole.len() <= limit / 2 {
                prop_assert_eq!(&kept, &whole);
            }
            prop_assert!(kept.len() <= limit + 48);
            if limit >= 16 && whole.len() > limit + 8 {
                prop_assert!(whole.starts_with(kept.split('\n').next().unwrap_or_default()));
                prop_assert!(kept.contains("bytes left out"));
            }
        }
    }
}
