//! A server of PostgreSQL, from its folder to its end.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// Keeps the server. What is told it and what it tells are lines.
const SCRIPT: &str = include_str!("script.sh");

/// What may be done to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Stopped in order.
    Stop,
    /// Every process of it killed, as a power cut does.
    Kill,
    /// Started again, if it does not run.
    Start,
    /// All its processes stand still between two instructions: it is there and says nothing.
    Pause,
    /// They go on.
    Wake,
}

impl Order {
    const fn word(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Kill => "kill",
            Self::Start => "start",
            Self::Pause => "pause",
            Self::Wake => "wake",
        }
    }
}

/// What a server has when it begins.
#[derive(Clone, Copy, Debug, Default)]
pub enum Data<'a> {
    /// Nothing.
    #[default]
    New,
    /// What that one has, which it then follows under that name.
    Following(&'a Cluster, &'a str),
    /// A base copy in that folder, from which it is restored as its settings say.
    Copied(&'a Path),
}

/// How a server begins.
#[derive(Clone, Copy, Debug, Default)]
pub struct Beginning<'a> {
    /// Settings, each as in `postgresql.conf`. It listens on a socket in its folder unless one says more.
    pub settings: &'a [&'a str],
    /// Lines of `pg_hba.conf`; without any, everybody is trusted.
    pub hba: &'a str,
    /// Further words for `initdb`.
    pub initdb: &'a str,
    /// The folder in which it has its own, given to the user who runs it; that for temporary files without.
    pub within: Option<&'a Path>,
    /// What is in it.
    pub data: Data<'a>,
}

/// A server of one's own. It goes with the process, however that ends.
#[derive(Debug)]
pub struct Cluster {
    /// Where its database `postgres` is.
    pub url: String,
    folder: PathBuf,
    orders: Option<ChildStdin>,
    told: BufReader<ChildStdout>,
    keeper: Child,
}

impl Cluster {
    /// Starts one with these settings, each as in `postgresql.conf`, and with these lines of `pg_hba.conf`; without any,
    /// everybody is trusted. It listens on a socket in its folder unless a setting says more.
    pub fn start(settings: &[&str], hba: &str) -> Self {
        Self::begin(Beginning { settings, hba, ..Beginning::default() })
    }

    /// Starts one.
    pub fn begin(how: Beginning<'_>) -> Self {
        if let Some(folder) = how.within.filter(|_| is_root()) {
            let given = Command::new("chown").arg("postgres").arg(folder).status();
            assert!(given.is_ok_and(|status| status.success()), "it cannot be given away");
        }
        let within = how.within.map_or_else(std::env::temp_dir, Path::to_owned);
        let (from, name) = match how.data {
            Data::New => (PathBuf::new(), ""),
            Data::Following(other, name) => (other.folder.clone(), name),
            Data::Copied(folder) => (folder.to_owned(), ""),
        };
        let mut command = Command::new("setpriv");
        if is_root() {
            // PostgreSQL does not run as root.
            command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]);
        }
        command.args(["sh", "-c", SCRIPT, "sh"]).arg(within);
        command.args([how.hba, how.initdb]).arg(from).arg(name).args(how.settings);
        command.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped());
        // What a terminal sends to all of us does not keep it from clearing up.
        command.process_group(0);
        let mut keeper = command.spawn().expect("a shell");
        let mut told = BufReader::new(keeper.stdout.take().expect("its output"));
        let folder = line(&mut told);
        assert!(
            !folder.is_empty(),
            "PostgreSQL did not start: is it installed? (cargo xtask test installs it)"
        );
        let url = format!("postgres://test@/postgres?host={folder}");
        let orders = keeper.stdin.take();
        Self { url, folder: folder.into(), orders, told, keeper }
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
        assert!(self.try_order(order), "PostgreSQL did not {}", order.word());
    }

    /// The same; whether it could be done, as it may not on a full disk.
    pub fn try_order(&mut self, order: Order) -> bool {
        self.tell(order.word())
    }

    /// Takes its data away and makes it a standby of that one, under that name.
    pub fn follow(&mut self, primary: &Self, name: &str) {
        let order = format!("follow {} {name}", primary.folder.display());
        assert!(self.tell(&order), "PostgreSQL did not {order}");
    }

    fn tell(&mut self, order: &str) -> bool {
        let orders = self.orders.as_mut().expect("a running shell");
        writeln!(orders, "{order}").expect("a running shell");
        match line(&mut self.told).as_str() {
            "done" => true,
            "failed" => false,
            other => panic!("the keeper of PostgreSQL said {other:?} to {order}"),
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.orders.take());
        // Waited for, so that its folder is gone when the test is over.
        let _ = self.keeper.wait();
    }
}

fn line(from: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    from.read_line(&mut line).expect("its output is text");
    line.trim().to_owned()
}

fn is_root() -> bool {
    let owner = std::fs::metadata("/proc/self");
    owner.is_ok_and(|it| std::os::unix::fs::MetadataExt::uid(&it) == 0)
}
