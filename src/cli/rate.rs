//! Rates as people write them: `512K`, `2M`.

use crate::limits::{RATE_MAX, RATE_MIN};
use crate::service::format;
use std::str::FromStr;

/// Bytes a second, from [`RATE_MIN`] to [`RATE_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate(pub u64);

impl FromStr for Rate {
    type Err = String;

    /// Reads a whole number of bytes and, if it has one, its unit: K, M or G, 1024 times the one
    /// before, as in what the progress line shows.
    fn from_str(text: &str) -> Result<Rate, String> {
        let unit = text.chars().last().unwrap_or_default();
        let (digits, shift) = match unit.to_ascii_uppercase() {
            'K' => (&text[..text.len() - 1], 10),
            'M' => (&text[..text.len() - 1], 20),
            'G' => (&text[..text.len() - 1], 30),
            _ => (text, 0),
        };
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(format!(
                "not a rate: {text:?} (a whole number of bytes a second, or with K, M or G: 512K)"
            ));
        }
        // Only a number of too many digits fails here.
        let bytes = digits.parse::<u64>().unwrap_or(u64::MAX);
        let bytes = bytes.saturating_mul(1 << shift);
        if bytes > RATE_MAX {
            let most = format::size(RATE_MAX);
            return Err(format!(
                "{text} is more than {most} a second (leave it out for no cap)"
            ));
        }
        if bytes < RATE_MIN {
            let least = format::size(RATE_MIN);
            return Err(format!(
                "{text} is less than {least} a second, the lowest cap"
            ));
        }
        Ok(Rate(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_and_perhaps_a_unit() {
        let rate = |text: &str| text.parse::<Rate>().map(|rate| rate.0);
        assert_eq!(rate("4096"), Ok(4096));
        assert_eq!(rate("512K"), Ok(512 << 10));
        assert_eq!(rate("2M"), Ok(2 << 20));
        assert_eq!(rate("2m"), Ok(2 << 20));
        assert_eq!(rate("1024G"), Ok(RATE_MAX));
    }

    #[test]
    fn what_is_no_rate_is_refused_in_words() {
        let why = |text: &str| text.parse::<Rate>().unwrap_err();
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
