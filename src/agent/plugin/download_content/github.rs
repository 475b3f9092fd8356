//! Source type `GitHub`: a file or folder of a repository on github.com, cloned as any Git repository is.

use std::path::{Component, Path, PathBuf};

use url::Url;

use super::Content;
use super::git::{GitSource, Revision};
use super::job::{Job, Stop};
use super::source_info::SourceInfo;

/// The branch that AWS's agent takes if none is named.
const DEFAULT_BRANCH: &str = "master";
/// The user that GitHub knows tokens by.
const TOKEN_USER: &str = "x-access-token";

/// A part of a repository.
#[derive(Debug)]
pub struct GitHubSource {
    repository: GitSource,
    path: PathBuf,
}

impl GitHubSource {
    /// Reads and checks the source.
    pub fn read(info: &SourceInfo) -> Result<Self, String> {
        let (owner, repository) = (info.text("owner")?, info.text("repository")?);
        let token = info.secret("tokenInfo")?;
        for (value, what) in [(&owner, "Owner"), (&repository, "Repository")] {
            if value.is_empty() {
                return Err(format!("{what} for GitHub SourceType must be specified"));
            }
            if !is_name(value) {
                return Err(format!("{what} {value:?} is not a name that GitHub has"));
            }
        }
        let path = info.text("path")?;
        let path = path_in_repository(&path).ok_or_else(|| {
            format!("the path {path:?} leads out of the repository: give one below its root")
        })?;
        let revision = Revision::parse(&info.text("getOptions")?)?;
        let url = url(&owner, &repository)?;
        let credentials = (TOKEN_USER.to_owned(), token);
        Ok(Self { repository: GitSource::over_http(url, credentials, revision), path })
    }

    /// Clones the repository and picks the part of it.
    pub fn fetch(&self, job: &Job<'_>) -> Result<Content, Stop> {
        let folder = self.clone_revision(job)?;
        // What AWS's agent brings has no history.
        let history = folder.join(".git");
        std::fs::remove_dir_all(&history)
            .map_err(|error| crate::files::FileError::new("remove", &history, error))?;
        pick(&folder, &self.path).map_err(|reason| {
            Stop::Failed(format!(
                "Could not download from GitHub repository {}: {reason}",
                self.repository.repository
            ))
        })
    }

    /// Without a branch, the one that AWS's agent takes, and where there is none the repository's own.
    fn clone_revision(&self, job: &Job<'_>) -> Result<PathBuf, Stop> {
        if self.repository.revision != Revision::Default {
            return self.repository.clone_whole(job);
        }
        let mut repository = self.repository.clone();
        repository.revision = Revision::Branch(DEFAULT_BRANCH.to_owned());
        match repository.clone_whole(job) {
            Err(Stop::Failed(reason)) if reason.starts_with("Cannot checkout") => {
                self.repository.clone_whole(job)
            }
            other => other,
        }
    }
}

fn url(owner: &str, repository: &str) -> Result<Url, String> {
    let repository = repository.strip_suffix(".git").unwrap_or(repository);
    Url::parse(&format!("https://github.com/{owner}/{repository}.git")).map_err(|error| error.to_string())
}

fn is_name(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        && !matches!(text, "." | "..")
}

/// The path below the repository's root, which may be the root itself.
fn path_in_repository(path: &str) -> Option<PathBuf> {
    let mut below = PathBuf::new();
    for component in Path::new(path.trim_start_matches('/')).components() {
        match component {
            Component::Normal(name) => below.push(name),
            Component::CurDir => {}
            _ => return None,
        }
    }
    Some(below)
}

/// The part of a repository at `path`. Links are not followed: they may lead anywhere on this node.
fn pick(folder: &Path, path: &Path) -> Result<Content, String> {
    let mut picked = folder.to_owned();
    let mut found = None;
    for component in path.components() {
        picked.push(component);
        let metadata = picked.symlink_metadata().map_err(|_| format!("it has no {:?}", path.display()))?;
        if metadata.is_symlink() {
            return Err(format!("{:?} is a link", path.display()));
        }
        found = Some(metadata);
    }
    match (found, path.file_name()) {
        (Some(metadata), Some(name)) if metadata.is_file() => {
            Ok(Content::File { staged: picked, name: name.to_string_lossy().into_owned() })
        }
        _ => Ok(Content::Tree(picked)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::source_info::Format;
    use super::*;
    use serde_json::{Value, json};

    const FORMAT: Format = Format { prefix: "", type_name: "" };

    fn read(info: &Value) -> Result<GitHubSource, String> {
        GitHubSource::read(&SourceInfo::read(info, &FORMAT).unwrap())
    }

    #[test]
    fn a_repository_is_found_on_github_and_a_token_is_not_in_its_url() {
        let source = read(&json!({
            "owner": "acme", "repository": "web.app", "path": "/scripts/./run.sh", "getOptions": "branch:main",
            "tokenInfo": "hush",
        }))
        .unwrap();
        assert_eq!(source.repository.repository, "https://github.com/acme/web.app.git");
        assert_eq!(source.path, Path::new("scripts/run.sh"));
        assert_eq!(source.repository.revision, Revision::Branch("main".into()));
        assert!(!format!("{source:?}").contains("hush"));
    }

    #[test]
    fn what_is_no_name_or_leads_elsewhere_is_refused() {
        for (info, reason) in [
            (json!({"owner": "acme"}), "Repository for GitHub SourceType must be specified"),
            (json!({"owner": "a/b", "repository": "c"}), "is not a name"),
            (json!({"owner": "..", "repository": "c"}), "is not a name"),
            (json!({"owner": "a", "repository": "c", "path": "x/../../y"}), "leads out of"),
            (json!({"owner": "a", "repository": "c", "getOptions": "x"}), "getOptions is not specified"),
            (json!({"owner": "a", "repository": "c", "tokenInfo": "{{ssm-secure:t}}"}), "does not support"),
        ] {
            let refused = read(&info).unwrap_err();
            assert!(refused.contains(reason), "{refused}");
        }
    }

    #[test]
    fn a_file_or_folder_is_picked_and_a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir(root.join("a")).unwrap();
        std::fs::write(root.join("a/f"), "").unwrap();
        std::os::unix::fs::symlink("/etc", root.join("link")).unwrap();
        let file = Content::File { staged: root.join("a/f"), name: "f".into() };
        assert_eq!(pick(root, Path::new("a/f")), Ok(file));
        assert_eq!(pick(root, Path::new("a")), Ok(Content::Tree(root.join("a"))));
        assert_eq!(pick(root, Path::new("")), Ok(Content::Tree(root.to_owned())));
        assert!(pick(root, Path::new("link/passwd")).unwrap_err().contains("is a link"));
        assert!(pick(root, Path::new("none")).unwrap_err().contains("it has no"));
    }
}
