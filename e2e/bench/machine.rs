//! The machine the figures are of: without it they say nothing.

use std::fs;
use std::thread::available_parallelism;

use serde::Serialize;

/// What decides how fast things go.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Machine {
    cores: usize,
    processor: String,
    memory_mebibytes: u64,
    kernel: String,
}

impl Machine {
    /// This one.
    pub fn this() -> anyhow::Result<Self> {
        let memory = fs::read_to_string("/proc/meminfo")?;
        let memory = value_of(&memory, "MemTotal").trim_end_matches(" kB").parse::<u64>().unwrap_or_default();
        let processor = fs::read_to_string("/proc/cpuinfo")?;
        Ok(Self {
            cores: available_parallelism()?.get(),
            processor: value_of(&processor, "model name").to_owned(),
            memory_mebibytes: memory / 1024,
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned(),
        })
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { cores, processor, memory_mebibytes, kernel } = self;
        write!(to, "{cores} cores ({processor}), {memory_mebibytes} MiB of memory, Linux {kernel}")
    }
}

/// The value of the first line that begins with the key.
fn value_of<'a>(text: &'a str, key: &str) -> &'a str {
    let line = text.lines().find(|line| line.starts_with(key)).unwrap_or_default();
    line.split_once(':').map_or("unknown", |(_, value)| value.trim())
}
