//! Attribute macros of `perstack-guest`, which re-exports and documents them. Authors do not depend on this crate.

mod argument;
mod attributes;
mod expert;
mod literal;
mod needs;
mod returns;
mod schema;
mod serde_attributes;
mod skill;
#[cfg(test)]
mod tests;
mod tool;

use proc_macro::TokenStream;
use quote::quote;
use syn::parse_macro_input;

/// Makes a skill of a module: each function in it that is marked `#[tool]` becomes a tool.
///
/// `#[tool(…)]` takes the hints `read_only`, `destructive`, `idempotent` and `open_world`, a `title = "…"` for people,
/// and a `name = "…"` where it is not that of the function. The doc comment is the tool's description.
///
/// A parameter is an argument of the same name; an `Option` may be left out. `#[arg(…)]` takes `default = …`,
/// `min = …` and `max = …` (of a number's value, a string's characters, a list's items), a `name = "…"` where it is not
/// that of the parameter, and `description = "…"`, which a doc comment on the parameter is too.
///
/// What the function returns is judged by how its type is written: `String` and `&str` are text, `()` is the text
/// `Done`, `Output` is taken as it is, and anything else is data with a schema. All of these may stand in a `Result`,
/// whose error is a `ToolError` or anything that implements `Display`.
///
/// The functions stay ordinary functions and become public. A type `Skill` is added to the module.
///
/// `#[skill(…)]` takes what the skill needs at the most, in the words of `capabilities` in `perstack.toml`:
/// `network = ["https://api.example.com"]`, `secrets(API_KEY = ["api.example.com"])`, `env = ["REGION"]`,
/// `read = ["."]`, `write = ["reports"]`. It is written into the component; `perstack inspect` compares it with what is
/// granted, and nothing else is ever given. Without it, the skill has all that it is granted; `network = []` alone says
/// that it needs nothing.
#[proc_macro_attribute]
pub fn skill(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let needs = parse_macro_input!(arguments as needs::Needs);
    let module = parse_macro_input!(item as syn::ItemMod);
    skill::expand(module, &needs).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Makes an Expert of a function from `perstack::Input` to its final answer: `String`, or a `Result` of it with an
/// error that implements `Display`. The function stays an ordinary function and becomes public.
#[proc_macro_attribute]
pub fn expert(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let function = parse_macro_input!(item as syn::ItemFn);
    attributes::no_arguments("expert", &arguments.into())
        .and_then(|()| expert::expand(function))
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Lets a struct or an enum be an argument or an answer of a tool: derives `Serialize`, `Deserialize` and `Schema`.
/// Doc comments become descriptions.
#[proc_macro_attribute]
pub fn data(arguments: TokenStream, item: TokenStream) -> TokenStream {
    if let Err(error) = attributes::no_arguments("data", &arguments.into()) {
        return error.into_compile_error().into();
    }
    let item = parse_macro_input!(item as syn::DeriveInput);
    quote! {
        #[derive(::perstack::serde::Serialize, ::perstack::serde::Deserialize, ::perstack::Schema)]
        #[serde(crate = "::perstack::serde")]
        #item
    }
    .into()
}

/// Derives `perstack::Schema`, the JSON Schema of a type as `serde` writes it, for structs with named fields or one
/// unnamed one, and for enums, tagged within or without. Attributes of serde that cannot be put into a schema are
/// refused.
#[proc_macro_derive(Schema, attributes(serde))]
pub fn derive_schema(item: TokenStream) -> TokenStream {
    let item = parse_macro_input!(item as syn::DeriveInput);
    schema::expand(item).unwrap_or_else(syn::Error::into_compile_error).into()
}
