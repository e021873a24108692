//! Sets 40,000 users in one signed request, and prints how long that took and how much memory it needed above
//! what the idle server takes. `cargo run --release -p latchkey-server --example directory [ndjson]`
#![expect(clippy::print_stdout, reason = "it prints what it measures")]

use latchkey_protocol::mac::Signer;
use latchkey_server::Latchkey;
use latchkey_server::clock::{Clock, Entropy, SystemClock};
use latchkey_server::config::{Config, HostConfig};
use latchkey_server::host::client::{HostRequest, Signature, send};
use std::error::Error;
use std::fmt::Write;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;

const USERS: usize = 40_000;
const SECRET: &str = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE";

/// A figure of this process in KiB, by its name in `/proc/self/status`.
fn memory(name: &str) -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).ok_or("no such figure")?;
    Ok(line.trim_matches(|c: char| !c.is_ascii_digit()).parse()?)
}

fn body(lines: bool) -> String {
    let mut text = String::from(if lines { "" } else { "{\"users\":[" });
    for n in 0..USERS {
        let (before, behind) = match (lines, n) {
            (true, _) => ("", "\n"),
            (false, 0) => ("", ""),
            (false, _) => (",", ""),
        };
        let _ = write!(
            text,
            "{before}{{\"id\":\"user-{n}\",\"username\":\"login{n}\",\"email\":\"student.{n}@school.example\",\
             \"idnumber\":\"CS{n:07}\",\"name\":\"Student Number {n}\"}}{behind}"
        );
    }
    text.push_str(if lines { "" } else { "]}" });
    text
}

fn main() -> Result<(), Box<dyn Error>> {
    let lines = std::env::args().nth(1).is_some_and(|word| word == "ndjson");
    // The sender is a process of its own: what is measured is the server's memory alone.
    if let Some(address) = std::env::args().nth(2) {
        return client(lines, &address);
    }
    let folder = std::env::temp_dir().join(format!("latchkey-directory-{}", std::process::id()));
    let measured = measure(lines, folder.clone());
    std::fs::remove_dir_all(folder)?;
    measured
}

fn measure(lines: bool, folder: PathBuf) -> Result<(), Box<dyn Error>> {
    let mut config = Config::load(None)?;
    config.data = folder;
    config.hosts = vec![HostConfig::new("school", SECRET)];
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = format!("http://{}", listener.local_addr()?);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let _inside = runtime.enter();
    let latchkey = Latchkey::open(&config)?;
    runtime.spawn(latchkey_server::serve_opened(
        listener,
        Arc::clone(&latchkey),
        std::future::pending(),
    ));
    let idle = memory("VmRSS:")?;
    let kind = if lines { "ndjson" } else { "json" };
    for round in ["created", "unchanged"] {
        let mut sender = std::process::Command::new(std::env::current_exe()?);
        if !sender.args([kind, &address]).status()?.success() {
            return Err("the sender failed".into());
        }
        let (peak, now) = (memory("VmHWM:")?, memory("VmRSS:")?);
        println!(
            "{round}: idle {idle} KiB, peak {peak} KiB ({} KiB above), now {now} KiB",
            peak.saturating_sub(idle)
        );
    }
    Ok(())
}

fn client(lines: bool, address: &str) -> Result<(), Box<dyn Error>> {
    let kind = if lines { "application/x-ndjson" } else { "application/json" };
    let body = body(lines);
    let secret = latchkey_server::config::secret_bytes(SECRET).ok_or("no secret")?;
    let (secret, bytes) = (Signer::new(&secret), body.len());
    let request = HostRequest { method: "POST", target: "/host/v1/users", kind, body: body.into() };
    let nonce: String =
        Entropy::System.bytes::<16>().iter().map(|byte| format!("{byte:02x}")).collect();
    let by = Signature { host: "school", secret: &secret, now: SystemClock.now(), nonce: &nonce };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let begun = SystemClock.now();
    let (status, answer) = runtime.block_on(send(address, request, &by))?;
    let took = SystemClock.now() - begun;
    let answer: serde_json::Value = serde_json::from_slice(&answer)?;
    let items = answer["result"]["items"].as_array().ok_or("no items")?;
    let done = items.iter().filter(|item| item["outcome"] != "failed").count();
    println!(
        "{bytes} bytes of {kind}: status {status}, {done} of {} done in {took} ms",
        items.len()
    );
    Ok(())
}
