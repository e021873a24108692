//! A small disk that can be full.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A file system of its own in memory; gone when it goes out of sight.
#[derive(Debug)]
pub struct SmallDisk {
    folder: TempDir,
    pieces: usize,
}

impl SmallDisk {
    /// One of that many megabytes; none, and a line that says so, without the right to mount.
    ///
    /// # Panics
    /// When there is no folder to mount it on.
    pub fn mount(megabytes: u32) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let size = format!("size={megabytes}m,mode=755");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path());
        if mount.status().is_ok_and(|status| status.success()) {
            return Some(Self { folder, pieces: 0 });
        }
        eprintln!("NOT TESTED: a full disk, since only root may mount a small one");
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
