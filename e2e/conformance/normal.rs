//! Makes our texts comparable: what is new in each run becomes the recording's token for it.

use std::sync::LazyLock;

use regex::Regex;

use super::answer::{Ran, Step};

/// Where the state of our agent is, and of the recorded one.
const FOLDERS: (&str, &str) = ("/var/lib/keelson/", "/var/lib/amazon/ssm/");

/// Tokens for what cannot be foretold, in the order they are put in.
static TOKENS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    let tokens = [
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<UUID>"),
        (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( ?(Z|UTC|[+-]\d\d:?\d\d))?", "<DATE>"),
        (r"download\d+", "download<RANDOM>"),
    ];
    // The patterns are constants, and a test compiles them all.
    tokens.into_iter().filter_map(|(pattern, token)| Some((Regex::new(pattern).ok()?, token))).collect()
});

/// Names of one run.
#[derive(Debug, Clone)]
pub struct Names {
    /// The node's, which takes the place of an instance id.
    pub node: String,
    /// The Command's uid, which takes the place of a command id.
    pub command: String,
}

impl Names {
    /// The answer with tokens in the place of names.
    pub fn normal(&self, ran: Ran) -> Ran {
        let step = |step: Step| Step {
            name: step.name.clone(),
            output: self.text(&step.output),
            standard_output_content: self.text(&step.standard_output_content),
            standard_error_content: self.text(&step.standard_error_content),
            ..step
        };
        Ran { steps: ran.steps.into_iter().map(step).collect(), ..ran }
    }

    fn text(&self, text: &str) -> String {
        let text = text
            .replace(FOLDERS.0, FOLDERS.1)
            .replace(&self.node, "<INSTANCE>")
            .replace(&self.command, "<COMMAND_ID>");
        TOKENS.iter().fold(text, |text, (pattern, token)| pattern.replace_all(&text, *token).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_names_become_those_of_the_recording() {
        let names = Names { node: "mi-0123".into(), command: "1b0c-uid".into() };
        assert_eq!(
            names.text("/var/lib/keelson/mi-0123/document/orchestration/1b0c-uid/a/_script.sh: 1: x"),
            "/var/lib/amazon/ssm/<INSTANCE>/document/orchestration/<COMMAND_ID>/a/_script.sh: 1: x"
        );
    }

    #[test]
    fn what_is_new_in_each_run_becomes_a_token() {
        assert_eq!(TOKENS.len(), 3);
        let names = Names { node: "mi-0123".into(), command: "1b0c-uid".into() };
        assert_eq!(
            names.text("a 6f1c0f0e-26b0-4a57-8d14-0c7f9f6a1d7e b 2026-01-02T03:04:05.6Z c download123"),
            "a <UUID> b <DATE> c download<RANDOM>"
        );
    }
}
