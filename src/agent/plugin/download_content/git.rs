//! Source type `Git`: a repository, cloned by the node's own `git`.

use std::path::Path;
use std::process::Command;

use url::Url;

use super::Content;
use super::fetch;
use super::http::{Authentication, HttpSource, take_user_information};
use super::job::{Job, Stop};
use super::source_info::SourceInfo;
use crate::plugin::program;

mod command;
mod options;

pub use options::Revision;

use command::{Access, Git};

/// A repository, what to check out, and who asks for it.
#[derive(Clone)]
pub struct GitSource {
    /// What Git calls it: a URL without user information, a path, or `user@host:path`.
    pub repository: String,
    /// What to check out.
    pub revision: Revision,
    access: Access,
}

impl std::fmt::Debug for GitSource {
    /// Without what is secret.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("GitSource").field("repository", &self.repository).finish_non_exhaustive()
    }
}

impl GitSource {
    /// Reads and checks the source.
    pub fn read(info: &SourceInfo) -> Result<Self, String> {
        let revision = Revision::parse(&info.text("getOptions")?).map_err(|reason| info.refuse(reason))?;
        let key = info.secret("privateSSHKey")?;
        let skip_host_key = info.flag("skipHostKeyChecking")?;
        let credentials = (info.secret("username")?, info.secret("password")?);
        let repository = info.text("repository")?;
        if repository.is_empty() {
            return Err("Repository for Git resources type must be specified".to_owned());
        }
        let Some(url) = http_url(&repository)? else {
            if credentials != (String::new(), String::new()) {
                return Err("Neither Username nor Password must not be provided for Git type repository URL. Private \
                            SSH key for authentication"
                    .to_owned());
            }
            let repository = without_password(repository)?;
            return Ok(Self { repository, revision, access: Access::Ssh { key, skip_host_key } });
        };
        if !key.is_empty() {
            return Err("Private SSH key must not be provided for HTTP type repository URL. Username and Password is \
                        required for authentication"
                .to_owned());
        }
        Ok(Self::over_http(url, credentials, revision))
    }

    /// A repository of a web server. Credentials in its URL count where there are no others.
    pub fn over_http(mut url: Url, credentials: (String, String), revision: Revision) -> Self {
        let in_url = take_user_information(&mut url);
        let has_both = !credentials.0.is_empty() && !credentials.1.is_empty();
        let credentials = if has_both { Some(credentials) } else { in_url };
        Self { repository: url.to_string(), revision, access: Access::Http { url, credentials } }
    }

    /// Clones the repository and checks out what is wanted.
    pub fn fetch(&self, job: &Job<'_>) -> Result<Content, Stop> {
        Ok(Content::Tree(self.clone_whole(job)?))
    }

    /// Clones the repository and returns the folder.
    pub fn clone_whole(&self, job: &Job<'_>) -> Result<std::path::PathBuf, Stop> {
        let Some(program) = program::find("git") else { return Err(self.without_git(job)) };
        let folder = job.staged("repository");
        let git = Git { program: &program, access: &self.access, job };
        let mut clone = git.command();
        clone.args(["clone", "--quiet", "--no-hardlinks"]);
        match &self.revision {
            Revision::Default => {}
            Revision::Branch(branch) => {
                clone.arg(format!("--branch={branch}"));
            }
            Revision::Commit(_) => {
                clone.arg("--no-checkout");
            }
        }
        // What comes after `--` is no option, whatever it begins with.
        clone.arg("--").arg(&self.repository).arg(&folder);
        git.run(&mut clone).map_err(|stop| self.told(stop))?;
        if let Revision::Commit(commit) = &self.revision {
            self.check_out(&git, &folder, commit)?;
        }
        Ok(folder)
    }

    fn check_out(&self, git: &Git<'_>, folder: &Path, commit: &str) -> Result<(), Stop> {
        let mut checkout: Command = git.command();
        checkout.arg("-C").arg(folder).args(["checkout", "--quiet", "--detach", commit]);
        git.run(&mut checkout).map_err(|stop| match stop {
            Stop::Failed(reason) if command::names_no_commit(&reason) => Stop::Failed(format!(
                "Cannot checkout: no branch or tag of {} leads to commit {commit:?}",
                self.repository
            )),
            Stop::Failed(reason) => Stop::Failed(format!("Cannot checkout: {reason}")),
            other => other,
        })
    }

    /// Words a failure as the real agent does.
    fn told(&self, stop: Stop) -> Stop {
        match stop {
            Stop::Failed(reason) if reason == command::NO_SUCH_BRANCH => {
                Stop::Failed("Cannot checkout: reference not found".to_owned())
            }
            Stop::Failed(reason) => {
                Stop::Failed(format!("Cannot clone repository {}: {reason}", self.repository))
            }
            other => other,
        }
    }

    /// Why nothing can be cloned on a node that has no `git`. The real agent needs none: what it would say about the
    /// repository comes first, because a program does not help where there is nothing to clone.
    fn without_git(&self, job: &Job<'_>) -> Stop {
        let checked = match &self.access {
            Access::Http { url, credentials } => {
                let authentication =
                    credentials.clone().map_or(Authentication::None, |(username, password)| {
                        Authentication::Basic(username, password)
                    });
                let allow_insecure = url.scheme() == "http";
                fetch::check_repository(HttpSource { url: url.clone(), authentication, allow_insecure }, job)
            }
            Access::Ssh { .. } => Ok(()),
        };
        match checked {
            Ok(()) => self.told(Stop::Failed(
                "this node has no program git, which keelson-agent needs for it: install the package git, or use \
                 another source type"
                    .to_owned(),
            )),
            Err(stop) => self.told(stop),
        }
    }
}

/// The repository as a URL, if it is one of a web server.
fn http_url(repository: &str) -> Result<Option<Url>, String> {
    let scheme = repository.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    match scheme.as_deref() {
        Some("http" | "https") => Url::parse(repository)
            .map(Some)
            .map_err(|error| format!("Invalid repository url format: {error}")),
        _ => Ok(None),
    }
}

/// A repository of no web server without the password in its URL: no protocol takes it from there, but it would be in
/// messages and arguments.
fn without_password(repository: String) -> Result<String, String> {
    let is_scheme = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    };
    if repository.split_once("::").is_some_and(|(helper, _)| is_scheme(helper)) {
        return Err("the repository names a program of Git to reach it by, which is not allowed: give a URL, a path or \
                    user@host:path"
            .to_owned());
    }
    match Url::parse(&repository) {
        Ok(mut url) if url.password().is_some() => {
            // It cannot fail for a URL that has one.
            let _ = url.set_password(None);
            Ok(url.to_string())
        }
        _ => Ok(repository),
    }
}

#[cfg(test)]
mod tests;
