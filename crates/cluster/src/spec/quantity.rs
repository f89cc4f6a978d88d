//! Quantities: `512Mi`, `0.5`, `250m`.

/// A quantity of memory in bytes; `None` when it is not one.
#[must_use]
pub fn memory_bytes(text: &str) -> Option<u64> {
    let (number, factor) = split(text)?;
    let bytes = number * factor;
    // Beyond 2^60 nobody limits anything; it keeps the conversion exact enough.
    (0.0..1_152_921_504_606_846_976.0).contains(&bytes).then_some(bytes.ceil() as u64)
}

/// A quantity of CPU in thousandths of a core; `None` when it is not one.
#[must_use]
pub fn cpu_millis(text: &str) -> Option<u64> {
    let (number, factor) = split(text)?;
    let millis = number * factor * 1000.0;
    (0.0..1e9).contains(&millis).then_some(millis.ceil() as u64)
}

fn split(text: &str) -> Option<(f64, f64)> {
    // A number may end in an exponent (1e3), and E alone is the suffix exa: the longest number wins.
    let at = (1..=text.len()).rev().filter(|at| text.is_char_boundary(*at)).find(|at| {
        let number = &text[..*at];
        number.bytes().all(|b| b.is_ascii_digit() || b".+-eE".contains(&b)) && number.parse::<f64>().is_ok()
    })?;
    let (number, suffix) = text.split_at(at);
    let number: f64 = number.parse().ok()?;
    let factor = match suffix {
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "" => 1.0,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 1024.0,
        "Mi" => 1024.0 * 1024.0,
        "Gi" => 1024.0 * 1024.0 * 1024.0,
        "Ti" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        "Pi" => 1024.0 * 1024.0 * 1024.0 * 1024.0 * 1024.0,
        "Ei" => 1024.0 * 1024.0 * 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    (number.is_finite() && number >= 0.0).then_some((number, factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_as_kubernetes_reads_them() {
        for (text, bytes) in
            [("512Mi", 512 << 20), ("1Gi", 1 << 30), ("128974848", 128_974_848), ("1e3", 1000), ("1.5k", 1500), ("100m", 1)]
        {
            assert_eq!(memory_bytes(text), Some(bytes), "{text}");
        }
        for (text, millis) in [("1", 1000), ("250m", 250), ("0.5", 500), ("2", 2000)] {
            assert_eq!(cpu_millis(text), Some(millis), "{text}");
        }
        for bad in ["", "Mi", "-1", "1Q", "1 Gi", "1e400", "ten", "NaN", "inf", "1é"] {
            assert_eq!(memory_bytes(bad), None, "{bad:?}");
        }
    }
}
