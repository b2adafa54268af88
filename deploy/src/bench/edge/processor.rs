//! Time that a server took of the processors, its own processes together: what a hit costs, whoever else runs on the machine.

use std::{fs, time::Duration};

use anyhow::Context;

/// Clock ticks in a second as `/proc` tells times: `USER_HZ`, the same on every machine that Debian runs on.
const TICKS_PER_SECOND: u64 = 100;

/// In user and kernel mode since the start, with all processes that it started and that still run.
pub(super) fn used(pid: u32) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).with_context(|| format!("process {pid} is gone"))?;
    let ticks = ticks(&stat).with_context(|| format!("/proc/{pid}/stat: {stat}"))?;
    let mut sum = Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND);
    for child in children(pid) {
        // One that ended meanwhile was no worker.
        sum += used(child).unwrap_or_default();
    }
    Ok(sum)
}

/// `utime` and `stime` of proc_pid_stat(5): the 14th and 15th field. The second one, a name in parentheses, may have spaces.
fn ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11).map(str::parse::<u64>);
    Some(fields.next()?.ok()? + fields.next()?.ok()?)
}

fn children(pid: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let of_each = tasks.map(|task| fs::read_to_string(task.path().join("children")).unwrap_or_default());
    of_each.flat_map(|text| text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_times_behind_a_name_with_spaces() {
        let stat = "4242 (a (b) c) S 1 4242 4242 0 -1 4194560 100 0 0 0 250 125 7 8 20 0 3 0 1000 1 1";
        assert_eq!(ticks(stat), Some(375));
        assert_eq!(ticks("4242 (short) S 1"), None);
    }

    #[test]
    fn this_process_has_used_some_and_a_missing_one_is_an_error() {
        let began = std::time::Instant::now();
        let before = used(std::process::id()).unwrap();
        let mut sum = 0_u64;
        // Work until the clock of the processor has moved; the deadline is for a machine that is stopped.
        while used(std::process::id()).unwrap() == before && began.elapsed() < Duration::from_secs(30) {
            sum = std::hint::black_box((0..100_000).sum::<u64>() ^ sum);
        }
        assert!(used(std::process::id()).unwrap() > before);
        assert!(used(u32::MAX).is_err());
    }
}
