//! Rates as people write them: `512K`, `2M`.

use crate::limits::{RATE_MAX, RATE_MIN};
use crate::service::format;

/// Parses a whole number of bytes a second and, if it has one, its unit: K, M or G, each 1024 times
/// the one before, as the progress line shows it. The result is in [`RATE_MIN`] to [`RATE_MAX`].
pub(super) fn parse(text: &str) -> Result<u64, String> {
    let unit = text.chars().last().unwrap_or_default();
    let shift = match unit.to_ascii_uppercase() {
        'K' => 10,
        'M' => 20,
        'G' => 30,
        _ => 0,
    };
    let digits = if shift == 0 {
        text
    } else {
        &text[..text.len() - 1]
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!(
            "not a rate: {text:?} (a whole number of bytes a second, or with K, M or G: 512K)"
        ));
    }
    // Parsing fails only for too many digits.
    let bytes = digits.parse::<u64>().unwrap_or(u64::MAX);
    match bytes.saturating_mul(1 << shift) {
        ..RATE_MIN => {
            let least = format::size(RATE_MIN);
            Err(format!(
                "{text} is less than {least} a second, the lowest cap"
            ))
        }
        bytes @ RATE_MIN..=RATE_MAX => Ok(bytes),
        _ => {
            let most = format::size(RATE_MAX);
            Err(format!(
                "{text} is more than {most} a second (leave it out for no cap)"
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_with_an_optional_unit() {
        let rate = parse;
        assert_eq!(rate("4096"), Ok(4096));
        assert_eq!(rate("512K"), Ok(512 << 10));
        assert_eq!(rate("2M"), Ok(2 << 20));
        assert_eq!(rate("2m"), Ok(2 << 20));
        assert_eq!(rate("1024G"), Ok(RATE_MAX));
    }

    #[test]
    fn each_wrong_rate_has_its_error() {
        let why = |text: &str| parse(text).unwrap_err();
        for junk in [
            "", "K", "fast", "1.5M", "-1K", "+1K", "1 M", "1KB", "1K/s", "٣K", "1é",
        ] {
            assert!(
                why(junk).starts_with(&format!("not a rate: {junk:?} (")),
                "{junk}"
            );
        }
        for low in ["0", "0G", "4095", "3K", "000"] {
            assert!(
                why(low).ends_with("is less than 4.0 KiB a second, the lowest cap"),
                "{low}"
            );
        }
        let many = "9".repeat(30);
        for high in [
            "1025G",
            "18446744073709551615G",
            "18446744073709551616",
            &many,
        ] {
            let end = "is more than 1.0 TiB a second (leave it out for no cap)";
            assert!(why(high).ends_with(end), "{high}");
        }
    }
}
