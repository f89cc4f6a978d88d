//! How often clusters are looked at, and which of their words are written down.

use std::time::Duration;

/// The first pause between two looks.
const FIRST: Duration = Duration::from_millis(20);

/// How many different texts are written down as soon as they are said.
const AT_ONCE: usize = 8;

/// How many looks in a row have to say the same before what was said before, or one text more than [`AT_ONCE`], is written down.
const STEADY: u32 = 6;

/// Pauses that grow as long as nothing is new.
pub(crate) struct Pauses {
    next: Duration,
    longest: Duration,
}

impl Pauses {
    /// Pauses up to the longest.
    pub(crate) fn up_to(longest: Duration) -> Self {
        Self { next: FIRST, longest }
    }

    pub(crate) async fn next(&mut self) {
        tokio::time::sleep(self.next).await;
        self.next = (self.next * 2).min(self.longest);
    }
}

/// What was written down of that which something waits for. What a cluster says may change with every look, and back: the ledger is no log of that.
#[derive(Default)]
pub(crate) struct Told {
    written: Vec<String>,
    last: String,
    same: u32,
}

impl Told {
    /// Whether `said`, which was said just now, is to be written down instead of `written`.
    pub(crate) fn is_news(&mut self, written: &str, said: &str) -> bool {
        self.same = if self.last == said { self.same.saturating_add(1) } else { 1 };
        said.clone_into(&mut self.last);
        self.note(written);
        if said == written {
            return false;
        }
        let is_first = self.written.len() < AT_ONCE && !self.written.iter().any(|known| known == said);
        is_first || self.same >= STEADY
    }

    fn note(&mut self, written: &str) {
        if self.written.len() < AT_ONCE && !self.written.iter().any(|known| known == written) {
            self.written.push(written.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is written down of what is said, look by look.
    fn written<'a>(said: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        let (mut told, mut now, mut all) = (Told::default(), String::new(), Vec::new());
        for said in said {
            if told.is_news(&now, said) {
                said.clone_into(&mut now);
                all.push(now.clone());
            }
        }
        all
    }

    #[test]
    fn what_is_said_by_turns_is_written_down_once_each_and_what_stays_in_the_end() {
        assert_eq!(written(["a", "a", "b", "b", "c"]), ["a", "b", "c"]);
        assert_eq!(written(["a", "b"].into_iter().cycle().take(100)), ["a", "b"]);
        assert_eq!(written(["a", ""].into_iter().cycle().take(100)), ["a"]);
        let stays = ["a", "b"].into_iter().cycle().take(20).chain(std::iter::repeat_n("a", 6));
        assert_eq!(written(stays), ["a", "b", "a"]);
    }

    #[test]
    fn what_never_says_the_same_twice_is_written_down_some_times_only() {
        let said: Vec<String> = (0..1000).map(|number| format!("{number} are ready")).collect();
        assert_eq!(written(said.iter().map(String::as_str)).len(), AT_ONCE - 1);
        let then = said.iter().map(String::as_str).chain(std::iter::repeat_n("none is ready", 6));
        assert_eq!(written(then).last().unwrap(), "none is ready");
    }
}
