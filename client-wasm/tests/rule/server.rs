//! The far end: real tokens, the real rule of acceptance, ids that dedupe, the functions.

use latchkey_protocol::launch::LaunchClaims;
use latchkey_protocol::mac::Signer;
use latchkey_protocol::token::{KeyId, LAUNCH_BRANCH, Sealed, Token};
use latchkey_server::keys::decide::{
    Decision, Launch, Presented, Renewal, Row, Start, Windows, decide, start,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The windows of a server with default settings.
pub(crate) const WINDOWS: Windows =
    Windows { late: 30_000, rotate_after: 30_000, idle: 1_800_000, client_deadline: 20_000 };

pub(crate) struct Server {
    pub(crate) rows: BTreeMap<KeyId, Row>,
    launches: BTreeMap<String, LaunchClaims>,
    /// What is stored, by user, function and id: the content, and how often it arrived.
    pub(crate) stored: BTreeMap<(String, String, String), (String, u32)>,
    /// Names of all decisions.
    pub(crate) decisions: BTreeSet<&'static str>,
    /// Decisions by which the table ended a key.
    pub(crate) refusals: Vec<&'static str>,
    pub(crate) requests: u32,
    next: u8,
    branches: u64,
    tokens: Signer,
    host: Signer,
}

impl Server {
    pub(crate) fn new() -> Self {
        Self {
            rows: BTreeMap::new(),
            launches: BTreeMap::new(),
            stored: BTreeMap::new(),
            decisions: BTreeSet::new(),
            refusals: Vec::new(),
            requests: 0,
            next: 0,
            branches: 0,
            tokens: Signer::for_tokens(&[7; 32], "simulated"),
            host: Signer::new(&[8; 32]),
        }
    }

    /// A launch token, as a host mints it.
    pub(crate) fn launch(&mut self, user: &str, now: i64) -> String {
        self.next += 1;
        self.launch_of(user, [self.next; 16], now)
    }

    /// One for a certain key.
    pub(crate) fn launch_with(&mut self, key: [u8; 16], now: i64) -> String {
        self.launch_of("ada", key, now)
    }

    fn launch_of(&mut self, user: &str, key: [u8; 16], now: i64) -> String {
        let mut claims = LaunchClaims::new("school", user, "quiz", KeyId(key), now / 1000);
        claims.functions = Some(["log", "grade", "recent", "state"].map(str::to_owned).into());
        let text = claims.sign(1, &self.host).unwrap();
        self.launches.insert(text.clone(), claims);
        text
    }

    /// The page's renewal address: ends the key that is replaced.
    pub(crate) fn renew(&mut self, body: &str, now: i64) -> (u16, String) {
        let body: Value = serde_json::from_str(body).unwrap();
        let (id, presented, _) = self.read(body["token"].as_str().unwrap());
        assert!(presented.generation < u32::MAX);
        if let Some(row) = self.rows.get_mut(&id) {
            row.revoked = true;
        }
        let user = self.user(id);
        let token = self.launch(&user, now);
        (200, json!({"status": "ok", "token": token}).to_string())
    }

    fn user(&self, id: KeyId) -> String {
        let found = self.launches.values().find(|claims| claims.key_id() == Some(id));
        found.unwrap().sub.clone()
    }

    fn read(&self, token: &str) -> (KeyId, Presented, Option<Launch>) {
        if let Some(claims) = self.launches.get(token) {
            let stamped_at = claims.iat * 1000;
            let presented = Presented { generation: 0, branch: LAUNCH_BRANCH, stamped_at };
            let key_exp = stamped_at + 8 * 3_600_000;
            let first_use_until = claims.exp * 1000;
            let launch = Launch { first_use_until, key_exp, rotating: true };
            return (claims.key_id().unwrap(), presented, Some(launch));
        }
        let token = Sealed::parse(token).unwrap().open(&self.tokens).unwrap();
        let Token { generation, branch, issued_at, .. } = token;
        let stamped_at = i64::from(issued_at) * 1000;
        (token.key_id, Presented { generation, branch, stamped_at }, None)
    }

    /// Takes a batch; gives status and body.
    pub(crate) fn handle(&mut self, token: &str, body: &str, now: i64) -> (u16, String) {
        self.requests += 1;
        let body: Value = serde_json::from_str(body).unwrap();
        assert!(body["token"].is_null() || body["token"] == token);
        let (id, presented, launch) = self.read(token);
        let row = match self.rows.get(&id) {
            Some(row) => *row,
            None => match start(launch.as_ref(), now) {
                Start::Insert(row) => {
                    self.decisions.insert("start");
                    row
                }
                other => return self.refused(other.name(), now),
            },
        };
        let decision = decide(&row, &presented, &WINDOWS, now);
        self.decisions.insert(decision.name());
        let row = decision.advance().map_or(row, |advance| advance.apply(&row));
        self.rows.insert(id, Row { revoked: row.revoked || decision.revokes(), ..row });
        if decision.revokes() {
            self.refusals.push(decision.name());
        }
        if !decision.runs() {
            return self.refused(decision.name(), now);
        }
        let user = self.user(id);
        let calls = body["calls"].as_array().unwrap();
        let outcomes: Vec<Value> = calls.iter().map(|call| self.run(call, &user)).collect();
        let state = if decision == Decision::Late { "late" } else { "current" };
        let mut object = json!({
            "status": "ok", "result": {"calls": outcomes}, "server_time": time(now), "request_id": "r",
            "key": {"state": state, "expires_at": time(now)},
        });
        if let Some(renewal) = decision.renewal() {
            object["token"] = self.renewed(id, &row, renewal, now).into();
        }
        (200, object.to_string())
    }

    fn renewed(&mut self, key_id: KeyId, row: &Row, renewal: Renewal, now: i64) -> String {
        let (generation, branch) = match renewal {
            Renewal::Restamp => (row.hi, row.branch),
            Renewal::Offer => {
                self.branches += 1;
                (row.hi + 1, self.branches.to_be_bytes())
            }
        };
        let issued_at = u32::try_from(now / 1000).unwrap();
        Token { mac_key: 1, key_id, generation, branch, issued_at }.seal(&self.tokens)
    }

    fn refused(&self, decision: &'static str, now: i64) -> (u16, String) {
        assert!(["dead", "stale", "fork"].contains(&decision));
        let error = json!({"code": "key_renew", "message": "Renew.", "retryable": false});
        let object =
            json!({"status": "error", "error": error, "server_time": time(now), "request_id": "r"});
        (401, object.to_string())
    }

    fn run(&mut self, call: &Value, user: &str) -> Value {
        let (id, args) = (&call["id"], &call["args"]);
        match call["function"].as_str().unwrap() {
            "log" => {
                let entries = args["entries"].as_array().unwrap();
                for entry in entries {
                    self.store(user, "log", &entry["id"], entry);
                }
                let ids: Vec<_> = entries.iter().map(|entry| entry["id"].clone()).collect();
                json!({"status": "ok", "result": {"accepted": ids.len(), "ids": ids}})
            }
            "grade" if args["score"].as_f64().is_some_and(|score| score <= 10.0) => {
                self.store(user, "grade", id, args);
                json!({"id": id, "status": "ok", "result": {"score": args["score"]}})
            }
            "grade" => {
                let error = json!({"code": "score_above_max", "message": "Too much.",
                    "field": "score", "retryable": false});
                json!({"id": id, "status": "failed", "error": error})
            }
            "state" if args["op"] == "put" => {
                self.store(user, "state", id, args);
                json!({"id": id, "status": "ok", "result": {"name": "state", "version": 1}})
            }
            "state" if args["if_version"] == 0 => {
                let error = json!({"code": "version_conflict", "message": "Meanwhile.", "field": "if_version",
                    "retryable": false, "current": {"version": 3, "value": {"page": 9}}});
                json!({"id": id, "status": "failed", "error": error})
            }
            other => {
                assert!(
                    other == "recent" || (other == "state" && args["op"] == "get" && id.is_null())
                );
                json!({"status": "ok", "result": {"items": [], "next": null}})
            }
        }
    }

    fn store(&mut self, user: &str, function: &str, id: &Value, content: &Value) {
        let name = (user.to_owned(), function.to_owned(), id.as_str().unwrap().to_owned());
        let content = content.to_string();
        let (known, times) = self.stored.entry(name).or_insert_with(|| (content.clone(), 0));
        assert_eq!(*known, content, "an id was used for two contents");
        *times += 1;
    }

    /// Ids of what is stored.
    pub(crate) fn ids(&self) -> BTreeSet<String> {
        self.stored.keys().map(|(_, _, id)| id.clone()).collect()
    }
}

fn time(now: i64) -> String {
    latchkey_server::instant::format(now)
}
