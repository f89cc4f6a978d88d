//! Lists that come page by page.

use reqwest::Url;
use reqwest::header::{HeaderMap, LINK};

/// How many pages of a list are read: ten thousand things at a hundred a page.
pub(super) const PAGES_MAX: usize = 100;

/// The largest page that GitHub and GitLab give.
const PER_PAGE_MAX: usize = 100;

/// How much all pages of a list may hold, in bytes.
pub(super) const LIST_BYTES_MAX: usize = 64 << 20;

/// Where a list goes on, by the `Link` header (RFC 8288) of the answer that came from `from`.
pub(super) fn next_page(headers: &HeaderMap, from: &Url) -> Option<Url> {
    headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok()).find_map(|text| next_link(text, from))
}

fn next_link(text: &str, from: &Url) -> Option<Url> {
    let mut rest = text;
    while let Some((_, begun)) = rest.split_once('<') {
        let (target, after) = begun.split_once('>')?;
        // A comma within quotes would end the parameters too early; a relation has none.
        let (parameters, others) = match after.find(",") {
            Some(end) => after.split_at(end),
            None => (after, ""),
        };
        let is_next = parameters.split(';').filter_map(|parameter| parameter.split_once('=')).any(|(name, value)| {
            let mut kinds = value.trim().trim_matches('"').split_ascii_whitespace();
            name.trim().eq_ignore_ascii_case("rel") && kinds.any(|kind| kind.eq_ignore_ascii_case("next"))
        });
        if is_next {
            return from.join(target).ok();
        }
        rest = others;
    }
    None
}

/// Whether the text of a last page would be another one if there was more: a forge that then says that nothing changed says so of the whole list.
/// It does not of a list that fills its page: what is new is on a page of its own. GitHub and GitLab call the size of a page `per_page` and keep
/// to it.
pub(super) fn shows_all(url: &Url, text: &str) -> bool {
    if !text.trim_start().starts_with('[') {
        return true;
    }
    let asked = url.query_pairs().find_map(|(name, value)| value.parse::<usize>().ok().filter(|_| name == "per_page"));
    let Some(asked) = asked.filter(|asked| *asked <= PER_PAGE_MAX) else { return false };
    serde_json::from_str::<Vec<serde::de::IgnoredAny>>(text).is_ok_and(|items| items.len() < asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_among_all_that_a_list_names() {
        let from = Url::parse("https://git.example.com/api/v1/repos/a/b/pulls?page=2").unwrap();
        let next = |text: &str| next_link(text, &from).map(String::from);
        let here = "https://git.example.com/api/v1/repos/a/b/pulls?page=3";
        let all = r#"<https://git.example.com/api/v1/repos/a/b/pulls?page=1>; rel="prev", <https://git.example.com/api/v1/repos/a/b/pulls?page=3>; rel="next", <https://x/?page=9>; rel="last""#;
        assert_eq!(next(all).as_deref(), Some(here));
        assert_eq!(next(r#"</api/v1/repos/a/b/pulls?page=3>; title=x; rel="last next""#).as_deref(), Some(here));
        assert_eq!(next("<?page=3>;rel=next").as_deref(), Some(here));
        // An address may hold commas.
        assert_eq!(next(r#"<?a=1,2>; rel="prev",<?page=3>; REL="Next""#).as_deref(), Some(here));
        for none in [r#"<?page=1>; rel="prev""#, "nonsense", "<", "<>", "", r#"<?page=3>; rel="nextish""#] {
            assert_eq!(next(none), None, "{none}");
        }
    }

    #[test]
    fn a_list_that_fills_its_page_may_have_another_page_before_its_text_changes() {
        let shows = |query: &str, text: &str| shows_all(&Url::parse(&format!("https://h/x{query}")).unwrap(), text);
        assert!(shows("?per_page=3", "[1,2]") && shows("?a=b&per_page=3", " [ ]") && shows("", r#"{"total_count":2}"#));
        assert!(!shows("?per_page=2", "[1,2]") && !shows("", "[]") && !shows("?limit=50", "[1]") && !shows("?per_page=1000", "[1]"));
        assert!(!shows("?per_page=3", "[1,") && !shows("?per_page=x", "[1]"));
    }
}
