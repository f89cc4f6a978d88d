//! A person signs in, makes a token, and signs out, in a real browser.

use towpath_testbed::browser::Browser;

use super::look::{SIZES, barriers, faults, overflow, pictures};
use crate::signed_in::House;

/// What is wrong with the page that the browser is at, at every size, in light and dark.
fn look(browser: &Browser, base: &str, name: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for (width, height) in SIZES {
        browser.size(width, height);
        for dark in [false, true] {
            browser.prefers(dark);
            let shade = if dark { "dark" } else { "light" };
            let at = format!("{name} at {width}, {shade}");
            browser.picture(&pictures().join(format!("sign-in/{name}-{width}-{shade}.png")));
            wrong.extend(overflow(browser, &at));
            wrong.extend(barriers(browser, &at));
        }
    }
    browser.size(1280, 900);
    wrong.extend(faults(browser, base, name));
    wrong
}

#[test]
fn a_person_signs_in_makes_a_token_and_signs_out() {
    let Some(browser) = Browser::start() else { return };
    let house = House::new();
    browser.size(1280, 900);
    browser.go(&format!("{}/runs", house.base));
    assert!(browser.address().contains("/auth/login?back="), "{}", browser.address());
    let mut wrong = look(&browser, &house.base, "login");
    browser.click("a.button.main");
    browser.until("the page that was asked for", "location.pathname === '/runs' && document.querySelector('main h1')");
    assert!(browser.run("return document.querySelector('.who').innerText;", &[]).as_str().unwrap().contains("ann"), "{}", browser.words());
    let _of_the_provider = browser.requests();

    browser.go(&format!("{}/tokens", house.base));
    wrong.extend(look(&browser, &house.base, "tokens, none"));
    browser.fill("#name", "bot");
    browser.click("input[name=hold]");
    browser.click("form.form button.main");
    let token = browser.until("the token, this once", "document.querySelector('code.break')?.innerText");
    assert!(token.as_str().unwrap().starts_with("towpath_"), "{token}");
    wrong.extend(look(&browser, &house.base, "tokens, one that is new"));
    browser.go(&format!("{}/tokens", house.base));
    assert!(browser.words().contains("bot") && browser.count("code.break") == 0, "{}", browser.words());
    browser.click("table form button");
    browser.until("the token to be taken back", "document.querySelector('main').innerText.includes('taken back')");
    wrong.extend(look(&browser, &house.base, "tokens, one that was taken back"));

    browser.click(".who form[action='/auth/logout'] button");
    browser.until("to be signed out", "!document.querySelector('.who form[action=\"/auth/logout\"]') && document.querySelector('main h1')");
    browser.go(&format!("{}/runs", house.base));
    assert!(browser.address().contains("/auth/login"), "{}", browser.address());
    assert!(wrong.is_empty(), "{} faults:\n{}", wrong.len(), wrong.join("\n"));
}
