//! Where a new program comes from, as a person or a document writes it.

use std::path::{Path, PathBuf};

use url::Url;

/// The end of the source in AWS's document that updates AWS's own agent.
const AWS_MANIFEST: &str = "ssm-agent-manifest.json";

/// Where a new program comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The gateway, which has the agent of its own version.
    Gateway,
    /// A file of this machine.
    File {
        /// Its path.
        path: PathBuf,
        /// The SHA-256 it must have, in hexadecimal digits.
        sha256: Option<String>,
    },
    /// A file of a web server.
    Web {
        /// Its address, `http` or `https`.
        url: Url,
        /// The SHA-256 it must have, in hexadecimal digits.
        sha256: String,
    },
}

/// A source that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the source {source_text:?} {problem}")]
pub struct SourceError {
    source_text: String,
    problem: &'static str,
}

impl Source {
    /// Reads a path or a `file://`, `https://` or `http://` URL, with `#sha256=DIGITS` behind it where the program must
    /// have that digest, which one from the web must. None, and the manifest that AWS's document names for AWS's agent, mean the gateway.
    pub fn parse(text: &str) -> Result<Self, SourceError> {
        let error = |problem| SourceError { source_text: text.to_owned(), problem };
        if text.is_empty() || text.ends_with(AWS_MANIFEST) {
            return Ok(Self::Gateway);
        }
        let (place, sha256) = match text.split_once("#sha256=") {
            Some((place, digits)) => (place, Some(digits)),
            None => (text, None),
        };
        if sha256.is_some_and(|digits| {
            digits.len() != 64 || !digits.chars().all(|digit| digit.is_ascii_hexdigit())
        }) {
            return Err(error("must end in the 64 hexadecimal digits of its SHA-256 behind #sha256="));
        }
        if place.starts_with("https://") || place.starts_with("http://") {
            let url = Url::parse(place).map_err(|_| error("is not a valid URL"))?;
            let sha256 = sha256.ok_or_else(|| error("comes from the web: say which program it must be, by #sha256= and the 64 hexadecimal digits of its SHA-256 behind it"))?;
            return Ok(Self::Web { url, sha256: sha256.to_owned() });
        }
        let path = Path::new(place.strip_prefix("file://").unwrap_or(place));
        if !path.is_absolute() {
            return Err(error("is neither an absolute path nor a file://, https:// or http:// URL"));
        }
        Ok(Self::File { path: path.to_owned(), sha256: sha256.map(ToOwned::to_owned) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_a_file_with_or_without_a_digest_or_one_of_the_web_with_it() {
        let digits = "0123456789abcdef".repeat(4);
        let file =
            |sha256: Option<&str>| Source::File { path: "/opt/agent".into(), sha256: sha256.map(Into::into) };
        assert_eq!(Source::parse("/opt/agent"), Ok(file(None)));
        assert_eq!(Source::parse(&format!("file:///opt/agent#sha256={digits}")), Ok(file(Some(&digits))));
        let web = Source::parse(&format!("https://example.com/agent?v=1#sha256={digits}"));
        let url = Url::parse("https://example.com/agent?v=1").unwrap();
        assert_eq!(web, Ok(Source::Web { url, sha256: digits }));
        for wrong in [
            "agent",
            "https://example.com/agent",
            "ftp://example.com/agent",
            "/opt/agent#sha256=12",
            "file://host/agent",
        ] {
            assert!(Source::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn no_source_and_that_of_awss_own_agent_mean_the_gateway() {
        let aws = "https://s3.{Region}.amazonaws.com/amazon-ssm-{Region}/ssm-agent-manifest.json";
        for text in ["", aws] {
            assert_eq!(Source::parse(text), Ok(Source::Gateway), "{text}");
        }
    }
}
