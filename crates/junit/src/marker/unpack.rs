//! Base64 of gzip, as it comes.

use std::io::Read as _;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use flate2::read::MultiGzDecoder;

use crate::error::ReportError;

const BASE64: GeneralPurpose =
    GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));

/// The base64 that came until now.
#[derive(Debug, Default)]
pub(super) struct Packed(String);

impl Packed {
    /// Takes a line, if it is base64.
    pub fn add(&mut self, line: &str) -> bool {
        let is_base64 = line.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='));
        if is_base64 {
            self.0.push_str(line);
        }
        is_base64
    }

    /// Whether what came is more than `limit` bytes even packed.
    pub fn is_larger_than(&self, limit: usize) -> bool {
        self.0.len() / 4 * 3 > limit
    }

    /// What was packed, if it is not more than `limit` bytes. If it is known to be cut short, what can be had of it.
    pub fn unpack(self, limit: usize, is_cut_short: bool) -> Result<Vec<u8>, ReportError> {
        let cannot = |why: &str| Err(ReportError::Packed { why: why.to_owned() });
        let text = if is_cut_short { &self.0[..self.0.len() / 4 * 4] } else { &self.0 };
        let Ok(packed) = BASE64.decode(text) else { return cannot("it is not base64") };
        let mut bytes = Vec::new();
        let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
        let read = MultiGzDecoder::new(&packed[..]).take(most).read_to_end(&mut bytes);
        if bytes.len() > limit {
            return Err(ReportError::TooLarge { limit });
        }
        match read {
            Ok(_) => Ok(bytes),
            Err(_) if is_cut_short => Ok(bytes),
            Err(_) => cannot("it is not gzip, or a part of it is missing or damaged"),
        }
    }
}
