//! The inputs that steer a document's flow: `onFailure`, `onSuccess` and `finallyStep`.

use serde_json::Value;

/// What a failure of the step does to the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// The rest is skipped.
    Exit,
    /// The step counts as succeeded and the rest is skipped.
    SuccessAndExit,
}

/// The modifiers of one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Modifiers {
    /// What a failure does; nothing if absent.
    pub on_failure: Option<OnFailure>,
    /// A success skips the rest.
    pub on_success_exit: bool,
    /// The step runs in spite of an exit, if it is the last one.
    pub finally_step: bool,
}

impl Modifiers {
    /// Reads them from interpolated inputs. Keys and values are exact; only texts and booleans count.
    pub fn of(inputs: &Value) -> Self {
        let text = |key: &str| match inputs.get(key) {
            Some(Value::String(text)) => text.as_str(),
            Some(Value::Bool(true)) => "true",
            _ => "",
        };
        Self {
            on_failure: match text("onFailure") {
                "exit" => Some(OnFailure::Exit),
                "successAndExit" => Some(OnFailure::SuccessAndExit),
                _ => None,
            },
            on_success_exit: text("onSuccess") == "exit",
            finally_step: text("finallyStep") == "true",
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn modifiers_are_read_from_exact_keys_and_values() {
        let modifiers =
            Modifiers::of(&json!({"onFailure": "exit", "onSuccess": "exit", "finallyStep": true}));
        assert_eq!(
            modifiers,
            Modifiers { on_failure: Some(OnFailure::Exit), on_success_exit: true, finally_step: true }
        );
        assert_eq!(
            Modifiers::of(&json!({"onFailure": "successAndExit", "finallyStep": "true"})),
            Modifiers {
                on_failure: Some(OnFailure::SuccessAndExit),
                on_success_exit: false,
                finally_step: true
            }
        );
    }

    #[test]
    fn other_spellings_do_nothing() {
        for inputs in [
            json!({"onFailure": "Exit", "onSuccess": "Exit", "finallyStep": "True"}),
            json!({"OnFailure": "exit", "OnSuccess": "exit", "FinallyStep": true}),
            json!({"onFailure": true, "onSuccess": ["exit"], "finallyStep": 1}),
            json!({"onFailure": "abort", "finallyStep": "yes"}),
            json!(null),
        ] {
            assert_eq!(Modifiers::of(&inputs), Modifiers::default(), "{inputs}");
        }
    }
}
