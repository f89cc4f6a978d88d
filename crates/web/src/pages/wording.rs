//! What the pages of lists and figures share: words, links and the reading of filter forms.

use towpath_domain::Timestamp;

/// The same page with other values in its query; those that are empty are left out.
pub(super) fn with_query(path: &str, values: &[(&str, Option<&str>)]) -> String {
    let mut address = path.to_owned();
    for (name, value) in values.iter().filter_map(|(name, value)| Some((name, value.filter(|value| !value.is_empty())?))) {
        address.push(if address.len() == path.len() { '?' } else { '&' });
        address.push_str(name);
        address.push('=');
        address.push_str(&crate::draw::encode(value));
    }
    address
}

/// A link that leads out, if it is one that a browser may follow.
pub(super) fn outside(url: Option<&str>) -> Option<&str> {
    url.filter(|url| url.starts_with("https://") || url.starts_with("http://"))
}

/// A day as people write it: `14 Nov`.
pub(super) fn day(at: Timestamp) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let text = at.to_string();
    let part = |range: std::ops::Range<usize>| text.get(range).and_then(|part| part.parse::<usize>().ok());
    match (part(8..10), part(5..7).and_then(|month| MONTHS.get(month.checked_sub(1)?))) {
        (Some(day), Some(month)) => format!("{day} {month}"),
        _ => text,
    }
}

/// `1 deploy`, `2 deploys`.
pub(super) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_holds_what_was_asked_for_and_nothing_that_was_not() {
        let address = with_query("/changes", &[("state", Some("open")), ("app", None), ("kind", Some("")), ("cursor", Some("a&b=c"))]);
        assert_eq!(address, "/changes?state=open&cursor=a%26b%3Dc");
        assert_eq!(with_query("/changes", &[("state", None)]), "/changes");
    }

    #[test]
    fn only_what_a_browser_may_follow_is_a_link() {
        assert_eq!(outside(Some("https://forge.example/1")), Some("https://forge.example/1"));
        for url in ["javascript:alert(1)", "data:text/html,x", "//evil.example", " https://x", ""] {
            assert_eq!(outside(Some(url)), None, "{url}");
        }
    }

    #[test]
    fn a_day_is_said_as_people_write_it() {
        assert_eq!(day(Timestamp::from_millis(1_700_000_000_000)), "14 Nov");
        assert_eq!(day(Timestamp::from_millis(0)), "1 Jan");
        assert_eq!(day(Timestamp::from_millis(i64::MAX)), "9223372036854775807ms");
    }
}
