//! Looking at a component for people: what it is for, what it imports, what it says that it needs. None of it runs.

use perstack_core::config::Needs;

use crate::component::{Calls, ComponentBytes, World, check};
use crate::error::{LoadError, printable};
use crate::extism;

/// What a component is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// What it is for.
    pub purpose: Purpose,
    /// Interfaces that it imports, with their versions, in its order; of a plugin the modules.
    pub imports: Vec<String>,
    /// What it says that it needs; `None` where it says nothing.
    pub needs: Option<Needs>,
}

/// What a component is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A skill: world `skill` of our contract.
    Skill,
    /// A skill of a world of its own.
    OtherSkill,
    /// An Expert's logic: world `expert`.
    Logic,
    /// An Extism plugin.
    Plugin,
}

/// Looks at a component.
///
/// # Errors
/// [`LoadError`]: it is none, or would not be loaded.
pub fn inspect(component: &ComponentBytes) -> Result<Inspection, LoadError> {
    if extism::is_plugin(component.bytes()) {
        let imports = extism::check(component.bytes())?.imports.into_iter().map(printable).collect();
        return Ok(Inspection { purpose: Purpose::Plugin, imports, needs: None });
    }
    let (purpose, checked) = match check(component, World::Expert) {
        Ok(checked) => (Purpose::Logic, checked),
        Err(_) => {
            let checked = check(component, World::Skill)?;
            let purpose = if checked.calls == Calls::World { Purpose::Skill } else { Purpose::OtherSkill };
            (purpose, checked)
        }
    };
    let imports = checked.imports.into_iter().map(printable).collect();
    Ok(Inspection { purpose, imports, needs: checked.needs })
}
