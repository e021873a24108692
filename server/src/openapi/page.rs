//! The description as a page for people. It loads nothing from anywhere.

use super::document;
use serde_json::{Map, Value};
use std::fmt::Write;
use std::sync::LazyLock;

/// The page, made once.
pub static PAGE: LazyLock<String> = LazyLock::new(|| page(&document()));

const STYLE: &str = "
:root { color-scheme: light dark; --line: #c8ccd2; --soft: #f3f4f6; --text: #1b1f24; --dim: #545b64; --back: #fff; --mark: #1f5fbf; }
@media (prefers-color-scheme: dark) {
  :root { --line: #3b424b; --soft: #1f242b; --text: #e6e9ed; --dim: #a5adb8; --back: #14181d; --mark: #7db0ff; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 1.5rem 1rem 4rem; font: 1rem/1.5 system-ui, sans-serif; color: var(--text); background: var(--back); }
a { color: var(--mark); }
h1 { margin: 0; } h2 { margin: 2.5rem 0 .5rem; border-bottom: 1px solid var(--line); }
p { margin: .5rem 0; }
details { border: 1px solid var(--line); border-radius: .4rem; margin: .5rem 0; }
summary { padding: .5rem .75rem; cursor: pointer; overflow-wrap: anywhere; }
summary:hover, pre { background: var(--soft); }
details > div { padding: .25rem .75rem .75rem; border-top: 1px solid var(--line); }
.method { display: inline-block; min-width: 4.5rem; font-weight: 700; text-transform: uppercase; color: var(--mark); }
.about { color: var(--dim); display: block; }
code, pre { font: .875rem/1.45 ui-monospace, monospace; }
pre { margin: .5rem 0; padding: .75rem; border-radius: .4rem; overflow: auto; max-height: 28rem; }
h3 { margin: 1rem 0 .25rem; font-size: 1rem; }
";

fn page(document: &Value) -> String {
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>Latchkey: addresses</title>\n\
         <style>{STYLE}</style>\n<main>\n<h1>Latchkey</h1>\n<p>{}</p>\n<p>Version {} of the wire. \
         For programs: <a href=\"/openapi.json\">openapi.json</a>.</p>\n",
        escaped(text(&document["info"]["description"])),
        escaped(text(&document["info"]["version"])),
    );
    for tag in document["tags"].as_array().into_iter().flatten() {
        let name = text(&tag["name"]);
        let _ = writeln!(
            html,
            "<h2>{}</h2>\n<p>{}</p>",
            escaped(name),
            escaped(text(&tag["description"]))
        );
        for (path, method, operation) in operations(document) {
            if operation["tags"][0] == *name {
                section(&mut html, path, method, operation);
            }
        }
    }
    html.push_str("<h2>schemas</h2>\n");
    for (name, schema) in members(&document["components"]["schemas"]) {
        let _ = writeln!(
            html,
            "<details id=\"{0}\"><summary><code>{0}</code></summary>\n<div><pre tabindex=\"0\">{1}</pre></div></details>",
            escaped(name),
            escaped(&format!("{schema:#}")),
        );
    }
    html.push_str("</main>\n");
    html
}

fn operations(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    members(&document["paths"]).flat_map(|(path, methods)| {
        members(methods).map(move |(method, operation)| (path, method, operation))
    })
}

fn section(html: &mut String, path: &str, method: &str, operation: &Value) {
    let _ = writeln!(
        html,
        "<details id=\"{}\"><summary><span class=\"method\">{}</span> <code>{}</code> \
         <span class=\"about\">{}</span></summary>\n<div>",
        escaped(text(&operation["operationId"])),
        escaped(method),
        escaped(path),
        prose(text(&operation["summary"])),
    );
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let named = parameters.filter(|parameter| parameter["name"].is_string());
    let named: Vec<_> = named
        .map(|one| {
            format!("<code>{}</code> in {}", escaped(text(&one["name"])), escaped(text(&one["in"])))
        })
        .collect();
    if !named.is_empty() {
        let _ = writeln!(html, "<h3>Parameters</h3>\n<p>{}</p>", named.join(", "));
    }
    for (title, shape) in [
        ("Body", &operation["requestBody"]["content"]["application/json"]["schema"]),
        (
            "Result",
            &operation["responses"]["200"]["content"]["application/json"]["schema"]["allOf"][1]["properties"]
                ["result"],
        ),
    ] {
        if shape.is_object() {
            let _ = writeln!(
                html,
                "<h3>{title}</h3>\n<pre tabindex=\"0\">{}</pre>",
                escaped(&format!("{shape:#}"))
            );
        }
    }
    let statuses: Vec<_> = members(&operation["responses"]).map(|(status, _)| status).collect();
    let _ = writeln!(html, "<h3>Statuses</h3>\n<p>{}</p>\n</div></details>", statuses.join(", "));
}

fn members(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let members: Option<&Map<String, Value>> = value.as_object();
    members.into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Text in which backquotes mark what is code.
fn prose(text: &str) -> String {
    let parts = escaped(text);
    let parts = parts.split('`').enumerate();
    parts
        .map(
            |(at, part)| if at % 2 == 1 { format!("<code>{part}</code>") } else { part.to_owned() },
        )
        .collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_has_its_place_and_nothing_is_loaded() {
        let document = document();
        for (path, _, operation) in operations(&document) {
            let id = format!("id=\"{}\"", text(&operation["operationId"]));
            assert_eq!(PAGE.matches(&id).count(), 1, "{path}");
        }
        assert!(!PAGE.contains("src=") && !PAGE.contains("@import") && !PAGE.contains("url("));
    }
}
