//! The fields of a form, as old players write it: url-encoded, or a small XML document.

use crate::error::Refusal;
use latchkey_protocol::error::ErrorCode;
use percent_encoding::percent_decode;
use quick_xml::events::{BytesStart, Event};
use serde_json::{Number, Value};
use std::borrow::Cow;

/// Most fields of a form. A movie may post all that its timeline holds.
pub(crate) const MAX_FIELDS: usize = 256;

/// Fields by name, in the order of the form. What is not asked for is never looked at.
#[derive(Debug)]
pub(crate) struct Fields(Vec<(String, Text)>);

/// A value as it came.
#[derive(Debug)]
enum Text {
    Encoded(Vec<u8>),
    Plain(String),
}

fn bad_form(cause: &str) -> Refusal {
    Refusal::new(ErrorCode::BadForm).because(cause)
}

impl Fields {
    /// Of a url-encoded form. Spaces may come as `+` or `%20`, and any byte may be escaped.
    ///
    /// # Errors
    /// [`ErrorCode::BadForm`], if there are more than [`MAX_FIELDS`].
    pub(crate) fn of_form(form: &[u8]) -> Result<Self, Refusal> {
        let mut fields = Vec::new();
        for pair in form.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            if fields.len() == MAX_FIELDS {
                return Err(bad_form("too many fields"));
            }
            let cut = pair.iter().position(|byte| *byte == b'=');
            let (name, value) = cut.map_or((pair, &[][..]), |at| (&pair[..at], &pair[at + 1..]));
            // A name that is no text is none of ours.
            let name = String::from_utf8(decoded(name)).unwrap_or_default();
            fields.push((name, Text::Encoded(value.to_owned())));
        }
        Ok(Self(fields))
    }

    /// Of an XML document: attributes of the root and texts of its children. Children with attributes of
    /// their own are a list: theirs are numbered.
    ///
    /// # Errors
    /// [`ErrorCode::BadForm`], if it is not well-formed, not UTF-8, declares a document type, or has more than
    /// [`MAX_FIELDS`].
    pub(crate) fn of_xml(document: &[u8]) -> Result<Self, Refusal> {
        let text = std::str::from_utf8(document).map_err(|_| bad_form("not UTF-8"))?;
        let mut reader = quick_xml::Reader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        let mut xml = Xml::default();
        loop {
            let event = reader.read_event().map_err(|_| bad_form("not well-formed"))?;
            if matches!(event, Event::Eof) {
                return xml.end();
            }
            xml.take(event)?;
        }
    }

    /// The same with names in small letters, for content that writes them as it likes.
    pub(crate) fn ignoring_case(mut self) -> Self {
        self.0.iter_mut().for_each(|(name, _)| name.make_ascii_lowercase());
        self
    }

    /// All values of a field, decoded.
    ///
    /// # Errors
    /// [`ErrorCode::BadForm`], if one is not UTF-8.
    pub(crate) fn all(&self, name: &str) -> Result<Vec<String>, Refusal> {
        let of_name = self.0.iter().filter(|(known, _)| known == name);
        of_name.map(|(_, text)| text.read(name)).collect()
    }

    /// The value of a field.
    ///
    /// # Errors
    /// [`ErrorCode::BadForm`], if it is not UTF-8, or there are two that differ.
    pub(crate) fn text(&self, name: &str) -> Result<Option<String>, Refusal> {
        let mut all = self.all(name)?.into_iter();
        let first = all.next();
        if all.any(|other| Some(&other) != first.as_ref()) {
            return Err(bad_field(name));
        }
        Ok(first)
    }

    /// The value of a field that has one: an empty one is as good as none.
    ///
    /// # Errors
    /// As [`Fields::text`].
    pub(crate) fn filled(&self, name: &str) -> Result<Option<String>, Refusal> {
        Ok(self.text(name)?.filter(|text| !text.is_empty()))
    }

    /// A number, written as JSON writes it.
    ///
    /// # Errors
    /// [`ErrorCode::BadNumber`] for any other text, [`ErrorCode::BadForm`] as [`Fields::text`].
    pub(crate) fn number(&self, name: &str) -> Result<Option<Value>, Refusal> {
        let Some(text) = self.filled(name)? else { return Ok(None) };
        let number = number(&text).ok_or_else(|| told_by_name(ErrorCode::BadNumber, name))?;
        Ok(Some(Value::Number(number)))
    }

    /// The fields whose names go on after a prefix, by the rest of their names.
    ///
    /// # Errors
    /// As [`Fields::text`].
    pub(crate) fn under(&self, prefix: &str) -> Result<serde_json::Map<String, Value>, Refusal> {
        let mut members = serde_json::Map::new();
        for (name, _) in &self.0 {
            let Some(rest) = name.strip_prefix(prefix).filter(|rest| !rest.is_empty()) else {
                continue;
            };
            if let Some(text) = self.text(name)? {
                members.insert(rest.to_owned(), Value::String(text));
            }
        }
        Ok(members)
    }
}

/// A number as JSON writes it: neither `7,5` nor `NaN` is one. Text fields of movies may leave white space
/// around it.
pub(crate) fn number(text: &str) -> Option<Number> {
    let text = text.trim_matches(|c: char| c.is_ascii_whitespace());
    // The parser would take white space within a document; here there is nothing but the number.
    serde_json::from_str::<Number>(text).ok()
}

fn bad_field(name: &str) -> Refusal {
    told_by_name(ErrorCode::BadForm, name)
}

/// Only names that we ask for get here, so that nothing else of a request is echoed.
fn told_by_name(code: ErrorCode, name: &str) -> Refusal {
    Refusal::field(code, crate::functions::presentable(name))
}

impl Text {
    fn read(&self, name: &str) -> Result<String, Refusal> {
        match self {
            Self::Plain(text) => Ok(text.clone()),
            Self::Encoded(bytes) => String::from_utf8(decoded(bytes)).map_err(|_| bad_field(name)),
        }
    }
}

fn decoded(bytes: &[u8]) -> Vec<u8> {
    let spaced: Cow<'_, [u8]> = match bytes.contains(&b'+') {
        false => Cow::Borrowed(bytes),
        true => bytes.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect(),
    };
    percent_decode(&spaced).collect()
}

/// A document as it is read.
#[derive(Default)]
struct Xml {
    depth: usize,
    roots: usize,
    /// Children with attributes so far.
    listed: usize,
    /// The child being read, if it has no attributes, and its text.
    child: Option<(String, String)>,
    fields: Vec<(String, Text)>,
}

impl Xml {
    fn take(&mut self, event: Event<'_>) -> Result<(), Refusal> {
        let broken = || bad_form("not well-formed");
        match event {
            Event::Start(start) => self.start(&start)?,
            Event::End(_) => {
                self.depth = self.depth.checked_sub(1).ok_or_else(broken)?;
                if self.depth == 1
                    && let Some((name, text)) = self.child.take()
                {
                    self.push(name, text)?;
                }
            }
            Event::Text(text) => self.text(&text.xml10_content())?,
            Event::CData(text) => self.text(&text.xml10_content())?,
            Event::GeneralRef(entity) => {
                // Entities of a document's own could grow without end: only those of XML itself are read.
                let text = match entity.resolve_char_ref().map_err(|_| broken())? {
                    Some(character) => character.to_string(),
                    None => {
                        let known = quick_xml::escape::resolve_predefined_entity(&entity);
                        known.ok_or_else(broken)?.to_owned()
                    }
                };
                self.text(&text)?;
            }
            Event::DocType(_) => return Err(bad_form("a document type")),
            _ => {}
        }
        Ok(())
    }

    fn start(&mut self, start: &BytesStart<'_>) -> Result<(), Refusal> {
        let broken = || bad_form("not well-formed");
        self.depth += 1;
        if self.depth == 1 {
            self.roots += 1;
        }
        if self.depth > 2 {
            return Ok(());
        }
        let mut attributes = Vec::new();
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|_| broken())?;
            let value = attribute.normalized_value(quick_xml::XmlVersion::Implicit1_0);
            let value = value.map_err(|_| broken())?.into_owned();
            attributes.push((attribute.key.into_inner().to_owned(), value));
        }
        if self.depth == 1 {
            return attributes.into_iter().try_for_each(|(name, value)| self.push(name, value));
        }
        if attributes.is_empty() {
            self.child = Some((start.name().into_inner().to_owned(), String::new()));
            return Ok(());
        }
        let at = self.listed;
        self.listed += 1;
        attributes.into_iter().try_for_each(|(name, value)| {
            let (head, tail) = name.find('_').map_or((&*name, ""), |cut| name.split_at(cut));
            self.push(format!("{head}{at}{tail}"), value)
        })
    }

    fn text(&mut self, text: &str) -> Result<(), Refusal> {
        match &mut self.child {
            Some((_, known)) if self.depth == 2 => known.push_str(text),
            _ if self.depth == 0 && !text.trim().is_empty() => {
                return Err(bad_form("text outside the root"));
            }
            _ => {}
        }
        Ok(())
    }

    fn push(&mut self, name: String, value: String) -> Result<(), Refusal> {
        if self.fields.len() == MAX_FIELDS {
            return Err(bad_form("too many fields"));
        }
        self.fields.push((name, Text::Plain(value)));
        Ok(())
    }

    fn end(self) -> Result<Fields, Refusal> {
        match (self.depth, self.roots) {
            (0, 1) => Ok(Fields(self.fields)),
            _ => Err(bad_form("not one document")),
        }
    }
}

#[cfg(test)]
mod tests;
