//! SCORM packages: a zip that a stranger made becomes a folder that a server may serve.
//!
//! [`install`] takes the archive in, or says in one sentence what is wrong with it and leaves nothing behind. [`read`]
//! reads the manifest of what was taken in before. What a package may be is in [`Limits`].
//!
//! * `name` — where an entry of the archive may lie.
//! * `archive` — the archive's entries, written below a folder under limits.
//! * `manifest` — `imsmanifest.xml` of SCORM 1.2 and 2004: the lessons and how each is launched.
//! * `address` — from the manifest's addresses to a file of the package.

mod address;
mod archive;
mod manifest;
mod name;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use thiserror::Error;

pub use manifest::{Lesson, Manifest, Version};

/// The file at the top of each package.
const MANIFEST: &str = "imsmanifest.xml";
/// How folders begin in which a package is being unpacked.
const UNFINISHED: &str = ".new-";

/// What a package may be at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The archive, bytes.
    pub archive: u64,
    /// Files and folders in it.
    pub entries: usize,
    /// All files unpacked, bytes.
    pub unpacked: u64,
    /// How many times its compressed size a file may be, once it is larger than [`Limits::RATIO_FROM`].
    pub ratio: u64,
    /// The manifest, bytes.
    pub manifest: u64,
    /// Lessons.
    pub lessons: usize,
}

impl Limits {
    /// Text compresses well, and small files harm nobody.
    pub const RATIO_FROM: u64 = 1 << 20;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            archive: 64 << 20,
            entries: 10_000,
            unpacked: 256 << 20,
            ratio: 200,
            manifest: 4 << 20,
            lessons: 500,
        }
    }
}

/// What is wrong with a package, for whoever has to mend it.
#[derive(Debug, Error)]
pub enum PackageError {
    /// Larger than the limit.
    #[error("The file has more than {} MiB. Leave out what the lesson does not use, or make its videos smaller.", .0 >> 20)]
    ArchiveTooLarge(u64),
    /// Not a zip, or one that is damaged; what the reader said of it.
    #[error("This is not a zip file, or it is damaged. Export the package again.")]
    NotZip(String),
    /// More entries than the limit.
    #[error("The package has more than {0} files.")]
    TooManyEntries(usize),
    /// More bytes unpacked than the limit.
    #[error("Unpacked, the package has more than {} MiB.", .0 >> 20)]
    TooLarge(u64),
    /// A file that grows beyond all reason.
    #[error("The file {0:?} unpacks to more than {1} times its size, as no lesson does.")]
    Bomb(String, u64),
    /// A name that leads out of the package, or cannot be a file's.
    #[error(
        "The name {0:?} in the package cannot be a file's: it leads elsewhere or has signs that names must not have."
    )]
    BadName(String),
    /// A link, or another thing that is neither file nor folder.
    #[error("{0:?} in the package is a link or a device. A package has files and folders only.")]
    Special(String),
    /// Two entries of one name, or a file where a folder has to be.
    #[error("The name {0:?} is there twice in the package.")]
    Twice(String),
    /// Protected by a password, or compressed in a way that SCORM does not know.
    #[error("{0:?} in the package is encrypted, or not compressed in the usual way (deflate).")]
    Unreadable(String),
    /// No manifest at the top.
    #[error(
        "There is no imsmanifest.xml at the top of the package. Zip the content of the folder, not the folder itself."
    )]
    NoManifest,
    /// A manifest that cannot be read.
    #[error("imsmanifest.xml cannot be read: {0}.")]
    BadManifest(String),
    /// A manifest of something else.
    #[error("This is not a SCORM 1.2 or 2004 package, but {0:?}.")]
    NotScorm(String),
    /// Nothing to launch.
    #[error("The manifest names no lesson that can be launched.")]
    NoLesson,
    /// More lessons than the limit.
    #[error("The package has more than {0} lessons. Divide it.")]
    TooManyLessons(usize),
    /// An address that leads out of the package.
    #[error("The manifest launches {0:?}, which is not in the package.")]
    Outside(String),
    /// A file that is not there.
    #[error("The manifest launches {0:?}, and there is no such file in the package.")]
    Missing(String),
    /// The disk.
    #[error("The package cannot be stored: {0}")]
    Storage(#[from] io::Error),
}

/// A package that was taken in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Package {
    /// Its folder's name: SHA-256 of the archive, in hex. The same archive is the same package.
    pub id: String,
    /// What it says of itself.
    pub manifest: Manifest,
}

/// Takes an archive in: below `shelf` there is then a folder with the package's id as its name. An archive that was
/// taken in before is not written again.
///
/// # Errors
/// What is wrong with it, in words for whoever sent it. Nothing of it is left then.
pub fn install<R: Read + Seek>(
    mut archive: R,
    shelf: &Path,
    limits: &Limits,
) -> Result<Package, PackageError> {
    if archive.seek(SeekFrom::End(0))? > limits.archive {
        return Err(PackageError::ArchiveTooLarge(limits.archive));
    }
    let id = fingerprint(&mut archive)?;
    let place = shelf.join(&id);
    if !place.is_dir() {
        let folder = tempfile::Builder::new().prefix(UNFINISHED).tempdir_in(shelf)?;
        archive::unpack(archive, folder.path(), limits)?;
        manifest_of(folder.path(), limits)?;
        match fs::rename(folder.path(), &place) {
            Ok(()) => drop(folder.keep()),
            // Somebody else has put the same one there meanwhile.
            Err(_) if place.is_dir() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Package { manifest: manifest_of(&place, limits)?, id })
}

/// Reads a package that was taken in; `None` if there is none of that id.
///
/// # Errors
/// When its folder was changed since, or cannot be read.
pub fn read(shelf: &Path, id: &str, limits: &Limits) -> Result<Option<Package>, PackageError> {
    let place = shelf.join(id);
    if !is_id(id) || !place.is_dir() {
        return Ok(None);
    }
    Ok(Some(Package { manifest: manifest_of(&place, limits)?, id: id.to_owned() }))
}

/// Removes what a crash has left half unpacked below `shelf`, and makes the folder if there is none.
///
/// # Errors
/// When the folder cannot be read or written.
pub fn tidy(shelf: &Path) -> io::Result<()> {
    fs::create_dir_all(shelf)?;
    for entry in fs::read_dir(shelf)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// Whether a text has the form of a package's id.
pub fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn manifest_of(folder: &Path, limits: &Limits) -> Result<Manifest, PackageError> {
    let file = match fs::File::open(folder.join(MANIFEST)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(PackageError::NoManifest);
        }
        Err(error) => return Err(error.into()),
    };
    let mut bytes = Vec::new();
    file.take(limits.manifest + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limits.manifest {
        return Err(PackageError::BadManifest(format!(
            "it has more than {} MiB",
            limits.manifest >> 20
        )));
    }
    manifest::parse(&bytes, limits.lessons, |path| folder.join(path).is_file())
}

fn fingerprint<R: Read + Seek>(archive: &mut R) -> io::Result<String> {
    archive.seek(SeekFrom::Start(0))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match archive.read(&mut buffer)? {
            0 => break,
            read => hash.update(&buffer[..read]),
        }
    }
    archive.seek(SeekFrom::Start(0))?;
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
