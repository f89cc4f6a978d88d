//! Reports as the tools write them, and reports as nobody should.

#![expect(clippy::expect_used, reason = "helpers of tests fail the test")]

mod broken;
mod dialects;

use towpath_junit::{Limits, Report};

/// Every sample, by its name.
const SAMPLES: [(&str, &str); 8] = [
    ("pytest", include_str!("../samples/pytest.xml")),
    ("surefire", include_str!("../samples/surefire.xml")),
    ("gotestsum", include_str!("../samples/gotestsum.xml")),
    ("nextest", include_str!("../samples/nextest.xml")),
    ("jest", include_str!("../samples/jest.xml")),
    ("playwright", include_str!("../samples/playwright.xml")),
    ("nested", include_str!("../samples/nested.xml")),
    ("odd", include_str!("../samples/odd.xml")),
];

fn sample(name: &str) -> &'static str {
    SAMPLES.iter().find(|(known, _)| *known == name).expect("a sample").1
}

fn read(name: &str) -> Report {
    Report::parse(sample(name).as_bytes(), &Limits::default()).expect(name)
}
