//! `latchkey backup` and `restore`: a copy of the SQLite file while a server writes to it, and the way back.

use crate::latchkey::{StartError, lock};
use crate::progress::Progress;
use crate::secrets::make_folder;
use crate::store::Place;
use crate::store::sqlite::backup::{self, BackupError as FileError};
use std::io::Write;
use std::path::Path;
use thiserror::Error;

const STYLE: &str = "{prefix} [{bar:30}] {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left";

/// Why there is no copy.
#[derive(Debug, Error)]
pub enum BackupError {
    /// PostgreSQL has tools of its own for it.
    #[error(
        "that is for SQLite: back PostgreSQL up with pg_dump or pg_basebackup, see docs/operations.md"
    )]
    Postgres,
    /// A server runs where the copy is to go.
    #[error(transparent)]
    InUse(#[from] StartError),
    /// One of the files.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Copies the database to the file `to`, which must not be there, and checks the copy; a server may go on writing. Says
/// on `told` what came of it.
///
/// # Errors
/// [`BackupError`]; then there is nothing at `to`.
pub fn backup(place: &Place, to: &Path, told: &mut dyn Write) -> Result<(), BackupError> {
    let Place::Sqlite(file) = place else { return Err(BackupError::Postgres) };
    let mut progress = Progress::new(STYLE);
    progress.begin("backup", 0);
    let bytes = backup::backup(file, to, &mut |done, total| progress.show(done, total, "bytes"))?;
    end(&progress, told, &format!("backed up {bytes} bytes to {}, checked", to.display()));
    Ok(())
}

/// Puts such a copy in the place of the database, which must not be there; no server may run.
///
/// # Errors
/// [`BackupError`]; then there is still no database.
pub fn restore(from: &Path, place: &Place, told: &mut dyn Write) -> Result<(), BackupError> {
    let Place::Sqlite(file) = place else { return Err(BackupError::Postgres) };
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    make_folder(folder).map_err(StartError::from)?;
    let _lock = lock(folder)?;
    let mut progress = Progress::new(STYLE);
    progress.begin("restore", 0);
    let bytes =
        backup::restore(from, file, &mut |done, total| progress.show(done, total, "bytes"))?;
    end(&progress, told, &format!("restored {bytes} bytes to {}, checked", file.display()));
    Ok(())
}

/// Says what came of it.
fn end(progress: &Progress, told: &mut dyn Write, line: &str) {
    progress.clear();
    // Nobody can be told that nobody can be told.
    let _ = writeln!(told, "{line}");
}
