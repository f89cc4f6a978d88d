//! Every page, at every size, in light and dark.

use towpath_testbed::browser::Browser;

use super::look::{SIZES, barriers, faults, overflow, pictures};
use super::story::{pages, told};

#[test]
fn every_page_of_the_story_is_whole_at_every_size_in_light_and_dark() {
    let Some(browser) = Browser::start() else { return };
    let server = told();
    let mut wrong = Vec::new();
    for page in pages(server) {
        for (width, height) in SIZES {
            browser.size(width, height);
            for dark in [false, true] {
                browser.prefers(dark);
                browser.go(&format!("{}{}", server.base, page.address));
                let at = format!("{} at {width}, {}", page.name, if dark { "dark" } else { "light" });
                browser.picture(&pictures().join(format!("demo/{}-{width}-{}.png", page.name, if dark { "dark" } else { "light" })));
                if browser.count("main") == 0 {
                    wrong.push(format!("{at}: no page: {}", browser.words()));
                    let _of_this_page = faults(&browser, &server.base, &at);
                    continue;
                }
                if !browser.words().contains(&page.says) {
                    wrong.push(format!("{at}: does not say {:?}:\n{}", page.says, browser.words()));
                }
                if browser.count("main h1") != 1 {
                    wrong.push(format!("{at}: {} headings of the first level", browser.count("main h1")));
                }
                wrong.extend(overflow(&browser, &at));
                wrong.extend(faults(&browser, &server.base, &at));
                if width != 2560 {
                    wrong.extend(barriers(&browser, &at));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} faults:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn what_is_not_there_is_told_as_a_page_with_what_to_do() {
    let Some(browser) = Browser::start() else { return };
    let server = told();
    for address in ["/commits/0123456789", "/targets/none", "/sources/none", "/runs/none", "/changes/none", "/nothing"] {
        browser.go(&format!("{}{address}", server.base));
        let words = browser.words();
        assert!(words.contains("What to do"), "{address}: {words}");
        assert_eq!(barriers(&browser, address), Vec::<String>::new());
        // The browser itself says that such a page was not found, and nothing else may be amiss.
        let faults = faults(&browser, &server.base, address);
        assert!(faults.iter().all(|fault| fault.contains("404")), "{faults:?}");
    }
}
