//! The tags of an image, page by page.

use reqwest::header::{HeaderMap, LINK};
use reqwest::{Response, StatusCode, Url};

use super::http::Ask;
use super::{MANIFEST_BYTES_MAX, RemoteRegistry, pull_scope};
use crate::RegistryError;

/// How many tags of one image are read, and in how many pages.
const TAGS_MAX: usize = 200_000;
const PAGES_MAX: usize = 2_000;

#[derive(serde::Deserialize)]
struct Page {
    #[serde(default)]
    tags: Option<Vec<String>>,
}

impl RemoteRegistry {
    /// The tags of an image, sorted; none when there is no such image.
    ///
    /// # Errors
    /// [`RegistryError`] when the registry cannot tell, or has more than anybody looks through.
    pub async fn tags(&self, name: &str) -> Result<Vec<String>, RegistryError> {
        let repository = self.repository(name);
        let scope = pull_scope(repository);
        let mut tags = Vec::new();
        let mut url = self.url(&format!("/v2/{repository}/tags/list"))?;
        for _ in 0..PAGES_MAX {
            let ask = Ask { method: reqwest::Method::GET, url: url.clone(), headers: HeaderMap::new(), body: Vec::new() };
            let answer = self.send(ask, &scope).await?;
            match answer.status() {
                StatusCode::NOT_FOUND => return Ok(Vec::new()),
                status if status.is_success() => {}
                _ => return Err(self.unexpected(answer, url.path()).await),
            }
            let next = next_page(&answer, &url);
            let bytes = self.limited(answer, MANIFEST_BYTES_MAX, "the list of tags", name).await?;
            let page: Page = serde_json::from_slice(&bytes).map_err(|e| RegistryError::Malformed {
                what: "the list of tags".to_owned(),
                place: name.to_owned(),
                why: e.to_string(),
            })?;
            tags.extend(page.tags.unwrap_or_default());
            if tags.len() > TAGS_MAX {
                break;
            }
            match next {
                None => {
                    tags.sort_unstable();
                    tags.dedup();
                    return Ok(tags);
                }
                Some(next) if self.is_own(&next) => url = next,
                Some(next) => return Err(self.rejected(&format!("its list of tags goes on at {}, which is another place", next.path()))),
            }
        }
        Err(RegistryError::TooLarge { what: "the list of tags".to_owned(), place: name.to_owned(), limit: TAGS_MAX as u64, unit: "tags" })
    }
}

/// Where the list goes on, by the `Link` header (RFC 8288).
fn next_page(answer: &Response, from: &Url) -> Option<Url> {
    let links = answer.headers().get_all(LINK);
    links.iter().filter_map(|value| value.to_str().ok()).find_map(|text| next_link(text, from))
}

fn next_link(text: &str, from: &Url) -> Option<Url> {
    let (target, parameters) = text.trim().strip_prefix('<')?.split_once('>')?;
    let is_next = parameters.split(';').filter_map(|parameter| parameter.split_once('=')).any(|(name, value)| {
        name.trim().eq_ignore_ascii_case("rel") && value.trim().trim_matches('"').split(' ').any(|kind| kind.eq_ignore_ascii_case("next"))
    });
    if is_next { from.join(target).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_from_where_the_last_one_was() {
        let from = Url::parse("https://registry.example.com/v2/web/tags/list?n=2").unwrap();
        let next = |text: &str| next_link(text, &from).map(String::from);
        let here = "https://registry.example.com/v2/web/tags/list?last=b&n=2";
        assert_eq!(next(r#"</v2/web/tags/list?last=b&n=2>; rel="next""#).as_deref(), Some(here));
        assert_eq!(next("<?last=b&n=2>; title=x; rel=next").as_deref(), Some(here));
        assert_eq!(next(r#"</v2/web/tags/list?last=b>; rel="prev""#), None);
        assert_eq!(next("nonsense"), None);
        assert_eq!(next(""), None);
    }
}
