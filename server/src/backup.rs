//! `latchkey backup` and `restore`: a copy of the SQLite file while a server writes to it, and the way back.

use crate::latchkey::{StartError, lock};
use crate::secrets::make_folder;
use crate::store::Place;
use crate::store::sqlite::backup::{self, BackupError as FileError};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::cell::Cell;
use std::io::{IsTerminal, Write};
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
    let bar = Bar::new("backup");
    let bytes = backup::backup(file, to, &mut |done, total| bar.show(done, total))?;
    bar.end(told, &format!("backed up {bytes} bytes to {}, checked", to.display()));
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
    let bar = Bar::new("restore");
    let bytes = backup::restore(from, file, &mut |done, total| bar.show(done, total))?;
    bar.end(told, &format!("restored {bytes} bytes to {}, checked", file.display()));
    Ok(())
}

/// A bar on a terminal; elsewhere a line for each tenth.
struct Bar {
    bar: ProgressBar,
    name: &'static str,
    tenth: Option<Cell<u64>>,
}

impl Bar {
    fn new(name: &'static str) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let target =
            if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template(STYLE) {
            bar.set_style(style);
        }
        bar.set_prefix(name);
        Self { bar, name, tenth: (!terminal).then(Cell::default) }
    }

    fn show(&self, done: u64, total: u64) {
        self.bar.set_length(total);
        self.bar.set_position(done);
        let now = (done * 10).checked_div(total).unwrap_or(10);
        if let Some(tenth) = &self.tenth
            && now > tenth.get()
        {
            tenth.set(now);
            // Nobody can be told that nobody can be told.
            let _ = writeln!(std::io::stderr(), "{}: {done}/{total} bytes", self.name);
        }
    }

    fn end(&self, told: &mut dyn Write, line: &str) {
        self.bar.finish_and_clear();
        let _ = writeln!(told, "{line}");
    }
}
