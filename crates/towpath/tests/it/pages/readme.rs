//! The README's pictures: real pages, of the demo's story. `.ci/pictures` makes them anew.

use std::path::Path;

use towpath_testbed::browser::Browser;

use super::story::{pages, told};

/// A picture, the page it is of, whether it is dark, and how tall it may be.
const PICTURES: [(&str, &str, bool, u64); 4] = [
    ("board", "board", false, 620),
    ("release", "release-held", false, 860),
    ("run", "run-failed", true, 860),
    ("graph", "graph", false, 620),
];

/// The largest that a picture may be, in bytes: everybody who reads the README fetches it.
const BYTES_MAX: u64 = 150_000;

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/images")
}

#[test]
#[ignore = "writes docs/images; .ci/pictures runs it"]
fn the_readmes_pictures_are_made_of_the_demo() {
    let browser = Browser::start().expect("there is no picture without a browser");
    let server = told();
    for (name, page, dark, height) in PICTURES {
        let page = pages(server).into_iter().find(|known| known.name == page).unwrap();
        browser.size(1280, height);
        browser.prefers(dark);
        browser.go(&format!("{}{}", server.base, page.address));
        browser.until("the page to be live", "document.querySelector('#connection[data-state=on]') !== null");
        browser.view(&folder().join(format!("{name}.png")));
    }
}

#[test]
fn the_readme_shows_pictures_that_are_there_and_small() {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md")).unwrap();
    let shown = readme.split("docs/images/").skip(1).filter_map(|rest| rest.split_once(".png").map(|(name, _)| name));
    for name in shown.chain(PICTURES.map(|(name, ..)| name)) {
        let file = folder().join(format!("{name}.png"));
        let size = std::fs::metadata(&file).unwrap_or_else(|error| panic!("{}: {error}; .ci/pictures makes it", file.display())).len();
        assert!(size < BYTES_MAX, "{} has {size} bytes", file.display());
    }
}
