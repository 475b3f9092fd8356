//! What this node has promised and done: one small database, written durably before anything is said.
//!
//! A run is here from before it is accepted until a day after its result was acknowledged and its dispatch
//! has expired, so that no dispatch, however late or often it comes, runs twice.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use keelson_protocol::v1::RunResult;
use prost::Message;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};
use tokio::sync::Notify;

use crate::clock;
use crate::run_directory::Order;

mod entry;

pub use entry::{Entry, Retired, State};

/// Run by command uid.
const RUNS: TableDefinition<&str, &[u8]> = TableDefinition::new("runs");
/// What to run, as long as it has not ended.
const ORDERS: TableDefinition<&str, &[u8]> = TableDefinition::new("orders");
/// How it ended.
const RESULTS: TableDefinition<&str, &[u8]> = TableDefinition::new("results");
/// What is known of no single run.
const OWN: TableDefinition<&str, &[u8]> = TableDefinition::new("own");
/// Milliseconds for which agents have held this journal open.
const LIVED: &str = "lived-ms";

/// Pages kept in memory. The journal is read by key and rarely, so a few are enough.
const CACHE_BYTES: usize = 128 * 1024;
/// A run is remembered for this long after its dispatch has expired.
const TOMBSTONE: Duration = Duration::from_secs(24 * 60 * 60);

/// The journal failed: nothing may be promised on its account.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file.
    #[error("cannot use the journal {}: {source}", path.display())]
    Storage {
        /// Where it is.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<redb::Error>,
    },
    /// An entry that this version does not understand.
    #[error("cannot understand the journal's entry of {uid:?}: {reason}")]
    Malformed {
        /// Command uid.
        uid: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// The journal of one node.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    database: Database,
    opened: Duration,
    lived_before: Duration,
    failed: Arc<Notify>,
}

impl Journal {
    /// Opens the journal at `path`, or makes it. After a crash it is checked and repaired first.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let opened = open_database(path);
        let (database, lived) = opened.map_err(|error| storage(path, error))?;
        let lived_before = Duration::from_millis(lived);
        Ok(Self {
            path: path.to_owned(),
            database,
            opened: clock::since_boot(),
            lived_before,
            failed: Arc::default(),
        })
    }

    /// Told when a write has failed, such as on a full disk. The database takes no write after that: it has to be
    /// opened again.
    pub fn failure(&self) -> Arc<Notify> {
        Arc::clone(&self.failed)
    }

    /// Time for which agents have held this journal open, altogether. It stands still while none does and no
    /// clock can move it, so what it measures is kept for too long at times and never for too short.
    pub fn lived(&self) -> Duration {
        self.lived_before + clock::since_boot().saturating_sub(self.opened)
    }

    /// What is known of a run.
    pub fn entry(&self, uid: &str) -> Result<Option<Entry>, JournalError> {
        self.get(RUNS, uid)?.map(|bytes| decode(uid, &bytes)).transpose()
    }

    /// What to run, of a run that has not ended.
    pub fn order(&self, uid: &str) -> Result<Option<Order>, JournalError> {
        self.get(ORDERS, uid)?.map(|bytes| decode(uid, &bytes)).transpose()
    }

    /// How a run ended.
    pub fn result(&self, uid: &str) -> Result<Option<RunResult>, JournalError> {
        let Some(bytes) = self.get(RESULTS, uid)? else { return Ok(None) };
        RunResult::decode(bytes.as_slice()).map(Some).map_err(|error| malformed(uid, &error))
    }

    /// Every run, in no order that means anything.
    pub fn entries(&self) -> Result<Vec<(String, Entry)>, JournalError> {
        let read = || -> Result<Vec<(String, Vec<u8>)>, redb::Error> {
            let table = self.database.begin_read()?.open_table(RUNS)?;
            let rows = table.iter()?.map(|row| {
                let (uid, bytes) = row?;
                Ok((uid.value().to_owned(), bytes.value().to_vec()))
            });
            rows.collect()
        };
        let rows = read().map_err(|error| storage(&self.path, error))?;
        // One that cannot be understood is no reason to lose sight of the others.
        let understood = rows.into_iter().filter_map(|(uid, bytes)| match decode(&uid, &bytes) {
            Ok(entry) => Some((uid, entry)),
            Err(error) => {
                tracing::error!(%error, "leaving an entry of the journal alone");
                None
            }
        });
        Ok(understood.collect())
    }

    /// Promises to run `order` once. Durable when it returns.
    pub fn accept(&self, uid: &str, entry: &Entry, order: &Order) -> Result<(), JournalError> {
        let order = encode(order);
        self.write(|transaction| {
            transaction.open_table(ORDERS)?.insert(uid, order.as_slice())?;
            put_entry(transaction, uid, entry)
        })
    }

    /// A worker is about to be started in this boot. Durable when it returns.
    pub fn begin(&self, uid: &str, boot_id: &str) -> Result<(), JournalError> {
        self.change(uid, |entry| entry.begun_in = Some(boot_id.to_owned()), |_| Ok(()))
    }

    /// Takes the promise back: the run was not started in time and never will be.
    pub fn refuse(&self, uid: &str, message: &str) -> Result<(), JournalError> {
        self.change(
            uid,
            |entry| entry.state = State::Refused(message.to_owned()),
            |transaction| {
                transaction.open_table(ORDERS)?.remove(uid)?;
                Ok(())
            },
        )
    }

    /// The control plane knows that a run was refused.
    pub fn acknowledge_refusal(&self, uid: &str) -> Result<(), JournalError> {
        let change = |entry: &mut Entry| {
            if let State::Refused(message) = &mut entry.state {
                entry.state = State::RefusalAcknowledged(std::mem::take(message));
            }
        };
        self.change(uid, change, |_| Ok(()))
    }

    /// Keeps how a run ended.
    pub fn finish(&self, uid: &str, result: &RunResult) -> Result<(), JournalError> {
        let bytes = result.encode_to_vec();
        self.change(
            uid,
            |entry| entry.state = State::Finished,
            |transaction| {
                transaction.open_table(ORDERS)?.remove(uid)?;
                transaction.open_table(RESULTS)?.insert(uid, bytes.as_slice())?;
                Ok(())
            },
        )
    }

    /// The control plane has the result. What stays is short: enough to say it again. `folder_bytes` is what
    /// the run's folder takes on the disk.
    pub fn acknowledge(
        &self,
        uid: &str,
        folder_bytes: u64,
        output_pending: bool,
    ) -> Result<(), JournalError> {
        let short = self.result(uid)?.map(shortened).unwrap_or_default().encode_to_vec();
        let retired = Retired { at: self.lived(), folder_bytes, output_pending };
        self.change(
            uid,
            |entry| entry.state = State::Acknowledged(Some(retired)),
            |transaction| {
                transaction.open_table(RESULTS)?.insert(uid, short.as_slice())?;
                Ok(())
            },
        )
    }

    /// The archive has all output of an acknowledged run, and the control plane knows.
    pub fn complete_output(&self, uid: &str) -> Result<(), JournalError> {
        let change = |entry: &mut Entry| {
            if let State::Acknowledged(Some(retired)) = &mut entry.state {
                retired.output_pending = false;
            }
        };
        self.change(uid, change, |_| Ok(()))
    }

    /// The folder of an acknowledged run is gone.
    pub fn remove_folder(&self, uid: &str) -> Result<(), JournalError> {
        self.change(uid, |entry| entry.state = State::Acknowledged(None), |_| Ok(()))
    }

    /// Forgets runs that no dispatch can ask for any more and that have left nothing behind.
    pub fn forget(&self) -> Result<(), JournalError> {
        let lived = self.lived();
        let over = |entry: &Entry| {
            matches!(entry.state, State::Acknowledged(None) | State::RefusalAcknowledged(_))
                && lived >= entry.accepted_at + Duration::from_millis(entry.expires_in_ms) + TOMBSTONE
        };
        let forgotten: Vec<_> = self.entries()?.into_iter().filter(|(_, entry)| over(entry)).collect();
        self.write(|transaction| {
            for (uid, _) in &forgotten {
                transaction.open_table(RUNS)?.remove(uid.as_str())?;
                transaction.open_table(RESULTS)?.remove(uid.as_str())?;
            }
            Ok(())
        })
    }

    fn get(&self, table: TableDefinition<&str, &[u8]>, uid: &str) -> Result<Option<Vec<u8>>, JournalError> {
        let read = || -> Result<Option<Vec<u8>>, redb::Error> {
            let table = self.database.begin_read()?.open_table(table)?;
            Ok(table.get(uid)?.map(|bytes| bytes.value().to_vec()))
        };
        read().map_err(|error| storage(&self.path, error))
    }

    fn change(
        &self,
        uid: &str,
        change: impl FnOnce(&mut Entry),
        also: impl FnOnce(&WriteTransaction) -> Result<(), redb::Error>,
    ) -> Result<(), JournalError> {
        let Some(mut entry) = self.entry(uid)? else { return Err(malformed(uid, &"there is none")) };
        change(&mut entry);
        self.write(|transaction| {
            also(transaction)?;
            put_entry(transaction, uid, &entry)
        })
    }

    fn write(
        &self,
        write: impl FnOnce(&WriteTransaction) -> Result<(), redb::Error>,
    ) -> Result<(), JournalError> {
        let lived = u64::try_from(self.lived().as_millis()).unwrap_or(u64::MAX);
        let commit = || -> Result<(), redb::Error> {
            let transaction = self.database.begin_write()?;
            write(&transaction)?;
            transaction.open_table(OWN)?.insert(LIVED, lived.to_le_bytes().as_slice())?;
            Ok(transaction.commit()?)
        };
        commit().map_err(|error| {
            self.failed.notify_one();
            storage(&self.path, error)
        })
    }
}

fn open_database(path: &Path) -> Result<(Database, u64), redb::Error> {
    let database =
        Database::builder().set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true).create(path)?;
    let transaction = database.begin_write()?;
    for table in [RUNS, ORDERS, RESULTS] {
        transaction.open_table(table)?;
    }
    let lived = transaction.open_table(OWN)?.get(LIVED)?.and_then(|bytes| bytes.value().try_into().ok());
    transaction.commit()?;
    Ok((database, lived.map_or(0, u64::from_le_bytes)))
}

fn put_entry(transaction: &WriteTransaction, uid: &str, entry: &Entry) -> Result<(), redb::Error> {
    transaction.open_table(RUNS)?.insert(uid, encode(entry).as_slice())?;
    Ok(())
}

/// A result without the long texts, which the control plane has.
fn shortened(mut result: RunResult) -> RunResult {
    for step in &mut result.steps {
        step.standard_output.clear();
        step.standard_error.clear();
    }
    result
}

fn encode(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::json!(value).to_string().into_bytes()
}

fn decode<T: serde::de::DeserializeOwned>(uid: &str, bytes: &[u8]) -> Result<T, JournalError> {
    serde_json::from_slice(bytes).map_err(|error| malformed(uid, &error))
}

fn storage(path: &Path, source: redb::Error) -> JournalError {
    JournalError::Storage { path: path.to_owned(), source: Box::new(source) }
}

fn malformed(uid: &str, reason: &dyn std::fmt::Display) -> JournalError {
    JournalError::Malformed { uid: uid.to_owned(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests;
