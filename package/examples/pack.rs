//! Makes the packages that come with the demo: `pack OUT.zip FILE…`. Each file lies at the top, under its own name or,
//! written `NAME=FILE`, under another. The same files give the same archive.

use std::error::Error;
use std::fs;
use std::path::Path;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let out = words.next().ok_or("pack OUT.zip FILE…")?;
    let mut files = Vec::new();
    for word in words {
        let (name, file) = match word.split_once('=') {
            Some((name, file)) => (name.to_owned(), file.to_owned()),
            None => (name_of(&word)?, word),
        };
        files.push((name, file));
    }
    files.sort();
    if let Some(folder) = Path::new(&out).parent() {
        fs::create_dir_all(folder)?;
    }
    let mut archive = ZipWriter::new(fs::File::create(&out)?);
    for (name, file) in files {
        archive.start_file(name, SimpleFileOptions::default())?;
        let content = fs::read(&file).map_err(|error| format!("{file}: {error}"))?;
        std::io::Write::write_all(&mut archive, &content)?;
    }
    archive.finish()?;
    Ok(())
}

fn name_of(file: &str) -> Result<String, Box<dyn Error>> {
    let name = Path::new(file).file_name().and_then(|name| name.to_str());
    Ok(name.ok_or("a file without a name")?.to_owned())
}
