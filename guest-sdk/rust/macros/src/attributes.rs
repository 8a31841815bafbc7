//! What all macros read from attributes.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{Attribute, Error, Expr, ExprLit, Lit, Meta, Result, Visibility, parse_quote};

/// The longest name of a tool that the contract allows.
const MAX_NAME_LENGTH: usize = 64;

/// Refuses arguments of an attribute that takes none.
pub(crate) fn no_arguments(macro_name: &str, arguments: &TokenStream) -> Result<()> {
    if arguments.is_empty() {
        return Ok(());
    }
    Err(Error::new_spanned(arguments, format!("`#[perstack::{macro_name}]` takes no arguments")))
}

/// The doc comment: lines of a paragraph joined by spaces, since a line ends where the source was full, not where
/// the sentence was; paragraphs and list items keep their lines.
pub(crate) fn documentation(attributes: &[Attribute]) -> Option<String> {
    let mut text = String::new();
    let mut paragraph_ended = true;
    let documentation: Vec<String> = attributes.iter().filter_map(doc_text).collect();
    for line in documentation.iter().flat_map(|text| text.split('\n')) {
        let line = line.trim();
        if line.is_empty() {
            paragraph_ended = true;
            continue;
        }
        let starts_item = line.starts_with("- ") || line.starts_with("* ");
        if !text.is_empty() {
            text.push_str(match (paragraph_ended, starts_item) {
                (true, _) => "\n\n",
                (false, true) => "\n",
                (false, false) => " ",
            });
        }
        paragraph_ended = false;
        text.push_str(line);
    }
    (!text.is_empty()).then_some(text)
}

/// The text of one `#[doc = "…"]`, which is what a doc comment is to a macro.
fn doc_text(attribute: &Attribute) -> Option<String> {
    match &attribute.meta {
        Meta::NameValue(doc) if doc.path.is_ident("doc") => string_literal(&doc.value),
        _ => None,
    }
}

/// The text of a string literal.
pub(crate) fn string_literal(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
        _ => None,
    }
}

/// Whether the attribute is `#[name]` or `#[perstack::name]`, with or without arguments.
pub(crate) fn is_named(attribute: &Attribute, name: &str) -> bool {
    let path = attribute.path();
    path.is_ident(name)
        || (path.segments.len() == 2 && path.segments[0].ident == "perstack" && path.segments[1].ident == name)
}

/// `Some("…")` or `None`, as an expression.
pub(crate) fn optional_text(text: Option<&str>) -> TokenStream {
    match text {
        Some(text) => quote!(::core::option::Option::Some(#text)),
        None => quote!(::core::option::Option::None),
    }
}

/// Makes a private function public, so that tests outside its module can call it.
pub(crate) fn publish(visibility: &mut Visibility) {
    if matches!(visibility, Visibility::Inherited) {
        *visibility = parse_quote!(pub);
    }
}

/// Refuses names that the contract does not allow for tools. Those of arguments are held to the same.
pub(crate) fn check_name(of: &str, name: &str, span: Span) -> Result<()> {
    let fits = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-');
    if name.is_empty() || name.len() > MAX_NAME_LENGTH || !name.chars().all(fits) {
        return Err(Error::new(
            span,
            format!("{of}'s name has 1 to {MAX_NAME_LENGTH} of `a-z A-Z 0-9 _ -`, and `{name}` does not fit"),
        ));
    }
    Ok(())
}
