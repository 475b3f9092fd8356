//! How long it takes to read and check the largest document that AWS allows, in each form in which people write them.

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant};

use keelson_document::{DocumentType, parse_as};
use serde_json::{Map, Value, json};

/// The largest document of AWS, in bytes.
const SIZE: usize = 64 * 1024;
/// The goal for each form.
const GOAL: Duration = Duration::from_millis(1);
const RUNS: usize = 500;

fn main() {
    let document = document();
    let forms = [
        ("JSON", document.to_string()),
        ("YAML, scripts as blocks", yaml(&document, write_block)),
        ("YAML, scripts as lists of quoted lines", yaml(&document, write_lines)),
    ];
    for (form, text) in forms {
        assert!((SIZE * 9 / 10..SIZE * 11 / 10).contains(&text.len()), "{form} has {} bytes", text.len());
        let median = median(&text);
        println!(
            "bench: parse and validate {} KiB of {form}: {:.2} ms (median of {RUNS}; the goal is {} ms)",
            text.len() / 1024,
            median.as_secs_f64() * 1000.0,
            GOAL.as_millis()
        );
    }
}

fn median(text: &str) -> Duration {
    let once = || {
        let start = Instant::now();
        let content = parse_as(DocumentType::Command, black_box(text)).expect("the document is valid");
        let taken = start.elapsed();
        drop(black_box(content));
        taken
    };
    let mut times: Vec<Duration> = std::iter::repeat_with(once).take(RUNS).collect();
    times.sort_unstable();
    times[RUNS / 2]
}

/// A document as people write them, but for its length: parameters with patterns, and scripts of a line each.
fn document() -> Value {
    let parameters: Map<String, Value> = (0..8)
        .map(|index| {
            let pattern = format!("^[A-Za-z0-9._-]{{1,{}}}$", 32 + index);
            let definition = json!({"type": "String", "default": "value", "allowedPattern": pattern,
                "description": "What the script puts into the file that it writes."});
            (format!("parameter{index}"), definition)
        })
        .collect();
    let lines: Vec<String> = (0..40)
        .map(|index| format!("echo \"{index}: {{{{ parameter{} }}}}\" >> /etc/example.conf", index % 8))
        .collect();
    let step = |index: usize| {
        json!({"name": format!("step{index}"), "action": "aws:runShellScript",
            "precondition": {"StringEquals": ["platformType", "Linux"]},
            "inputs": {"timeoutSeconds": "600", "runCommand": lines}})
    };
    let with = |steps: usize| {
        let steps: Vec<Value> = (0..steps).map(step).collect();
        json!({"schemaVersion": "2.2", "description": "An example.", "parameters": parameters, "mainSteps": steps})
    };
    let one_step = with(2).to_string().len() - with(1).to_string().len();
    with((SIZE - with(0).to_string().len()) / one_step)
}

/// The document in block style, with its scripts written by `script`.
fn yaml(value: &Value, script: fn(&[Value], usize, &mut String)) -> String {
    let mut text = String::new();
    write_yaml(value, 0, script, &mut text);
    text
}

fn write_yaml(value: &Value, indent: usize, script: fn(&[Value], usize, &mut String), text: &mut String) {
    let blanks = " ".repeat(indent);
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                let _ = write!(text, "\n{blanks}{key}:");
                match value {
                    Value::Array(lines) if key == "runCommand" => script(lines, indent + 1, text),
                    _ => write_yaml(value, indent + 1, script, text),
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                let _ = write!(text, "\n{blanks}-");
                write_yaml(item, indent + 1, script, text);
            }
        }
        scalar => {
            let _ = write!(text, " {scalar}");
        }
    }
}

fn write_lines(lines: &[Value], indent: usize, text: &mut String) {
    for line in lines {
        let _ = write!(text, "\n{}- {line}", " ".repeat(indent));
    }
}

fn write_block(lines: &[Value], indent: usize, text: &mut String) {
    let blanks = " ".repeat(indent);
    let _ = write!(text, "\n{blanks}- |");
    for line in lines.iter().filter_map(Value::as_str) {
        let _ = write!(text, "\n{blanks}  {line}");
    }
}
