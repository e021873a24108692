//! The entries of an archive, written below a folder. What an archive says of itself is believed of nothing: bytes are
//! counted as they come.

use crate::{Limits, PackageError, name};
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use zip::read::ZipFile;
use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

/// The kinds of a Unix file mode: a plain file, a folder, or none given.
const KIND: u32 = 0o170_000;
const FILE: u32 = 0o100_000;
const FOLDER: u32 = 0o040_000;

/// Writes everything, or fails at the first thing that is wrong; what was written by then is the caller's to remove.
pub(crate) fn unpack<R: Read + Seek>(
    archive: R,
    folder: &Path,
    limits: &Limits,
) -> Result<(), PackageError> {
    let mut archive = ZipArchive::new(archive).map_err(|error| broken("", error))?;
    if archive.len() > limits.entries {
        return Err(PackageError::TooManyEntries(limits.entries));
    }
    let mut left = limits.unpacked;
    for at in 0..archive.len() {
        let told = match archive.name_for_index(at) {
            Some(Ok(name)) => name.into_owned(),
            _ => return Err(PackageError::NotZip(format!("entry {at} has no name"))),
        };
        let mut entry = archive.by_index(at).map_err(|error| broken(&told, error))?;
        if !matches!(entry.compression(), CompressionMethod::Stored | CompressionMethod::Deflated) {
            return Err(PackageError::Unreadable(told));
        }
        let place = name::inside(&told).ok_or_else(|| PackageError::BadName(told.clone()))?;
        let kind = entry.unix_mode().unwrap_or_default() & KIND;
        if entry.is_symlink() || ![0, FILE, FOLDER].contains(&kind) {
            return Err(PackageError::Special(told));
        }
        let place = folder.join(place);
        let taken = |error: io::Error| match error.kind() {
            io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
                PackageError::Twice(told.clone())
            }
            _ => PackageError::Storage(error),
        };
        if entry.is_dir() || told.ends_with('\\') {
            fs::create_dir_all(&place).map_err(taken)?;
            continue;
        }
        if let Some(parent) = place.parent() {
            fs::create_dir_all(parent).map_err(taken)?;
        }
        let mut file =
            OpenOptions::new().write(true).create_new(true).open(&place).map_err(taken)?;
        left -= copy(&mut entry, &mut file, &told, left, limits)?;
        file.sync_all()?;
    }
    Ok(())
}

/// Copies one file, `left` bytes of it at most. Gives how many there were.
fn copy<R: Read>(
    entry: &mut ZipFile<'_, R>,
    file: &mut impl Write,
    told: &str,
    left: u64,
    limits: &Limits,
) -> Result<u64, PackageError> {
    let allowed = limits.ratio.saturating_mul(entry.compressed_size()).max(Limits::RATIO_FROM);
    let mut buffer = vec![0; 64 << 10];
    let mut written = 0;
    loop {
        let read = match entry.read(&mut buffer) {
            Ok(0) => return Ok(written),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(PackageError::NotZip(format!("{told:?}: {error}"))),
        };
        written += read as u64;
        if written > left {
            return Err(PackageError::TooLarge(limits.unpacked));
        }
        if written > allowed {
            return Err(PackageError::Bomb(told.to_owned(), limits.ratio));
        }
        file.write_all(&buffer[..read])?;
    }
}

fn broken(told: &str, error: ZipError) -> PackageError {
    match error {
        ZipError::Io(error) => PackageError::NotZip(error.to_string()),
        ZipError::UnsupportedArchive(_)
        | ZipError::CompressionMethodNotSupported(_)
        | ZipError::InvalidPassword
            if !told.is_empty() =>
        {
            PackageError::Unreadable(told.to_owned())
        }
        error => PackageError::NotZip(error.to_string()),
    }
}
