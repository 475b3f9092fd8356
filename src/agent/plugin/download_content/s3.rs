//! Source type `S3`: an object of a bucket, or all below a prefix, on AWS or any server that speaks S3.

use std::env;

use serde::{Deserialize, Serialize};
use url::Url;

use super::Content;
use super::fetch::{self, Request};
use super::http::{INSECURE, take_user_information};
use super::job::{Job, Stop};
use super::source_info::SourceInfo;

/// How the hosts of AWS end.
const AWS_DOMAINS: [&str; 2] = [".amazonaws.com", ".amazonaws.com.cn"];
/// The region of AWS's endpoint that names none, and what servers expect that have none.
const DEFAULT_REGION: &str = "us-east-1";

/// What stands in the place of a region in a host of AWS that names none.
const WITHOUT_REGION: [&str; 2] = ["accelerate", "external-1"];

/// What to bring of a bucket. Handed as JSON to the process that fetches it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct S3Source {
    /// The server; the bucket is the first part of the path below it.
    pub endpoint: Url,
    /// The bucket's name.
    pub bucket: String,
    /// The object's key, or a prefix; empty for the whole bucket.
    pub key: String,
    /// The region that requests are signed for.
    pub region: String,
    /// Whether the server is AWS, where each region has its own endpoint.
    pub is_aws: bool,
}

impl S3Source {
    /// Reads and checks the source.
    pub fn read(info: &SourceInfo) -> Result<Self, String> {
        let path = info.text("path")?;
        if path.is_empty() {
            return Err("S3 source path in SourceInfo must be specified".to_owned());
        }
        let source = Self::parse(&path)?;
        if source.endpoint.scheme() == "http" && !info.flag("allowInsecureDownload")? {
            return Err(INSECURE.to_owned());
        }
        Ok(source)
    }

    /// Fetches the object, or all below the prefix.
    pub fn fetch(&self, job: &Job<'_>) -> Result<Content, Stop> {
        fetch::run(&Request::S3 { source: self.clone(), into: job.staged("s3") }, job)
    }

    /// The endpoint for requests of a region.
    pub fn endpoint_of(&self, region: &str) -> Url {
        let mut endpoint = self.endpoint.clone();
        if self.is_aws {
            let domain = if region.starts_with("cn-") { AWS_DOMAINS[1] } else { AWS_DOMAINS[0] };
            // A name that is not fit for a host leaves the endpoint as it was.
            let _ = endpoint.set_host(Some(&format!("s3.{region}{domain}")));
        }
        endpoint
    }

    fn parse(path: &str) -> Result<Self, String> {
        // A plus is a blank, as the real agent reads it.
        let mut url = Url::parse(&path.replace('+', "%20"))
            .map_err(|error| format!("s3 url parsing failed. {path:?} is not a URL: {error}"))?;
        let _unused = take_user_information(&mut url);
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("s3 url parsing failed. {path:?} does not begin with https:// or http://"));
        }
        let decoded = percent_encoding::percent_decode_str(url.path()).decode_utf8_lossy().into_owned();
        let rest = decoded.trim_start_matches('/');
        let host = url.host_str().unwrap_or_default();
        let aws = AWS_DOMAINS.iter().find_map(|domain| host.strip_suffix(domain)).and_then(AwsHost::parse);
        let (bucket, key) = match &aws {
            Some(AwsHost { bucket: Some(bucket), .. }) => (bucket.as_str(), rest),
            _ => rest.split_once('/').unwrap_or((rest, "")),
        };
        if bucket.is_empty() {
            return Err(format!("s3 url parsing failed. {path:?} names no bucket"));
        }
        let is_aws = aws.is_some();
        let region = match &aws {
            Some(AwsHost { region, .. }) => region.as_deref().unwrap_or(DEFAULT_REGION).to_owned(),
            None => region_of_environment(),
        };
        let mut endpoint = url.clone();
        endpoint.set_path("/");
        endpoint.set_query(None);
        endpoint.set_fragment(None);
        let mut source = Self { bucket: bucket.to_owned(), key: key.to_owned(), region, is_aws, endpoint };
        source.endpoint = source.endpoint_of(&source.region);
        Ok(source)
    }
}

fn region_of_environment() -> String {
    let variable = |name| env::var(name).ok().filter(|value: &String| !value.is_empty());
    variable("AWS_REGION")
        .or_else(|| variable("AWS_DEFAULT_REGION"))
        .unwrap_or_else(|| DEFAULT_REGION.to_owned())
}

/// A host of AWS without the domain: `s3`, `s3.REGION`, `s3-REGION`, `s3.dualstack.REGION`, `s3-fips.REGION` or
/// `s3-accelerate`, behind `BUCKET.` or not.
struct AwsHost {
    bucket: Option<String>,
    region: Option<String>,
}

impl AwsHost {
    fn parse(host: &str) -> Option<Self> {
        let labels: Vec<&str> = host.split('.').collect();
        // From the end: a bucket's name may look the same.
        let service = labels.iter().rposition(|label| *label == "s3" || label.starts_with("s3-"))?;
        let (bucket, service) = labels.split_at_checked(service)?;
        let (service, region) = service.split_first()?;
        let region = region.last().copied().or(service.strip_prefix("s3-"));
        let region = region.filter(|region| !WITHOUT_REGION.contains(region));
        let bucket = (!bucket.is_empty()).then(|| bucket.join("."));
        Some(Self { bucket, region: region.map(str::to_owned) })
    }
}

#[cfg(test)]
mod tests {
    use super::super::source_info::Format;
    use super::*;
    use serde_json::json;

    fn parsed(path: &str) -> (String, String, String, String) {
        let source = S3Source::parse(path).unwrap();
        (source.endpoint.to_string(), source.bucket, source.key, source.region)
    }

    fn on_aws(region: &str, bucket: &str, key: &str) -> (String, String, String, String) {
        (format!("https://s3.{region}.amazonaws.com/"), bucket.into(), key.into(), region.into())
    }

    #[test]
    fn a_path_is_read_in_all_forms_that_aws_writes() {
        for (path, expected) in [
            ("https://s3.amazonaws.com/b/k", on_aws("us-east-1", "b", "k")),
            ("https://s3.eu-west-1.amazonaws.com/b/a/k", on_aws("eu-west-1", "b", "a/k")),
            ("https://s3-eu-west-1.amazonaws.com/b/a/", on_aws("eu-west-1", "b", "a/")),
            ("https://s3.dualstack.eu-west-1.amazonaws.com/b", on_aws("eu-west-1", "b", "")),
            ("https://b.s3.amazonaws.com/k", on_aws("us-east-1", "b", "k")),
            ("https://my.s3.b.s3.eu-west-1.amazonaws.com/a/k", on_aws("eu-west-1", "my.s3.b", "a/k")),
            ("https://b.s3-eu-west-1.amazonaws.com/k", on_aws("eu-west-1", "b", "k")),
            ("https://b.s3-fips.us-gov-west-1.amazonaws.com/k", on_aws("us-gov-west-1", "b", "k")),
            ("https://b.s3-accelerate.amazonaws.com/k", on_aws("us-east-1", "b", "k")),
            ("https://s3.amazonaws.com/b/a+b%2Bc%20d", on_aws("us-east-1", "b", "a b+c d")),
        ] {
            assert_eq!(parsed(path), expected, "{path}");
        }
        let china = parsed("https://s3.cn-north-1.amazonaws.com.cn/b/k");
        assert_eq!(china.0, "https://s3.cn-north-1.amazonaws.com.cn/");
    }

    #[test]
    fn any_other_server_has_the_bucket_first_in_its_path() {
        let source = S3Source::parse("http://127.0.0.1:9000/b/a/k").unwrap();
        assert_eq!(source.endpoint.as_str(), "http://127.0.0.1:9000/");
        assert_eq!((source.bucket.as_str(), source.key.as_str(), source.is_aws), ("b", "a/k", false));
        assert_eq!(source.endpoint_of("eu-west-1"), source.endpoint);
    }

    #[test]
    fn what_names_no_bucket_or_is_insecure_is_refused() {
        for (path, reason) in [
            ("b/k", "is not a URL"),
            ("s3://b/k", "does not begin with https://"),
            ("https://s3.amazonaws.com/", "names no bucket"),
            ("http://127.0.0.1:9000/b/k", "insecure download is not allowed"),
        ] {
            let format: &Format = &Format { prefix: "", type_name: "" };
            let info = SourceInfo::read(&json!({"path": path}), format).unwrap();
            let refused = S3Source::read(&info).unwrap_err();
            assert!(refused.contains(reason), "{path}: {refused}");
        }
    }
}
