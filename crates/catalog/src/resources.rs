//! Processor time and memory, as Kubernetes writes them.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// An amount of processor time or memory, such as `500m`, `1.5`, `256Mi`, `2e9`: kept as it is written.
///
/// The forms are those of Kubernetes' `resource.Quantity`, without a sign: what a container asks for is never negative.
#[derive(Clone, PartialEq, Eq)]
pub struct Quantity {
    text: Arc<str>,
    /// In thousandths, rounded up.
    thousandths: u128,
}

/// Why a text is no amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is no amount that Kubernetes knows", text.escape_debug())]
pub struct QuantityError {
    text: String,
}

impl Quantity {
    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// In thousandths, rounded up: of a processor, for processor time.
    #[must_use]
    pub fn thousandths(&self) -> u64 {
        u64::try_from(self.thousandths).unwrap_or(u64::MAX)
    }

    /// In whole units, rounded up: bytes, for memory.
    #[must_use]
    pub fn units(&self) -> u64 {
        u64::try_from(self.thousandths.div_ceil(1000)).unwrap_or(u64::MAX)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The text alone: hashes of build instructions are made of it.
impl fmt::Debug for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.text, f)
    }
}

impl FromStr for Quantity {
    type Err = QuantityError;
    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let thousandths = thousandths(text).ok_or_else(|| QuantityError { text: text.chars().take(100).collect() })?;
        Ok(Self { text: Arc::from(text), thousandths })
    }
}

/// More digits than any amount that a machine has; a bound for the arithmetic below.
const MAX_DIGITS: usize = 18;

/// `text` in thousandths, rounded up.
fn thousandths(text: &str) -> Option<u128> {
    let number = text.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
    let (number, suffix) = text.split_at_checked(number)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let bad =
        (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') || whole.len() > MAX_DIGITS || fraction.len() > MAX_DIGITS;
    if bad {
        return None;
    }
    // Of what 10^-n of a unit there are how many.
    let digits: u128 = format!("{whole}{fraction}").parse().ok()?;
    let below = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let scaled = |times: u128, parts: u128| Some(digits.checked_mul(times)?.checked_mul(1000)?.div_ceil(below.checked_mul(parts)?));
    let binary = |power: u32| scaled(1024_u128.pow(power), 1);
    let decimal = |power: u32| scaled(10_u128.pow(power), 1);
    match suffix {
        "" => decimal(0),
        "n" => scaled(1, 1_000_000_000),
        "u" => scaled(1, 1_000_000),
        "m" => scaled(1, 1000),
        "k" => decimal(3),
        "M" => decimal(6),
        "G" => decimal(9),
        "T" => decimal(12),
        "P" => decimal(15),
        "E" => decimal(18),
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        exponent => {
            let power: i32 = exponent.strip_prefix(['e', 'E']).filter(|digits| !digits.is_empty())?.parse().ok()?;
            match power {
                -18..0 => scaled(1, 10_u128.pow(power.unsigned_abs())),
                0..=18 => decimal(power.unsigned_abs()),
                _ => None,
            }
        }
    }
}

/// What a container asks for, or may not go beyond.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resources {
    /// Processor time, in processors.
    pub cpu: Option<Quantity>,
    /// Memory, in bytes.
    pub memory: Option<Quantity>,
}

/// What the work of a run asks for when it runs on a cluster (`deployResources` of a saas file, `resources` of a build).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeployResources {
    /// What it is sure to get.
    pub requests: Resources,
    /// What it may not go beyond; never below `requests`.
    pub limits: Resources,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_what_kubernetes_reads() {
        for (text, thousandths) in [
            ("1", 1000),
            ("0.5", 500),
            (".5", 500),
            ("2.", 2000),
            ("500m", 500),
            ("0.1m", 1),
            ("100n", 1),
            ("1500u", 2),
            ("1k", 1_000_000),
            ("1Ki", 1_024_000),
            ("256Mi", 268_435_456_000),
            ("1.5Gi", 1_610_612_736_000),
            ("2e3", 2_000_000),
            ("2E3", 2_000_000),
            ("2e-3", 2),
            ("0", 0),
        ] {
            let amount: Quantity = text.parse().unwrap();
            assert_eq!((amount.thousandths(), amount.as_str()), (thousandths, text), "{text}");
        }
        assert_eq!("128Mi".parse::<Quantity>().unwrap().units(), 134_217_728);
        assert_eq!("1E".parse::<Quantity>().unwrap().units(), 1_000_000_000_000_000_000);
        assert_eq!("1m".parse::<Quantity>().unwrap().units(), 1, "rounded up");
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        let long = "9".repeat(40);
        for text in
            ["", "-1", "+1", "1 Gi", "1GiB", "1Gb", "one", "1.2.3", ".", "m", "1mm", "1e", "1e99", "1e2147483648", "1K", "1٣", &long]
        {
            assert!(text.parse::<Quantity>().is_err(), "{text:?}");
        }
    }
}
