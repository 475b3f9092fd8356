//! Brings an object of an S3 bucket, or all below a prefix.

use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusty_s3::actions::{ListObjectsV2, ListObjectsV2Response};
use rusty_s3::{Bucket, Credentials, S3Action, UrlStyle};
use ureq::Body;
use ureq::http::{Response, StatusCode};
use url::Url;

use super::super::Content;
use super::super::s3::S3Source;
use super::client::{Client, Rules};
use super::credentials;
use super::save::save;

/// How long a signed request stays valid: long enough for clocks that differ.
const VALIDITY: Duration = Duration::from_secs(15 * 60);
/// In which a server names the region of a bucket that it was asked for in another one.
const REGION_HEADER: &str = "x-amz-bucket-region";
/// The most bytes of one page of a list, which has a thousand keys of at most 1 KiB and what is known of each.
const PAGE_BYTES: u64 = 16 << 20;
/// The most bytes of an error's text.
const ERROR_BYTES: u64 = 64 << 10;

/// Fetches the object to `into`, or what is below the prefix into it as a folder.
pub fn fetch(source: &S3Source, into: &Path) -> Result<Content, String> {
    let mut store = Store::open(source)?;
    if !source.key.is_empty() && !source.key.ends_with('/') {
        let missing = match store.object(&source.key)? {
            Ok(response) => return save_object(source, response, into),
            Err(refused) => refused,
        };
        // Without the right to list, S3 says 403 where it means 404.
        let may_be_prefix = matches!(missing.status, StatusCode::NOT_FOUND | StatusCode::FORBIDDEN);
        let told = store.told(&source.key, &missing);
        let prefix = format!("{}/", source.key);
        // Whoever may not list cannot ask for a prefix.
        let page =
            may_be_prefix.then(|| store.list(&prefix, None)).and_then(Result::ok).ok_or(told.clone())?;
        if !store.fetch_below(&prefix, page, into)? {
            return Err(told);
        }
    } else {
        let page = store.list(&source.key, None)?;
        if !store.fetch_below(&source.key, page, into)? {
            return Err(format!(
                "Failed to download s3://{}/{}: there is no object",
                source.bucket, source.key
            ));
        }
    }
    Ok(Content::Tree(into.to_owned()))
}

fn save_object(source: &S3Source, mut response: Response<Body>, into: &Path) -> Result<Content, String> {
    let length = response.body().content_length();
    save(response.body_mut().as_reader(), length, into)
        .map_err(|error| format!("An error occurred during data transfer: {error}"))?;
    let name = source.key.rsplit('/').next().unwrap_or_default();
    if !is_file_name(name) {
        return Err(format!("the key {:?} does not end in the name of a file", source.key));
    }
    Ok(Content::File { staged: into.to_owned(), name: name.to_owned() })
}

/// A server's refusal.
struct Refused {
    status: StatusCode,
    reason: String,
}

/// One bucket.
struct Store<'a> {
    source: &'a S3Source,
    client: Client,
    bucket: Bucket,
    credentials: Option<Credentials>,
}

impl<'a> Store<'a> {
    fn open(source: &'a S3Source) -> Result<Self, String> {
        // Redirects lead to another region, for which a request has to be signed anew.
        let rules = Rules { allow_insecure: source.endpoint.scheme() == "http", follow_redirects: false };
        let client = Client::new(&source.endpoint, rules)?;
        let bucket = bucket(source, &source.region)?;
        Ok(Self { source, client, bucket, credentials: credentials::find() })
    }

    /// Asks for an object.
    fn object(&mut self, key: &str) -> Result<Result<Response<Body>, Refused>, String> {
        self.request(key, |bucket, credentials| bucket.get_object(credentials, key).sign(VALIDITY))
    }

    /// Fetches all objects below a prefix that ends in `/` or is empty, beginning with the first page of their list,
    /// and tells whether there are any.
    fn fetch_below(
        &mut self,
        prefix: &str,
        mut page: ListObjectsV2Response,
        into: &Path,
    ) -> Result<bool, String> {
        let mut found = false;
        loop {
            // A key that ends in `/` stands for a folder and is empty.
            for object in page.contents.iter().filter(|object| !object.key.ends_with('/')) {
                found = true;
                let path = path_below(into, prefix, &object.key)?;
                self.fetch_object(&object.key, &path)?;
            }
            match page.next_continuation_token {
                Some(token) if !token.is_empty() => page = self.list(prefix, Some(&token))?,
                _ => return Ok(found),
            }
        }
    }

    fn fetch_object(&mut self, key: &str, path: &Path) -> Result<(), String> {
        let mut response = match self.object(key)? {
            Ok(response) => response,
            Err(refused) => return Err(self.told(key, &refused)),
        };
        let folder = path.parent().unwrap_or(path);
        fs::create_dir_all(folder).map_err(|error| format!("cannot create {}: {error}", folder.display()))?;
        let length = response.body().content_length();
        save(response.body_mut().as_reader(), length, path)
            .map_err(|error| format!("An error occurred during data transfer of {key:?}: {error}"))
    }

    fn list(&mut self, prefix: &str, continuation: Option<&str>) -> Result<ListObjectsV2Response, String> {
        let answered = self.request(prefix, |bucket, credentials| {
            let mut list = ListObjectsV2::new(bucket, credentials);
            // Keys as they are, not encoded for a URL.
            list.query_mut().remove("encoding-type");
            list.with_prefix(Cow::Owned(prefix.to_owned()));
            if let Some(token) = continuation {
                list.with_continuation_token(Cow::Owned(token.to_owned()));
            }
            list.sign(VALIDITY)
        })?;
        let mut response = answered.map_err(|refused| self.told(prefix, &refused))?;
        let text = response.body_mut().with_config().limit(PAGE_BYTES).read_to_string();
        let text = text.map_err(|error| format!("An error occurred during data transfer: {error}"))?;
        ListObjectsV2::parse_response(text)
            .map_err(|error| format!("{} does not answer as S3 does: {error}", self.source.endpoint))
    }

    /// Makes a request, in the bucket's own region if the server names another one.
    fn request(
        &mut self,
        key: &str,
        sign: impl Fn(&Bucket, Option<&Credentials>) -> Url,
    ) -> Result<Result<Response<Body>, Refused>, String> {
        let response = self.send(key, &sign)?;
        if response.status().is_success() {
            return Ok(Ok(response));
        }
        let region = response.headers().get(REGION_HEADER).and_then(|value| value.to_str().ok());
        let response = match region {
            Some(region) if region != self.bucket.region() => {
                self.bucket = bucket(self.source, region)?;
                self.send(key, &sign)?
            }
            _ => response,
        };
        if response.status().is_success() { Ok(Ok(response)) } else { Ok(Err(refused(response))) }
    }

    fn send(
        &self,
        key: &str,
        sign: impl Fn(&Bucket, Option<&Credentials>) -> Url,
    ) -> Result<Response<Body>, String> {
        let url = sign(&self.bucket, self.credentials.as_ref());
        let answered = self.client.get(url.as_str(), None);
        answered.map_err(|reason| {
            let (bucket, endpoint) = (&self.source.bucket, self.bucket.base_url());
            format!("Failed to download s3://{bucket}/{key} from {endpoint}: {reason}")
        })
    }

    fn told(&self, key: &str, refused: &Refused) -> String {
        let anonymous = match &self.credentials {
            None if refused.status == StatusCode::FORBIDDEN => {
                ": this node's agent has no AWS credentials, neither in its environment nor in /root/.aws/credentials"
            }
            _ => "",
        };
        let bucket = &self.source.bucket;
        format!(
            "Failed to download s3://{bucket}/{key}: Status: {}{}{anonymous}",
            refused.status, refused.reason
        )
    }
}

fn bucket(source: &S3Source, region: &str) -> Result<Bucket, String> {
    let endpoint = source.endpoint_of(region);
    Bucket::new(endpoint, UrlStyle::Path, source.bucket.clone(), region.to_owned())
        .map_err(|error| format!("s3 url parsing failed. {:?} cannot be a bucket: {error}", source.bucket))
}

/// Reads `Code` and `Message` of an error, where there are any.
fn refused(mut response: Response<Body>) -> Refused {
    let status = response.status();
    let text = response.body_mut().with_config().limit(ERROR_BYTES).read_to_string().unwrap_or_default();
    let element = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        rest.split_once(&format!("</{name}>")).map(|(value, _)| format!(": {value}"))
    };
    let parts = [element("Code"), element("Message")];
    Refused { status, reason: parts.into_iter().flatten().collect() }
}

/// Where an object goes: its key below the prefix, as a path that stays in the folder.
fn path_below(folder: &Path, prefix: &str, key: &str) -> Result<PathBuf, String> {
    let relative = key.strip_prefix(prefix).unwrap_or(key);
    if !relative.split('/').all(is_file_name) {
        return Err(format!("the key {key:?} is not fit for the path of a file"));
    }
    Ok(folder.join(relative))
}

fn is_file_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains('\0')
}

#[cfg(test)]
mod tests;
