//! What happens to servers, as events of the run.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use perstack_core::{HOST_NOTE, RuntimeEvent};
use perstack_mcp::{Listener, ServerEvent, harmless};

use crate::announce::milliseconds;
use crate::recorder::Recorder;

/// What happens to the servers of a run, in its order.
#[derive(Default)]
pub(crate) struct Log {
    recorder: Option<Arc<Recorder>>,
    /// What has happened while nobody recorded it. A server is allowed so many lines, and no more.
    waiting: Vec<RuntimeEvent>,
    /// The latest connections, which are told again where the run's events begin again.
    connected: BTreeMap<String, RuntimeEvent>,
}

impl Log {
    pub(crate) fn tell(&mut self, event: RuntimeEvent) {
        if let RuntimeEvent::SkillConnected { skill_name, .. } = &event {
            self.connected.insert(skill_name.clone(), event.clone());
        }
        match &self.recorder {
            // What a server says is worth no run: what cannot be kept of it is lost.
            Some(recorder) => drop(recorder.runtime(event)),
            None => self.waiting.push(event),
        }
    }

    pub(crate) fn attach(&mut self, recorder: &Arc<Recorder>) {
        let waiting = std::mem::take(&mut self.waiting);
        let is_new = |event: &&RuntimeEvent| !waiting.contains(event);
        let again: Vec<RuntimeEvent> = self.connected.values().filter(is_new).cloned().collect();
        self.recorder = Some(recorder.clone());
        again.into_iter().chain(waiting).for_each(|event| self.tell(event));
    }

    pub(crate) fn detach(&mut self) {
        let gone = self.connected.keys().cloned();
        let gone: Vec<_> = gone.map(|skill_name| RuntimeEvent::SkillDisconnected { skill_name }).collect();
        gone.into_iter().for_each(|event| self.tell(event));
        self.recorder = None;
    }
}

/// Tells what happens to one of them.
pub(crate) struct Feed {
    pub(crate) skill: String,
    /// The command and its arguments, of a native one.
    pub(crate) started: Option<(String, Vec<String>)>,
    pub(crate) log: Arc<Mutex<Log>>,
}

pub(crate) fn lock(log: &Mutex<Log>) -> MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Listener for Feed {
    fn hear(&self, event: ServerEvent) {
        let skill_name = self.skill.clone();
        let event = match event {
            ServerEvent::Starting => match self.started.clone() {
                Some((command, args)) => RuntimeEvent::SkillStarting { skill_name, command, args },
                // Each connection to a server elsewhere is an event of its own.
                None => return,
            },
            // It does not speak for us.
            ServerEvent::Wrote(line) if line.trim_start().starts_with(HOST_NOTE.trim_end()) => {
                RuntimeEvent::SkillStderr { skill_name, message: format!("| {line}") }
            }
            ServerEvent::Wrote(message) => RuntimeEvent::SkillStderr { skill_name, message },
            ServerEvent::Noted(note) => {
                RuntimeEvent::SkillStderr { skill_name, message: format!("{HOST_NOTE}{}", harmless(&note)) }
            }
            ServerEvent::Connected { info, times } => {
                let connect = times.spawn + times.handshake;
                RuntimeEvent::SkillConnected {
                    skill_name,
                    server_info: info,
                    spawn_duration_ms: milliseconds(times.spawn),
                    handshake_duration_ms: milliseconds(times.handshake),
                    tool_discovery_duration_ms: milliseconds(times.discovery),
                    connect_duration_ms: milliseconds(connect),
                    total_duration_ms: milliseconds(connect + times.discovery),
                }
            }
        };
        lock(&self.log).tell(event);
    }
}
