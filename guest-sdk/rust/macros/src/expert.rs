//! `#[perstack::expert]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Error, ItemFn, Result, ReturnType};

use crate::attributes::publish;
use crate::returns::generic_argument;

/// Keeps the function, and exports it where the target is a component.
pub(crate) fn expand(mut function: ItemFn) -> Result<TokenStream> {
    let signature = &function.sig;
    if let Some(token) = &signature.asyncness {
        return Err(Error::new_spanned(token, "an Expert's function cannot be `async`"));
    }
    if let Some(parameter) = signature.generics.params.first() {
        return Err(Error::new_spanned(parameter, "an Expert's function cannot be generic"));
    }
    if signature.inputs.len() != 1 || signature.receiver().is_some() {
        return Err(Error::new_spanned(
            &signature.ident,
            "an Expert's function takes one argument, of type `perstack::Input`",
        ));
    }
    let ReturnType::Type(_, output) = &signature.output else {
        return Err(Error::new_spanned(
            &signature.ident,
            "an Expert's function returns its final answer: `String`, or a `Result` of it",
        ));
    };
    let name = &signature.ident;
    let answer = match generic_argument(output, "Result") {
        Some(_) => quote!(#name(input).map(::core::convert::Into::into).map_err(|error| error.to_string())),
        None => quote!(::core::result::Result::Ok(#name(input).into())),
    };
    publish(&mut function.vis);
    Ok(quote! {
        #[allow(unreachable_pub)]
        #function

        const _: () = {
            struct Logic;

            impl ::perstack::Expert for Logic {
                fn run(
                    input: ::perstack::Input,
                ) -> ::core::result::Result<::std::string::String, ::std::string::String> {
                    #answer
                }
            }

            type Exported = ::perstack::__private::ExpertExport<Logic>;
            ::perstack::__export_expert!(Exported);
        };
    })
}
