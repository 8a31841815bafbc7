//! The contract of `wit/`, as Rust. Generated; nothing else is in this file.

/// World `skill`.
pub(crate) mod skill {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "skill",
        imports: { default: async | trappable },
        exports: { default: async },
    });
}

/// World `expert`.
pub(crate) mod expert {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "expert",
        imports: { default: async | trappable },
        exports: { default: async },
        with: {
            "perstack:plugin/types": super::skill::perstack::plugin::types,
            "perstack:plugin/state": super::skill::perstack::plugin::state,
        },
    });
}

pub(crate) use skill::perstack::plugin::{call_context, progress, state, types};
