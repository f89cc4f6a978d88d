//! Looking at a page with everything that a browser can tell of it.

use std::path::{Path, PathBuf};

use towpath_testbed::browser::Browser;

/// Widths that pages are looked at: a phone, a laptop, a screen on the wall; with the height of each.
pub const SIZES: [(u64, u64); 3] = [(390, 844), (1280, 900), (2560, 1440)];

/// Where pictures are kept.
pub fn pictures() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("screenshots")
}

/// What is wrong with the page that the browser is at, in lines for people.
pub fn faults(browser: &Browser, base: &str, at: &str) -> Vec<String> {
    let mut found: Vec<String> = browser.complaints().into_iter().map(|text| format!("{at}: {text}")).collect();
    let away = browser.requests().into_iter().filter(|url| !url.starts_with(base) && !url.starts_with("chrome"));
    found.extend(away.map(|url| format!("{at}: asked another host: {url}")));
    found
}

/// Serious barriers of the page.
pub fn barriers(browser: &Browser, at: &str) -> Vec<String> {
    let all = browser.barriers().unwrap_or_default().into_iter();
    let serious = all.filter(|barrier| matches!(barrier.impact.as_str(), "serious" | "critical"));
    serious.map(|b| format!("{at}: {} ({}): {}", b.rule, b.help, b.places.iter().take(4).cloned().collect::<Vec<_>>().join(", "))).collect()
}

/// Whether the page is wider than its window: only boxes within it may scroll sideways.
pub fn overflow(browser: &Browser, at: &str) -> Option<String> {
    let wide = browser.run("const r = document.documentElement; return r.scrollWidth > r.clientWidth ? r.scrollWidth : 0;", &[]);
    wide.as_u64().filter(|wide| *wide > 0).map(|wide| format!("{at}: the page is {wide} pixels wide"))
}
