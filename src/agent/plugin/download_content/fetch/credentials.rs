//! Whose requests to S3 are: credentials of the agent's environment, or of the file that AWS's tools use.

use std::{env, fs};

use rusty_s3::Credentials;

/// Where the file is if the environment does not say.
const FILE: &str = "/root/.aws/credentials";

/// The credentials of this node; none means that requests are not signed, which public buckets allow.
pub fn find() -> Option<Credentials> {
    let variable = |name| env::var(name).ok().filter(|value| !value.is_empty());
    if let (Some(key), Some(secret)) = (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY")) {
        return Some(credentials(key, secret, variable("AWS_SESSION_TOKEN")));
    }
    let path = variable("AWS_SHARED_CREDENTIALS_FILE").unwrap_or_else(|| FILE.to_owned());
    let profile = variable("AWS_PROFILE").unwrap_or_else(|| "default".to_owned());
    of_profile(&fs::read_to_string(path).ok()?, &profile)
}

fn credentials(key: String, secret: String, token: Option<String>) -> Credentials {
    match token {
        Some(token) => Credentials::new_with_token(key, secret, token),
        None => Credentials::new(key, secret),
    }
}

/// The credentials of a profile, which is a section `[name]` of lines `name = value`.
fn of_profile(text: &str, profile: &str) -> Option<Credentials> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';']));
    let is_header = |line: &str| line.starts_with('[');
    let section = lines.skip_while(|line| name_of_section(line) != Some(profile)).skip(1);
    let mut section = section.take_while(|line| !is_header(line)).filter_map(|line| {
        let (name, value) = line.split_once('=')?;
        Some((name.trim(), value.trim().to_owned()))
    });
    let (mut key, mut secret, mut token) = (None, None, None);
    section.by_ref().for_each(|(name, value)| match name {
        "aws_access_key_id" => key = Some(value),
        "aws_secret_access_key" => secret = Some(value),
        "aws_session_token" => token = Some(value),
        _ => {}
    });
    Some(credentials(key?, secret?, token))
}

fn name_of_section(line: &str) -> Option<&str> {
    Some(line.strip_prefix('[')?.strip_suffix(']')?.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_has_its_own_credentials() {
        let text = "# mine\n[default]\naws_access_key_id = A\naws_secret_access_key=B=\n\n[ other ]\n\
                    aws_access_key_id=C\naws_secret_access_key=D\naws_session_token=E\n[half]\naws_access_key_id=F\n";
        let found = |profile| {
            of_profile(text, profile)
                .map(|found| format!("{} {} {}", found.key(), found.secret(), found.token().unwrap_or("-")))
        };
        assert_eq!([found("default"), found("other")], [Some("A B= -".into()), Some("C D E".into())]);
        assert_eq!([found("half"), found("none")], [None, None]);
    }
}
