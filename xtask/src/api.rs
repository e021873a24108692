//! `cargo xtask test api`: Schemathesis makes requests from the description of every address, good and
//! bad, and holds the answers of a real server against it.

use crate::run::{Outcome, cargo, root, show};
use crate::tools;
use std::io::{BufRead, BufReader};
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
             secrets = [{{ number = 1, secret = \"{SECRET}\" }}]\nbearer = true\n"
        );
        std::fs::write(folder.join("latchkey.toml"), settings).map_err(told)?;
        let log = std::fs::File::create(folder.join("log.txt")).map_err(told)?;
        let mut command = latchkey("serve", &folder);
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

    /// A launch token. It stays good, since nobody presents its successor.
    fn mint(&self) -> Result<String, String> {
        let mut mint = latchkey("mint", &self.folder);
        mint.args(["--host", "school", "--user", "u1", "--activity", "a1"]);
        let output = mint.output().map_err(|error| format!("latchkey mint: {error}"))?;
        if !output.status.success() {
            return Err(format!("latchkey mint: {}", String::from_utf8_lossy(&output.stderr)));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself: then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program with the step's settings and none of the machine's.
fn latchkey(command: &str, folder: &Path) -> Command {
    let mut program = Command::new(root().join("target/debug/latchkey"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("LATCHKEY_") {
            program.env_remove(name);
        }
    }
    program.arg(command).arg("--config").arg(folder.join("latchkey.toml"));
    program.arg("--data").arg(folder.join("data"));
    program
}
