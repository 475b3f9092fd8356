//! A checked document, and what can be said of it without a node.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::bind::Bound;
use crate::errors::{element, member};
use crate::interpolate::interpolate;
use crate::parameter::ParameterDefinition;
use crate::platform::Platform;
use crate::shell_script::script_timeout;
use crate::{canonical, go_text, plugins, precondition};

/// The schema versions of Command documents, in the order in which they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SchemaVersion {
    /// 1.0, as 1.2.
    V1_0,
    /// 1.2: a map of plugins, `runtimeConfig`, takes the place of steps.
    V1_2,
    /// 2.0: a step for another platform fails.
    V2_0,
    /// 2.0.1, as 2.0.
    V2_0_1,
    /// 2.0.2, as 2.0.
    V2_0_2,
    /// 2.0.3, as 2.0.
    V2_0_3,
    /// 2.2: steps have preconditions, and a step for another platform is skipped.
    V2_2,
}

impl SchemaVersion {
    /// Every version that is understood.
    pub const ALL: [Self; 7] =
        [Self::V1_0, Self::V1_2, Self::V2_0, Self::V2_0_1, Self::V2_0_2, Self::V2_0_3, Self::V2_2];

    /// The version as a document writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1_0 => "1.0",
            Self::V1_2 => "1.2",
            Self::V2_0 => "2.0",
            Self::V2_0_1 => "2.0.1",
            Self::V2_0_2 => "2.0.2",
            Self::V2_0_3 => "2.0.3",
            Self::V2_2 => "2.2",
        }
    }

    /// Whether the document has `runtimeConfig` and no `mainSteps`.
    pub fn has_runtime_config(self) -> bool {
        self <= Self::V1_2
    }

    /// Whether steps may have preconditions and are skipped, not failed, on a platform without their plugin.
    pub fn is_cross_platform(self) -> bool {
        self >= Self::V2_2
    }
}

impl fmt::Display for SchemaVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// A Command document that has been checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Its schema version.
    pub schema_version: SchemaVersion,
    /// What it says it does.
    pub description: Option<String>,
    /// Its parameters by name.
    pub parameters: BTreeMap<String, ParameterDefinition>,
    /// Its steps in order, at least one; in schema 1.x in the order of their names.
    pub steps: Vec<Step>,
    /// What it was read from.
    pub(crate) source: Value,
}

/// One step of `mainSteps`, or one plugin of `runtimeConfig`.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Its name: unique in the document and safe as the name of a folder. In schema 1.x the plugin.
    pub name: String,
    /// The plugin, such as `aws:runShellScript`; not necessarily one that exists.
    pub action: String,
    /// The plugin's inputs, before interpolation: an object. In schema 1.x its properties, which may be an object, a
    /// list of objects for each of which the plugin runs, a text, or absent (null).
    pub inputs: Value,
    /// What few plugins take beside their inputs, before interpolation; null if absent.
    pub settings: Value,
    /// Operator to arguments. `StringEquals` has exactly two; other operators are the agent's to refuse.
    pub precondition: BTreeMap<String, Vec<String>>,
}

impl Document {
    /// The document as JSON with sorted keys and no blanks: the same for a YAML and a JSON rendering of one
    /// document. [`crate::parse`] reads it back to an equal document.
    pub fn canonical_json(&self) -> String {
        canonical::json(&self.source)
    }

    /// SHA-256 of [`Document::canonical_json`], in lower-case hexadecimal.
    pub fn hash(&self) -> String {
        canonical::hash(&self.source)
    }

    /// The platforms on which at least one step does something, by its plugin and its precondition.
    ///
    /// A step whose plugin nobody knows counts everywhere, since it fails everywhere.
    pub fn platforms(&self) -> BTreeSet<Platform> {
        self.steps.iter().flat_map(Step::platforms).collect()
    }

    /// How long the document may run with the defaults of its parameters; see
    /// [`Document::execution_timeout_with`].
    pub fn execution_timeout(&self) -> Duration {
        let defaults = self
            .parameters
            .iter()
            .filter_map(|(name, definition)| Some((name.clone(), definition.default.clone()?)));
        self.timeout(&defaults.collect())
    }

    /// How long the document may run with these parameters: the sum of what its steps may take, 3600 seconds for
    /// each that does not say.
    pub fn execution_timeout_with(&self, bound: &Bound) -> Duration {
        self.timeout(bound.values())
    }

    /// The environment variables that carry `ENV_VAR` parameters into scripts: `SSM_` and the parameter's name.
    pub fn environment(&self, values: &Map<String, Value>) -> BTreeMap<String, String> {
        self.parameters
            .iter()
            .filter(|(_, definition)| definition.is_environment())
            .filter_map(|(name, _)| Some((format!("SSM_{name}"), go_text::as_text(values.get(name)?))))
            .collect()
    }

    /// How long the document may run with these values of its parameters, be they a Command's or its caller's; see
    /// [`Document::execution_timeout_with`].
    pub fn timeout(&self, values: &Map<String, Value>) -> Duration {
        let timeout = |step: &Step| match interpolate(&step.inputs, values) {
            Value::Array(runs) => runs.iter().map(script_timeout).sum(),
            inputs => script_timeout(&inputs),
        };
        self.steps.iter().map(timeout).sum()
    }

    /// The path of a step's inputs, such as `mainSteps[0].inputs`; in schema 1.x of a plugin's properties.
    pub fn inputs_path(&self, index: usize) -> String {
        let key = if self.schema_version.has_runtime_config() { "properties" } else { "inputs" };
        member(&self.step_path(index), key)
    }

    /// The path of a step, such as `mainSteps[0]`; in schema 1.x of a plugin.
    pub fn step_path(&self, index: usize) -> String {
        match self.steps.get(index) {
            Some(step) if self.schema_version.has_runtime_config() => member("runtimeConfig", &step.name),
            _ => element("mainSteps", index),
        }
    }
}

impl Step {
    /// The platforms on which the step does something, by its plugin and its precondition.
    pub(crate) fn platforms(&self) -> Vec<Platform> {
        let here = |platform: &Platform| !precondition::excludes(&self.precondition, *platform);
        plugins::platforms(&self.action).iter().copied().filter(here).collect()
    }
}

#[cfg(test)]
mod tests;
