//! Who uses which version of a Document: its own default and newest version, Associations that resolve to one, and
//! Commands that have not ended, be it the document they run or one that this runs or downloads. Pure.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use keelson_api::{Association, Command, Document, DocumentStatus, DocumentVersion, RunStatus};
use keelson_core::names::document_name;
use kube::{Resource as _, ResourceExt as _};

use crate::documents::meant;

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
    /// Associations that resolve to it, as `namespace/name`.
    pub associations: Vec<String>,
    /// Commands that have not ended.
    pub commands: Vec<CommandUser>,
}

/// A Command that uses a version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CommandUser {
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
        let associations = self.associations.iter().map(|name| format!("Association {name}"));
        let commands =
            self.commands.iter().map(|command| format!("Command {}/{}", command.namespace, command.name));
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
                let name =
                    format!("{}/{}", association.namespace().unwrap_or_default(), association.name_any());
                users(&mut usage, version).associations.push(name);
            }
        }
        for command in commands.iter().filter(|command| !has_ended(command)) {
            for version in self.of_command(command) {
                users(&mut usage, version).add(command);
            }
        }
        for users in usage.values_mut() {
            users.associations.sort();
            users.commands.sort();
            users.commands.dedup();
        }
        usage.retain(|_, users| *users != Users::default());
        usage
    }

    /// The version that an Association resolves to.
    pub fn of_association(&self, association: &Association) -> Option<&DocumentVersion> {
        let spec = &association.spec;
        if association.metadata.deletion_timestamp.is_some()
            || !self.is_meant(&association.namespace().unwrap_or_default(), &spec.document_name)
        {
            return None;
        }
        meant(self.status, &spec.document_version)
    }

    /// The versions that a Command uses: what it froze, or before that what it will resolve to.
    pub fn of_command(&self, command: &Command) -> Vec<&DocumentVersion> {
        let (spec, status) = (&command.spec, command.status.clone().unwrap_or_default());
        let own = if !self.is_meant(&command.namespace().unwrap_or_default(), &spec.document_name) {
            None
        } else if let Some(number) = &status.document_version {
            meant(self.status, number).filter(|version| Some(&version.hash) == status.document_hash.as_ref())
        } else {
            meant(self.status, &spec.document_version)
        };
        let namespace = self.document.namespace().unwrap_or_default();
        let called = status.called_documents.iter().map(|called| &called.document);
        let called = called.filter(|reference| reference.namespace == namespace);
        own.into_iter()
            .chain(called.filter_map(|reference| {
                self.status.versions.iter().find(|version| version.revision == reference.revision)
            }))
            .collect()
    }

    /// Whether a name means this Document in a namespace.
    fn is_meant(&self, namespace: &str, name: &str) -> bool {
        let own = self.document.metadata.namespace.as_deref().unwrap_or_default();
        let seen = namespace == own || (own == self.library && !(self.has_own)(namespace));
        seen && self.document.metadata.name.as_deref() == Some(document_name(name).as_str())
    }
}

impl Users {
    /// A Command of an Association that uses the same version is no news, and there may be one every minute.
    fn add(&mut self, command: &Command) {
        let namespace = command.namespace().unwrap_or_default();
        let of_user = command.owner_references().iter().any(|owner| {
            owner.kind == Association::kind(&())
                && self.associations.contains(&format!("{namespace}/{}", owner.name))
        });
        if !of_user {
            let (name, uid) = (command.name_any(), command.uid().unwrap_or_default());
            self.commands.push(CommandUser { namespace, name, uid });
        }
    }
}

fn users<'a>(usage: &'a mut Usage, version: &DocumentVersion) -> &'a mut Users {
    usage.entry(version.version.clone()).or_default()
}

/// Whether a Command has ended.
pub fn has_ended(command: &Command) -> bool {
    command.status.as_ref().and_then(|status| status.status).is_some_and(RunStatus::is_terminal)
}

#[cfg(test)]
mod tests;
