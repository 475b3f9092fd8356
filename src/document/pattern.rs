//! `allowedPattern`: the agent's regular expressions (RE2 syntax, ASCII classes, unanchored search) on Rust's engine.
//!
//! The two engines agree on what an expression matches but differ in how some things are written. The expression is
//! therefore copied token by token; whatever Rust would read in another way is written out.

use std::fmt::Write;
use std::iter::Peekable;
use std::str::Chars;

use regex::{Regex, RegexBuilder};

mod size;

/// The most that a compiled expression may take, in bytes. The default of the engine is a little less; the agent's has no
/// limit but that on repetitions.
const SIZE_LIMIT: usize = 16 * 1024 * 1024;
/// The most states that the patterns of a document may have together: under 100 ms of compiling. The largest of published
/// documents has a hundredth.
pub(crate) const MOST_STATES: u64 = 300_000;
/// The most repetitions of a part that the agent's engine takes.
const MOST_REPEATS: u32 = 1000;

/// A compiled `allowedPattern`.
#[derive(Debug, Clone)]
pub struct Pattern {
    source: String,
    regex: Regex,
    states: u64,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Pattern {
    /// Compiles an expression, or says why the agent could not use it.
    pub fn new(source: &str) -> Result<Self, String> {
        Self::within(source, &mut { MOST_STATES })
    }

    /// Compiles an expression of at most `left` states, and takes those that it has from there.
    pub(crate) fn within(source: &str, left: &mut u64) -> Result<Self, String> {
        let translated = Translator { rest: source.chars().peekable(), out: String::new() }.pattern()?;
        // What cannot be parsed is told by the engine below.
        let states = regex_syntax::parse(&translated).map_or(0, |parsed| size::states(&parsed));
        *left = left.checked_sub(states).ok_or("it is too large")?;
        let regex =
            RegexBuilder::new(&translated).size_limit(SIZE_LIMIT).build().map_err(|error| match error {
                regex::Error::CompiledTooBig(_) => "it is too large".to_owned(),
                other => {
                    // The engine draws a picture of several lines; its last line says what is wrong.
                    let text = other.to_string();
                    let line = text.lines().last().unwrap_or_default();
                    line.strip_prefix("error: ").unwrap_or(line).to_owned()
                }
            })?;
        Ok(Self { source: source.to_owned(), regex, states })
    }

    /// The expression as the document writes it.
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// The expression in the engine's syntax.
    pub(crate) fn translated(&self) -> &str {
        self.regex.as_str()
    }

    /// The most steps that it takes to match a text.
    pub(crate) fn steps(&self, text: &str) -> u64 {
        self.states.saturating_mul(text.len() as u64)
    }

    /// Whether it matches anywhere in `text`. `$` is the very end, not the place before a last newline.
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }
}

/// What `\d`, `\s` and `\w` stand for inside a class.
fn perl_class(letter: char) -> Option<&'static str> {
    match letter.to_ascii_lowercase() {
        'd' => Some("0-9"),
        's' => Some(r"\t\n\f\r "),
        'w' => Some("0-9A-Za-z_"),
        _ => None,
    }
}

/// A part of a class.
enum Item {
    /// A character, as it is written in Rust's syntax; it can begin or end a range.
    Single(String),
    /// A set of characters.
    Set(String),
}

struct Translator<'a> {
    rest: Peekable<Chars<'a>>,
    out: String,
}

impl Translator<'_> {
    fn pattern(mut self) -> Result<String, String> {
        while let Some(character) = self.rest.next() {
            match character {
                '\\' => self.escape()?,
                '[' => self.class()?,
                '{' => self.brace()?,
                '(' => self.group()?,
                other => self.out.push(other),
            }
        }
        Ok(self.out)
    }

    fn group(&mut self) -> Result<(), String> {
        self.out.push('(');
        let mut ahead = self.rest.clone();
        if ahead.next_if_eq(&'?').is_none() {
            return Ok(());
        }
        match (ahead.next(), ahead.next()) {
            (Some('=' | '!'), _) | (Some('<'), Some('=' | '!')) => {
                Err("look-around is not supported on nodes".to_owned())
            }
            _ => Ok(()),
        }
    }

    fn escape(&mut self) -> Result<(), String> {
        let Some(letter) = self.rest.next() else { return Err("it ends with a backslash".to_owned()) };
        if let Some(set) = perl_class(letter) {
            let not = if letter.is_ascii_uppercase() { "^" } else { "" };
            let _ = write!(self.out, "[{not}{set}]");
            return Ok(());
        }
        match letter {
            'b' | 'B' => {
                let _ = write!(self.out, r"(?-u:\{letter})");
                // Rust reads `\b{start}` as one token.
                if self.rest.peek() == Some(&'{') {
                    self.rest.next();
                    self.out.push_str(r"\{");
                }
            }
            'A' | 'z' => {
                let _ = write!(self.out, r"\{letter}");
            }
            'Q' => self.quotation(),
            'C' => return Err(r"\C is not supported".to_owned()),
            _ => {
                let character = self.escaped(letter)?;
                self.out.push_str(&character);
            }
        }
        Ok(())
    }

    /// `\Q...\E`: literal text up to `\E` or the end.
    fn quotation(&mut self) {
        let mut text = String::new();
        while !text.ends_with(r"\E") {
            match self.rest.next() {
                Some(character) => text.push(character),
                None => break,
            }
        }
        let literal = text.strip_suffix(r"\E").unwrap_or(&text);
        self.out.push_str(&regex::escape(literal));
    }

    /// An escape that means the same in and out of a class.
    fn escaped(&mut self, letter: char) -> Result<String, String> {
        match letter {
            'a' | 'f' | 'n' | 'r' | 't' | 'v' => Ok(format!(r"\{letter}")),
            'p' | 'P' | 'x' => {
                let mut text = format!(r"\{letter}");
                if self.rest.peek() == Some(&'{') {
                    for character in self.rest.by_ref() {
                        text.push(character);
                        if character == '}' {
                            break;
                        }
                    }
                } else {
                    let count = if letter == 'x' { 2 } else { 1 };
                    text.extend(self.rest.by_ref().take(count));
                }
                Ok(text)
            }
            '0'..='9' => self.octal(letter),
            other if other.is_ascii_alphabetic() || !other.is_ascii() => {
                Err(format!(r"unknown escape \{other}"))
            }
            other => Ok(literal(other)),
        }
    }

    fn octal(&mut self, first: char) -> Result<String, String> {
        let mut digits = String::from(first);
        while digits.len() < 3 {
            match self.rest.next_if(|c| ('0'..='7').contains(c)) {
                Some(digit) => digits.push(digit),
                None => break,
            }
        }
        match u32::from_str_radix(&digits, 8) {
            Ok(code) if first == '0' || digits.len() == 3 => Ok(format!(r"\x{{{code:x}}}")),
            _ => Err(format!(r"back-references such as \{first} are not supported on nodes")),
        }
    }

    /// `{` begins a repetition only if the whole of one follows; otherwise it is itself.
    fn brace(&mut self) -> Result<(), String> {
        let body: String = self.rest.clone().take_while(|c| *c != '}').take(16).collect();
        let closed = self.rest.clone().nth(body.chars().count()) == Some('}');
        let (low, high) = body.split_once(',').unwrap_or((&body, &body));
        let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !closed || !number(low) || !(high.is_empty() && body.contains(',') || number(high)) {
            self.out.push_str(r"\{");
            return Ok(());
        }
        for bound in [low, high].into_iter().filter(|bound| !bound.is_empty()) {
            if bound.parse::<u32>().map_or(true, |count| count > MOST_REPEATS) {
                return Err(format!("it repeats a part {bound} times, at most {MOST_REPEATS} are allowed"));
            }
        }
        let _ = write!(self.out, "{{{body}}}");
        for _ in 0..=body.chars().count() {
            self.rest.next();
        }
        Ok(())
    }

    fn class(&mut self) -> Result<(), String> {
        self.out.push('[');
        if self.rest.next_if_eq(&'^').is_some() {
            self.out.push('^');
        }
        let mut first = true;
        loop {
            if self.rest.peek() == Some(&']') && !first {
                self.rest.next();
                self.out.push(']');
                return Ok(());
            }
            first = false;
            let item = self.class_item()?;
            match item {
                Item::Set(set) => self.out.push_str(&set),
                Item::Single(low) => {
                    self.out.push_str(&low);
                    self.range_end()?;
                }
            }
        }
    }

    /// The `-x` of a range `a-x`, if one follows.
    fn range_end(&mut self) -> Result<(), String> {
        let mut ahead = self.rest.clone();
        if ahead.next() != Some('-') || matches!(ahead.next(), None | Some(']')) {
            return Ok(());
        }
        self.rest.next();
        match self.class_item()? {
            Item::Single(high) => {
                self.out.push('-');
                self.out.push_str(&high);
                Ok(())
            }
            Item::Set(_) => Err("a range of a class ends with a set of characters".to_owned()),
        }
    }

    fn class_item(&mut self) -> Result<Item, String> {
        match self.rest.next() {
            None => Err("a class has no closing bracket".to_owned()),
            Some('[') if self.rest.peek() == Some(&':') => Ok(self.posix_class()),
            Some('\\') => {
                let Some(letter) = self.rest.next() else {
                    return Err("it ends with a backslash".to_owned());
                };
                match (perl_class(letter), letter.is_ascii_uppercase()) {
                    (Some(set), true) => Ok(Item::Set(format!("[^{set}]"))),
                    (Some(set), false) => Ok(Item::Set(set.to_owned())),
                    (None, _) if matches!(letter, 'p' | 'P') => Ok(Item::Set(self.escaped(letter)?)),
                    (None, _) => Ok(Item::Single(self.escaped(letter)?)),
                }
            }
            Some(character) => Ok(Item::Single(literal(character))),
        }
    }

    /// `[:alpha:]` and the like, or else a bracket that stands for itself.
    fn posix_class(&mut self) -> Item {
        let name: String =
            self.rest.clone().skip(1).take_while(|c| c.is_ascii_alphabetic() || *c == '^').collect();
        let closes: String = self.rest.clone().skip(1 + name.len()).take(2).collect();
        if closes != ":]" {
            return Item::Single(literal('['));
        }
        for _ in 0..name.len() + 3 {
            self.rest.next();
        }
        Item::Set(format!("[:{name}:]"))
    }
}

/// A character that stands for itself, in or out of a class.
fn literal(character: char) -> String {
    if character.is_ascii_punctuation() && !"<>_".contains(character) {
        format!(r"\{character}")
    } else {
        character.to_string()
    }
}

#[cfg(test)]
mod tests;
