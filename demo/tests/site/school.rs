//! A site of its own for each test, and visitors with cookies.

use latchkey_demo::accounts::PASSWORD;
use latchkey_demo::{DemoError, Options, run};
use serde_json::Value;
use std::net::{SocketAddr, TcpListener};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A running site.
pub(crate) struct School {
    pub(crate) site: SocketAddr,
    pub(crate) api: SocketAddr,
    pub(crate) folder: TempDir,
    stop: oneshot::Sender<()>,
    served: JoinHandle<Result<(), DemoError>>,
}

impl School {
    pub(crate) async fn open() -> Self {
        Self::open_in(tempfile::tempdir().unwrap(), None)
    }

    /// With files in the places of those that are built and fetched beforehand.
    pub(crate) async fn open_with_built_files() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for file in [
            "target/web/lab/lab.js",
            "target/web/lab/lab_bg.wasm",
            "demo/node_modules/sql.js/dist/sql-wasm.js",
            "demo/node_modules/sql.js/dist/sql-wasm.wasm",
            "demo/node_modules/@ruffle-rs/ruffle/ruffle.js",
            "demo/node_modules/@ruffle-rs/ruffle/core.ruffle.c80159b526e567babaf5.js",
            "demo/node_modules/@ruffle-rs/ruffle/core.ruffle.f000070ea72f8ae4fe3a.js",
            "demo/node_modules/@ruffle-rs/ruffle/72a20ef1c0b8ceb37720.wasm",
            "demo/node_modules/@ruffle-rs/ruffle/826bb0938097485a2c9d.wasm",
            "demo/flash/rhone.swf",
            "demo/node_modules/scorm-again/dist/esm/scorm12.min.js",
            "demo/node_modules/scorm-again/dist/esm/scorm2004.min.js",
            "target/web/scorm/tides.zip",
            "target/web/scorm/places.zip",
        ] {
            let file = folder.path().join("built").join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, "as built").unwrap();
        }
        Self::open_in(folder, None)
    }

    fn open_in(folder: TempDir, addresses: Option<(SocketAddr, SocketAddr)>) -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let (site, api) = addresses.unwrap_or((any, any));
        let site_listener = TcpListener::bind(site).unwrap();
        let api_listener = TcpListener::bind(api).unwrap();
        let site = site_listener.local_addr().unwrap();
        let api = api_listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let options = Options {
            data: folder.path().join("data"),
            built: Some(folder.path().join("built")),
            ..Options::default()
        };
        let served = tokio::spawn(async move {
            let stopped = async move {
                let _ = stopped.await;
            };
            run(site_listener, api_listener, &options, stopped).await
        });
        Self { site, api, folder, stop, served }
    }

    /// Stops in order, and starts again on the same addresses and data.
    pub(crate) async fn restart(self) -> Self {
        self.stop.send(()).unwrap();
        self.served.await.unwrap().unwrap();
        Self::open_in(self.folder, Some((self.site, self.api)))
    }

    pub(crate) fn visitor(&self) -> Visitor {
        Visitor { site: self.site, cookie: None }
    }

    pub(crate) async fn logged_in(&self, username: &str) -> Visitor {
        let mut visitor = self.visitor();
        let answer = visitor.log_in(username, PASSWORD).await;
        assert_eq!(answer.status, 303, "{}", answer.body);
        visitor
    }

    /// Calls a function of the API with a key, as a page of the site does.
    pub(crate) async fn call(&self, function: &str, token: &str, body: &str) -> Answer {
        let headers = [
            ("Origin", format!("http://{}", self.site)),
            ("Authorization", format!("Bearer {token}")),
            ("Content-Type", "application/json".into()),
        ];
        send(self.api, "POST", &format!("/v1/{function}"), &headers, body).await
    }

    pub(crate) async fn hand_in(&self, token: &str, score: f64) -> Answer {
        let body = format!("{{\"score\":{score},\"comment\":\"Well <tried>\"}}");
        self.call("grade", token, &body).await
    }
}

/// Somebody with a browser's cookies.
pub(crate) struct Visitor {
    site: SocketAddr,
    pub(crate) cookie: Option<String>,
}

impl Visitor {
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.site)
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path, &[], "").await
    }

    /// A form sent by a page of the site.
    pub(crate) async fn form(&mut self, path: &str, body: &str) -> Answer {
        let origin = self.origin();
        self.form_from(path, body, &[("Origin", origin)]).await
    }

    pub(crate) async fn form_from(
        &mut self,
        path: &str,
        body: &str,
        from: &[(&str, String)],
    ) -> Answer {
        let mut headers = from.to_vec();
        headers.push(("Content-Type", "application/x-www-form-urlencoded".into()));
        self.send("POST", path, &headers, body).await
    }

    pub(crate) async fn log_in(&mut self, username: &str, password: &str) -> Answer {
        self.form("/login", &format!("username={username}&password={password}&next=/course")).await
    }

    /// Opens an activity; the launch token of its page.
    pub(crate) async fn launch(&mut self, activity: &str) -> String {
        let page = self.get(&format!("/activity/{activity}")).await;
        assert_eq!(page.status, 200, "{}", page.body);
        let block = page.between("data-latchkey>", "</script>");
        let block: Value = serde_json::from_str(block).unwrap();
        block["token"].as_str().unwrap().to_owned()
    }

    /// A renewal as the page's script asks for it.
    pub(crate) async fn renew(&mut self, activity: &str, token: &str) -> Answer {
        let headers = [("Sec-Fetch-Site", "same-origin".into()), ("Latchkey-Renew", "1".into())];
        self.renew_with(activity, token, &headers).await
    }

    pub(crate) async fn renew_with(
        &mut self,
        activity: &str,
        token: &str,
        headers: &[(&str, String)],
    ) -> Answer {
        let body = format!("{{\"token\":\"{token}\"}}");
        let mut headers = headers.to_vec();
        headers.push(("Content-Type", "application/json".into()));
        self.send("POST", &format!("/renew/{activity}"), &headers, &body).await
    }

    /// A package sent by a page of the site.
    pub(crate) async fn bring(&mut self, archive: &[u8], course: &str) -> Answer {
        let from = [("Origin", self.origin())];
        self.bring_from(archive, course, &from).await
    }

    pub(crate) async fn bring_from(
        &mut self,
        archive: &[u8],
        course: &str,
        from: &[(&str, String)],
    ) -> Answer {
        let head = "--edge\r\nContent-Disposition: form-data; name=\"package\"; filename=\"a.zip\"\r\n\r\n";
        let tail = format!(
            "\r\n--edge\r\nContent-Disposition: form-data; name=\"course\"\r\n\r\n{course}\r\n--edge--\r\n"
        );
        let body = [head.as_bytes(), archive, tail.as_bytes()].concat();
        let mut headers = from.to_vec();
        headers.push(("Content-Type", "multipart/form-data; boundary=edge".into()));
        self.send("POST", "/packages", &headers, body).await
    }

    async fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, String)],
        body: impl AsRef<[u8]>,
    ) -> Answer {
        let mut headers = headers.to_vec();
        headers.extend(self.cookie.iter().map(|cookie| ("Cookie", cookie.clone())));
        let answer = send(self.site, method, path, &headers, body).await;
        if let Some(set) = answer.header("set-cookie") {
            let pair = set.split(';').next().unwrap();
            self.cookie = (!pair.ends_with('=')).then(|| pair.to_owned());
        }
        answer
    }
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.body))
    }

    /// The code of a refusal.
    pub(crate) fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn between(&self, start: &str, end: &str) -> &str {
        let (_, rest) = self.body.split_once(start).unwrap_or_else(|| panic!("no {start}"));
        rest.split_once(end).unwrap().0
    }
}

/// One request on a connection of its own.
pub(crate) async fn send(
    to: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, String)],
    body: impl AsRef<[u8]>,
) -> Answer {
    let body = body.as_ref();
    let mut request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    if headers.iter().all(|(name, _)| *name != "Host") {
        request.push_str(&format!("Host: {to}\r\n"));
    }
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    if headers.iter().all(|(name, _)| *name != "Content-Length") {
        request.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    request.push_str("\r\n");
    let mut stream = TcpStream::connect(to).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    Answer { status, headers, body: body.to_owned() }
}
