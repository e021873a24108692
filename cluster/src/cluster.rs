//! A server of PostgreSQL, from its folder to its end.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// Starts a server, says where and under which process, does what it is told, and takes it away when nobody holds the
/// pipe any more. Its settings are the words behind.
const SCRIPT: &str = r#"
set -e
hba=$1
shift
folder=$(mktemp -d)
bin=$(ls -d /usr/lib/postgresql/*/bin | tail -1)
"$bin/initdb" -D "$folder/data" -U test --auth=trust --no-sync -E UTF8 --locale=C >"$folder/log" 2>&1
if [ -n "$hba" ]; then printf '%s\n' "$hba" >"$folder/data/pg_hba.conf"; fi
for setting in "listen_addresses=''" "unix_socket_directories='$folder'" "$@"; do
  printf '%s\n' "$setting" >>"$folder/data/postgresql.conf"
done
control() { "$bin/pg_ctl" -D "$folder/data" -w -l "$folder/log" "$@" >/dev/null; }
control start
echo "$folder"
while read -r order; do
  case $order in
    stop) control -m fast stop ;;
    kill) control -m immediate stop ;;
    start) control start ;;
  esac
  echo done
done
control -m immediate stop || true
rm -rf "$folder"
"#;

/// What may be done to a running server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Stopped in order.
    Stop,
    /// Stopped as a crash does.
    Kill,
    /// Started again.
    Start,
}

/// A server of one's own. It goes with the process, however that ends.
#[derive(Debug)]
pub struct Cluster {
    /// Where its database `postgres` is.
    pub url: String,
    folder: PathBuf,
    orders: Option<ChildStdin>,
    told: BufReader<ChildStdout>,
    shell: Child,
}

impl Cluster {
    /// Starts one with these settings, each as in `postgresql.conf`, and with these lines of `pg_hba.conf`; without any,
    /// everybody is trusted. It listens on a socket in its folder unless a setting says more.
    pub fn start(settings: &[&str], hba: &str) -> Self {
        // PostgreSQL does not run as root.
        let as_root = std::fs::metadata("/proc/self").is_ok_and(|it| is_root(&it));
        let mut command = if as_root {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", "sh"]);
            command
        } else {
            Command::new("sh")
        };
        command.args(["-c", SCRIPT, "sh", hba]).args(settings);
        command.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut shell = command.spawn().expect("a shell");
        let mut told = BufReader::new(shell.stdout.take().expect("its output"));
        let folder = line(&mut told);
        assert!(
            !folder.is_empty(),
            "PostgreSQL did not start: is it installed? (cargo xtask test installs it)"
        );
        let url = format!("postgres://test@/postgres?host={folder}");
        let orders = shell.stdin.take();
        Self { url, folder: folder.into(), orders, told, shell }
    }

    /// Its folder, with the socket and the log.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The process that all others of it come from.
    pub fn pid(&self) -> u32 {
        let file = self.folder.join("data/postmaster.pid");
        let text = std::fs::read_to_string(file).expect("a running server");
        text.lines().next().and_then(|line| line.parse().ok()).expect("a number")
    }

    /// Does that and waits for it.
    pub fn order(&mut self, order: Order) {
        let word = match order {
            Order::Stop => "stop",
            Order::Kill => "kill",
            Order::Start => "start",
        };
        let orders = self.orders.as_mut().expect("a running shell");
        writeln!(orders, "{word}").expect("a running shell");
        assert_eq!(line(&mut self.told), "done", "PostgreSQL did not {word}");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.orders.take());
        // Waited for, so that its folder is gone when the test is over.
        let _ = self.shell.wait();
    }
}

fn line(from: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    from.read_line(&mut line).expect("its output is text");
    line.trim().to_owned()
}

fn is_root(of: &std::fs::Metadata) -> bool {
    std::os::unix::fs::MetadataExt::uid(of) == 0
}
