//! Who uses which version of a Document: its own default and newest version, Associations that resolve to one, and
//! Commands that have not ended, be it the document they run or one that this runs or downloads. Pure.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use keelson_api::{Association, Command, Document, DocumentStatus, DocumentVersion};
use keelson_core::names::document_name;
use kube::ResourceExt;

use crate::documents::meant;
use crate::index::association_of;

/// How many users are told by name.
const NAMED: usize = 5;

/// The users of each version that has any, by number.
pub type Usage = BTreeMap<String, Users>;

/// Who uses a version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Users {
    /// It is the default version.
    pub default: bool,
    /// It is the newest version.
    pub latest: bool,
    /// Associations that resolve to it, or whose newest run called it.
    pub associations: Vec<User>,
    /// Commands that have not ended.
    pub commands: Vec<User>,
}

/// An Association or a Command that uses a version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct User {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
}

impl fmt::Display for Users {
    /// After "in use", such as `as the default version, by Association shop/web and Command shop/greet`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let role = match (self.default, self.latest) {
            (true, true) => "as the default and newest version",
            (true, false) => "as the default version",
            (false, true) => "as the newest version",
            (false, false) => "",
        };
        let associations = self.associations.iter().map(|user| format!("Association {user}"));
        let commands = self.commands.iter().map(|user| format!("Command {user}"));
        let all: Vec<_> = associations.chain(commands).collect();
        let (named, more) = all.split_at(NAMED.min(all.len()));
        let users = match (named, more.len()) {
            ([], _) => String::new(),
            ([one], 0) => format!("by {one}"),
            ([first @ .., last], 0) => format!("by {} and {last}", first.join(", ")),
            (named, more) => format!("by {} and {more} more", named.join(", ")),
        };
        let between = if role.is_empty() || users.is_empty() { "" } else { ", " };
        write!(formatter, "{role}{between}{users}")
    }
}

impl User {
    fn of(object: &impl ResourceExt) -> Self {
        Self {
            namespace: object.namespace().unwrap_or_default(),
            name: object.name_any(),
            uid: object.uid().unwrap_or_default(),
        }
    }
}

impl fmt::Display for User {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.namespace, self.name)
    }
}

/// Where a Document is, and what its versions are.
pub struct Subject<'a> {
    /// The Document.
    pub document: &'a Document,
    /// Its versions, and which one is default and newest.
    pub status: &'a DocumentStatus,
    /// The namespace of the library.
    pub library: &'a str,
    /// Whether a namespace has a Document of this name itself.
    pub has_own: &'a (dyn Fn(&str) -> bool + Sync),
}

impl Subject<'_> {
    /// Who uses which of its versions.
    pub fn usage(&self, associations: &[Arc<Association>], commands: &[Arc<Command>]) -> Usage {
        let mut usage = Usage::new();
        if let Some(version) = meant(self.status, "$DEFAULT") {
            users(&mut usage, version).default = true;
        }
        if let Some(version) = meant(self.status, "$LATEST") {
            users(&mut usage, version).latest = true;
        }
        for association in associations {
            if let Some(version) = self.of_association(association) {
                users(&mut usage, version).associations.push(User::of(&**association));
            }
        }
        let runs = Runs::of(associations, commands);
        for command in commands {
            for version in self.called_by(command) {
                users(&mut usage, version).add_caller(command, &runs);
            }
        }
        for command in commands.iter().filter(|command| !command.has_ended()) {
            if let Some(version) = self.run_by(command) {
                users(&mut usage, version).add_runner(command);
            }
        }
        for users in usage.values_mut() {
            for all in [&mut users.associations, &mut users.commands] {
                all.sort();
                all.dedup();
            }
        }
        usage.retain(|_, users| *users != Users::default());
        usage
    }

    /// Whether a Command may have frozen any of its versions without saying so yet.
    pub fn may_be_frozen_by(&self, command: &Command) -> bool {
        let is_starting = began(command).is_none() && !command.has_ended();
        is_starting && self.is_seen_from(&command.namespace().unwrap_or_default())
    }

    /// The version that an Association resolves to.
    fn of_association(&self, association: &Association) -> Option<&DocumentVersion> {
        let spec = &association.spec;
        if association.metadata.deletion_timestamp.is_some()
            || !self.is_meant(&association.namespace().unwrap_or_default(), &spec.document_name)
        {
            return None;
        }
        meant(self.status, &spec.document_version)
    }

    /// The version that a Command runs: what it froze, or before that what it will resolve to.
    fn run_by(&self, command: &Command) -> Option<&DocumentVersion> {
        let (spec, namespace) = (&command.spec, command.namespace().unwrap_or_default());
        let Some((number, hash)) = began(command) else {
            let is_meant = self.is_meant(&namespace, &spec.document_name);
            return meant(self.status, &spec.document_version).filter(|_| is_meant);
        };
        // A Document of the name that the namespace was given since then takes nothing from what was frozen.
        let is_named = self.is_named(&namespace, &spec.document_name);
        meant(self.status, number).filter(|version| is_named && version.hash == hash)
    }

    /// The versions that the document of a Command runs or downloads.
    fn called_by<'a>(&'a self, command: &'a Command) -> impl Iterator<Item = &'a DocumentVersion> {
        let called = command.status.iter().flat_map(|status| &status.called_documents);
        let own = self.document.metadata.namespace.as_deref().unwrap_or_default();
        let called = called.map(|called| &called.document).filter(move |document| document.namespace == own);
        called.filter_map(|document| {
            self.status.versions.iter().find(|version| version.revision == document.revision)
        })
    }

    /// Whether a name means this Document in a namespace.
    fn is_meant(&self, namespace: &str, name: &str) -> bool {
        let is_own = self.document.metadata.namespace.as_deref() == Some(namespace);
        self.is_named(namespace, name) && (is_own || !(self.has_own)(namespace))
    }

    /// The same if the namespace has none of the name itself.
    fn is_named(&self, namespace: &str, name: &str) -> bool {
        self.is_seen_from(namespace)
            && self.document.metadata.name.as_deref() == Some(document_name(name).as_str())
    }

    fn is_seen_from(&self, namespace: &str) -> bool {
        let own = self.document.metadata.namespace.as_deref().unwrap_or_default();
        own == namespace || own == self.library
    }
}

impl Users {
    /// A Command of an Association that uses the same version is no news, and there may be one every minute.
    fn add_runner(&mut self, command: &Command) {
        let uid = association_of(command).map(|owner| &owner.uid);
        if !self.associations.iter().any(|user| Some(&user.uid) == uid) {
            self.commands.push(User::of(command));
        }
    }

    /// What a run of an Association called is told as used by the Association until another run has begun, so that
    /// runs that follow each other are no news.
    fn add_caller(&mut self, command: &Command, runs: &Runs<'_>) {
        match runs.get(command) {
            Some((maker, is_newest)) if is_newest || !command.has_ended() => {
                self.associations.push(User::of(maker));
            }
            None if !command.has_ended() => self.commands.push(User::of(command)),
            _ => {}
        }
    }
}

/// Associations that are not being deleted, each with the newest of its Commands that has begun.
struct Runs<'a>(HashMap<String, (&'a Association, Option<&'a Command>)>);

impl<'a> Runs<'a> {
    fn of(associations: &'a [Arc<Association>], commands: &'a [Arc<Command>]) -> Self {
        let living =
            associations.iter().filter(|association| association.metadata.deletion_timestamp.is_none());
        let mut runs: HashMap<_, (_, Option<&Command>)> = living
            .map(|association| (association.uid().unwrap_or_default(), (&**association, None)))
            .collect();
        let age = |command: &Command| (command.creation_timestamp(), command.name_any());
        for command in commands.iter().filter(|command| began(command).is_some()) {
            let run = association_of(command).and_then(|owner| runs.get_mut(&owner.uid));
            if let Some((_, newest)) = run
                && newest.is_none_or(|newest| age(newest) < age(command))
            {
                *newest = Some(command);
            }
        }
        Self(runs)
    }

    /// The Association that made a Command, and whether it is the newest of that.
    fn get(&self, command: &Command) -> Option<(&'a Association, bool)> {
        let (maker, newest) = self.0.get(&association_of(command)?.uid)?;
        Some((*maker, newest.is_some_and(|newest| newest.uid() == command.uid())))
    }
}

/// Number and hash of the version that a Command froze, once it says so.
fn began(command: &Command) -> Option<(&str, &str)> {
    let status = command.status.as_ref()?;
    Some((status.document_version.as_deref()?, status.document_hash.as_deref()?))
}

fn users<'a>(usage: &'a mut Usage, version: &DocumentVersion) -> &'a mut Users {
    usage.entry(version.version.clone()).or_default()
}

#[cfg(test)]
mod tests;
