//! The contract, as wit-bindgen writes it. `export_skill!` and `export_expert!` come from here too; each is used in
//! the author's crate, so that a component has the world of what it exports and nothing of the other.

/// The world of skills.
pub mod skill {
    wit_bindgen::generate!({
        path: "wit",
        world: "skill",
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export_skill",
        default_bindings_module: "::perstack::__private::bindings::skill",
        runtime_path: "::perstack::__private::wit_bindgen_runtime",
    });
}

/// The world of Experts.
pub mod expert {
    wit_bindgen::generate!({
        path: "wit",
        world: "expert",
        generate_all,
        with: {
            "perstack:plugin/types@0.1.0": super::skill::perstack::plugin::types,
            "perstack:plugin/state@0.1.0": super::skill::perstack::plugin::state,
        },
        pub_export_macro: true,
        export_macro_name: "export_expert",
        default_bindings_module: "::perstack::__private::bindings::expert",
        runtime_path: "::perstack::__private::wit_bindgen_runtime",
    });
}
