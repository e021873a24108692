//! `imsmanifest.xml`: what a package says of itself, in the words of SCORM 1.2 and of 2004. Tools write it in many
//! ways: prefixes and capitals are looked over, and what is optional may be missing.

use crate::PackageError;
use crate::address;
use roxmltree::{Document, Node, ParsingOptions};
use serde::{Deserialize, Serialize};

/// Elements and texts of a manifest.
const MAX_NODES: u32 = 200_000;
/// Items in items.
const MAX_DEPTH: usize = 32;
/// The longest title, characters.
const MAX_TITLE: usize = 200;
/// The longest text for the lesson: what 2004 allows (1.2 allows 4096).
const MAX_DATA: usize = 4000;

/// Which of the two standards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Version {
    /// SCORM 1.2: `window.API`.
    #[serde(rename = "1.2")]
    Scorm12,
    /// SCORM 2004, any edition: `window.API_1484_11`.
    #[serde(rename = "2004")]
    Scorm2004,
}

/// What is read of a manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The standard it is written for.
    pub version: Version,
    /// For people; never empty.
    pub title: String,
    /// What can be launched, in the order of the default organisation; at least one.
    pub lessons: Vec<Lesson>,
}

/// An item that can be launched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lesson {
    /// The item's identifier.
    pub id: String,
    /// For people; never empty.
    pub title: String,
    /// Address of its first page, below the package's folder, percent-encoded; may have a query and a fragment.
    pub href: String,
    /// What passing takes: 0 to 100 of the raw score in 1.2, −1 to 1 of the scaled one in 2004.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mastery: Option<f64>,
    /// How far one must have come to have completed it, 0 to 1 (2004).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion: Option<f64>,
    /// A text that the lesson is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub launch_data: Option<String>,
    /// Time allowed, as the standard writes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_limit: Option<String>,
    /// What is to happen then: `exit,message` and the like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_limit_action: Option<String>,
}

/// Reads a manifest of `most` lessons at most. `exists` tells whether a file is in the package.
pub(crate) fn parse(
    bytes: &[u8],
    most: usize,
    exists: impl Fn(&str) -> bool,
) -> Result<Manifest, PackageError> {
    let text = decode(bytes)?;
    let options = ParsingOptions { nodes_limit: MAX_NODES, ..ParsingOptions::default() };
    let document = Document::parse_with_options(&text, options)
        .map_err(|error| PackageError::BadManifest(error.to_string()))?;
    let root = document.root_element();
    if root.tag_name().name() != "manifest" {
        return Err(PackageError::NotScorm(brief(root.tag_name().name()).unwrap_or_default()));
    }
    let version = version(root)?;
    let organisation = organisation(root).ok_or(PackageError::NoLesson)?;
    let mut lessons = Vec::new();
    collect(root, organisation, 0, &exists, &mut lessons)?;
    if lessons.len() > most {
        return Err(PackageError::TooManyLessons(most));
    }
    let first = lessons.first().ok_or(PackageError::NoLesson)?;
    let title = text_of(organisation, "title").unwrap_or_else(|| first.title.clone());
    Ok(Manifest { version, title, lessons })
}

/// UTF-8, or UTF-16 with a mark of its order.
fn decode(bytes: &[u8]) -> Result<String, PackageError> {
    let wide = |order: fn([u8; 2]) -> u16| {
        let units = bytes[2..].chunks_exact(2).map(|pair| order([pair[0], pair[1]]));
        char::decode_utf16(units).collect::<Result<String, _>>().ok()
    };
    let text = match bytes {
        [0xff, 0xfe, ..] => wide(u16::from_le_bytes),
        [0xfe, 0xff, ..] => wide(u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8(rest.to_vec()).ok(),
        _ => String::from_utf8(bytes.to_vec()).ok(),
    };
    text.ok_or_else(|| PackageError::BadManifest("it is not written in UTF-8 or UTF-16".into()))
}

fn version(root: Node<'_, '_>) -> Result<Version, PackageError> {
    let metadata = child(root, "metadata");
    let said = |name| metadata.and_then(|metadata| text_of(metadata, name)).unwrap_or_default();
    let (schema, number) = (said("schema"), said("schemaversion"));
    if !schema.is_empty() && !schema.to_ascii_uppercase().contains("SCORM") {
        return Err(PackageError::NotScorm(schema));
    }
    if number.contains("2004") || number.contains("1.3") {
        return Ok(Version::Scorm2004);
    }
    if number.contains("1.2") {
        return Ok(Version::Scorm12);
    }
    let declared = |part: &str| root.namespaces().any(|space| space.uri().contains(part));
    Ok(if declared("adlcp_v1p3") { Version::Scorm2004 } else { Version::Scorm12 })
}

/// The default organisation, else the first.
fn organisation<'a>(root: Node<'a, 'a>) -> Option<Node<'a, 'a>> {
    let all = child(root, "organizations")?;
    let mut each = all.children().filter(|node| is(*node, "organization"));
    let default = attribute(all, "default");
    let named =
        each.clone().find(|node| default.is_some() && attribute(*node, "identifier") == default);
    named.or_else(|| each.next())
}

/// The lessons below an organisation or an item.
fn collect(
    root: Node<'_, '_>,
    above: Node<'_, '_>,
    depth: usize,
    exists: &impl Fn(&str) -> bool,
    lessons: &mut Vec<Lesson>,
) -> Result<(), PackageError> {
    if depth > MAX_DEPTH {
        return Err(PackageError::BadManifest("its items are too deep in one another".into()));
    }
    for item in above.children().filter(|node| is(*node, "item")) {
        let hidden = attribute(item, "isvisible") == Some("false");
        if let (Some(resource), false) = (attribute(item, "identifierref"), hidden)
            && let Some(lesson) = lesson(root, item, resource, exists)?
        {
            lessons.push(lesson);
        }
        collect(root, item, depth + 1, exists, lessons)?;
    }
    Ok(())
}

/// A lesson, if the item's resource has something to launch.
fn lesson(
    root: Node<'_, '_>,
    item: Node<'_, '_>,
    resource: &str,
    exists: &impl Fn(&str) -> bool,
) -> Result<Option<Lesson>, PackageError> {
    let Some(all) = child(root, "resources") else { return Ok(None) };
    let mut each = all.children().filter(|node| is(*node, "resource"));
    let found = each.find(|node| attribute(*node, "identifier") == Some(resource));
    let Some(found) = found else {
        return Err(PackageError::Missing(brief(resource).unwrap_or_default()));
    };
    let Some(href) = attribute(found, "href").map(str::trim).filter(|href| !href.is_empty()) else {
        return Ok(None);
    };
    let base = |node| attribute(node, "base").unwrap_or_default();
    let bases = [base(root), base(all), base(found)];
    let launch = address::launch(&bases, href, attribute(item, "parameters").unwrap_or_default())?;
    if !exists(&launch.file) {
        return Err(PackageError::Missing(launch.file));
    }
    let id = attribute(item, "identifier").and_then(brief).unwrap_or_else(|| "lesson".into());
    let data = ["datafromlms", "dataFromLMS"].iter().find_map(|name| text(item, name));
    Ok(Some(Lesson {
        title: text_of(item, "title").unwrap_or_else(|| id.clone()),
        id,
        href: launch.href,
        mastery: mastery(item),
        completion: completion(item),
        launch_data: data.map(|text| text.chars().take(MAX_DATA).collect()),
        time_limit: ["maxtimeallowed", "attemptAbsoluteDurationLimit"]
            .iter()
            .find_map(|name| below(item, name).and_then(|node| node.text()).and_then(brief)),
        time_limit_action: text_of(item, "timelimitaction"),
    }))
}

/// 1.2 says it of the item, 2004 of the objective that counts.
fn mastery(item: Node<'_, '_>) -> Option<f64> {
    if let Some(score) = text(item, "masteryscore") {
        return number(&score, 0.0, 100.0);
    }
    let objective = below(item, "primaryObjective")?;
    let measured = attribute(objective, "satisfiedByMeasure") == Some("true");
    let least = text(objective, "minNormalizedMeasure").unwrap_or_else(|| "1".into());
    number(&least, -1.0, 1.0).filter(|_| measured)
}

/// The third edition has a number, the fourth attributes.
fn completion(item: Node<'_, '_>) -> Option<f64> {
    let threshold = child(item, "completionThreshold")?;
    let least = match attribute(threshold, "completedByMeasure") {
        Some(measured) => (measured == "true")
            .then(|| attribute(threshold, "minProgressMeasure").unwrap_or("1").to_owned()),
        None => threshold.text().map(str::to_owned),
    };
    number(&least?, 0.0, 1.0)
}

fn number(text: &str, least: f64, most: f64) -> Option<f64> {
    text.trim().parse().ok().filter(|number| (least..=most).contains(number))
}

/// Of any prefix, and of any capitals: tools do not agree on either.
fn is(node: Node<'_, '_>, name: &str) -> bool {
    node.is_element() && node.tag_name().name().eq_ignore_ascii_case(name)
}

fn child<'a>(node: Node<'a, 'a>, name: &str) -> Option<Node<'a, 'a>> {
    node.children().find(|child| is(*child, name))
}

/// Below an item, but not in another item.
fn below<'a>(item: Node<'a, 'a>, name: &str) -> Option<Node<'a, 'a>> {
    let others = item.children().filter(|child| !is(*child, "item"));
    others.flat_map(|child| child.descendants()).find(|node| is(*node, name))
}

fn attribute<'a>(node: Node<'a, 'a>, name: &str) -> Option<&'a str> {
    node.attributes().find(|one| one.name().eq_ignore_ascii_case(name)).map(|one| one.value())
}

fn text(node: Node<'_, '_>, name: &str) -> Option<String> {
    child(node, name)?.text().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn text_of(node: Node<'_, '_>, name: &str) -> Option<String> {
    text(node, name).and_then(|text| brief(&text))
}

/// A text for people: one line, not endless; `None` if there is none.
fn brief(text: &str) -> Option<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line: String =
        words.join(" ").chars().filter(|sign| !sign.is_control()).take(MAX_TITLE).collect();
    (!line.is_empty()).then_some(line)
}

#[cfg(test)]
mod tests;
