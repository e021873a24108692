//! Archives of every kind, most of them bad: each is refused in words, and nothing of it is left.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report")]

use latchkey_package::{Limits, Package, PackageError, install, read, tidy};
use std::fs::{self, File};
use std::io::{Cursor, Seek, SeekFrom, Write};
use std::path::Path;
use tempfile::TempDir;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

const MANIFEST: &str = r#"<manifest identifier="m"><organizations><organization identifier="o"><title>Tides</title>
  <item identifier="i" identifierref="r"><title>Tides</title></item></organization></organizations>
  <resources><resource identifier="r" href="index.html"/></resources></manifest>"#;

fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in entries {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn good() -> Vec<u8> {
    zip(&[("imsmanifest.xml", MANIFEST.as_bytes()), ("index.html", b"<p>Tides"), ("js/a.js", b"1")])
}

fn with(name: &str, content: &[u8]) -> Vec<u8> {
    zip(&[("imsmanifest.xml", MANIFEST.as_bytes()), ("index.html", b""), (name, content)])
}

fn try_on(shelf: &Path, archive: &[u8], limits: &Limits) -> Result<Package, PackageError> {
    install(Cursor::new(archive), shelf, limits)
}

/// Refused with these words; nothing is left on the shelf or beside it.
#[track_caller]
fn refused(archive: &[u8], limits: &Limits, why: &str) {
    let around = TempDir::new().unwrap();
    let shelf = around.path().join("shelf");
    fs::create_dir(&shelf).unwrap();
    let told = try_on(&shelf, archive, limits).map(|package| package.id);
    let told = told.expect_err("a bad package was taken in").to_string();
    assert!(told.contains(why), "{why}: {told}");
    assert_eq!(fs::read_dir(&shelf).unwrap().count(), 0, "{told}");
    assert_eq!(fs::read_dir(around.path()).unwrap().count(), 1, "{told}");
}

#[test]
fn a_good_one_is_taken_in_once() {
    let shelf = TempDir::new().unwrap();
    let limits = Limits::default();
    let package = try_on(shelf.path(), &good(), &limits).unwrap();
    assert_eq!(package.manifest.lessons[0].href, "index.html");
    let page = shelf.path().join(&package.id).join("index.html");
    assert_eq!(fs::read_to_string(&page).unwrap(), "<p>Tides");
    let written = fs::metadata(&page).unwrap().modified().unwrap();
    assert_eq!(try_on(shelf.path(), &good(), &limits).unwrap(), package);
    assert_eq!(fs::metadata(&page).unwrap().modified().unwrap(), written);
    assert_eq!(fs::read_dir(shelf.path()).unwrap().count(), 1);
    assert_eq!(read(shelf.path(), &package.id, &limits).unwrap().unwrap(), package);
    for id in ["", "..", "../x", &package.id[1..], &"0".repeat(64)] {
        assert_eq!(read(shelf.path(), id, &limits).unwrap(), None, "{id}");
    }
}

#[test]
fn what_a_crash_left_is_removed() {
    let around = TempDir::new().unwrap();
    let shelf = around.path().join("shelf");
    tidy(&shelf).unwrap();
    let package = try_on(&shelf, &good(), &Limits::default()).unwrap();
    fs::create_dir_all(shelf.join(".new-abc/js")).unwrap();
    fs::write(shelf.join(".new-abc/js/a.js"), "1").unwrap();
    tidy(&shelf).unwrap();
    let left: Vec<_> =
        fs::read_dir(&shelf).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, [package.id.as_str()]);
}

#[test]
fn names_that_lead_elsewhere() {
    for name in [
        "../x",
        "js/../../x",
        "/tmp/x",
        "C:\\x",
        "..\\x",
        "a/./b",
        "a\nb",
        "a//b",
        &"x".repeat(300),
    ] {
        refused(&with(name, b"x"), &Limits::default(), "leads elsewhere");
    }
}

#[test]
fn windows_separators_are_separators() {
    let shelf = TempDir::new().unwrap();
    let package = try_on(shelf.path(), &with("js\\b.js", b"1"), &Limits::default()).unwrap();
    assert!(shelf.path().join(package.id).join("js/b.js").is_file());
}

#[test]
fn one_name_twice() {
    refused(
        &with("js\\..js", b"x"),
        &Limits { entries: 2, ..Limits::default() },
        "more than 2 files",
    );
    let entries: [(&str, &[u8]); 4] = [
        ("imsmanifest.xml", MANIFEST.as_bytes()),
        ("index.html", b""),
        ("a/b", b"1"),
        ("a\\b", b"2"),
    ];
    refused(&zip(&entries), &Limits::default(), "twice");
    let entries: [(&str, &[u8]); 4] =
        [("imsmanifest.xml", MANIFEST.as_bytes()), ("index.html", b""), ("a", b"1"), ("a/b", b"2")];
    refused(&zip(&entries), &Limits::default(), "twice");
}

#[test]
fn links_and_devices() {
    let mut writer = ZipWriter::new(Cursor::new(good()));
    writer = ZipWriter::new_append(writer.finish().unwrap()).unwrap();
    writer.add_symlink("js/passwd", "/etc/passwd", SimpleFileOptions::default()).unwrap();
    refused(&writer.finish().unwrap().into_inner(), &Limits::default(), "is a link");

    // The mode of the last entry in the central directory says: a device.
    let mut device = with("js/device", b"x");
    let last = device.windows(4).rposition(|four| four == b"PK\x01\x02").unwrap();
    device[last + 5] = 3; // made on Unix
    device[last + 38..last + 42].copy_from_slice(&(0o020_644_u32 << 16).to_le_bytes());
    refused(&device, &Limits::default(), "is a link or a device");
}

/// Zeros: a thousand times smaller as deflate.
fn bomb(size: usize) -> Vec<u8> {
    with("zeros", &vec![0; size])
}

#[test]
fn bombs() {
    refused(&bomb(8 << 20), &Limits::default(), "unpacks to more than 200 times");
    let tight = Limits { unpacked: 1 << 20, ..Limits::default() };
    refused(&bomb(2 << 20), &tight, "more than 1 MiB");
    // Below a megabyte nobody asks.
    let shelf = TempDir::new().unwrap();
    assert!(try_on(shelf.path(), &bomb(1 << 20), &Limits::default()).is_ok());

    // One that says of itself that it is small.
    let mut liar = bomb(8 << 20);
    for (mark, at) in [(b"PK\x03\x04", 22), (b"PK\x01\x02", 24)] {
        let last = liar.windows(4).rposition(|four| four == mark).unwrap();
        liar[last + at..last + at + 4].copy_from_slice(&10_u32.to_le_bytes());
    }
    refused(&liar, &Limits::default(), "");

    // Many files over one piece of compressed bytes: each by itself is harmless.
    let many: Vec<String> = (0..40).map(|n| format!("zeros{n}")).collect();
    let zeros = vec![0; 1 << 20];
    let mut entries: Vec<(&str, &[u8])> =
        vec![("imsmanifest.xml", MANIFEST.as_bytes()), ("index.html", b"")];
    entries.extend(many.iter().map(|name| (name.as_str(), zeros.as_slice())));
    let limits = Limits { unpacked: 32 << 20, ..Limits::default() };
    refused(&zip(&entries), &limits, "more than 32 MiB");
}

#[test]
fn ten_gigabytes_are_refused_unread() {
    let folder = TempDir::new().unwrap();
    let mut file = File::create_new(folder.path().join("huge.zip")).unwrap();
    file.seek(SeekFrom::Start(10 << 30)).unwrap();
    file.write_all(&good()).unwrap();
    let shelf = TempDir::new().unwrap();
    let file = File::open(folder.path().join("huge.zip")).unwrap();
    let refused = install(file, shelf.path(), &Limits::default()).unwrap_err();
    assert!(matches!(refused, PackageError::ArchiveTooLarge(_)), "{refused}");
    assert_eq!(refused.to_string().split(". ").next(), Some("The file has more than 64 MiB"));
}

#[test]
fn too_many_entries() {
    let names: Vec<String> = (0..11_000).map(|n| n.to_string()).collect();
    let entries: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
    refused(&zip(&entries), &Limits::default(), "more than 10000 files");
}

#[test]
fn what_is_no_zip() {
    for (bytes, why) in [
        (&b""[..], "not a zip"),
        (b"PK", "not a zip"),
        (b"<html>", "not a zip"),
        (&good()[..good().len() - 30], "not a zip"),
        (&good()[40..], "not a zip"),
        (&[0xff; 100_000], "not a zip"),
    ] {
        refused(bytes, &Limits::default(), why);
    }
    // A byte of a file's content, so that its checksum does not hold.
    let mut damaged = zip(&[("imsmanifest.xml", MANIFEST.as_bytes()), ("index.html", &[7; 20])]);
    let at = damaged.windows(10).position(|ten| ten == b"index.html").unwrap();
    damaged[at + 12] ^= 0x55;
    refused(&damaged, &Limits::default(), "damaged");
}

/// Every archive that is cut short, and every byte of one spoiled: an answer, never a panic.
#[test]
fn spoiled_archives() {
    let whole = good();
    let shelf = TempDir::new().unwrap();
    for at in 0..whole.len() {
        let mut spoiled = whole.clone();
        spoiled[at] ^= 0xff;
        for archive in [&spoiled[..], &whole[..at]] {
            if let Ok(package) = try_on(shelf.path(), archive, &Limits::default()) {
                fs::remove_dir_all(shelf.path().join(package.id)).unwrap();
            }
        }
    }
    assert_eq!(fs::read_dir(shelf.path()).unwrap().count(), 0);
}

#[test]
fn encrypted_or_otherwise_compressed() {
    // The flag that says so, in both headers of the last entry.
    let mut locked = with("x", b"abc");
    for (mark, at) in [(b"PK\x03\x04", 6), (b"PK\x01\x02", 8)] {
        let last = locked.windows(4).rposition(|four| four == mark).unwrap();
        locked[last + at] |= 1;
    }
    refused(&locked, &Limits::default(), "encrypted");
    let mut other = with("x", b"abc");
    for (mark, at) in [(b"PK\x03\x04", 8), (b"PK\x01\x02", 10)] {
        let last = other.windows(4).rposition(|four| four == mark).unwrap();
        other[last + at] = 14; // LZMA
    }
    refused(&other, &Limits::default(), "not compressed in the usual way");
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, content) in [("imsmanifest.xml", MANIFEST), ("index.html", "x")] {
        writer.start_file(name, stored).unwrap();
        writer.write_all(content.as_bytes()).unwrap();
    }
    let shelf = TempDir::new().unwrap();
    assert!(
        try_on(shelf.path(), &writer.finish().unwrap().into_inner(), &Limits::default()).is_ok()
    );
}

#[test]
fn manifests() {
    refused(&zip(&[]), &Limits::default(), "no imsmanifest.xml");
    refused(&zip(&[("index.html", b"x")]), &Limits::default(), "no imsmanifest.xml");
    let folder = [("tides/imsmanifest.xml", MANIFEST.as_bytes()), ("tides/index.html", &b"x"[..])];
    refused(&zip(&folder), &Limits::default(), "not the folder itself");
    refused(&zip(&[("imsmanifest.xml", MANIFEST.as_bytes())]), &Limits::default(), "no such file");
    refused(&zip(&[("imsmanifest.xml", b"\xff\xfe<")]), &Limits::default(), "cannot be read");
    let large = vec![b' '; (4 << 20) + 1];
    refused(
        &zip(&[("imsmanifest.xml", &large)]),
        &Limits { ratio: 10_000, ..Limits::default() },
        "more than 4 MiB",
    );
    let folder = zip(&[("imsmanifest.xml/x", b"x")]);
    refused(&folder, &Limits::default(), "");
}
