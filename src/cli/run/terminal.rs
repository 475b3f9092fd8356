//! Where output and progress go: output to stdout, progress to stderr, as one line that is redrawn where that is a
//! terminal.

use std::io::{self, IsTerminal as _, Write as _};

use super::progress::Progress;

/// Goes to the line's start and clears it.
const CLEAR: &str = "\r\x1b[K";

/// Standard output and error of this process.
#[derive(Debug)]
pub struct Terminal {
    redraws: bool,
    shown: Option<Progress>,
    /// Why stdout takes nothing more.
    unwritable: Option<io::Error>,
}

impl Terminal {
    /// Of this process.
    pub fn new() -> Self {
        Self { redraws: io::stderr().is_terminal(), shown: None, unwritable: None }
    }

    /// Writes to stdout, above the progress.
    pub fn print(&mut self, text: &str) {
        if text.is_empty() || self.unwritable.is_some() {
            return;
        }
        self.clear();
        let mut out = io::stdout().lock();
        self.unwritable = out.write_all(text.as_bytes()).and_then(|()| out.flush()).err();
        self.redraw();
    }

    /// Writes a line to stderr, above the progress.
    pub fn say(&mut self, line: &str) {
        self.clear();
        crate::exit::say(line);
        self.redraw();
    }

    /// Shows how far it is. Where lines cannot be redrawn, only what is worth a line.
    pub fn progress(&mut self, now: Progress) {
        if self.shown.as_ref() == Some(&now) {
            return;
        }
        let before = self.shown.replace(now);
        if self.redraws {
            self.clear();
            self.redraw();
        } else if let Some(now) = &self.shown
            && now.milestone() != before.and_then(|before| before.milestone())
        {
            crate::exit::say(&now.line());
        }
    }

    /// Takes the progress away, since what follows says how it ended.
    pub fn finish(&mut self) {
        self.clear();
        self.redraws = false;
    }

    /// Why stdout could not be written; that nobody reads on is no error.
    pub fn failure(&self) -> Option<&io::Error> {
        self.unwritable.as_ref().filter(|error| error.kind() != io::ErrorKind::BrokenPipe)
    }

    fn clear(&self) {
        if self.redraws {
            let _ = write!(io::stderr(), "{CLEAR}");
        }
    }

    fn redraw(&self) {
        if let Some(now) = self.shown.as_ref().filter(|_| self.redraws) {
            let _ = write!(io::stderr(), "{}", now.line());
        }
    }
}
