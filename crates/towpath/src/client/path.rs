//! Paths of the API, percent-encoded.

/// A path with its query.
#[derive(Debug, Clone)]
pub struct Path {
    text: String,
    asks: bool,
}

impl Path {
    /// `/api/v1/{name}`; the name is a plain word.
    pub fn new(name: &str) -> Self {
        Self { text: format!("/api/v1/{name}"), asks: false }
    }

    /// One more segment. Comes before any query.
    pub fn segment(mut self, segment: &str) -> Self {
        self.text.push('/');
        encode(segment, &mut self.text);
        self
    }

    /// One more question, if there is a value.
    pub fn query(mut self, name: &str, value: Option<&str>) -> Self {
        if let Some(value) = value {
            self.text.push(if self.asks { '&' } else { '?' });
            self.asks = true;
            self.text.push_str(name);
            self.text.push('=');
            encode(value, &mut self.text);
        }
        self
    }

    /// As it stands in a request.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// Keeps RFC 3986's unreserved characters and encodes every other byte.
fn encode(text: &str, into: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            into.push(char::from(byte));
        } else {
            into.push_str(&format!("%{byte:02X}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_people_type_stays_one_segment_or_one_value() {
        let path =
            Path::new("runs").segment("../a b").segment("logs").query("x", None).query("search", Some("a&b=ü%")).query("from", Some("1"));
        assert_eq!(path.as_str(), "/api/v1/runs/..%2Fa%20b/logs?search=a%26b%3D%C3%BC%25&from=1");
    }
}
