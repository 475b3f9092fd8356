//! What a called document leaves on disk when one of its steps asks for a reboot, so that it goes on with that step.

use std::fs;
use std::path::PathBuf;

use keelson_document::Ended;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::files::{self, Durability};
use crate::plugin::StepContext;

/// A called document that waits for a reboot.
#[derive(Debug, Serialize, Deserialize)]
pub struct Interrupted {
    /// The document as JSON.
    pub document: String,
    /// The values of its parameters.
    pub values: Map<String, Value>,
    /// How its steps ended, without the one that asked for the reboot.
    pub ended: Vec<Ended>,
}

/// The file of one step's document.
#[derive(Debug)]
pub struct State {
    place: String,
    path: PathBuf,
}

impl State {
    /// The file of the step that runs in `context`. Steps that a document can reach on different ways have
    /// different files.
    pub fn of_step(context: &StepContext<'_>) -> Self {
        let place = format!("{}-{}.{}", context.place.steps, context.index, context.element);
        let path = context.directory.path().join(format!(".keelson-called{place}.json"));
        Self { place, path }
    }

    /// The steps that lead to the called document, as [`crate::plugin::Place`] has them.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// What was there before the reboot, if there was one.
    pub fn load(&self) -> Result<Option<Interrupted>, String> {
        let Some(text) = files::read(&self.path).map_err(|error| error.to_string())? else { return Ok(None) };
        serde_json::from_slice(&text)
            .map(Some)
            .map_err(|error| format!("cannot understand {}: {error}", self.path.display()))
    }

    /// Writes it so that it survives the reboot.
    pub fn save(&self, interrupted: &Interrupted) -> Result<(), String> {
        let text = serde_json::to_vec(interrupted).map_err(|error| error.to_string())?;
        files::replace(&self.path, &text, Durability::Durable).map_err(|error| error.to_string())
    }

    /// Removes it: the document has ended, and what runs at this place next begins anew.
    pub fn forget(&self) {
        // Where it never was there is nothing to remove; where it cannot be removed, the run's folder goes in time.
        let _ = fs::remove_file(&self.path);
    }
}
