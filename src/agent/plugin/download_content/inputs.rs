//! The step's inputs, checked: which source, and where its content goes.

use std::time::Duration;

use keelson_document::{input, script_timeout};
use serde_json::Value;

use super::git::GitSource;
use super::github::GitHubSource;
use super::http::HttpSource;
use super::s3::S3Source;
use super::source_info::{Format, SourceInfo};
use super::ssm_document::SsmDocumentSource;

const HTTP: Format = Format {
    prefix: "SourceInfo could not be unmarshalled for source type HTTP: ",
    type_name: "httpresource.HTTPInfo",
};
const GIT: Format = Format {
    prefix: "SourceInfo could not be unmarshalled for source type Git: ",
    type_name: "privategit.GitInfo",
};
const GIT_HUB: Format = Format {
    prefix: "Source Info could not be unmarshalled for source type GitHub. Please check JSON format of sourceInfo - ",
    type_name: "github.GitHubInfo",
};
const S3: Format = Format {
    prefix: "s3 url parsing failed. Source Info could not be unmarshalled for source type S3. Please check JSON \
             format of SourceInfo - ",
    type_name: "s3resource.S3Info",
};
const SSM_DOCUMENT: Format = Format {
    prefix: "SSMDocument SourceInfo parsing failed. SourceInfo could not be unmarshalled for SourceType SSMDocument. \
             Please check JSON format of SourceInfo - ",
    type_name: "ssmdocresource.SSMDocInfo",
};

/// Where content comes from.
#[derive(Debug)]
pub enum Source {
    Http(HttpSource),
    Git(GitSource),
    GitHub(GitHubSource),
    S3(S3Source),
    SsmDocument(SsmDocumentSource),
}

/// What the step asks for.
#[derive(Debug)]
pub struct Inputs {
    /// Where the content is.
    pub source: Source,
    /// Where it goes, as the step says; may be empty.
    pub destination_path: String,
    /// How long it may take, from `timeoutSeconds` as a script's. The real agent has no limit: there a download that
    /// hangs holds the node for ever.
    pub timeout: Duration,
}

impl Inputs {
    /// Reads interpolated inputs, or says what is wrong with them in the real agent's words where it has some.
    pub fn parse(inputs: &Value) -> Result<Self, String> {
        let source_type = text(inputs, "sourceType")?;
        let info = inputs.as_object().and_then(|inputs| input(inputs, "sourceInfo")).unwrap_or(&Value::Null);
        let is_missing = info.is_null() || info.as_str() == Some("");
        let read = |format| {
            if is_missing {
                return Err("invalid input: SourceInfo must be specified".to_owned());
            }
            SourceInfo::read(info, format)
        };
        let source = match source_type.as_str() {
            "HTTP" => Source::Http(HttpSource::read(&read(&HTTP)?)?),
            "Git" => Source::Git(GitSource::read(&read(&GIT)?)?),
            "GitHub" => Source::GitHub(GitHubSource::read(&read(&GIT_HUB)?)?),
            "S3" => Source::S3(S3Source::read(&read(&S3)?)?),
            "SSMDocument" => Source::SsmDocument(SsmDocumentSource::read(&read(&SSM_DOCUMENT)?)?),
            "" => return Err("invalid input: SourceType must be specified".to_owned()),
            _ => return Err("invalid input: Unsupported source type".to_owned()),
        };
        let destination_path = text(inputs, "destinationPath")?;
        Ok(Self { source, destination_path, timeout: script_timeout(inputs) })
    }
}

/// A text input, empty where there is none. The inputs are not shown: `sourceInfo` may hold a secret.
fn text(inputs: &Value, name: &str) -> Result<String, String> {
    match inputs.as_object().and_then(|inputs| input(inputs, name)) {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(_) => Err(format!("invalid input: {name} must be a string")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refusal(inputs: &Value) -> String {
        Inputs::parse(inputs).unwrap_err()
    }

    #[test]
    fn what_is_missing_or_unknown_is_refused_in_the_real_agents_words() {
        assert_eq!(refusal(&json!({})), "invalid input: SourceType must be specified");
        assert_eq!(refusal(&json!({"sourceType": "FTP"})), "invalid input: Unsupported source type");
        for info in [json!(null), json!("")] {
            let inputs = json!({"sourceType": "HTTP", "sourceInfo": info});
            assert_eq!(refusal(&inputs), "invalid input: SourceInfo must be specified");
        }
        assert_eq!(refusal(&json!({"sourceType": 5})), "invalid input: sourceType must be a string");
    }

    #[test]
    fn every_source_refuses_an_empty_description_by_what_it_lacks() {
        for (source_type, reason) in [
            ("HTTP", "URL scheme for HTTP resource type is invalid. HTTP or HTTPS is accepted"),
            ("Git", "Repository for Git resources type must be specified"),
            ("GitHub", "Owner for GitHub SourceType must be specified"),
            ("S3", "S3 source path in SourceInfo must be specified"),
            ("SSMDocument", "SSM Document name in SourceType must be specified"),
        ] {
            assert_eq!(refusal(&json!({"sourceType": source_type, "sourceInfo": "{}"})), reason);
        }
    }

    #[test]
    fn names_of_inputs_are_found_in_any_case() {
        let inputs =
            json!({"SourceType": "SSMDocument", "SOURCEINFO": {"name": "x"}, "DestinationPath": "/d"});
        let inputs = Inputs::parse(&inputs).unwrap();
        assert!(matches!(inputs.source, Source::SsmDocument(_)));
        assert_eq!((inputs.destination_path.as_str(), inputs.timeout), ("/d", Duration::from_secs(3600)));
    }
}
