//! The golden messages that every client must read alike.

use latchkey_client::Notice;
use latchkey_client::rule::token::{launch, session, supersedes};
use latchkey_client::rule::{Effect, Moment, Place, Reply, Rule, Way};
use serde_json::Value;
use std::path::Path;

fn vectors(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../protocol/vectors").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn session_tokens() {
    let tokens = vectors("tokens.json");
    for vector in tokens["valid"].as_array().unwrap() {
        let token = session(vector["token"].as_str().unwrap()).unwrap();
        let key = latchkey_protocol::token::KeyId(token.key).to_string();
        assert_eq!(vector["key_id"], key);
        assert_eq!(vector["generation"], token.generation);
        assert_eq!(vector["branch"], hex(&token.branch));
        assert_eq!(vector["issued_at"], token.stamp);
    }
    for vector in tokens["invalid"].as_array().unwrap() {
        let read = session(vector["token"].as_str().unwrap());
        assert_eq!(read.is_none(), vector["visible_to_clients"] == true, "{}", vector["name"]);
    }
}

#[test]
fn launch_tokens() {
    let launches = vectors("launches.json");
    for vector in launches["valid"].as_array().unwrap() {
        let (token, claims) = launch(vector["token"].as_str().unwrap()).unwrap();
        assert_eq!((token.generation, token.branch), (0, [0; 8]));
        let told = &vector["claims"];
        assert_eq!(told["iss"], claims.iss);
        assert_eq!(told["sub"], claims.sub);
        assert_eq!(told["activity"], claims.activity);
        assert_eq!(told["iat"], claims.iat);
        assert_eq!(told["functions"].is_null(), claims.functions.is_none());
    }
    // A client has no secret and does not judge what the claims grant: it looks at the shape, and at what it needs.
    let needed = [
        "no iss",
        "no sub",
        "no activity",
        "no jti",
        "no iat",
        "jti short",
        "claims are",
        "claims empty",
    ];
    for vector in launches["invalid"].as_array().unwrap() {
        let name = vector["name"].as_str().unwrap();
        let shape = vector["why"] == "shape" && !name.contains("spare bits");
        if shape || needed.iter().any(|needed| name.starts_with(needed)) {
            assert_eq!(launch(vector["token"].as_str().unwrap()), None, "{name}");
        }
    }
}

/// What became of a log entry and a grade that were answered as the vector says.
fn judged(vector: &Value, held: &str) -> (Vec<&'static str>, &'static str, bool) {
    let moment = Moment { now: 1_800_000_001_000, visible: true, random: [0; 10] };
    let (ours, place) = (session(held).unwrap(), Place { same_origin: true, renews: true });
    let mut server = crate::server::Server::new();
    let token = server.launch_with(ours.key, moment.now);
    let mut rule = Rule::new(&token, place, moment.now).unwrap();
    let drain = |rule: &mut Rule| {
        let mut effects = Vec::new();
        while let Some(effect) = rule.effect() {
            if let Effect::Keep { id, .. } = &effect {
                rule.kept(id, true);
            }
            effects.push(effect);
        }
        effects
    };
    // First the held token, by the answer to an empty flush of one entry.
    let call = |rule: &mut Rule, name, args| rule.call(name, Some(args), &moment);
    call(&mut rule, "log", r#"{"event":"before"}"#);
    drain(&mut rule);
    rule.turn(&moment);
    drain(&mut rule);
    let text = format!(
        r#"{{"status":"ok","result":{{"calls":[{{"status":"ok","result":{{"accepted":1,"ids":["s"]}}}}]}},"token":"{held}"}}"#
    );
    rule.answered(0, &Reply { status: 200, after: 0, text }, &moment);
    assert_eq!(rule.held().text, held);
    drain(&mut rule);
    // Then the two operations; the entries' call has no id.
    let log = call(&mut rule, "log", r#"{"event":"answered"}"#);
    let grade = call(&mut rule, "grade", r#"{"score":8.5}"#);
    drain(&mut rule);
    rule.turn(&moment);
    drain(&mut rule);
    let body = vector["body"].as_str().unwrap();
    let text = body
        .replace("\"id\":\"op-1\",", "")
        .replace("\"id\": \"op-1\",", "")
        .replace("op-2", &grade);
    let status = u16::try_from(vector["http_status"].as_u64().unwrap()).unwrap();
    let reply = if status == 302 { Reply::default() } else { Reply { status, after: 0, text } };
    rule.answered(1, &reply, &moment);
    let effects = drain(&mut rule);
    let fate = |id: &String| {
        let told = effects.iter().find_map(|effect| match effect {
            Effect::Tell(Notice::Saved { ids, .. }) if ids.contains(id) => Some("done"),
            Effect::Tell(Notice::Refused { id: of, .. }) if of == id => Some("dropped"),
            _ => None,
        });
        told.unwrap_or("kept")
    };
    let renews = |effect: &Effect| matches!(effect, Effect::Send(sent) if sent.way == Way::Renewal);
    let next = if rule.ended().is_some() {
        "ended"
    } else if effects.iter().any(renews) {
        "renew"
    } else if effects.iter().any(|effect| matches!(effect, Effect::Wait { .. })) {
        "retry"
    } else {
        "done"
    };
    let adopts = rule.held().text != held;
    assert!(!adopts || supersedes(rule.held(), &session(held).unwrap()));
    (vec![fate(&log), fate(&grade)], next, adopts)
}

#[test]
fn answers() {
    let results = vectors("results.json");
    let held = results["held"].as_str().unwrap();
    for vector in results["results"].as_array().unwrap() {
        let (fates, next, adopts) = judged(vector, held);
        let name = &vector["name"];
        let expected = [&vector["operations"]["op-1"], &vector["operations"]["op-2"]];
        assert_eq!(expected, [fates[0], fates[1]], "{name}");
        let client = vector["client"].as_str().unwrap();
        match client {
            "ended" | "retry" => assert_eq!(client, next, "{name}"),
            "renew" | "renew_at_once" => assert_eq!("renew", next, "{name}"),
            _ => assert!(!["ended", "renew"].contains(&next), "{name}: {next}"),
        }
        assert_eq!(vector["adopts"], adopts, "{name}");
    }
}
