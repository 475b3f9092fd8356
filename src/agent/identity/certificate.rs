//! How long the node's certificate is good for.

use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use x509_parser::parse_x509_certificate;

/// A certificate that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is no certificate in PEM form: {0}")]
pub struct UnreadableCertificate(String);

/// From when to when a certificate is valid, in seconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// The first second.
    pub not_before: i64,
    /// The last second.
    pub not_after: i64,
}

impl Validity {
    /// Of the first certificate in a PEM text.
    pub fn of(pem: &str) -> Result<Self, UnreadableCertificate> {
        let unreadable = |error: &dyn std::fmt::Display| UnreadableCertificate(error.to_string());
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|error| unreadable(&error))?;
        let (_, certificate) = parse_x509_certificate(&der).map_err(|error| unreadable(&error))?;
        let validity = certificate.validity();
        Ok(Self { not_before: validity.not_before.timestamp(), not_after: validity.not_after.timestamp() })
    }

    /// How long it is valid altogether.
    pub fn life(&self) -> Duration {
        Duration::from_secs(u64::try_from(self.not_after.saturating_sub(self.not_before)).unwrap_or(0))
    }

    /// How long until two thirds of its life are over, by a wall clock that says `now`; zero once they are.
    ///
    /// A clock that stands before the certificate's life is wrong, so the wait is never longer than those two
    /// thirds.
    pub fn renewal_in(&self, now: i64) -> Duration {
        let two_thirds = self.not_after.saturating_sub(self.not_before) / 3 * 2;
        let left = self.not_before.saturating_add(two_thirds).saturating_sub(now);
        Duration::from_secs(u64::try_from(left.min(two_thirds)).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Validity = Validity { not_before: 1_000_000, not_after: 1_000_000 + 86_400 };

    #[test]
    fn a_certificate_is_renewed_at_two_thirds_of_its_life() {
        assert_eq!(DAY.renewal_in(1_000_000), Duration::from_secs(57_600));
        assert_eq!(DAY.renewal_in(1_000_000 + 57_600), Duration::ZERO);
        assert_eq!(DAY.renewal_in(i64::MAX), Duration::ZERO);
    }

    #[test]
    fn a_clock_far_in_the_past_does_not_put_a_renewal_off() {
        assert_eq!(DAY.renewal_in(0), Duration::from_secs(57_600));
        assert_eq!(DAY.renewal_in(i64::MIN), Duration::from_secs(57_600));
    }

    #[test]
    fn what_is_no_certificate_is_said_to_be_none() {
        assert!(Validity::of("hello").is_err());
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(Validity::of(broken).unwrap_err().to_string().starts_with("this is no certificate"));
    }
}
