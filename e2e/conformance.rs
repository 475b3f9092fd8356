//! Recorded documents, run through the whole flow and held against what the real agent answered.
//!
//! A folder holds `cases/*.yaml` and `golden.json`. Each case becomes a Document and a Command for one booted node;
//! what the node reports is compared step by step. A case may come out in three right ways: the same, refused with a
//! message that [`differences`] lists, or different where it says so. A list that has become untrue is wrong too.

pub mod answer;
pub mod case;
pub mod compare;
pub mod differences;
pub mod folder;
pub mod normal;
pub mod report;
pub mod run;
pub mod selection;
pub mod store;

pub use differences::Differences;
pub use folder::Folder;
pub use report::Report;
pub use selection::Selection;
