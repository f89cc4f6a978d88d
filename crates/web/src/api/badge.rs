//! A badge: a small picture of what runs in a target, for a repository's front page.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Deserialize;
use towpath_control::view::WhyView;

use super::extract::{Path, Query};
use super::{Shared, look};
use crate::caller::Caller;
use crate::problem::Refusal;
use crate::text::escaped;

/// The longest text of either half, in characters.
const LONGEST: usize = 60;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BadgeQuery {
    /// The left half's text; the target's app and environment when absent.
    label: Option<String>,
}

pub(super) async fn badge(
    State(shared): State<Shared>,
    caller: Caller,
    Path(id): Path,
    Query(query): Query<BadgeQuery>,
) -> Result<Response, Refusal> {
    let why = look::why(&shared, &caller, "target", id).await?;
    let usual = [why.app.as_deref(), why.environment.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let label = query.label.unwrap_or(if usual.is_empty() { why.title.clone() } else { usual });
    let (text, color) = standing(&why);
    // Pictures are fetched by pages of others, which keep them for long unless they are told not to.
    let headers = [
        (header::CONTENT_TYPE, "image/svg+xml"),
        (header::CACHE_CONTROL, "private, max-age=30, must-revalidate"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"),
    ];
    Ok((headers, picture(&shortened(&label), &shortened(&text), color)).into_response())
}

/// What runs there and how that stands. Never by colour alone.
fn standing(why: &WhyView) -> (String, &'static str) {
    let commit = why.current.as_ref().map(|commit| commit.id.short(7));
    let commit = commit.as_deref().unwrap_or("nothing");
    let failed = why.verdict.holds.iter().any(|hold| hold.reason.contains("fail"));
    match why.verdict.state.as_str() {
        "up-to-date" => (format!("✓ {commit}"), "#1a7f37"),
        "act" => (format!("→ {commit}"), "#0a66c2"),
        _ if failed => (format!("✗ {commit}"), "#b42318"),
        _ => (format!("⏸ {commit}"), "#8a5a00"),
    }
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= LONGEST { text.to_owned() } else { text.chars().take(LONGEST - 1).chain(['…']).collect() }
}

/// A text's width in the badge's font, in pixels: near enough, and `textLength` makes it so.
fn width(text: &str) -> u32 {
    text.chars()
        .map(|c| match c {
            'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' => 4,
            'm' | 'w' | 'M' | 'W' => 10,
            'A'..='Z' => 8,
            c if c.is_ascii() => 7,
            _ => 12,
        })
        .sum()
}

fn picture(label: &str, text: &str, color: &str) -> String {
    let (left, right) = (width(label) + 12, width(text) + 12);
    let (whole, middle) = (left + right, left + right / 2);
    let (label_width, text_width) = (left - 12, right - 12);
    let (label, text) = (escaped(label), escaped(text));
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{whole}" height="20" viewBox="0 0 {whole} 20" role="img" aria-label="{label}: {text}"><title>{label}: {text}</title><rect width="{whole}" height="20" rx="3" fill="#3d4248"/><path d="M{left} 0h{cut}a3 3 0 0 1 3 3v14a3 3 0 0 1 -3 3h-{cut}z" fill="{color}"/><g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11"><text x="{at}" y="14" textLength="{label_width}">{label}</text><text x="{middle}" y="14" textLength="{text_width}">{text}</text></g></svg>"##,
        cut = right - 3,
        at = left / 2,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_text_whatever_is_in_it() {
        let svg = picture("<script>alert('x')</script>&\"", "✓ 1234567", "#1a7f37");
        assert!(svg.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;&quot;"), "{svg}");
        assert!(!svg.contains("<script"), "{svg}");
    }

    #[test]
    fn a_long_label_is_cut() {
        assert_eq!(shortened(&"ä".repeat(200)).chars().count(), LONGEST);
        assert_eq!(shortened("short"), "short");
    }
}
