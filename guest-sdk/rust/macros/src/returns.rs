//! What a tool function returns, decided by how its type is written.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{GenericArgument, PathArguments, PathSegment, ReturnType, Type};

/// How an answer becomes a tool output.
pub(crate) struct Returns {
    kind: Kind,
    fallible: bool,
}

enum Kind {
    Unit,
    Text,
    Output,
    Structured(Box<Type>),
}

impl Returns {
    /// Reads the type behind `->`.
    pub(crate) fn parse(output: &ReturnType) -> Self {
        let ReturnType::Type(_, ty) = output else {
            return Self { kind: Kind::Unit, fallible: false };
        };
        match generic_argument(ty, "Result") {
            Some(success) => Self { kind: Kind::parse(success), fallible: true },
            None => Self { kind: Kind::parse(ty), fallible: false },
        }
    }

    /// Turns a call of the function into an expression of type `Result<Output, ToolError>`.
    pub(crate) fn wrap(&self, call: TokenStream) -> TokenStream {
        let value = if self.fallible { quote!(#call.map_err(::perstack::__private::tool_error)?) } else { call };
        match &self.kind {
            Kind::Unit => quote!({ let () = #value; ::core::result::Result::Ok(::perstack::Output::done()) }),
            Kind::Text => quote!(::core::result::Result::Ok(::perstack::Output::text(#value))),
            Kind::Output => quote!(::core::result::Result::Ok(#value)),
            Kind::Structured(ty) => quote_spanned!(ty.span()=> ::perstack::Output::structured::<#ty>(&#value)),
        }
    }

    /// The schema of structured output, as an expression of type `Option<String>`.
    pub(crate) fn schema(&self) -> TokenStream {
        match &self.kind {
            Kind::Structured(ty) => quote!(::core::option::Option::Some(::perstack::schema_of::<#ty>())),
            _ => quote!(::core::option::Option::None),
        }
    }
}

impl Kind {
    fn parse(ty: &Type) -> Self {
        match ty {
            Type::Tuple(tuple) if tuple.elems.is_empty() => Self::Unit,
            Type::Reference(reference) if last_segment(&reference.elem).is_some_and(|last| last.ident == "str") => {
                Self::Text
            }
            _ => match last_segment(ty).map(|segment| segment.ident.to_string()).as_deref() {
                Some("String") => Self::Text,
                Some("Output") => Self::Output,
                _ => Self::Structured(Box::new(ty.clone())),
            },
        }
    }
}

/// The last segment of a type's path: `Result<T>` of `std::io::Result<T>`.
pub(crate) fn last_segment(ty: &Type) -> Option<&PathSegment> {
    match ty {
        Type::Path(path) => path.path.segments.last(),
        _ => None,
    }
}

/// `T` of `Name<T, …>`.
pub(crate) fn generic_argument<'a>(ty: &'a Type, name: &str) -> Option<&'a Type> {
    let segment = last_segment(ty).filter(|segment| segment.ident == name)?;
    let PathArguments::AngleBracketed(generics) = &segment.arguments else {
        return None;
    };
    generics.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}
