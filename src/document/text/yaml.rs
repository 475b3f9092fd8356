//! YAML 1.2 with its core schema, within bounds, built straight from a maintained parser's events: that is twice as
//! fast as through a general deserializer, and the agent carries no more of one than it needs.
//!
//! Other than the core schema has it, numbers with leading zeros are text (`0755`), as their author most likely meant.
//! Manifests are read as kubectl reads them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use granit_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};
use serde_json::{Map, Value};

use super::bounds::{Budget, DEEPEST, LARGEST, LARGEST_MANIFEST, is_deeper, too_deep};
use super::scalar::{resolve, resolve_as_kubectl};

/// How many aliases a document may have.
const MOST_ALIASES: usize = 1_000;
const MERGE: &str = "<<";
/// YAML reads `{{ name }}` as an object with an object as its key.
const REFERENCE_AS_KEY: &str = "a key has to be a string: write a reference in quotes, \"{{ name }}\"";

/// What a text is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// A document. Tags that are not of the core schema are refused.
    Document,
    /// A document whose tags mean something to others, and nothing here.
    Template,
    /// Kubernetes manifests, with words as kubectl reads them.
    Manifest,
}

impl Dialect {
    /// The most bytes of a text, and of its value as JSON.
    pub(super) fn largest(self) -> usize {
        if self == Self::Manifest { LARGEST_MANIFEST } else { LARGEST }
    }
}

/// What is wrong with a text, and where.
pub(super) struct Fault {
    pub(super) reason: String,
    pub(super) mark: Marker,
}

impl From<ScanError> for Fault {
    fn from(error: ScanError) -> Self {
        // The parser's texts may hold characters of the document that would upset a terminal.
        Self { reason: error.info().replace(char::is_control, " "), mark: *error.marker() }
    }
}

/// Reads the only document of a text.
pub(super) fn read(text: &str, dialect: Dialect) -> Result<Value, Fault> {
    let mut options = granit_parser::Options::default();
    options.set_emit_comments(false);
    let mut builder = Builder {
        parser: Parser::new_from_str_with_options(text, options),
        budget: Budget::new(dialect.largest()),
        anchored: Budget::new(dialect.largest()),
        anchors: BTreeMap::new(),
        aliases: 0,
        unended: unended(text),
        dialect,
    };
    builder.document()
}

struct Builder<'a> {
    parser: Parser<'a, StrInput<'a>>,
    budget: Budget,
    /// What the values that have an anchor may still take.
    anchored: Budget,
    /// The values of anchors, by their number.
    anchors: BTreeMap<usize, Value>,
    aliases: usize,
    /// How many characters the text has, if its last line has no end.
    unended: Option<usize>,
    dialect: Dialect,
}

impl<'a> Builder<'a> {
    fn document(&mut self) -> Result<Value, Fault> {
        let mut document = None;
        while let Some((event, span)) = self.next()? {
            match event {
                Event::DocumentStart(..) if document.is_some() => {
                    return Err(fault("a second document begins here: keep one", span));
                }
                Event::StreamEnd => break,
                event if event.is_node() => document = Some(self.value(event, span, DEEPEST)?),
                _ => {}
            }
        }
        Ok(document.unwrap_or_default())
    }

    fn next(&mut self) -> Result<Option<(Event<'a>, Span)>, Fault> {
        Ok(self.parser.next_event().transpose()?)
    }

    /// The value that begins with an event, nested at most `left` deep.
    fn value(&mut self, event: Event<'a>, span: Span, left: usize) -> Result<Value, Fault> {
        let anchor = event.anchor_id();
        let value = match event {
            Event::Alias(anchor) => return self.alias(anchor, span, left),
            Event::Scalar(text, style, _, tag) => self.scalar(text, style, tag.as_deref(), span)?,
            Event::SequenceStart(_, _, tag) => {
                self.check_tag(tag.as_deref(), "seq", span)?;
                Value::Array(self.items(span, left)?)
            }
            Event::MappingStart(_, _, tag) => {
                self.check_tag(tag.as_deref(), "map", span)?;
                Value::Object(self.members(span, left)?)
            }
            _ => return Err(fault("expected a value", span)),
        };
        self.budget.spend(&value).map_err(|reason| fault(reason, span))?;
        if let Some(anchor) = anchor {
            self.anchored.spend_whole(&value).map_err(|reason| fault(reason, span))?;
            self.anchors.insert(anchor, value.clone());
        }
        Ok(value)
    }

    /// A copy of what an alias stands for.
    fn alias(&mut self, anchor: usize, span: Span, left: usize) -> Result<Value, Fault> {
        self.aliases += 1;
        if self.aliases > MOST_ALIASES {
            return Err(fault(format!("the document has more than {MOST_ALIASES} aliases"), span));
        }
        let Some(value) = self.anchors.get(&anchor) else {
            return Err(fault("an alias stands for what it is in", span));
        };
        self.budget.spend_whole(value).map_err(|reason| fault(reason, span))?;
        if is_deeper(value, left) {
            return Err(fault(too_deep(), span));
        }
        Ok(value.clone())
    }

    fn items(&mut self, start: Span, left: usize) -> Result<Vec<Value>, Fault> {
        let left = enter(start, left)?;
        let mut items = Vec::new();
        while let Some((event, span)) = self.next()? {
            match event {
                Event::SequenceEnd => break,
                event if event.is_node() => {
                    self.budget.spend_element().map_err(|reason| fault(reason, span))?;
                    items.push(self.value(event, span, left)?);
                }
                _ => {}
            }
        }
        Ok(items)
    }

    fn members(&mut self, start: Span, left: usize) -> Result<Map<String, Value>, Fault> {
        let left = enter(start, left)?;
        let mut members = Map::new();
        let mut merged = Vec::new();
        while let Some((event, span)) = self.next()? {
            match event {
                Event::MappingEnd => break,
                Event::Scalar(key, ScalarStyle::Plain, _, None) if key == MERGE => {
                    merged.extend(self.merged(span, left)?);
                }
                Event::Scalar(key, _, _, tag) => {
                    self.check_tag(tag.as_deref(), "str", span)?;
                    let key = key.into_owned();
                    if members.contains_key(&key) {
                        return Err(fault(format!("key {key:?} is given twice"), span));
                    }
                    self.budget.spend_key(&key).map_err(|reason| fault(reason, span))?;
                    let value = self.next_value(span, left)?;
                    members.insert(key, value);
                }
                Event::MappingStart(..) => return Err(fault(REFERENCE_AS_KEY, span)),
                event if event.is_node() => return Err(fault("a key has to be a string", span)),
                _ => {}
            }
        }
        for (key, value) in merged.into_iter().flatten() {
            members.entry(key).or_insert(value);
        }
        Ok(members)
    }

    /// The objects whose members a merge key adds.
    fn merged(&mut self, key: Span, left: usize) -> Result<Vec<Map<String, Value>>, Fault> {
        let objects = match self.next_value(key, left)? {
            Value::Array(objects) => objects,
            object => vec![object],
        };
        let maps = objects.into_iter().map(|object| match object {
            Value::Object(members) => Ok(members),
            _ => Err(fault("what is merged has to be an object or a list of objects", key)),
        });
        maps.collect()
    }

    fn next_value(&mut self, key: Span, left: usize) -> Result<Value, Fault> {
        while let Some((event, span)) = self.next()? {
            if event.is_node() {
                return self.value(event, span, left);
            }
        }
        Err(fault("a key has no value", key))
    }

    fn scalar(
        &self,
        text: Cow<'a, str>,
        style: ScalarStyle,
        tag: Option<&Tag>,
        span: Span,
    ) -> Result<Value, Fault> {
        let is_plain = match tag.map(|tag| (tag, tag.core_suffix())) {
            None => style == ScalarStyle::Plain,
            Some((_, Some("int" | "float" | "bool" | "null"))) => true,
            // `!` alone says that what follows is text.
            Some((tag, _)) if tag.suffix().trim_start_matches('!').is_empty() => false,
            Some((tag, _)) => {
                self.check_tag(Some(tag), "str", span)?;
                false
            }
        };
        let value = match (is_plain, self.dialect) {
            (false, _) => Ok(Value::String(self.without_added_end(text.into_owned(), style, span))),
            (true, Dialect::Manifest) => resolve_as_kubectl(text),
            (true, _) => resolve(text),
        };
        value.map_err(|reason| fault(reason, span))
    }

    /// The parser ends the last line of a block also where the text does not, which YAML leaves as it is.
    fn without_added_end(&self, mut text: String, style: ScalarStyle, span: Span) -> String {
        let is_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
        if is_block && self.unended == Some(span.end.index()) && text.ends_with('\n') {
            text.pop();
        }
        text
    }

    fn check_tag(&self, tag: Option<&Tag>, allowed: &str, span: Span) -> Result<(), Fault> {
        match tag {
            Some(tag) if self.dialect != Dialect::Template && tag.core_suffix() != Some(allowed) => {
                let name = tag.original().replace(char::is_control, " ");
                Err(fault(format!("unsupported tag `{name}`"), span))
            }
            _ => Ok(()),
        }
    }
}

/// How many characters a text has whose last line has no end and is not blank.
fn unended(text: &str) -> Option<usize> {
    let last = text.rsplit(['\n', '\r']).next()?;
    (!last.trim().is_empty()).then(|| text.chars().count())
}

/// Begins a list or object: the levels that may still be in it.
fn enter(span: Span, left: usize) -> Result<usize, Fault> {
    left.checked_sub(1).ok_or_else(|| fault(too_deep(), span))
}

fn fault(reason: impl Into<String>, span: Span) -> Fault {
    Fault { reason: reason.into(), mark: span.start }
}
