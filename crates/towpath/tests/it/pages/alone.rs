//! With less than most people have: no mouse, no JavaScript.

use serde_json::json;
use towpath_testbed::browser::{Browser, ENTER, TAB};

use super::story::{commits, pages, told};

/// Where the focus is: its text or label, and the box that shows it.
/// Of a date, the browser itself marks the part that has the focus.
const FOCUS: &str = "const e = document.activeElement; const s = getComputedStyle(e); const r = e.getBoundingClientRect();
return {tag: e.tagName, text: (e.innerText || e.ariaLabel || e.name || '').trim(), seen: r.width > 0 && r.height > 0,
ring: s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) > 0 || s.boxShadow !== 'none' || e.type === 'date', href: e.getAttribute('href') || ''};";

#[test]
fn the_keyboard_alone_reaches_everything_and_shows_where_it_is() {
    let Some(browser) = Browser::start() else { return };
    let server = told();
    browser.size(1280, 900);
    browser.go(&format!("{}/", server.base));
    browser.press(TAB);
    let first = browser.run(FOCUS, &[]);
    assert!(first["text"].as_str().unwrap().starts_with("Skip"), "the first stop skips the navigation: {first}");
    browser.press(ENTER);
    assert_eq!(browser.run("return location.hash;", &[]), json!("#main"));

    for page in pages(server) {
        browser.go(&format!("{}{}", server.base, page.address));
        // In the order of the document, each once; what is hidden in a closed box is no stop.
        let stops = browser.run(
            "const all = [...document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex=\"0\"]')];
             return all.filter(e => !e.disabled && e.type !== 'hidden' && e.tabIndex >= 0 && e.checkVisibility()).length;",
            &[],
        );
        let stops = stops.as_u64().unwrap().min(80);
        for _ in 0..stops {
            browser.press(TAB);
            let at = browser.run(FOCUS, &[]);
            assert!(at["tag"] != "BODY" && at["seen"] == true, "{}: the focus is lost: {at}", page.name);
            assert!(at["ring"] == true, "{}: nobody sees that the focus is at {at}", page.name);
        }
    }
}

#[test]
fn the_search_is_one_key_away_and_leads_to_a_commit() {
    let Some(browser) = Browser::start() else { return };
    let server = told();
    let commit = &commits(server)[2];
    browser.go(&format!("{}/", server.base));
    browser.press("/");
    browser.press(&commit[..9]);
    browser.press(ENTER);
    browser.until("the page of the commit", &format!("location.pathname === '/commits/{commit}'"));
}

#[test]
fn without_javascript_every_page_says_the_same_and_a_theme_can_be_chosen() {
    let Some(browser) = Browser::start() else { return };
    let server = told();
    browser.scripts(false);
    for page in pages(server) {
        browser.go(&format!("{}{}", server.base, page.address));
        let words = browser.words();
        assert!(words.contains(&page.says), "{} does not say {:?}:\n{words}", page.name, page.says);
    }
    browser.go(&format!("{}/runs", server.base));
    let before = browser.run("return document.documentElement.dataset.theme;", &[]);
    browser.click("form[action='/theme'] button");
    browser.until("the page again, in the other theme", &format!("document.documentElement.dataset.theme !== {before}"));
    assert!(browser.address().ends_with("/runs"), "{}", browser.address());
    browser.fill("#find", "web");
    browser.press(ENTER);
    browser.until("what was searched for", "location.pathname !== '/runs'");
}
