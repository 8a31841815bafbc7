//! What a guest was denied: told as it happens, and once more with the call's error.

use std::collections::BTreeSet;
use std::sync::Arc;

use perstack_core::{Observation, Observer};
use rustix::io::Errno;

use crate::error::printable;

/// Files that are told of one call. A guest that goes through a whole disk says no more with each.
const MAX_TOLD: usize = 100;
/// Of these, how many the model is told.
const MAX_NOTES: usize = 4;

/// The denials of one call.
pub(crate) struct Denials {
    skill_name: String,
    observer: Arc<dyn Observer>,
    told: BTreeSet<String>,
    notes: Vec<String>,
}

impl Denials {
    pub(crate) fn new(skill_name: &str, observer: Arc<dyn Observer>) -> Self {
        Self { skill_name: skill_name.to_owned(), observer, told: BTreeSet::new(), notes: Vec::new() }
    }

    /// Tells what an operation failed with, if that was for want of a grant. Gives what the guest is told.
    pub(super) fn tell(&mut self, path: &str, errno: Errno) -> Errno {
        let reason = match errno {
            Errno::ROFS => "it may only be read",
            Errno::PERM => "it is not granted",
            other => return other,
        };
        let path = printable(path);
        if self.told.len() < MAX_TOLD && self.told.insert(path.clone()) {
            if self.notes.len() < MAX_NOTES {
                self.notes.push(format!("access to `{path}` denied: {reason}"));
            }
            let (skill_name, reason) = (self.skill_name.clone(), reason.to_owned());
            // It is denied whether or not that is on record.
            drop(self.observer.observe(Observation::FileDenied { skill_name, path, reason }));
        }
        Errno::PERM
    }

    /// One sentence for each of the first.
    pub(super) fn notes(&self) -> &[String] {
        &self.notes
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use perstack_core::NotKept;

    use super::*;

    #[derive(Default)]
    struct Kept(Mutex<usize>);

    impl Observer for Kept {
        fn observe(&self, _: Observation) -> Result<(), NotKept> {
            *self.0.lock().unwrap() += 1;
            Ok(())
        }
    }

    #[test]
    fn a_guest_that_tries_everything_is_told_of_for_a_while() {
        let kept = Arc::new(Kept::default());
        let mut denials = Denials::new("files", kept.clone());
        for number in 0..2 * MAX_TOLD {
            for _ in 0..2 {
                assert_eq!(denials.tell(&format!("{number}"), Errno::ROFS), Errno::PERM);
            }
        }
        assert_eq!((*kept.0.lock().unwrap(), denials.notes().len()), (MAX_TOLD, MAX_NOTES));
        assert_eq!(denials.tell("nothing", Errno::NOENT), Errno::NOENT);
    }
}
