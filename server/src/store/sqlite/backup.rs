//! A copy of the file while a server writes to it.
//!
//! The pages are read in one transaction of a reader: the copy is of one moment, and the writer never waits for
//! it. It is written beside its place and moved there when it has been checked and is on disk, so that a file at
//! that place is always a whole one.

use super::schema;
use crate::store::StoreError;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Pages copied between two reports.
const STEP: i32 = 4_096;

/// Why there is no copy.
#[derive(Debug, Error)]
pub enum BackupError {
    /// There is something at its place.
    #[error("{0} is there already: choose another name, or take it away")]
    Taken(PathBuf),
    /// There is no database to copy.
    #[error("{0} is no Latchkey database")]
    NoSource(PathBuf),
    /// A file cannot be read or written.
    #[error("{0}: {1}")]
    Io(PathBuf, std::io::Error),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The copy is not whole. It has been taken away.
    #[error("the copy is damaged: {0}")]
    Damaged(String),
}

/// Copies the database in `file` to `to`; the bytes of the copy. `watch` is told the bytes done and those of all.
///
/// # Errors
/// [`BackupError`]; then there is nothing at `to`.
pub fn backup(file: &Path, to: &Path, watch: &mut dyn FnMut(u64, u64)) -> Result<u64, BackupError> {
    if !file.is_file() {
        return Err(BackupError::NoSource(file.to_owned()));
    }
    if to.symlink_metadata().is_ok() {
        return Err(BackupError::Taken(to.to_owned()));
    }
    let source = schema::open_reader(file)?;
    if schema::version(&source)? == 0 {
        return Err(BackupError::NoSource(file.to_owned()));
    }
    let mut name = to.as_os_str().to_owned();
    name.push(".part");
    let part = PathBuf::from(name);
    let made = write(&source, &part, watch).and_then(|()| put(&part, to));
    if made.is_err() {
        // The first error is the one to tell.
        drop(std::fs::remove_file(&part));
    }
    made
}

fn write(
    source: &Connection,
    part: &Path,
    watch: &mut dyn FnMut(u64, u64),
) -> Result<(), BackupError> {
    let io = |error| BackupError::Io(part.to_owned(), error);
    // Grades and names: for its owner only. What an earlier one left behind is begun anew.
    OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(part)
        .map_err(io)?;
    let mut target = Connection::open_with_flags(part, OpenFlags::SQLITE_OPEN_READ_WRITE)
        .map_err(StoreError::from)?;
    // Without it each step would be of another moment, and begin anew after each commit of the server.
    source.execute_batch("BEGIN").map_err(StoreError::from)?;
    let page: i64 =
        source.query_row("PRAGMA page_size", [], |row| row.get(0)).map_err(StoreError::from)?;
    {
        let copying = Backup::new(source, &mut target).map_err(StoreError::from)?;
        loop {
            let step = copying.step(STEP).map_err(StoreError::from)?;
            let progress = copying.progress();
            let bytes = |pages: i32| i64::from(pages).saturating_mul(page).unsigned_abs();
            watch(bytes(progress.pagecount - progress.remaining), bytes(progress.pagecount));
            match step {
                StepResult::Done => break,
                StepResult::More => {}
                other => return Err(BackupError::Damaged(format!("{other:?}"))),
            }
        }
    }
    source.execute_batch("COMMIT").map_err(StoreError::from)?;
    // A plain file: one that is read from a place where nothing can be written is whole too.
    target.execute_batch("PRAGMA journal_mode = DELETE").map_err(StoreError::from)?;
    check(&target)
}

/// Whether a file is whole and ours.
pub(super) fn check(connection: &Connection) -> Result<(), BackupError> {
    let said: String = connection
        .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
        .map_err(StoreError::from)?;
    if said == "ok" { Ok(()) } else { Err(BackupError::Damaged(said)) }
}

/// On disk, and then at its place.
fn put(part: &Path, to: &Path) -> Result<u64, BackupError> {
    let io = |error| BackupError::Io(to.to_owned(), error);
    let file = File::open(part).map_err(io)?;
    file.sync_all().map_err(io)?;
    let bytes = file.metadata().map_err(io)?.len();
    // A hard link refuses a place that was taken meanwhile; a rename would not.
    match std::fs::hard_link(part, to) {
        Ok(()) => std::fs::remove_file(part).map_err(io)?,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return Err(BackupError::Taken(to.to_owned()));
        }
        // File systems without links.
        Err(_) => std::fs::rename(part, to).map_err(io)?,
    }
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))
        .and_then(|folder| folder.sync_all())
        .map_err(io)?;
    Ok(bytes)
}

/// Puts a copy in the place of a database that is not there.
///
/// # Errors
/// [`BackupError`]; then there is nothing at `to`.
pub fn restore(
    from: &Path,
    to: &Path,
    watch: &mut dyn FnMut(u64, u64),
) -> Result<u64, BackupError> {
    // What the log of a former database holds would be read into the new one.
    for behind in ["", "-wal", "-shm"] {
        let mut name = to.as_os_str().to_owned();
        name.push(behind);
        if Path::new(&name).symlink_metadata().is_ok() {
            return Err(BackupError::Taken(name.into()));
        }
    }
    backup(from, to, watch)
}
