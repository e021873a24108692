//! Whether migrations and queries keep to what PostgreSQL has in common with the engines that spread it over many
//! machines. What is outside, and where, stands in `docs/adr/0014-postgres-shape.md` and in [`OUTSIDE`].

use std::path::Path;

/// Something that one of the engines lacks or does badly, and the files that may use it all the same.
struct Outside {
    what: &'static str,
    /// Words in a row, as SQL is written here: keywords in capitals. A star stands for any ending.
    words: &'static [&'static str],
    but: &'static [&'static str],
}

const fn outside(
    what: &'static str,
    words: &'static [&'static str],
    but: &'static [&'static str],
) -> Outside {
    Outside { what, words, but }
}

const START: &str = "0001_start.sql";
const SCORES: &str = "0002_scores.sql";

const OUTSIDE: &[Outside] = &[
    outside("a sequence, a hot spot", &["SERIAL"], &[]),
    outside("a sequence, a hot spot", &["BIGSERIAL"], &[]),
    outside("a sequence, a hot spot", &["SEQUENCE"], &[]),
    outside("a sequence, a hot spot", &["GENERATED"], &[]),
    outside("a sequence, a hot spot", &["nextval"], &[]),
    outside("a column of the system", &["xmin"], &[]),
    outside("a column of the system", &["xmax"], &[]),
    outside("a column of the system", &["ctid"], &[]),
    outside("a column of the system", &["tableoid"], &[]),
    outside("a number of a transaction", &["txid_*"], &[]),
    outside("a number of a transaction", &["pg_current_xact_id*"], &[]),
    outside("notices", &["LISTEN"], &["notices.rs"]),
    outside("notices", &["NOTIFY"], &[]),
    outside("notices", &["pg_notify"], &["notices.rs"]),
    outside("a lock beside the rows", &["pg_advisory_*"], &["migrate.rs"]),
    outside("a lock beside the rows", &["pg_try_advisory_*"], &[]),
    outside("a lock on a table", &["LOCK", "TABLE"], &[]),
    outside("rows passed over", &["SKIP", "LOCKED"], &[]),
    outside("a lock that does not wait", &["NOWAIT"], &[]),
    outside("an exclusion", &["EXCLUDE"], &[]),
    outside("a foreign key, looked up across machines", &["REFERENCES"], &[]),
    outside("a foreign key, looked up across machines", &["FOREIGN"], &[]),
    outside("code in the database", &["TRIGGER"], &[]),
    outside("code in the database", &["FUNCTION"], &[]),
    outside("code in the database", &["PROCEDURE"], &[]),
    outside("code in the database", &["LANGUAGE"], &[]),
    outside("code in the database", &["DO", "$$"], &[]),
    outside("code in the database", &["RULE"], &[]),
    outside("a table of one session", &["TEMP"], &[]),
    outside("a table of one session", &["TEMPORARY"], &[]),
    outside("a table that a crash empties", &["UNLOGGED"], &[]),
    outside("a cursor", &["CURSOR"], &[]),
    outside("a cursor", &["DECLARE"], &[]),
    outside("a cursor", &["FETCH"], &[]),
    outside("a view that is kept", &["MATERIALIZED", "VIEW"], &[]),
    outside("an extension", &["EXTENSION"], &[]),
    outside("a type of one's own", &["CREATE", "TYPE"], &[]),
    outside("a type of one's own", &["DOMAIN"], &[]),
    outside("inheritance", &["INHERITS"], &[]),
    outside("partitions", &["PARTITION"], &[START, "months.rs"]),
    outside(
        "a table made or changed while calls are served",
        &["CREATE"],
        &[START, "migrate.rs", "months.rs", "moving.rs"],
    ),
    outside("a table made or changed while calls are served", &["ALTER"], &[SCORES]),
    outside(
        "a table made or changed while calls are served",
        &["DROP"],
        &["months.rs", "moving.rs"],
    ),
    outside("a table made or changed while calls are served", &["TRUNCATE"], &[]),
    outside("the database's clock: time is passed in", &["now", "("], &[]),
    outside("the database's clock: time is passed in", &["clock_timestamp"], &[]),
    outside("the database's clock: time is passed in", &["CURRENT_TIMESTAMP"], &[]),
    outside("the database's randomness", &["gen_random_uuid"], &[]),
    outside("the database's randomness", &["random", "("], &[]),
];

/// By which column an engine divides each table; the small ones may be copied to every machine.
const TABLES: &[(&str, Option<&str>)] = &[
    ("hosts", None),
    ("grants", None),
    ("key_places", None),
    ("web_sessions", None),
    ("schema_version", None),
    ("numbers", Some("host")),
    ("users", Some("host")),
    ("courses", Some("host")),
    ("sections", Some("host")),
    ("enrolments", Some("host")),
    ("nonces", Some("host")),
    ("host_sessions", Some("host")),
    ("webhooks", Some("host")),
    ("counters", Some("strand")),
    ("activities", Some("strand")),
    ("keys", Some("strand")),
    ("entries", Some("strand")),
    ("joins", Some("strand")),
    ("submissions", Some("strand")),
    ("standings", Some("strand")),
    ("rulings", Some("strand")),
    ("voids", Some("strand")),
    ("resets", Some("strand")),
    ("operations", Some("strand")),
    ("states", Some("strand")),
    ("outbox", Some("strand")),
    ("lanes", Some("strand")),
];

/// Walk all tables, on no call's path.
const WALKS: &[&str] = &["sweep.rs", "moving.rs", "settle.rs", "meter.rs"];

/// The words and signs of a piece of SQL, without its comments and its texts.
fn words(sql: &str) -> Vec<String> {
    let mut words = Vec::new();
    for line in sql.lines() {
        let code = line.split("--").next().unwrap_or_default();
        for (at, part) in code.split('\'').enumerate() {
            if at % 2 == 1 {
                continue;
            }
            let mut word = String::new();
            for c in part.chars().chain([' ']) {
                if c.is_alphanumeric() || "_$".contains(c) {
                    word.push(c);
                    continue;
                }
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                if !c.is_whitespace() {
                    words.push(c.to_string());
                }
            }
        }
    }
    words
}

fn fits(word: &str, pattern: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => word.starts_with(beginning),
        None => word == pattern,
    }
}

/// What is wrong with a piece of SQL in a file of that name.
fn faults(file: &str, sql: &str) -> Vec<String> {
    let words = words(sql);
    let mut faults = Vec::new();
    for rule in OUTSIDE.iter().filter(|rule| !rule.but.contains(&file)) {
        let found = words
            .windows(rule.words.len())
            .any(|row| row.iter().zip(rule.words).all(|(word, pattern)| fits(word, pattern)));
        if found {
            faults.push(format!("{} ({})", rule.what, rule.words.join(" ")));
        }
    }
    let is_query = ["SELECT", "INSERT", "UPDATE", "DELETE", "WITH"]
        .contains(&words.first().map_or("", String::as_str));
    if is_query && !WALKS.contains(&file) {
        for pair in words.windows(2) {
            let names = ["FROM", "JOIN", "INTO", "UPDATE"].contains(&&*pair[0]);
            let table = TABLES.iter().find(|(table, _)| *table == pair[1]);
            if let (true, Some((table, Some(column)))) = (names, table)
                && !words.iter().any(|word| word == column)
            {
                faults.push(format!("{table} without {column}, by which it is divided"));
            }
        }
    }
    faults
}

/// What is wrong with the tables of a migration: each of them known here, and each key beginning with its column.
fn faults_of_tables(sql: &str) -> Vec<String> {
    let words = words(sql);
    let mut faults = Vec::new();
    let mut table = None;
    for (at, word) in words.iter().enumerate() {
        let behind = |steps: usize| words.get(at + steps).map_or("", String::as_str);
        if word == "CREATE" && behind(1) == "TABLE" {
            table = TABLES.iter().find(|(name, _)| *name == behind(2));
            if table.is_none() && behind(3) != "PARTITION" {
                faults.push(format!("{} is not known to be divided", behind(2)));
            }
        }
        if word == "CREATE" && behind(1) == "UNIQUE" {
            table = TABLES.iter().find(|(name, _)| *name == behind(5));
        }
        let (key, unique) = (word == "PRIMARY" && behind(1) == "KEY", word == "UNIQUE");
        let open = match (key, unique, behind(1)) {
            (true, ..) => 2,
            (_, true, "(") => 1,
            (_, true, "INDEX") => 5,
            _ => continue,
        };
        if let Some((name, Some(column))) = table
            && (behind(open) != "(" || behind(open + 1) != *column)
            // A column that is the whole key.
            && !(key && open == 2 && behind(open) != "(" && words[..at].ends_with(&[(*column).to_owned(), "BIGINT".into()]))
        {
            faults.push(format!("a key of {name} does not begin with {column}"));
        }
    }
    faults
}

/// The texts in a Rust source, those of its tests left out.
fn texts(source: &str) -> Vec<String> {
    let source = source.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let (mut texts, mut rest) = (Vec::new(), source);
    while let Some(at) = rest.find(['"', '/', '\'']) {
        let from = &rest[at..];
        if from.starts_with("//") {
            rest = from.split_once('\n').map_or("", |(_, rest)| rest);
        } else if from.starts_with('"') {
            let (mut text, mut escaped, mut end) = (String::new(), false, from.len());
            for (at, c) in from.char_indices().skip(1) {
                match (escaped, c) {
                    (false, '"') => {
                        end = at + 1;
                        break;
                    }
                    (false, '\\') => escaped = true,
                    _ => {
                        text.push(c);
                        escaped = false;
                    }
                }
            }
            texts.push(text);
            rest = &from[end..];
        } else if from.starts_with("'\"'") || from.starts_with("'/'") {
            rest = &from[3..];
        } else {
            rest = &from[1..];
        }
    }
    texts
}

/// All files below a folder that end so, by their names.
fn files(folder: &Path, ending: &str, found: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            files(&path, ending, found);
        } else if name.ends_with(ending) && name != "subset.rs" {
            found.push((name, std::fs::read_to_string(&path).unwrap()));
        }
    }
}

#[test]
fn everything_keeps_to_the_common_subset() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut sources, mut migrations) = (Vec::new(), Vec::new());
    files(&root.join("src/store/postgres"), ".rs", &mut sources);
    files(&root.join("migrations/postgres"), ".sql", &mut migrations);
    let mut all = Vec::new();
    let mut queries = 0;
    for (name, source) in &sources {
        for text in texts(source) {
            queries +=
                usize::from(["SELECT", "INSERT", "UPDATE"].iter().any(|it| text.starts_with(it)));
            all.extend(
                faults(name, &text).into_iter().map(|fault| format!("{name}: {fault}: {text}")),
            );
        }
    }
    for (name, sql) in &migrations {
        all.extend(faults(name, sql).into_iter().map(|fault| format!("{name}: {fault}")));
        all.extend(faults_of_tables(sql).into_iter().map(|fault| format!("{name}: {fault}")));
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
    assert!(queries > 80 && !migrations.is_empty(), "the queries were not found: {queries}");
}

#[test]
fn each_fault_is_found() {
    for rule in OUTSIDE {
        let word = rule.words.join(" ").replace('*', "lock");
        for sql in [format!("SELECT {word} 1"), format!("a,{word},b"), format!("\n  {word}")] {
            let found = faults("other.rs", &sql);
            assert!(found.iter().any(|fault| fault.starts_with(rule.what)), "{sql}: {found:?}");
        }
        for file in rule.but {
            let found = faults(file, &format!("x {word} y"));
            assert!(!found.iter().any(|fault| fault.contains(&rule.words.join(" "))), "{found:?}");
        }
    }
    for sql in [
        "SELECT seq FROM entries WHERE seq = $1",
        "INSERT INTO joins (activity, user_id) VALUES ($1, $2)",
        "UPDATE keys SET revoked_at = $1 WHERE id = $2",
        "DELETE FROM nonces WHERE until < $1",
        "SELECT 1 FROM users u JOIN enrolments e ON e.user_id = u.id",
    ] {
        assert!(!faults("other.rs", sql).is_empty(), "{sql}");
        assert!(faults("sweep.rs", sql).is_empty(), "{sql}");
    }
    for sql in [
        "CREATE TABLE keys (id BIGINT PRIMARY KEY, strand BIGINT)",
        "CREATE TABLE users (host BIGINT, id BIGINT, PRIMARY KEY (id, host))",
        "CREATE TABLE users (host BIGINT, key TEXT, PRIMARY KEY (host, key), UNIQUE (key))",
        "CREATE UNIQUE INDEX users_by_name ON users (username)",
        "CREATE TABLE strange (id BIGINT)",
    ] {
        assert!(!faults_of_tables(sql).is_empty(), "{sql}");
    }
}

#[test]
fn what_is_good_is_left_alone() {
    for sql in [
        "SELECT seq FROM entries WHERE strand = $1 AND seq = $2",
        "INSERT INTO keys (strand) VALUES ($1) ON CONFLICT DO UPDATE SET x = excluded.x",
        "SELECT 'LISTEN, NEXTVAL' FROM hosts -- ALTER nothing",
        "SELECT id FROM hosts WHERE name = $1 FOR UPDATE",
        "created, dropped, listen, a fetch of nothing",
    ] {
        assert_eq!(faults("other.rs", sql), [""; 0], "{sql}");
    }
    for sql in [
        "CREATE TABLE counters (strand BIGINT PRIMARY KEY, last BIGINT)",
        "CREATE TABLE users (host BIGINT, id BIGINT, PRIMARY KEY (host, id), UNIQUE (host, key));
         CREATE UNIQUE INDEX by_name ON users (host, username)",
        "CREATE TABLE hosts (id BIGINT PRIMARY KEY, name TEXT UNIQUE)",
    ] {
        assert_eq!(faults_of_tables(sql), [""; 0], "{sql}");
    }
    let source = "let a = \"SELECT \\\"x\\\"\"; // \"no\"\nlet b = '\"'; f(\"B\");\n\
                  #[cfg(test)]\nmod tests { \"C\" }";
    assert_eq!(texts(source), ["SELECT \"x\"", "B"]);
}
