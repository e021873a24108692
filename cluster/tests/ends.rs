//! A server goes with the process that started it, however that ends and whatever the server does.

#![expect(clippy::unwrap_used, reason = "a test stops where something is missing")]

use latchkey_cluster::{Cluster, Order};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Set in the process that is killed.
const KILLED: &str = "CLUSTER_KILLED";
/// Within which all must be gone.
const LOOKS: u32 = 3_000;

/// The processes whose folder is within that one.
fn processes(folder: &Path) -> usize {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    all.filter_map(|process| std::fs::read_link(process.path().join("cwd")).ok())
        .filter(|at| at.starts_with(folder))
        .count()
}

/// Not a test by itself: it starts a server that stands still, and waits to be killed.
#[test]
#[ignore = "run by the next one, which kills it"]
fn standing_still() {
    if std::env::var_os(KILLED).is_none() {
        return;
    }
    let mut cluster = Cluster::start(&["fsync=off"], "");
    cluster.order(Order::Pause);
    writeln!(std::io::stderr(), "folder={}", cluster.folder().display()).unwrap();
    loop {
        std::thread::park();
    }
}

#[test]
fn it_goes_with_a_process_that_is_killed_even_while_it_stands_still() {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "standing_still", "--ignored", "--nocapture"]).env(KILLED, "1");
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let folder = lines.find_map(|line| Some(line.unwrap().strip_prefix("folder=")?.to_owned()));
    let folder = folder.unwrap();
    let folder = Path::new(&folder);
    assert!(processes(folder) > 3, "{}", processes(folder));
    child.kill().unwrap();
    child.wait().unwrap();
    let mut looks = 0;
    while folder.exists() || processes(folder) > 0 {
        looks += 1;
        assert!(looks < LOOKS, "{} processes are left", processes(folder));
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn what_is_killed_or_stopped_starts_again_with_what_it_had() {
    let mut cluster = Cluster::start(&[], "");
    let first = cluster.pid();
    for order in [Order::Kill, Order::Stop] {
        cluster.order(order);
        assert_eq!(processes(cluster.folder()), 0, "{order:?}");
        cluster.order(Order::Start);
        assert_ne!(cluster.pid(), first);
    }
    let folder = cluster.folder().to_owned();
    drop(cluster);
    assert!(!folder.exists());
}
