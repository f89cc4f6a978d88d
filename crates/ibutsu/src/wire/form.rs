//! A form with a file (RFC 7578).

use sha2::{Digest as _, Sha256};

/// A form, ready to be sent.
pub(crate) struct Form {
    boundary: String,
    body: Vec<u8>,
}

impl Form {
    /// A form of these fields and a file: the field's name, its own name, its content. No name holds a quote or a line break.
    pub(crate) fn new(fields: &[(&str, &str)], file: (&str, &str, &[u8])) -> Self {
        let (field, name, content) = file;
        // It follows from what it divides, so that nothing can be written that holds it.
        let mut hash = Sha256::new();
        fields.iter().for_each(|(name, value)| hash.update(format!("{name}:{}:{value}", value.len())));
        hash.update(content);
        let boundary: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        let mut body = Vec::with_capacity(content.len() + 1024);
        for (name, value) in fields {
            let head = format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
            body.extend_from_slice(head.as_bytes());
        }
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"{name}\"\r\nContent-Type: application/octet-stream\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        Self { boundary, body }
    }

    pub(crate) fn content_type(&self) -> String {
        format!("multipart/form-data; boundary={}", self.boundary)
    }

    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }
}
