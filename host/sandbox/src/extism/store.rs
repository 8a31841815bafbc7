//! What a call of a plugin has.

use std::collections::BTreeMap;
use std::sync::Arc;

use wasmtime_wasi::p1::WasiP1Ctx;

use super::blocks::Blocks;
use super::http::Response;
use crate::capability::{Captured, Gate};
use crate::error::Ended;
use crate::limits::Limiter;

/// Bytes of the variables of a call: what Extism allows by default.
const MAX_VARIABLE_BYTES: usize = 1 << 20;
/// What a variable takes beside its name and its value.
const VARIABLE_BYTES: usize = 64;

/// What a plugin is told when it asks for its configuration: what `perstack.toml` says, placeholders of secrets, and
/// granted variables.
#[derive(Clone, Default)]
pub(crate) struct Answers {
    /// The same for each call.
    pub(crate) config: Arc<BTreeMap<String, String>>,
    /// This call's own.
    pub(crate) granted: BTreeMap<String, String>,
}

impl Answers {
    fn get(&self, name: &str) -> Option<&String> {
        self.config.get(name).or_else(|| self.granted.get(name))
    }
}

/// What the engine knows about a call of a plugin.
pub(crate) struct PluginStore {
    pub(crate) limiter: Limiter,
    pub(crate) gate: Gate,
    pub(super) wasi: WasiP1Ctx,
    pub(super) blocks: Blocks,
    /// Offset and length.
    pub(super) input: (u64, u64),
    pub(super) output: (u64, u64),
    /// The offset of an error's text; 0 where there is none.
    pub(super) error: u64,
    pub(super) response: Response,
    answers: Answers,
    variables: BTreeMap<String, Box<[u8]>>,
    variable_bytes: usize,
    log: Captured,
}

impl PluginStore {
    pub(crate) fn new(wasi: WasiP1Ctx, gate: Gate, limiter: Limiter, answers: Answers, log: Captured) -> Self {
        Self {
            limiter,
            gate,
            wasi,
            blocks: Blocks::default(),
            input: (0, 0),
            output: (0, 0),
            error: 0,
            response: Response::default(),
            answers,
            variables: BTreeMap::new(),
            variable_bytes: 0,
            log,
        }
    }

    /// A new block of so many bytes. 0 where it is empty, or there is no memory for it.
    pub(super) fn alloc(&mut self, length: u64) -> u64 {
        let Some(size) = usize::try_from(length).ok().filter(|size| *size > 0) else { return 0 };
        if !self.limiter.take(Blocks::cost(length)) {
            return 0;
        }
        self.blocks.add(vec![0; size].into())
    }

    /// A block with these bytes. 0 where there are none.
    pub(super) fn give(&mut self, bytes: &[u8]) -> Result<u64, Ended> {
        if bytes.is_empty() {
            return Ok(0);
        }
        if !self.limiter.take(Blocks::cost(bytes.len() as u64)) {
            return Err(self.limiter.hit.clone().unwrap_or_else(no_such_block));
        }
        Ok(self.blocks.add(bytes.into()))
    }

    pub(super) fn free(&mut self, offset: u64) {
        if let Some(block) = self.blocks.remove(offset) {
            self.limiter.give_back(Blocks::cost(block.len() as u64));
            if self.input.0 == offset {
                self.input.1 = 0;
            }
        }
    }

    /// Takes a block from the plugin, which hands it over for good.
    pub(super) fn take(&mut self, offset: u64) -> Result<Box<[u8]>, Ended> {
        let block = self.blocks.remove(offset).ok_or_else(no_such_block)?;
        self.limiter.give_back(Blocks::cost(block.len() as u64));
        Ok(block)
    }

    pub(super) fn take_text(&mut self, offset: u64) -> Result<String, Ended> {
        String::from_utf8(self.take(offset)?.into()).map_err(|_| Ended::BadAnswer("a name is not UTF-8".into()))
    }

    pub(super) fn config(&mut self, name: u64) -> Result<u64, Ended> {
        let name = self.take_text(name)?;
        let value = self.answers.get(&name).cloned().unwrap_or_default();
        self.give(value.as_bytes())
    }

    pub(super) fn variable(&mut self, name: u64) -> Result<u64, Ended> {
        let name = self.take_text(name)?;
        let value = self.variables.get(&name).cloned().unwrap_or_default();
        self.give(&value)
    }

    /// Keeps a variable until the call ends, or forgets it.
    pub(super) fn set_variable(&mut self, name: u64, value: u64) -> Result<(), Ended> {
        let name = self.take_text(name)?;
        if let Some(old) = self.variables.remove(&name) {
            self.variable_bytes -= variable_size(&name, &old);
        }
        if value != 0 {
            let value = self.take(value)?;
            self.variable_bytes += variable_size(&name, &value);
            if self.variable_bytes > MAX_VARIABLE_BYTES {
                return Err(Ended::Variables(MAX_VARIABLE_BYTES as u64));
            }
            self.variables.insert(name, value);
        }
        Ok(())
    }

    /// Puts a line into the call's log.
    pub(super) fn log(&mut self, level: &str, offset: u64) -> Result<(), Ended> {
        let text = self.take(offset)?;
        for part in [level.as_bytes(), b": ", &*text, b"\n"] {
            self.log.push(part);
        }
        Ok(())
    }
}

fn variable_size(name: &str, value: &[u8]) -> usize {
    name.len() + value.len() + VARIABLE_BYTES
}

fn no_such_block() -> Ended {
    Ended::BadAnswer("it named a block of memory that is not there".into())
}
