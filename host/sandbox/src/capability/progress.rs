//! Progress of a call, for people who wait for it.

use perstack_core::Observation;

use crate::bindings::progress;
use crate::skill::SkillStore;

/// Characters of a report: one line of a wide terminal.
const MAX_MESSAGE_CHARACTERS: usize = 200;
/// Reports of one call; the others are dropped, as the contract says they may be.
const MAX_REPORTS: usize = 1000;

impl progress::Host for SkillStore {
    async fn report(&mut self, message: String, fraction: Option<f32>) -> wasmtime::Result<()> {
        if self.reports < MAX_REPORTS {
            self.reports += 1;
            // A report that cannot be kept is dropped, as the contract says they may be.
            drop(self.context.observer.observe(Observation::Progress {
                skill_name: self.skill_name.clone(),
                tool_call_id: self.context.tool_call_id.clone(),
                message: message.chars().take(MAX_MESSAGE_CHARACTERS).collect(),
                fraction: fraction.filter(|fraction| (0.0..=1.0).contains(fraction)),
            }));
        }
        Ok(())
    }
}
