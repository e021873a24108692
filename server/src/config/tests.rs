//! Settings that are read, and settings that are refused.

use super::*;
use crate::store::Place;

fn load(text: &str) -> Result<Config, ConfigError> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    Config::layered(Some(file.path()), Env::prefixed("LATCHKEY_TEST_NOTHING_"))
}

fn refusal(text: &str) -> String {
    load(text).unwrap_err().to_string()
}

#[test]
fn the_defaults_are_good() {
    let config = load("").unwrap();
    assert_eq!(config.windows().late, 30_000);
    assert_eq!(config.lifetimes().default, 8 * 3_600_000);
    assert_eq!(config.store_place().unwrap(), Place::Sqlite("latchkey-data/latchkey.db".into()));
}

#[test]
fn unknown_names_are_refused_by_name() {
    assert!(refusal("lisen = 1").contains("lisen"));
    assert!(refusal("[keys]\nidle_limt = \"1m\"").contains("idle_limt"));
}

#[test]
fn deadlines_that_would_refuse_honest_clients_are_refused() {
    assert!(refusal("[keys]\nclient_deadline = \"31s\"").contains("keys.late_window"));
    assert!(refusal("[keys]\nrotate_after = \"20s\"").contains("keys.rotate_after"));
    assert!(refusal("[keys]\nidle_limit = \"0s\"").contains("keys.idle_limit"));
    assert!(load("[keys]\nrotate_after = \"20001ms\"").is_ok());
}

#[test]
fn each_bad_value_is_named() {
    for (text, name) in [
        ("[keys]\nlate_window = 30", "late_window"),
        ("[keys]\nstart_limit = \"2h\"", "start_limit"),
        ("[keys]\nlifetime = \"0s\"", "lifetime"),
        ("[limits]\nper_second = 0", "per_second"),
        ("[limits]\nuser_burst = 1", "limits.user_per_second"),
        ("protocols = [\"jsn\"]", "json"),
        ("[legacy]\nflash_domains = [\"*\"]", "legacy.flash_domains[0]"),
        ("functions = [\"logs\"]", "functions[0]"),
        ("networks = [\"10.0.0.1/8\"]", "10.0.0.0/8"),
        ("[tls]\nkey = \"key.pem\"", "tls.certificate"),
        ("[capabilities]\npupil = []", "capabilities.pupil"),
        ("public_url = \"https://a.example/x\"", "public_url"),
        ("listen = \"nowhere\"", "listen"),
        ("drain = 5", "drain"),
        ("threads = 1025", "threads"),
        ("threads = -1", "threads"),
        // Its log is one chain.
        ("[store]\nkeep_log = 3", "store.keep_log"),
        ("[metrics]\nlisten = \"9464\"", "metrics.listen"),
        ("[tracing]\notlp = \"127.0.0.1:4318\"", "tracing.otlp"),
        ("[tracing]\notlp = \"https://collector.example\"", "tracing.otlp"),
        ("[tracing]\notlp = \"http://ada:secret@collector.example\"", "tracing.otlp"),
        ("[[hosts]]\nid = \"a\"\nsecrets = []\nopaque_origins = \"yes\"", "opaque_origins"),
        ("[[hosts]]\nid = \"a b\"\nsecrets = []", "hosts[0].id"),
        ("[[hosts]]\nid = \"a\"\nsecrets = []", "hosts[0].secrets"),
        (
            "[[hosts]]\nid = \"a\"\nsecrets = [{ number = 1, secret = \"c2hvcnQ\" }]",
            "hosts[0].secrets",
        ),
    ] {
        assert!(refusal(text).contains(name), "{text}: {}", refusal(text));
    }
}

#[test]
fn a_core_is_left_to_the_store() {
    let threads = |text: &str, cores| load(text).unwrap().threads_on(cores);
    assert_eq!([1, 2, 3, 16].map(|cores| threads("", cores)), [1, 1, 2, 15]);
    assert_eq!([1, 2, 16].map(|cores| threads("threads = 5", cores)), [5, 5, 5]);
}

#[test]
fn secrets_are_not_shown() {
    let secret = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE";
    let text =
        format!("[[hosts]]\nid = \"a\"\nsecrets = [{{ number = 1, secret = \"{secret}\" }}]");
    assert!(!format!("{:?}", load(&text).unwrap()).contains(secret));
}

#[test]
fn refusals_do_not_quote_secrets() {
    let secret = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE";
    for (secrets, place) in [
        (format!("secrets = \"{secret}\""), "secrets"),
        (format!("secrets = [{{ number = \"{secret}\", secret = \"x\" }}]"), "number"),
        (format!("secrets = [{{ number = 1 secret = \"{secret}\" }}]"), "line 3"),
    ] {
        let said = refusal(&format!("[[hosts]]\nid = \"a\"\n{secrets}"));
        assert!(!said.contains(secret) && said.contains(place), "{said}");
    }
}

#[test]
fn what_is_shown_can_be_read_back_but_for_the_secrets() {
    let secret = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("latchkey.toml");
    let text = format!(
        "networks = [\"10.\"]\n[keys]\nidle_limit = \"7m\"\n[[hosts]]\nid = \"a\"\n\
         secrets = [{{ number = 1, secret = \"{secret}\" }}]"
    );
    std::fs::write(&file, text).unwrap();
    let mut config = Config::load(Some(&file)).unwrap();
    config.data = "elsewhere".into();
    let shown = config.shown(Some(&file)).unwrap();
    assert!(!shown.contains(secret) && shown.contains("(hidden)"), "{shown}");
    let again = load(&shown.replace("(hidden)", secret)).unwrap();
    assert_eq!(again.keys.idle_limit, Duration::from_secs(420));
    assert_eq!((again.networks, again.data), (vec!["10.".to_owned()], "elsewhere".into()));
}

#[test]
fn what_needs_a_restart_is_named() {
    let old = load("").unwrap();
    let new =
        load("listen = \"127.0.0.1:1\"\n[log]\nlevel = \"debug\"\n[keys]\nper_user = 1").unwrap();
    assert_eq!(old.needs_restart(&new), ["listen", "log.level"]);
    assert!(old.needs_restart(&old).is_empty());
}

#[test]
fn other_databases_are_named() {
    let config = load("[store]\nurl = \"mysql://x\"").unwrap();
    assert!(config.store_place().unwrap_err().to_string().contains("store.url"));
}
