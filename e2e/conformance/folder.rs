//! A folder of recorded cases: `cases/NNN-name.yaml` and `golden.json`.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::answer::Golden;
use super::case::Case;
use crate::assets;

/// A case with the answers any of which is right.
#[derive(Debug)]
pub struct Recorded {
    /// What to run.
    pub case: Case,
    /// What the real agent answered, at least once each.
    pub answers: Vec<Golden>,
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

    /// Reads all cases. A case without an answer, or an answer without a case, is an error.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = |path: &Path| {
            fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))
        };
        let golden = path.join("golden.json");
        let golden: BTreeMap<String, Value> = serde_json::from_str(&text(&golden)?)
            .with_context(|| format!("{} has another form", golden.display()))?;
        let mut cases = Vec::new();
        for (name, answer) in &golden {
            let case = Case::read(name, &text(&path.join(format!("cases/{name}.yaml")))?)?;
            cases.push(Recorded { case, answers: answers(name, answer)? });
        }
        let files = fs::read_dir(path.join("cases"))?.count();
        ensure!(files == cases.len(), "{} has {files} cases and {} answers", path.display(), cases.len());
        Ok(Self { cases })
    }
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
