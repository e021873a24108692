//! Pages with Flash movies as old sites had them, and the real Ruffle. Movies are compiled as they are asked for.

use super::host::{Host, LoggedIn, NONCE};
use super::world::World;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use latchkey_server::embed::{Block, page_headers};
use rascal::{CompileOptions, ProgramBuilder, SourceProvider, SwfOptions};
use std::sync::Arc;

/// Movies by their names.
const MOVIES: [(&str, &str); 7] = [
    ("loop", include_str!("films/loop.as")),
    ("timeline", include_str!("films/timeline.as")),
    ("refused", include_str!("films/refused.as")),
    ("bridged", include_str!("films/bridged.as")),
    ("asks", include_str!("films/asks.as")),
    ("called", include_str!("films/called.as")),
    ("lesson", include_str!("films/lesson.as")),
];

struct Source(&'static str);

impl SourceProvider for Source {
    fn load(&self, path: &str) -> Result<String, std::io::Error> {
        match path {
            "movie.as" => Ok(self.0.to_owned()),
            _ => Err(std::io::ErrorKind::NotFound.into()),
        }
    }

    fn is_file(&self, path: &str) -> bool {
        path == "movie.as"
    }
}

/// Addresses of the school's.
pub(super) fn routes() -> Router<Arc<Host>> {
    Router::new()
        .route("/film/{name}", get(page))
        .route("/film/{name}/framed", get(framed))
        .route("/inside/{name}", get(inside))
        .route("/movie/{name}", get(movie))
        .route("/ruffle/{file}", get(ruffle))
}

async fn movie(Path(name): Path<String>) -> Response {
    let Some((_, source)) = MOVIES.iter().find(|(known, _)| *known == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let options = CompileOptions::default().with_swf_version(8);
    let mut builder = ProgramBuilder::new(Source(source)).with_compile_options(options);
    builder.add_script("movie.as");
    let program = builder.build().unwrap_or_else(|error| panic!("{}", error.to_string_plain()));
    let bytes = program.compile().to_swf(&SwfOptions::default()).unwrap();
    let headers = [
        (header::CONTENT_TYPE, "application/x-shockwave-flash"),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    ];
    (headers, bytes).into_response()
}

async fn ruffle(Path(file): Path<String>) -> Response {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../demo/node_modules/@ruffle-rs/ruffle");
    let Ok(content) = tokio::fs::read(format!("{folder}/{file}")).await else {
        return (StatusCode::NOT_FOUND, "fetch it first: cargo xtask web").into_response();
    };
    let kind = if file.ends_with(".wasm") { "application/wasm" } else { "text/javascript" };
    let headers = [(header::CONTENT_TYPE, kind), (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")];
    (headers, content).into_response()
}

fn object(host: &Host, name: &str, variables: &str) -> String {
    let site = &host.site;
    format!(
        "<object type='application/x-shockwave-flash' data='{site}/movie/{name}' width=300 height=200>
           <param name=movie value='{site}/movie/{name}'>
           <param name=allowScriptAccess value=always>
           <param name=FlashVars value='{variables}'>
         </object>"
    )
}

/// The player. A browser that nobody has touched lets nothing with sound begin by itself, unless the page says so.
fn player(host: &Host) -> String {
    let site = &host.site;
    format!(
        "<script nonce={NONCE}>window.RufflePlayer = {{ config: {{ autoplay: 'on', unmuteOverlay: 'hidden' }} }}</script>
         <script src='{site}/ruffle/ruffle.js'></script>"
    )
}

/// What a movie is given by its page: its key under the names that it knows.
fn variables(host: &Host, name: &str, token: &str) -> String {
    let endpoint = host.endpoint.as_ref().unwrap_or(&host.site);
    match name {
        "lesson" => format!("aicc_sid={token}&amp;aicc_url={endpoint}/legacy/v1/hacp"),
        _ => format!("key={token}&amp;endpoint={endpoint}"),
    }
}

fn guarded(name: &str, endpoint: Option<&str>) -> HeaderMap {
    let mut headers = page_headers(NONCE, endpoint).unwrap();
    let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    let policy = policy.replace("script-src ", "script-src 'wasm-unsafe-eval' ");
    // The player brings its own style, and knows no nonce.
    let strict = format!("style-src 'self' 'nonce-{NONCE}'");
    let policy = policy.replace(&strict, "style-src 'self' 'unsafe-inline'");
    // The browser looks at the movie itself before the player takes its place.
    let policy = policy.replace("object-src 'none'", "object-src 'self'");
    // A movie that calls by name has the player evaluate.
    let policy = match name {
        "called" => policy.replace("script-src ", "script-src 'unsafe-eval' "),
        _ => policy,
    };
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_str(&policy).unwrap());
    headers
}

/// A page with a movie. One whose movie speaks to it has the key in its block; all others hand theirs to the movie.
async fn page(
    State(host): State<Arc<Host>>,
    Path(name): Path<String>,
    LoggedIn { session, user }: LoggedIn,
) -> Response {
    let token = host.launch(&session, &user, &name);
    let endpoint = host.endpoint.as_deref();
    let body = if ["bridged", "called"].contains(&&*name) {
        let renew = format!("/renew/{name}");
        let block = Block { token: &token, endpoint, renew: Some(&renew) }.html().unwrap();
        let sdk = endpoint.unwrap_or_default();
        let one_tag = format!("<script type=module src='{sdk}/sdk/legacy/flash-page.js'></script>");
        format!("{block}{}{}{one_tag}", object(&host, &name, ""), player(&host))
    } else {
        object(&host, &name, &variables(&host, &name, &token)) + &player(&host)
    };
    let page = format!(
        "<!doctype html><meta charset=utf-8><title>{name}</title><link rel=icon href=data:,>{body}"
    );
    (guarded(&name, endpoint), Html(page)).into_response()
}

/// The same in a frame without an origin.
async fn framed(
    State(host): State<Arc<Host>>,
    Path(name): Path<String>,
    LoggedIn { session, user }: LoggedIn,
) -> Response {
    let token = host.launch(&session, &user, &name);
    let page = format!(
        "<!doctype html><meta charset=utf-8><title>{name}</title><link rel=icon href=data:,>
         <iframe sandbox='allow-scripts' src='/inside/{name}#{token}' width=400 height=300 title=Movie></iframe>"
    );
    Html(page).into_response()
}

/// What stands in the frame. Its movie may do what the page around must never allow: `ExternalInterface.call`.
async fn inside(State(host): State<Arc<Host>>, Path(name): Path<String>) -> Response {
    let (site, api) = (&host.site, host.endpoint.as_ref().unwrap_or(&host.site));
    let policy = format!(
        "sandbox allow-scripts; default-src {site}; connect-src {site} {api}; style-src 'unsafe-inline'; \
         img-src data: blob:; script-src {site} {api} 'unsafe-inline' 'unsafe-eval' 'wasm-unsafe-eval'"
    );
    let page = format!(
        "<!doctype html><meta charset=utf-8><title>Inside</title><div id=stage></div>
         <script>
           const key = location.hash.slice(1);
           document.getElementById('stage').innerHTML = `{}`.replace('KEY', key);
         </script>{}",
        object(&host, &name, &variables(&host, &name, "KEY")),
        player(&host)
    );
    ([(header::CONTENT_SECURITY_POLICY, policy)], Html(page)).into_response()
}

impl World {
    /// Keys of this world may be used in frames without an origin too.
    pub(crate) fn for_movies(&self) {
        let origins = vec![self.host.site.clone(), "null".into()];
        self.host.launches_with(move |claims| {
            claims.origins = Some(origins.clone());
            claims.functions =
                Some(["log", "grade", "recent", "state"].map(str::to_owned).to_vec());
        });
    }
}
