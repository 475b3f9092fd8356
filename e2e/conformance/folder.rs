//! A folder of recorded cases: `cases/NNN-name.yaml` and `golden.json`.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::Value;

use super::answer::Golden;
use super::case::Case;
use crate::assets;

/// A case with the answers any of which is right.
#[derive(Debug)]
pub struct Recorded {
    /// What to run; only a name where it could not be read.
    pub case: Case,
    /// What the real agent answered, at least once each.
    pub answers: Vec<Golden>,
    /// Why the case or its answer could not be read.
    pub unreadable: Option<String>,
}

/// All cases of a folder, by name.
#[derive(Debug)]
pub struct Folder {
    /// In the order of their names.
    pub cases: Vec<Recorded>,
}

impl Folder {
    /// Where the cases are: `$KEELSON_CONFORMANCE_DIR`, or `../shared/conformance` beside the project if it is there.
    pub fn find() -> Option<PathBuf> {
        if let Some(folder) = env::var_os("KEELSON_CONFORMANCE_DIR") {
            return Some(folder.into());
        }
        let beside = assets::project().join("../shared/conformance");
        beside.join("golden.json").is_file().then_some(beside)
    }

    /// Reads all cases. One that has another form is among them with the reason, so that the others can be run.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let golden = path.join("golden.json");
        let golden: BTreeMap<String, Value> = serde_json::from_str(&text(&golden)?)
            .with_context(|| format!("{} has another form", golden.display()))?;
        let mut names: BTreeSet<String> = golden.keys().cloned().collect();
        for file in
            fs::read_dir(path.join("cases")).with_context(|| format!("{} has no cases", path.display()))?
        {
            let name = file?.file_name().to_string_lossy().into_owned();
            names.extend(name.strip_suffix(".yaml").map(str::to_owned));
        }
        let cases = names.into_iter().map(|name| {
            let read = read(path, &name, golden.get(&name));
            read.unwrap_or_else(|error| Recorded {
                case: Case { name, ..Case::default() },
                answers: Vec::new(),
                unreadable: Some(format!("{error:#}")),
            })
        });
        Ok(Self { cases: cases.collect() })
    }
}

fn read(folder: &Path, name: &str, answer: Option<&Value>) -> anyhow::Result<Recorded> {
    let case = Case::read(name, &text(&folder.join(format!("cases/{name}.yaml")))?)?;
    let answers = answers(name, answer.context("golden.json has no answer to it")?)?;
    Ok(Recorded { case, answers, unreadable: None })
}

fn text(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))
}

fn answers(name: &str, answer: &Value) -> anyhow::Result<Vec<Golden>> {
    let read = |answer: &Value| {
        Golden::read(answer).with_context(|| format!("the answer to {name} in golden.json has another form"))
    };
    match answer.get("variants").and_then(Value::as_array) {
        Some(variants) => variants.iter().map(read).collect(),
        None => Ok(vec![read(answer)?]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_of_another_form_is_named_and_the_others_are_read() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("cases")).unwrap();
        for (name, text) in
            [("001-well", "document: {}"), ("002-ill", "document: ["), ("003-new", "document: {}")]
        {
            fs::write(folder.path().join(format!("cases/{name}.yaml")), text).unwrap();
        }
        let golden = r#"{"001-well": {"documentStatus": "Success", "steps": []}, "002-ill": {"steps": []}}"#;
        fs::write(folder.path().join("golden.json"), golden).unwrap();
        let cases = Folder::read(folder.path()).unwrap().cases;
        let unreadable: Vec<_> =
            cases.iter().map(|recorded| recorded.unreadable.clone().unwrap_or_default()).collect();
        assert_eq!(unreadable[0], "");
        assert!(unreadable[1].contains("002-ill is not YAML"), "{unreadable:?}");
        assert!(unreadable[2].contains("no answer"), "{unreadable:?}");
    }
}
