//! Files that are made or fetched before the demo runs, not compiled into it: WebAssembly and npm packages.
//! Read when they are asked for, so that the demo itself builds without them.

use crate::course::Widget;
use crate::site::{Failure, Site};
use axum::body::Body;
use axum::extract::{Path as Segment, State};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const SCRIPT: &str = "text/javascript; charset=utf-8";
const WASM: &str = "application/wasm";
const MOVIE: &str = "application/x-shockwave-flash";
const ZIP: &str = "application/zip";

/// A file that pages may load: its name under `/built/`, who needs it, where it lies, its type.
struct File {
    name: &'static str,
    widget: Widget,
    lies: &'static str,
    kind: &'static str,
}

const FILES: [File; 14] = [
    File { name: "lab.js", widget: Widget::Lab, lies: "target/web/lab/lab.js", kind: SCRIPT },
    File {
        name: "lab_bg.wasm",
        widget: Widget::Lab,
        lies: "target/web/lab/lab_bg.wasm",
        kind: WASM,
    },
    File {
        name: "sql-wasm.js",
        widget: Widget::Query,
        lies: "demo/node_modules/sql.js/dist/sql-wasm.js",
        kind: SCRIPT,
    },
    File {
        name: "sql-wasm.wasm",
        widget: Widget::Query,
        lies: "demo/node_modules/sql.js/dist/sql-wasm.wasm",
        kind: WASM,
    },
    // The player loads its parts by these names, which change with its version.
    File {
        name: "ruffle.js",
        widget: Widget::Film,
        lies: "demo/node_modules/@ruffle-rs/ruffle/ruffle.js",
        kind: SCRIPT,
    },
    File {
        name: "core.ruffle.c80159b526e567babaf5.js",
        widget: Widget::Film,
        lies: "demo/node_modules/@ruffle-rs/ruffle/core.ruffle.c80159b526e567babaf5.js",
        kind: SCRIPT,
    },
    File {
        name: "core.ruffle.f000070ea72f8ae4fe3a.js",
        widget: Widget::Film,
        lies: "demo/node_modules/@ruffle-rs/ruffle/core.ruffle.f000070ea72f8ae4fe3a.js",
        kind: SCRIPT,
    },
    File {
        name: "72a20ef1c0b8ceb37720.wasm",
        widget: Widget::Film,
        lies: "demo/node_modules/@ruffle-rs/ruffle/72a20ef1c0b8ceb37720.wasm",
        kind: WASM,
    },
    File {
        name: "826bb0938097485a2c9d.wasm",
        widget: Widget::Film,
        lies: "demo/node_modules/@ruffle-rs/ruffle/826bb0938097485a2c9d.wasm",
        kind: WASM,
    },
    File { name: "rhone.swf", widget: Widget::Film, lies: "demo/flash/rhone.swf", kind: MOVIE },
    File {
        name: "scorm12.js",
        widget: Widget::Scorm,
        lies: "demo/node_modules/scorm-again/dist/esm/scorm12.min.js",
        kind: SCRIPT,
    },
    File {
        name: "scorm2004.js",
        widget: Widget::Scorm,
        lies: "demo/node_modules/scorm-again/dist/esm/scorm2004.min.js",
        kind: SCRIPT,
    },
    File {
        name: "tides.zip",
        widget: Widget::Scorm,
        lies: "target/web/scorm/tides.zip",
        kind: ZIP,
    },
    File {
        name: "places.zip",
        widget: Widget::Scorm,
        lies: "target/web/scorm/places.zip",
        kind: ZIP,
    },
];

/// The folder below which everything lies.
#[derive(Debug)]
pub(crate) struct Built(pub(crate) PathBuf);

impl Built {
    /// Of that folder; the repository this was compiled in without.
    pub(crate) fn below(folder: Option<PathBuf>) -> Self {
        let own = || Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        Self(folder.unwrap_or_else(own))
    }

    /// Where the package of an activity lies that comes with the demo.
    pub(crate) fn package(&self, activity: &str) -> Option<PathBuf> {
        let name = format!("{activity}.zip");
        FILES.iter().find(|file| file.name == name).map(|file| self.0.join(file.lies))
    }

    /// Whether all is there that a widget needs.
    pub(crate) async fn ready(&self, widget: Widget) -> Result<(), Failure> {
        // Both kinds of movies are played alike.
        let widget = if widget.is_movie() { Widget::Film } else { widget };
        for file in FILES.iter().filter(|file| file.widget == widget) {
            let path = self.0.join(file.lies);
            if !tokio::fs::try_exists(&path).await.unwrap_or(false) {
                return Err(Failure::NotBuilt(path));
            }
        }
        Ok(())
    }
}

/// One file.
pub(crate) async fn file(
    State(site): State<Arc<Site>>,
    Segment(name): Segment<String>,
    headers: HeaderMap,
) -> Result<Response<Body>, Failure> {
    let file = FILES.iter().find(|file| file.name == name).ok_or(Failure::NotFound)?;
    let path = site.built.0.join(file.lies);
    let content = tokio::fs::read(&path).await.map_err(|_| Failure::NotBuilt(path))?;
    let hash: String =
        Sha256::digest(&content)[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    let tag =
        HeaderValue::from_str(&format!("\"{hash}\"")).unwrap_or(HeaderValue::from_static("\"0\""));
    let known = headers.get(header::IF_NONE_MATCH) == Some(&tag);
    let mut response = Response::new(Body::from(if known { Vec::new() } else { content }));
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let answer = response.headers_mut();
    answer.insert(header::ETAG, tag);
    answer.insert(header::CONTENT_TYPE, HeaderValue::from_static(file.kind));
    let revalidated = HeaderValue::from_static("public, max-age=0, must-revalidate");
    answer.insert(header::CACHE_CONTROL, revalidated);
    Ok(response)
}
