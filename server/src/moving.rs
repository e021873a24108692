//! `latchkey copy`: what an operator sees of moving the data.

use crate::clock::{Clock, SystemClock};
use crate::latchkey::{StartError, lock};
use crate::progress::Progress;
use crate::store::moving::{self, Compared, MoveError, Phase, Watch};
use crate::store::{Place, without_password};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a copy was not made.
#[derive(Debug, Error)]
pub enum CopyError {
    /// One of the addresses.
    #[error("{0}: write it as in sqlite:latchkey.db or postgres://user:password@host/database")]
    Url(&'static str),
    /// A server runs on one of the ends.
    #[error(transparent)]
    InUse(#[from] StartError),
    /// One of the ends.
    #[error(transparent)]
    Move(#[from] MoveError),
    /// Both were read again, and are not the same.
    #[error(
        "{0} tables differ: the target stays closed. Was a server still writing to the source?"
    )]
    Differs(usize),
    /// What was brought ahead and what it came from are not the same.
    #[error("{0} tables differ in what never changes: empty the target and begin anew")]
    DiffersAhead(usize),
}

/// Copies all data from one store to the other and compares them, as the operator asks for by URLs; files are sought
/// in `data`. Says on `told` what each table came to.
///
/// # Errors
/// [`CopyError`]; nothing is lost, and the same again goes on.
pub fn copy(from: &str, to: &str, data: &Path, told: &mut dyn Write) -> Result<(), CopyError> {
    let source = Place::of(from, data).ok_or(CopyError::Url("--from"))?;
    let target = Place::of(to, data).ok_or(CopyError::Url("--to"))?;
    let _locks = locks(&[&source, &target], &target)?;
    let mut shown = Shown { progress: Progress::new(STYLE), total: 0, done: 0 };
    let compared = moving::copy(&source, &target, SystemClock.now(), &mut shown)?;
    shown.progress.clear();
    // Nobody can be told that nobody can be told.
    let _ = writeln!(told, "{}", table(&compared));
    let differ = compared.iter().filter(|table| !table.is_same()).count();
    if differ > 0 {
        return Err(CopyError::Differs(differ));
    }
    let _ = writeln!(told, "copied {} to {}", without_password(from), without_password(to));
    Ok(())
}

/// Brings what only grows ahead of such a copy, while servers go on; as often as anybody likes.
///
/// # Errors
/// [`CopyError`]; nothing is lost, and the same again goes on.
pub fn ahead(from: &str, to: &str, data: &Path, told: &mut dyn Write) -> Result<(), CopyError> {
    let source = Place::of(from, data).ok_or(CopyError::Url("--from"))?;
    let target = Place::of(to, data).ok_or(CopyError::Url("--to"))?;
    // A server holds the source's folder.
    let _locks = locks(&[&target], &target)?;
    let mut shown = Shown { progress: Progress::new(STYLE), total: 0, done: 0 };
    let brought = moving::ahead(&source, &target, SystemClock.now(), &mut shown)?;
    shown.progress.clear();
    let differ = brought.iter().filter(|table| !table.is_same()).count();
    // Nobody can be told that nobody can be told.
    if differ > 0 {
        let _ = writeln!(told, "{}", table(&brought));
        return Err(CopyError::DiffersAhead(differ));
    }
    let rows: u64 = brought.iter().map(|table| table.target.rows).sum();
    let _ = writeln!(
        told,
        "ahead: {} rows are there and were compared; run the same again to bring what has come since, or stop the \
         servers and run it without --ahead",
        in_thousands(rows)
    );
    Ok(())
}

/// A number as people read it.
fn in_thousands(number: u64) -> String {
    let digits = number.to_string();
    let comma = |at: usize| if at > 0 && (digits.len() - at).is_multiple_of(3) { "," } else { "" };
    digits.char_indices().map(|(at, digit)| format!("{}{digit}", comma(at))).collect()
}

/// Holds the folders of files, as a server on them would.
fn locks(places: &[&Place], target: &Place) -> Result<Vec<File>, StartError> {
    let folder = |place: &Place| match place {
        Place::Sqlite(file) => file.parent().map(Path::to_owned),
        Place::Postgres(_) => None,
    };
    let mut folders: Vec<PathBuf> = Vec::new();
    for folder in places.iter().filter_map(|place| folder(place)) {
        if matches!(target, Place::Sqlite(file) if file.parent() == Some(&folder)) {
            crate::secrets::make_folder(&folder)?;
        }
        // One that is not there holds no database, which is told in its place.
        if let Ok(folder) = folder.canonicalize()
            && !folders.contains(&folder)
        {
            folders.push(folder);
        }
    }
    folders.iter().map(|folder| lock(folder)).collect()
}

fn table(compared: &[Compared]) -> String {
    let mut text =
        format!("{:<16} {:>12} {:>12}  {:<34} same", "table", "source", "target", "checksum");
    for Compared { table, source, target } in compared {
        let same = if source == target { "yes" } else { "NO" };
        text.push_str(&format!(
            "\n{table:<16} {:>12} {:>12}  {:032x}   {same}",
            source.rows, target.rows, target.hashes
        ));
    }
    text
}

/// What the operator sees of a copy.
struct Shown {
    progress: Progress,
    total: u64,
    done: u64,
}

const STYLE: &str = "{prefix:9} [{bar:30}] {pos}/{len} rows, {per_sec}, {eta} left, {msg}";

impl Watch for Shown {
    fn begin(&mut self, phase: Phase, rows: u64, resumed: bool) {
        let phase = match phase {
            Phase::Counting => "counting",
            Phase::Copying if resumed => "going on",
            Phase::Copying => "copying",
            Phase::Comparing => "comparing",
        };
        (self.total, self.done) = (rows, 0);
        self.progress.begin(phase, rows);
        self.progress.line(format_args!("{phase}: {rows} rows"));
    }

    fn done(&mut self, table: &'static str, rows: u64) {
        self.done += rows;
        self.progress.message(table);
        self.progress.show(self.done, self.total, format_args!("rows, {table}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_parted_in_thousands() {
        let of = |number| in_thousands(number);
        assert_eq!([of(0), of(999), of(1_000)], ["0", "999", "1,000"]);
        assert_eq!([of(12_345), of(1_203_332)], ["12,345", "1,203,332"]);
    }
}
