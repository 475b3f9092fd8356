//! Where in a text a path lies, for messages that name the line: found by a second pass, once something is wrong.

use std::collections::BTreeMap;
use std::fmt;

use granit_parser::{Event, Marker, Parser, Span, StrInput};
use serde::Serialize;

use crate::errors::member;

/// The deepest nesting that is followed; what is nested deeper has the place of what it is in.
const DEEPEST: usize = 128;
/// The longest key, in characters. YAML has shorter ones only, JSON may have longer ones; those are not found, nor what
/// follows them.
const LONGEST_KEY: usize = 8 * 1024;

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Position {
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}, column {}", self.line, self.column)
    }
}

impl Position {
    pub(crate) fn new(line: usize, column: usize) -> Self {
        let bounded = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).max(1);
        Self { line: bounded(line), column: bounded(column) }
    }

    pub(crate) fn of(mark: Marker) -> Self {
        Self::new(mark.line(), mark.col().saturating_add(1))
    }
}

/// The places of everything in a YAML or JSON text.
#[derive(Debug, Clone, Default)]
pub struct Locations {
    root: Option<Place>,
}

#[derive(Debug, Clone)]
struct Place {
    position: Position,
    content: Content,
}

#[derive(Debug, Clone)]
enum Content {
    Scalar,
    Object(BTreeMap<String, Place>),
    List(Vec<Place>),
}

impl Locations {
    /// Reads the places of a text. Of one that is not valid, those before its error.
    pub fn of(text: &str) -> Self {
        let options = granit_parser::options! { simple_key_max_lookahead: LONGEST_KEY, emit_comments: false };
        let parser = Parser::new_from_str_with_options(text, options);
        Self { root: Reader { parser, depth: 0 }.next_place() }
    }

    /// The place of a path as problems have it, such as `mainSteps[2].inputs.runCommand`: of a key, or of an element of
    /// a list; of a YAML block (`|`), where its text begins. If the path leads to something that is not there, such as a
    /// key that is missing, or that an alias stands for, it is the place of the nearest thing around it.
    pub fn find(&self, path: &str) -> Option<Position> {
        let mut place = self.root.as_ref()?;
        let mut rest = path;
        while let Some((next, after)) = place.child(rest) {
            place = next;
            rest = after;
        }
        Some(place.position)
    }
}

impl Place {
    /// The child that `path` begins with, and what of the path follows it.
    fn child<'a, 'p>(&'a self, path: &'p str) -> Option<(&'a Self, &'p str)> {
        match &self.content {
            Content::Scalar => None,
            Content::List(items) => {
                let (index, after) = path.strip_prefix('[')?.split_once(']')?;
                Some((items.get(index.parse::<usize>().ok()?)?, after))
            }
            Content::Object(members) if path.starts_with('[') => members
                .iter()
                .find_map(|(key, place)| Some((place, path.strip_prefix(member("", key).as_str())?))),
            Content::Object(members) => {
                let path = path.strip_prefix('.').unwrap_or(path);
                let (key, after) = path.split_at(path.find(['.', '[']).unwrap_or(path.len()));
                let exact = members.get(key);
                let place = exact.or_else(|| {
                    members.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, place)| place)
                });
                Some((place?, after))
            }
        }
    }
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Option<(Event<'a>, Span)> {
        self.parser.next_event()?.ok()
    }

    /// The next value of the text, with all it holds.
    fn next_place(&mut self) -> Option<Place> {
        loop {
            let (event, span) = self.next()?;
            if event.is_node() {
                return Some(self.place(&event, span));
            }
            if matches!(event, Event::StreamEnd) {
                return None;
            }
        }
    }

    fn place(&mut self, event: &Event<'a>, span: Span) -> Place {
        let position = Position::of(span.start);
        let content = match event {
            Event::MappingStart(..) if self.depth < DEEPEST => Content::Object(self.members()),
            Event::SequenceStart(..) if self.depth < DEEPEST => Content::List(self.items()),
            Event::MappingStart(..) | Event::SequenceStart(..) => {
                self.skip();
                Content::Scalar
            }
            _ => Content::Scalar,
        };
        Place { position, content }
    }

    fn members(&mut self) -> BTreeMap<String, Place> {
        let mut members = BTreeMap::new();
        self.depth += 1;
        while let Some((event, span)) = self.next() {
            match event {
                Event::MappingEnd => break,
                Event::Scalar(key, ..) => {
                    let Some(value) = self.next_place() else { break };
                    // The first of two equal keys is the one that stands where a reader looks first.
                    members
                        .entry(key.into_owned())
                        .or_insert(Place { position: Position::of(span.start), ..value });
                }
                other if other.is_node() => {
                    self.place(&other, span);
                    self.next_place();
                }
                _ => {}
            }
        }
        self.depth -= 1;
        members
    }

    fn items(&mut self) -> Vec<Place> {
        let mut items = Vec::new();
        self.depth += 1;
        while let Some((event, span)) = self.next() {
            match event {
                Event::SequenceEnd => break,
                other if other.is_node() => items.push(self.place(&other, span)),
                _ => {}
            }
        }
        self.depth -= 1;
        items
    }

    /// Reads over the rest of a list or object that has begun.
    fn skip(&mut self) {
        let mut open = 1_usize;
        while open > 0
            && let Some((event, _)) = self.next()
        {
            match event {
                Event::MappingStart(..) | Event::SequenceStart(..) => open += 1,
                Event::MappingEnd | Event::SequenceEnd => open -= 1,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
