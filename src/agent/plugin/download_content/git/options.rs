//! `getOptions`: what to check out of a repository.

/// The most digits of a commit id, those of a SHA-256 repository, and the fewest that Git takes.
const COMMIT_DIGITS: std::ops::RangeInclusive<usize> = 4..=64;

/// What to check out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revision {
    /// What the repository says.
    Default,
    /// A branch, or a tag.
    Branch(String),
    /// A commit, by its hexadecimal id.
    Commit(String),
}

impl Revision {
    /// Reads `branch:NAME` or `commitID:ID`; nothing means what the repository says.
    pub fn parse(options: &str) -> Result<Self, &'static str> {
        if options.is_empty() {
            return Ok(Self::Default);
        }
        let parts: Vec<&str> = options.split(':').collect();
        let [kind, value] = parts.as_slice() else {
            return Err(if parts.len() > 2 {
                "Only specify one required option"
            } else {
                "getOptions is not specified in the right format"
            });
        };
        let value = value.trim().to_owned();
        match *kind {
            "branch" | "commitID" if value.is_empty() => Err("Option for retrieving git content is empty"),
            "branch" => Ok(Self::Branch(value)),
            "commitID" if is_commit(&value) => Ok(Self::Commit(value)),
            "commitID" => Err("commitID must be 4 to 64 hexadecimal digits"),
            _ => Err("Type of option is unknown. Please use either 'branch' or 'commitID'."),
        }
    }
}

fn is_commit(id: &str) -> bool {
    COMMIT_DIGITS.contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_or_a_commit_can_be_asked_for() {
        for (options, revision) in [
            ("", Revision::Default),
            ("branch:release/1.0", Revision::Branch("release/1.0".into())),
            ("commitID: 0badc0de ", Revision::Commit("0badc0de".into())),
        ] {
            assert_eq!(Revision::parse(options), Ok(revision), "{options:?}");
        }
    }

    #[test]
    fn anything_else_is_refused_in_the_real_agents_words() {
        for (options, reason) in [
            ("main", "getOptions is not specified in the right format"),
            ("branch:a:b", "Only specify one required option"),
            ("branch:", "Option for retrieving git content is empty"),
            ("tag:v1", "Type of option is unknown. Please use either 'branch' or 'commitID'."),
            ("commitID:--upload-pack=x", "commitID must be 4 to 64 hexadecimal digits"),
        ] {
            assert_eq!(Revision::parse(options), Err(reason), "{options:?}");
        }
    }
}
