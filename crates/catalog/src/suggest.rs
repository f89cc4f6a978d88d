//! "Did you mean …?"

/// The candidate that is nearest to `text`, if one is near enough to be meant.
pub(crate) fn nearest<'a>(text: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (text.len() / 4).clamp(1, 8);
    let mut best: Option<(usize, &str)> = None;
    let mut rows = Rows::default();
    for candidate in candidates {
        let allowed = best.map_or(limit, |(distance, _)| distance.saturating_sub(1));
        if let Some(distance) = rows.distance(text.as_bytes(), candidate.as_bytes(), allowed) {
            // At the same distance, the first in order, so that the same slip gives the same advice.
            best = Some((distance, candidate));
            if distance == 0 {
                break;
            }
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// `Did you mean X?`, or else `otherwise`.
pub(crate) fn mend<'a>(text: &str, candidates: impl IntoIterator<Item = &'a str>, otherwise: &str) -> String {
    match nearest(text, candidates) {
        Some(candidate) => format!("Did you mean `{candidate}`?"),
        None => otherwise.to_owned(),
    }
}

/// Two rows of the edit distance's table, used again for each candidate.
#[derive(Default)]
struct Rows {
    before: Vec<usize>,
    now: Vec<usize>,
}

impl Rows {
    /// The edit distance in bytes, if it is not over `limit`.
    fn distance(&mut self, a: &[u8], b: &[u8], limit: usize) -> Option<usize> {
        if a.len().abs_diff(b.len()) > limit {
            return None;
        }
        // What both begin and end with changes nothing, and paths have much of it.
        let start = a.iter().zip(b).take_while(|(x, y)| x == y).count();
        let (a, b) = (a.get(start..)?, b.get(start..)?);
        let end = a.iter().rev().zip(b.iter().rev()).take_while(|(x, y)| x == y).count();
        let (a, b) = (a.get(..a.len() - end)?, b.get(..b.len() - end)?);
        self.before.clear();
        self.before.extend(0..=b.len());
        for (i, x) in a.iter().enumerate() {
            self.now.clear();
            self.now.push(i + 1);
            let mut left = i + 1;
            for ((y, diagonal), above) in b.iter().zip(&self.before).zip(self.before.iter().skip(1)) {
                left = (diagonal + usize::from(x != y)).min(above + 1).min(left + 1);
                self.now.push(left);
            }
            if self.now.iter().min().is_some_and(|least| *least > limit) {
                return None;
            }
            std::mem::swap(&mut self.before, &mut self.now);
        }
        self.before.last().copied().filter(|distance| *distance <= limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_finds_what_was_meant() {
        let paths = ["/services/web/app.yml", "/services/web/deploy.yml", "/services/api/app.yml"];
        assert_eq!(nearest("/services/web/ap.yml", paths), Some("/services/web/app.yml"));
        assert_eq!(nearest("/service/apii/app.yml", paths), Some("/services/api/app.yml"));
        assert_eq!(nearest("/clusters/one.yml", paths), None);
        assert_eq!(nearest("freezs", ["freezes", "windows"]), Some("freezes"));
        assert_eq!(nearest("x", ["windows", "queue"]), None);
        assert_eq!(nearest("", [""]), Some(""));
    }
}
