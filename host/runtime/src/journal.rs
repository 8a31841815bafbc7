//! The journal of an Expert's own logic: everything the logic asked, and what it was answered.
//!
//! The logic is a function of its input, its random seed, and these answers. So a run that was killed starts from the
//! top; as long as there are entries, each question must be the one that was recorded, and gets the recorded answer.
//! After the last entry the run is live again: a question is answered for real, and the answer is written before the
//! logic sees it.
//!
//! What has an effect outside is written twice, before ([`Entry::Called`], [`Entry::Asked`]) and after
//! ([`Entry::Answered`], [`Entry::Replied`]). A run that was killed in between makes the same call again, with the same
//! identifier. What a skill changes in its state is part of [`Entry::Answered`] and thus made exactly once.
//!
//! Time is read too often for an entry each. Readings wait in memory and are written with the next entry: until there is
//! one, nobody outside has seen anything that depends on them.

use perstack_core::{
    Content, Generation, Id, ModelError, Scope, StateChange, StateChanges, StoredValue, ToolCall, ToolDefinition, Usage,
};
use perstack_store::JournalStore;
use serde::{Deserialize, Serialize};

use crate::error::RunError;

/// One entry, as it is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Milliseconds since 1970.
    pub(crate) at: u64,
    /// What the clocks said since the entry before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) clock: Vec<Reading>,
    #[serde(flatten)]
    pub(crate) entry: Entry,
}

/// What a clock said, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Reading {
    Wall(u64),
    Monotonic(u64),
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(crate) enum Entry {
    /// The run began.
    Started {
        query: String,
        history: Vec<(String, String)>,
        /// What all random numbers come from, in hexadecimal.
        seed: String,
        /// SHA-256 of the logic's component: another one would take other ways. None where a model drives the Expert.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        component: Option<String>,
    },
    /// The model replied.
    Generated {
        /// SHA-256 of what the logic asked it, in hexadecimal; none where a model drives the Expert.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        asked: Option<String>,
        generation: Generation,
    },
    /// The model did not reply.
    NotGenerated {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        asked: Option<String>,
        error: ModelError,
    },
    /// The model was not asked.
    NoGeneration { reason: NoGeneration },
    /// The logic asked which tools there are.
    Listed { tools: Vec<ToolDefinition> },
    /// The logic calls tools.
    Called { calls: Vec<ToolCall> },
    /// The call with this index has an answer.
    Answered {
        index: usize,
        is_error: bool,
        content: Vec<Content>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        state: StateChanges,
    },
    /// The logic asked which Experts it may ask, as key and description.
    ListedDelegates { delegates: Vec<(String, String)> },
    /// Other Experts are asked, each in a run of its own.
    Delegated { delegations: Vec<Delegation> },
    /// The Expert with this index has answered.
    Reported { index: usize, report: Report },
    /// The logic asks the user; the run stops.
    Asked { call: ToolCall },
    /// The logic asked through a tool that there is not.
    AskRefused { tool_name: String },
    /// The user answered.
    Replied { text: String },
    /// The logic shows text.
    Said { text: String },
    /// The logic read an entry of its state.
    StateRead { scope: Scope, key: String, value: Option<StoredValue> },
    /// The logic listed its state.
    StateListed { scope: Scope, keys: Vec<String> },
    /// The logic changed its state.
    StateChanged { change: StateChange },
    /// The logic may not hold so much.
    StateRefused { scope: Scope, key: String },
    /// The logic ended.
    Finished { answer: Result<String, String> },
}

/// Why the model was not asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(crate) enum NoGeneration {
    NoModel,
    StepsUsedUp { max_steps: u64 },
}

/// What another Expert is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Delegation {
    pub(crate) tool_call_id: String,
    pub(crate) tool_name: String,
    pub(crate) expert_key: String,
    pub(crate) query: String,
    /// Its run.
    pub(crate) run_id: Id,
}

/// What another Expert has answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    pub(crate) answer: Result<String, String>,
    /// The latest step of its run.
    pub(crate) step_number: u64,
    /// Tokens that its run used.
    pub(crate) usage: Usage,
}

/// The journal of one run, with a place in it.
pub(crate) struct Journal {
    store: JournalStore,
    records: Vec<Record>,
    /// Entries that have been repeated, or written.
    place: usize,
}

impl Journal {
    /// Reads what was recorded; the place is the beginning.
    pub(crate) fn open(store: JournalStore) -> Result<Self, RunError> {
        let records = store.entries()?;
        Ok(Self { store, records, place: 0 })
    }

    /// All that was recorded.
    pub(crate) fn records(&self) -> &[Record] {
        &self.records
    }

    /// How the run ended, if it did.
    pub(crate) fn end(&self) -> Option<&Result<String, String>> {
        match &self.records.last()?.entry {
            Entry::Finished { answer } => Some(answer),
            _ => None,
        }
    }

    /// Stands behind this many entries: those are part of the checkpoint that the run goes on from.
    pub(crate) fn pass(&mut self, entries: u64) {
        self.place = usize::try_from(entries).unwrap_or(usize::MAX).min(self.records.len());
    }

    /// How many entries have been repeated or written.
    pub(crate) fn place(&self) -> u64 {
        self.place as u64
    }

    /// The next recorded entry, if the run is still being repeated.
    pub(crate) fn next(&mut self) -> Option<&Record> {
        let record = self.records.get(self.place)?;
        self.place += 1;
        Some(record)
    }

    /// The entry that [`Self::next`] would give.
    pub(crate) fn peek(&self) -> Option<&Record> {
        self.records.get(self.place)
    }

    /// Writes an entry after the last one, and stands behind it. When this returns, it is on the disk.
    pub(crate) fn append(&mut self, record: Record) -> Result<u64, RunError> {
        debug_assert_eq!(self.place, self.records.len(), "an entry was appended while others had not been repeated");
        let number = self.append_ahead(record)?;
        self.place = self.records.len();
        Ok(number)
    }

    /// Writes an entry that the run comes to when it is repeated: the user's answer.
    pub(crate) fn append_ahead(&mut self, record: Record) -> Result<u64, RunError> {
        let number = self.records.len() as u64 + 1;
        self.store.put(number, &record)?;
        self.records.push(record);
        Ok(number)
    }
}
