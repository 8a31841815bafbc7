//! What the macros' code uses. Not for authors: it changes without notice.

pub use crate::arguments::{Arguments, Bounded, check_bounds, default_json, input_schema, tool_error, unknown_tool};
pub use crate::schema::{Case, Property, Shape};

#[cfg(target_arch = "wasm32")]
#[expect(missing_docs, reason = "written by wit-bindgen, which documents what the contract does")]
pub mod bindings;
#[cfg(target_arch = "wasm32")]
mod export;

#[cfg(target_arch = "wasm32")]
pub use export::{ExpertExport, SkillExport};
#[cfg(target_arch = "wasm32")]
pub use wit_bindgen::rt as wit_bindgen_runtime;

/// Exports a skill from the component.
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
#[macro_export]
macro_rules! __export_skill {
    ($exported:ident) => {
        $crate::__private::bindings::skill::export_skill!(
            $exported with_types_in $crate::__private::bindings::skill
        );
    };
}

/// Exports an Expert from the component.
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
#[macro_export]
macro_rules! __export_expert {
    ($exported:ident) => {
        $crate::__private::bindings::expert::export_expert!(
            $exported with_types_in $crate::__private::bindings::expert
        );
    };
}

/// A skill that nothing exports, so that the compiler takes it for used where there is no component.
#[cfg(not(target_arch = "wasm32"))]
pub struct SkillExport<S>(std::marker::PhantomData<S>);

#[cfg(not(target_arch = "wasm32"))]
impl<S: crate::Skill> SkillExport<S> {
    /// Names all that a host would call.
    pub fn used() {
        let _ = (S::tools, S::call);
    }
}

/// An Expert that nothing exports, so that the compiler takes it for used where there is no component.
#[cfg(not(target_arch = "wasm32"))]
pub struct ExpertExport<E>(std::marker::PhantomData<E>);

#[cfg(not(target_arch = "wasm32"))]
impl<E: crate::Expert> ExpertExport<E> {
    /// Names all that a host would call.
    pub fn used() {
        let _ = E::run;
    }
}

/// Uses a skill as a component would.
#[cfg(not(target_arch = "wasm32"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __export_skill {
    ($exported:ident) => {
        const _: fn() = <$exported>::used;
    };
}

/// Uses an Expert as a component would.
#[cfg(not(target_arch = "wasm32"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __export_expert {
    ($exported:ident) => {
        const _: fn() = <$exported>::used;
    };
}
