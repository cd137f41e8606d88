//! CPU time and memory of a process, from `/proc`.
//!
//! It must never know what the process does. CPU time has two sources: `task/*/schedstat` has nanoseconds but only of
//! threads that are alive; `stat` counts exited threads too, in ticks of 10 ms. The difference of two samples takes
//! the finer one, unless the coarse one says that a thread which exited has taken part of the work with it.

use anyhow::{Context as _, anyhow};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// `USER_HZ`, the unit of `/proc/PID/stat`: 100 on every Linux in use.
const TICK_NS: u64 = 10_000_000;
/// The two sources may differ by this much for rounding and for time slices not yet booked: ticks.
const TICKS_APART: u64 = 4;

/// Name of the gateway's threads that are in a request's way; all its others work beside.
pub(crate) const WORKER: &str = "worker";

/// One look at a process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Usage {
    sched_ns: u64,
    /// The same of all threads of one name, numbers at its end left out.
    threads_ns: BTreeMap<String, u64>,
    stat_ns: u64,
    /// Resident memory now, KiB.
    pub(crate) rss_kib: u64,
    /// Its highest value so far, KiB.
    pub(crate) peak_kib: u64,
}

impl Usage {
    pub(crate) fn of(pid: u32) -> anyhow::Result<Self> {
        let mut threads_ns = BTreeMap::new();
        for task in fs::read_dir(format!("/proc/{pid}/task")).context("the process is gone")? {
            // A thread may exit between the listing and the reading.
            let Some((name, ns)) = thread(&task?.path()) else {
                continue;
            };
            *threads_ns.entry(name).or_default() += ns;
        }
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        Ok(Usage {
            sched_ns: threads_ns.values().sum(),
            threads_ns,
            stat_ns: ticks(&fs::read_to_string(format!("/proc/{pid}/stat"))?)? * TICK_NS,
            rss_kib: kib(&status, "VmRSS:")?,
            peak_kib: kib(&status, "VmHWM:")?,
        })
    }

    /// CPU time from `earlier` to `self`, ns.
    pub(crate) fn cpu_ns_since(&self, earlier: &Usage) -> u64 {
        let fine = self.sched_ns.saturating_sub(earlier.sched_ns);
        let coarse = self.stat_ns.saturating_sub(earlier.stat_ns);
        if coarse > fine + TICKS_APART * TICK_NS {
            coarse
        } else {
            fine
        }
    }

    /// The same by name of the thread, of those that are alive.
    pub(crate) fn threads_ns_since(&self, earlier: &Usage) -> BTreeMap<String, u64> {
        let since = |(name, ns): (&String, &u64)| {
            let before = earlier.threads_ns.get(name).copied().unwrap_or(0);
            (name.clone(), ns.saturating_sub(before))
        };
        self.threads_ns.iter().map(since).collect()
    }
}

/// Name and CPU time of a thread.
fn thread(task: &Path) -> Option<(String, u64)> {
    let name = fs::read_to_string(task.join("comm")).ok()?;
    let name = name
        .trim_end()
        .trim_end_matches(|end: char| end.is_ascii_digit());
    let text = fs::read_to_string(task.join("schedstat")).ok()?;
    let ns = text.split(' ').next()?.parse().ok()?;
    Some((name.trim_end_matches('-').to_owned(), ns))
}

/// utime + stime: fields 14 and 15. The name in field 2 may hold blanks, so counting begins behind it.
fn ticks(stat: &str) -> anyhow::Result<u64> {
    let (_, fields) = stat
        .rsplit_once(") ")
        .ok_or_else(|| anyhow!("no name in stat"))?;
    let mut fields = fields.split(' ').skip(11);
    let mut next = || {
        fields
            .next()
            .and_then(|field| field.parse::<u64>().ok())
            .context("short stat")
    };
    Ok(next()? + next()?)
}

fn kib(status: &str, name: &str) -> anyhow::Result<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .with_context(|| format!("no {name}"))?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// CPU time that all processes together have used, and that the hypervisor gave to others, ns.
pub(crate) fn machine_busy_ns() -> anyhow::Result<u64> {
    let stat = fs::read_to_string("/proc/stat")?;
    busy_ticks(&stat)
        .map(|ticks| ticks * TICK_NS)
        .context("no cpu line in /proc/stat")
}

/// user + nice + system + steal. Interrupts are left out: they may be in a process's time already, depending on the kernel,
/// so what others used may be understated, never overstated.
fn busy_ticks(stat: &str) -> Option<u64> {
    let fields = stat.lines().next()?.strip_prefix("cpu ")?;
    let fields: Vec<u64> = fields
        .split_whitespace()
        .map_while(|field| field.parse().ok())
        .collect();
    Some(fields.get(..3)?.iter().sum::<u64>() + fields.get(7)?)
}

/// Kernel, processor and core count, for the report.
pub(crate) fn machine() -> String {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .unwrap_or("unknown processor");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!(
        "{cores} cores, {}, Linux {}",
        model.trim_start_matches([':', ' ', '\t']),
        kernel.trim()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn fields_are_found_behind_a_strange_name() {
        assert_eq!(
            ticks("1 (a) b) S 1 2 3 4 5 6 7 8 9 10 30 12 0").unwrap(),
            42
        );
        assert!(ticks("1 (a) S 1").is_err());
        assert_eq!(
            kib("VmHWM:\t  1744 kB\nVmRSS:\t  17 kB\n", "VmRSS:").unwrap(),
            17
        );
    }

    #[test]
    fn idle_and_interrupts_are_not_work() {
        assert_eq!(
            busy_ticks("cpu  1 2 4 800 900 70 80 8 3 0\ncpu0 1"),
            Some(15)
        );
        assert_eq!(busy_ticks("cpu  1 2"), None);
        assert!(machine_busy_ns().unwrap() > 0);
    }

    #[test]
    fn exited_threads_are_not_forgotten() {
        let usage = |sched_ns, stat_ns| Usage {
            sched_ns,
            stat_ns,
            ..Usage::default()
        };
        let start = usage(5, 0);
        assert_eq!(
            usage(1_000_000_005, 1_010_000_000).cpu_ns_since(&start),
            1_000_000_000
        );
        assert_eq!(
            usage(400_000_005, 1_000_000_000).cpu_ns_since(&start),
            1_000_000_000
        );
    }

    #[test]
    fn work_of_this_process_is_seen() {
        let pid = std::process::id();
        let before = Usage::of(pid).unwrap();
        let until = Instant::now() + Duration::from_millis(200);
        let mut sum = 0_u64;
        while Instant::now() < until {
            sum = std::hint::black_box(sum + 1);
        }
        let after = Usage::of(pid).unwrap();
        assert!(
            after.cpu_ns_since(&before) > 20_000_000,
            "{} ns",
            after.cpu_ns_since(&before)
        );
        assert!(after.rss_kib > 100 && after.peak_kib >= after.rss_kib);
    }

    #[test]
    fn threads_are_told_apart_by_their_names() {
        let busy = |name: &str| {
            let work = || {
                let until = Instant::now() + Duration::from_millis(60);
                let mut sum = 0_u64;
                while Instant::now() < until {
                    sum = std::hint::black_box(sum + 1);
                }
                Usage::of(std::process::id()).unwrap()
            };
            let named = std::thread::Builder::new().name(name.to_owned());
            named.spawn(work).unwrap()
        };
        let before = Usage::of(std::process::id()).unwrap();
        let (first, second) = (busy("worker-0"), busy("worker-11"));
        // The later look has both, unless one ended before the other looked.
        let looks = [first.join().unwrap(), second.join().unwrap()];
        let most = looks.iter().filter_map(|look| {
            let threads = look.threads_ns_since(&before);
            threads.get(WORKER).copied()
        });
        assert!(most.max().unwrap() > 5_000_000);
    }
}
