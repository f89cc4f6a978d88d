//! An element's attributes.

use quick_xml::events::BytesStart;

use crate::text::unescape;

/// The most attributes of one element that are looked at.
const MOST: usize = 64;

/// Names without their prefixes, and values with references replaced. What cannot be read is left out: attributes decide nothing
/// that cannot be done without.
pub(super) struct Attributes(Vec<(String, String)>);

pub(super) fn of(element: &BytesStart<'_>) -> Attributes {
    let mut all = element.attributes();
    let found = all.with_checks(false).flatten().take(MOST);
    Attributes(found.map(|attribute| (attribute.key.local_name().as_ref().to_owned(), unescape(&attribute.value))).collect())
}

impl Attributes {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Empty if it is not there.
    pub fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// `xsi:nil`: the element is written, but means that there is none.
    pub fn is_nil(&self) -> bool {
        matches!(self.text("nil").trim(), "true" | "1")
    }
}
