//! A small disk that can be full.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// What gives everybody the right to mount, for themselves alone, where the system allows that. Under another number than
/// root's, as which PostgreSQL does not run.
const UNSHARE: [&str; 5] =
    ["unshare", "--map-user=1000", "--map-group=1000", "--keep-caps", "--mount"];
/// Set within.
const WITHIN: &str = "SMALL_DISK_WITHIN";

fn may_unshare() -> bool {
    let mut unshare = Command::new(UNSHARE[0]);
    let tried = unshare.args(&UNSHARE[1..]).arg("true").output();
    tried.is_ok_and(|output| output.status.success())
}

/// A file system of its own in memory; gone when it goes out of sight.
#[derive(Debug)]
pub struct SmallDisk {
    folder: TempDir,
    pieces: usize,
}

impl SmallDisk {
    /// One of that many megabytes. Where only root may mount one, the test of that name is run again where everybody may,
    /// in a namespace of its own, and there is nothing left to do here.
    ///
    /// # Panics
    /// When there is no folder to mount it on, or when the test fails there.
    pub fn mount(megabytes: u32, test: &str) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let size = format!("size={megabytes}m,mode=755");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path());
        if mount.status().is_ok_and(|status| status.success()) {
            return Some(Self { folder, pieces: 0 });
        }
        if std::env::var_os(WITHIN).is_some() || !may_unshare() {
            eprintln!("NOT TESTED: a full disk, since a small one may not be mounted here");
            return None;
        }
        let mut again = Command::new(UNSHARE[0]);
        again.args(&UNSHARE[1..]).arg(std::env::current_exe().expect("this program's file"));
        again.args(["--exact", test, "--nocapture"]).env(WITHIN, "1");
        assert!(again.status().expect("unshare").success(), "{test}, where it may mount");
        None
    }

    /// Its top.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A new folder on it.
    ///
    /// # Panics
    /// When it has no room.
    pub fn folder(&self, name: &str) -> PathBuf {
        let folder = self.folder.path().join(name);
        std::fs::create_dir(&folder).expect("a folder");
        folder
    }

    /// Takes all the room that there is.
    ///
    /// # Panics
    /// When it cannot be written to for another reason than that it is full.
    pub fn fill(&mut self) {
        let path = self.piece(self.pieces);
        self.pieces += 1;
        let mut file = File::create(path).expect("a file");
        for size in [1 << 20, 1 << 12, 1] {
            let piece = vec![0; size];
            while file.write_all(&piece).is_ok() {}
        }
    }

    /// Gives the room back.
    ///
    /// # Panics
    /// When what took it has gone.
    pub fn free(&mut self) {
        for number in 0..std::mem::take(&mut self.pieces) {
            std::fs::remove_file(self.piece(number)).expect("a file that was written");
        }
    }

    fn piece(&self, number: usize) -> PathBuf {
        self.folder.path().join(format!("filler-{number}"))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // What still runs on it holds it until it ends.
        drop(Command::new("umount").arg("--lazy").arg(self.folder.path()).status());
    }
}
