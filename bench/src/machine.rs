//! What the kernel knows: CPU time of processes, memory, the disk's patience.

use crate::clock;
use anyhow::{Context, Result};
use serde::Serialize;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

/// Linux counts CPU time for programs in hundredths of a second, whatever its own clock.
const TICK: Duration = Duration::from_millis(10);
/// Flag of a kernel thread in `/proc/<pid>/stat`.
const KERNEL_THREAD: u64 = 0x0020_0000;
const SYNCS: u32 = 20;

/// CPU time since boot, at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Snapshot {
    pub(crate) at: Instant,
    /// The server asked.
    server: u64,
    /// This process.
    bench: u64,
    /// Every process that is not ours, the finished children of such included: the sum does not
    /// change when a process ends. Kernel threads work for whoever asks and do not count.
    others: u64,
    /// Time that the hypervisor gave to other machines.
    stolen: u64,
}

/// CPU time between two moments.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spent {
    pub(crate) wall: Duration,
    pub(crate) server: Duration,
    pub(crate) bench: Duration,
    /// Share of all cores that other processes and other machines had.
    pub(crate) others: f64,
}

/// Which processes are ours.
#[derive(Clone, Debug)]
pub(crate) struct Ours {
    /// The server that is asked: all processes of it.
    pub(crate) asked: Vec<u32>,
    /// All that take turns.
    pub(crate) servers: Vec<u32>,
    /// The process from which those of the database come. What they do is the server's.
    pub(crate) store: Option<u32>,
}

impl Snapshot {
    /// Reads the counters. Takes a millisecond or two.
    pub(crate) fn take(ours: &Ours) -> Result<Self> {
        let own = std::process::id();
        let (mut server, mut store, mut bench, mut others) = (0, 0, 0, 0);
        for entry in fs::read_dir("/proc").context("reading /proc")? {
            let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            // A process may end between the listing and the reading.
            let Ok(text) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
                continue;
            };
            let times = ProcessTimes::parse(&text).context("reading /proc/<pid>/stat")?;
            if pid == own {
                bench = times.own;
            } else if ours.asked.contains(&pid) {
                server += times.own;
            } else if ours.store == Some(pid) {
                // What ended in a window counts with the one that waited for it.
                store += times.own + times.children;
            } else if ours.store == Some(times.parent) {
                store += times.own;
            } else if !ours.servers.contains(&pid) && !times.kernel {
                others += times.own + times.children;
            }
        }
        Ok(Self {
            at: clock::now(),
            server: server + store,
            bench,
            others,
            stolen: stolen(&fs::read_to_string("/proc/stat")?),
        })
    }

    /// What was spent since `earlier`.
    pub(crate) fn since(&self, earlier: &Self) -> Spent {
        let wall = self.at.duration_since(earlier.at);
        let ticks = |new: u64, old: u64| TICK * u32::try_from(new.saturating_sub(old)).unwrap_or(0);
        let others = ticks(self.others, earlier.others) + ticks(self.stolen, earlier.stolen);
        Spent {
            wall,
            server: ticks(self.server, earlier.server),
            bench: ticks(self.bench, earlier.bench),
            others: others.as_secs_f64() / (wall.as_secs_f64() * cores() as f64),
        }
    }
}

/// One line of `/proc/<pid>/stat`, in ticks.
#[derive(Debug, PartialEq, Eq)]
struct ProcessTimes {
    parent: u32,
    own: u64,
    children: u64,
    kernel: bool,
}

impl ProcessTimes {
    fn parse(text: &str) -> Option<Self> {
        // The name may contain anything, brackets and blanks too: what follows its last bracket
        // begins with the third field.
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        Some(Self {
            parent: u32::try_from(number(4)?).ok()?,
            own: number(14)? + number(15)?,
            children: number(16)? + number(17)?,
            kernel: number(9)? & KERNEL_THREAD != 0,
        })
    }
}

/// The `steal` column of the first line of `/proc/stat`.
fn stolen(text: &str) -> u64 {
    text.lines()
        .next()
        .and_then(|line| line.split_whitespace().nth(8))
        .and_then(|ticks| ticks.parse().ok())
        .unwrap_or(0)
}

/// How many cores there are.
pub(crate) fn cores() -> usize {
    available_parallelism().map_or(1, Into::into)
}

/// The processor's name, cores and kernel, in a line.
pub(crate) fn description() -> String {
    let named = |path: &str, name: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        text.lines()
            .find(|line| line.starts_with(name))
            .and_then(|line| line.split_once(':'))
            .map(|(_, value)| value.trim().to_owned())
    };
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!(
        "{} × {}, {} of memory, Linux {}",
        cores(),
        named("/proc/cpuinfo", "model name").unwrap_or_else(|| "unnamed processor".to_owned()),
        named("/proc/meminfo", "MemTotal").unwrap_or_else(|| "unknown size".to_owned()),
        kernel.trim()
    )
}

/// Resident memory of a process, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Memory {
    /// All of it, shared libraries and mapped files included.
    pub(crate) resident: u64,
    /// What no file stands behind: heap and stacks.
    pub(crate) anonymous: u64,
}

impl Memory {
    /// Of a running process.
    pub(crate) fn of(pid: u32) -> Result<Self> {
        let path = format!("/proc/{pid}/status");
        Self::parse(&fs::read_to_string(&path).context(path.clone())?).context(path)
    }

    fn parse(text: &str) -> Option<Self> {
        let bytes = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
            Some(kilobytes * 1024)
        };
        Some(Self { resident: bytes("VmRSS:")?, anonymous: bytes("RssAnon:")? })
    }
}

/// Median time of writing one page and syncing it, in `folder`: what a commit costs at least here.
pub(crate) fn sync_time(folder: &Path) -> Result<Duration> {
    let path = folder.join("sync-probe");
    let file = File::create(&path)?;
    let page = [0x5a; 4096];
    // The file gets its size first: a commit in a log that is reused changes no size either.
    file.write_all_at(&page, 0)?;
    file.sync_all()?;
    let mut times = Vec::new();
    for _ in 0..SYNCS {
        let start = clock::now();
        file.write_all_at(&page, 0)?;
        file.sync_data()?;
        times.push(start.elapsed());
    }
    fs::remove_file(&path)?;
    times.sort_unstable();
    Ok(times[times.len() / 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "42 (a (b) c) S 1 42 42 0 -1 4194304 2 3 4 5 70 8 20 1 20 0 3 0 9 0 0";

    #[test]
    fn reads_the_line_of_a_process() {
        let times = ProcessTimes::parse(STAT).unwrap();
        let expected = ProcessTimes { parent: 1, own: 78, children: 21, kernel: false };
        assert_eq!(times, expected);
        let kernel = STAT.replace("4194304", "69238880");
        assert!(ProcessTimes::parse(&kernel).unwrap().kernel);
        assert_eq!(ProcessTimes::parse("42 (cut"), None);
    }

    #[test]
    fn reads_time_that_was_stolen() {
        assert_eq!(stolen("cpu  1 2 3 4 5 6 7 88 9 10\ncpu0 1"), 88);
        assert_eq!(stolen(""), 0);
    }

    #[test]
    fn reads_memory() {
        let memory = Memory::parse("Name:\tx\nVmRSS:\t  100 kB\nRssAnon:\t 60 kB\n").unwrap();
        assert_eq!((memory.resident, memory.anonymous), (102_400, 61_440));
        assert!(Memory::of(std::process::id()).unwrap().resident > 0);
    }

    #[test]
    fn work_shows_as_ours() {
        let ours = Ours { asked: vec![1], servers: vec![1], store: None };
        let before = Snapshot::take(&ours).unwrap();
        while before.at.elapsed() < Duration::from_millis(120) {}
        let spent = Snapshot::take(&ours).unwrap().since(&before);
        assert!(spent.bench >= TICK * 2, "{spent:?}");
        assert!(spent.wall >= Duration::from_millis(120));
    }

    #[test]
    fn syncing_takes_time_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert!(sync_time(folder.path()).unwrap() > Duration::ZERO);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
