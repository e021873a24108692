//! `cargo xtask test api`: Schemathesis makes requests from the description of every address, good and
//! bad, and holds the answers of a real server against it.

use crate::run::{Outcome, cargo, root, show};
use crate::tools;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Requests made for each operation, and the seed of all of them.
const EXAMPLES: &str = "25";
const SEED: &str = "1";
/// Of a host that exists for this step only, on this machine only.
const SECRET: &str = "dGhlIGhvc3Qgb2YgdGhlIHN0ZXAgYXBpIGFsb25lLi4";

/// Runs it for what keys call and for what hosts call.
pub(crate) fn api() -> Outcome {
    let schemathesis = tools::schemathesis()?;
    cargo(&["build", "-p", "latchkey-server", "--locked"])?;
    let server = Server::start()?;
    let token = server.mint()?;
    server.name_what_there_is(&token)?;
    let callers = [("^/(v1/|healthz|readyz)", token.as_str()), ("^/host/", SECRET)];
    for (paths, secret) in callers {
        let mut run = Command::new(&schemathesis);
        run.args(["run", "--no-color", "--generation-deterministic", "--seed", SEED])
            .args(["--max-examples", EXAMPLES, "--phases", "examples,coverage,fuzzing"])
            .args(["--checks", CHECKS, "--include-path-regex", paths])
            .args(["--header", &format!("Authorization: Bearer {secret}")])
            .arg(format!("{}/openapi.json", server.url))
            .current_dir(&server.folder);
        show(&mut run, &format!("schemathesis run, addresses {paths}"))?;
    }
    Ok(())
}

/// No answer is a fault of the server's, and each has a status, a type and a shape that are described.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance";

/// A server in a folder of its own; ended when this goes.
struct Server {
    child: Child,
    url: String,
    folder: PathBuf,
}

impl Server {
    fn start() -> Result<Self, String> {
        let folder = root().join("target/api");
        let told = |error: std::io::Error| format!("{}: {error}", folder.display());
        if folder.exists() {
            std::fs::remove_dir_all(&folder).map_err(told)?;
        }
        std::fs::create_dir_all(&folder).map_err(told)?;
        let settings = format!(
            "[limits]\nburst = 0\nrequests_burst = 0\n[[hosts]]\nid = \"school\"\n\
             secrets = [{{ number = 1, secret = \"{SECRET}\" }}]\nbearer = true\n\
             [[hosts.webhooks]]\nid = \"w1\"\nurl = \"https://school.example/latchkey\"\n\
             events = [\"grade.changed\"]\nsecret = \"whsec_{SECRET}=\"\n"
        );
        std::fs::write(folder.join("latchkey.toml"), settings).map_err(told)?;
        let log = std::fs::File::create(folder.join("log.txt")).map_err(told)?;
        let mut command = latchkey(&["serve"], &folder);
        command.args(["--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().map_err(told)?;
        let mut line = String::new();
        let stdout = child.stdout.take().ok_or("the server has no output")?;
        let mut server = Self { child, url: String::new(), folder: folder.clone() };
        BufReader::new(stdout).read_line(&mut line).map_err(told)?;
        match line.trim().strip_prefix("listening on ") {
            Some(url) => server.url = url.to_owned(),
            None => return Err(format!("the server does not start: {}/log.txt", folder.display())),
        }
        Ok(server)
    }

    /// Hands in a grade, and writes down under which names things can then be found, so that not every look-up
    /// made for an address ends with nothing there.
    fn name_what_there_is(&self, token: &str) -> Outcome {
        let submission = self.submit(token)?;
        let mut call = latchkey(&["host", "call", "GET", "/host/v1/keys?user=u1"], &self.folder);
        call.args(["--server", &self.url]);
        let output = call.output().map_err(|error| format!("latchkey host call: {error}"))?;
        let key = member(&String::from_utf8_lossy(&output.stdout), "id")?;
        let known = [
            ("GET /host/v1/users/{id}", "id", "u1"),
            ("GET /host/v1/activities/{id}", "id", "a1"),
            ("POST /host/v1/activities/{id}/reset", "id", "a1"),
            ("GET /host/v1/grades/{activity}/{user}", "activity", "a1"),
            ("GET /host/v1/grades/{activity}/{user}", "user", "u1"),
            ("GET /host/v1/keys", "user", "u1"),
            ("GET /host/v1/keys/{id}", "id", &key),
            ("GET /host/v1/submissions/{id}", "id", &submission),
            ("POST /host/v1/submissions/{id}/void", "id", &submission),
            ("GET /host/v1/log/{id}", "id", &submission),
            ("GET /host/v1/webhooks/{id}", "id", "w1"),
            ("POST /host/v1/webhooks/{id}/replay", "id", "w1"),
        ];
        let text: String = known
            .iter()
            .map(|(name, member, value)| {
                format!(
                    "[[operations]]\ninclude-name = \"{name}\"\nparameters.{member} = \"{value}\"\n"
                )
            })
            .collect();
        let file = self.folder.join("schemathesis.toml");
        std::fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))
    }

    /// The number of a submission, just made.
    fn submit(&self, token: &str) -> Result<String, String> {
        let told = |error: std::io::Error| format!("{}: {error}", self.url);
        let address = self.url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).map_err(told)?;
        let body = "{\"score\":7.5,\"comment\":\"Well done.\"}";
        write!(
            stream,
            "POST /v1/grade HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
             Authorization: Bearer {token}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .map_err(told)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map_err(told)?;
        member(&answer, "submission")
    }

    /// A launch token. It stays good, since nobody presents its successor.
    fn mint(&self) -> Result<String, String> {
        let mut mint = latchkey(&["mint"], &self.folder);
        mint.args(["--host", "school", "--user", "u1", "--activity", "a1"]);
        let output = mint.output().map_err(|error| format!("latchkey mint: {error}"))?;
        if !output.status.success() {
            return Err(format!("latchkey mint: {}", String::from_utf8_lossy(&output.stderr)));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

/// The first member of that name in an answer, a text.
fn member(answer: &str, name: &str) -> Result<String, String> {
    let found =
        answer.split_once(&format!("\"{name}\":\"")).and_then(|(_, rest)| rest.split_once('"'));
    found.map(|(text, _)| text.to_owned()).ok_or_else(|| format!("no {name} in {answer}"))
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself: then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program with the step's settings and none of the machine's.
fn latchkey(command: &[&str], folder: &Path) -> Command {
    let mut program = Command::new(root().join("target/debug/latchkey"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("LATCHKEY_") {
            program.env_remove(name);
        }
    }
    program.args(command).arg("--config").arg(folder.join("latchkey.toml"));
    program.arg("--data").arg(folder.join("data"));
    program
}
