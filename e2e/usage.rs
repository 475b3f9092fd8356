//! What a process costs: CPU time and memory, read from `/proc` for the benchmarks.

use std::{fs, time::Duration};

use anyhow::Context;

/// `/proc/PID/stat` counts in ticks of 10 ms on every Linux the project runs on.
const TICK: Duration = Duration::from_millis(10);

/// CPU time a process has used since it started, user and system, without its children.
///
/// The scheduler's figure for the threads alive is exact to the nanosecond; the kernel's total includes threads that
/// have ended but comes in ticks. The greater of the two is the better answer.
pub fn cpu_time(pid: u32) -> anyhow::Result<Duration> {
    let total = stat_fields(pid)?;
    let ticks = |index: usize| total.get(index).and_then(|field| field.parse::<u32>().ok());
    // utime and stime are fields 14 and 15; the list starts behind the command, at field 3.
    let in_ticks = ticks(11).zip(ticks(12)).context("no CPU time in /proc")?;
    let in_ticks = TICK * (in_ticks.0 + in_ticks.1);
    Ok(in_ticks.max(threads_time(pid).unwrap_or_default()))
}

/// Resident memory in bytes, pages shared with other processes counted in full.
pub fn rss(pid: u32) -> anyhow::Result<u64> {
    memory(pid, "Rss:")
}

/// Proportional memory in bytes: a page shared by N processes counts as one Nth.
pub fn pss(pid: u32) -> anyhow::Result<u64> {
    memory(pid, "Pss:")
}

/// The parent of a process, or an error once it is gone.
pub fn parent(pid: u32) -> anyhow::Result<u32> {
    stat_fields(pid)?.get(1).and_then(|field| field.parse().ok()).context("no parent in /proc")
}

/// Every process of the machine that can be seen from here.
pub fn all_processes() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// The fields of `/proc/PID/stat` from the third on (state, parent, …): the second may itself hold spaces.
fn stat_fields(pid: u32) -> anyhow::Result<Vec<String>> {
    let path = format!("/proc/{pid}/stat");
    let text = fs::read_to_string(&path).with_context(|| format!("failed to read {path:?}"))?;
    let fields = text.rsplit_once(')').context("unknown form of /proc/PID/stat")?.1;
    Ok(fields.split_whitespace().map(str::to_owned).collect())
}

fn threads_time(pid: u32) -> anyhow::Result<Duration> {
    let mut sum = Duration::ZERO;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end between the listing and the reading.
        let Ok(text) = fs::read_to_string(thread?.path().join("schedstat")) else { continue };
        let nanoseconds = text.split_whitespace().next().unwrap_or_default();
        sum += Duration::from_nanos(nanoseconds.parse().unwrap_or_default());
    }
    Ok(sum)
}

fn memory(pid: u32, key: &str) -> anyhow::Result<u64> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = fs::read_to_string(&path).with_context(|| format!("failed to read {path:?}"))?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(key))
        .with_context(|| format!("no {key} in {path:?}"))?;
    let kibibytes: u64 =
        line.trim().trim_end_matches(" kB").parse().context("unknown form of smaps_rollup")?;
    Ok(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use std::{hint::black_box, process};

    use super::*;

    #[test]
    fn work_done_is_counted_as_cpu_time() {
        let before = cpu_time(process::id()).unwrap();
        while cpu_time(process::id()).unwrap() < before + Duration::from_millis(30) {
            black_box((0..100_000_u64).sum::<u64>());
        }
    }

    #[test]
    fn proportional_memory_is_at_most_resident_memory() {
        let proportional = pss(process::id()).unwrap();
        assert!(proportional > 0);
        assert!(proportional <= rss(process::id()).unwrap());
    }

    #[test]
    fn a_process_that_is_gone_is_an_error_not_a_zero() {
        assert!(cpu_time(u32::MAX).is_err());
        assert!(rss(u32::MAX).is_err());
    }
}
