//! `#[perstack::skill]`.

use std::collections::BTreeSet;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Error, Item, ItemMod, Result};

use crate::needs::Needs;
use crate::tool::Tool;

/// Adds to the module a type `Skill` that lists and calls its tools, and exports it where the target is a component.
pub(crate) fn expand(module: ItemMod, needs: &Needs) -> Result<TokenStream> {
    let ItemMod { attrs, vis, ident, content, .. } = module;
    let Some((_, mut items)) = content else {
        return Err(Error::new_spanned(ident, "a skill's tools stand in the module itself: `mod name { … }`"));
    };
    let tools = read_tools(&mut items)?;
    if tools.is_empty() {
        return Err(Error::new_spanned(ident, "the skill has no tool: mark its functions with `#[tool]`"));
    }
    let definitions = tools.iter().map(Tool::definition);
    let calls = tools.iter().map(Tool::call);
    let section = needs.section();
    Ok(quote! {
        #section

        #(#attrs)*
        #[allow(unreachable_pub, private_interfaces)]
        #vis mod #ident {
            #(#items)*

            /// The skill of this module as the host sees it: its tools, listed and called by name.
            pub struct Skill;

            impl ::perstack::Skill for Skill {
                fn tools() -> ::std::vec::Vec<::perstack::ToolDefinition> {
                    let mut tools = ::std::vec::Vec::new();
                    #(#definitions)*
                    tools
                }

                fn call(
                    name: &str,
                    arguments: &str,
                ) -> ::core::result::Result<::perstack::Output, ::perstack::ToolError> {
                    match name {
                        #(#calls)*
                        _ => ::core::result::Result::Err(::perstack::__private::unknown_tool(name)),
                    }
                }
            }
        }

        const _: () = {
            type Exported = ::perstack::__private::SkillExport<#ident::Skill>;
            ::perstack::__export_skill!(Exported);
        };
    })
}

/// Takes the tools out of the module's items, reporting all that is wrong at once.
fn read_tools(items: &mut [Item]) -> Result<Vec<Tool>> {
    let mut tools = Vec::new();
    let mut names = BTreeSet::new();
    let mut errors: Option<Error> = None;
    let mut report = |error: Error| match &mut errors {
        Some(errors) => errors.combine(error),
        None => errors = Some(error),
    };
    for item in items {
        let Item::Fn(function) = item else { continue };
        match Tool::parse(function) {
            // Under different `cfg`s a name may stand twice, so the compiler judges those by itself.
            Ok(Some(tool)) if !tool.is_conditional() && !names.insert(tool.name.clone()) => {
                report(Error::new(tool.name_span, format!("the skill has another tool named `{}`", tool.name)));
            }
            Ok(Some(tool)) => tools.push(tool),
            Ok(None) => {}
            Err(error) => report(error),
        }
    }
    errors.map_or(Ok(tools), Err)
}
