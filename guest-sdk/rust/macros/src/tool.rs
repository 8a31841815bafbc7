//! One tool function.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Attribute, Error, Ident, ItemFn, LitStr, Meta, Result, Safety};

use crate::argument::Argument;
use crate::attributes::{check_name, documentation, is_named, publish};
use crate::returns::Returns;

/// The names of the hints, as `#[tool(…)]` and `Hints` have them.
const HINTS: [&str; 4] = ["read_only", "destructive", "idempotent", "open_world"];

/// A function marked `#[tool]`.
pub(crate) struct Tool {
    pub(crate) name: String,
    pub(crate) name_span: Span,
    function: Ident,
    title: Option<String>,
    description: String,
    hints: [bool; HINTS.len()],
    arguments: Vec<Argument>,
    returns: Returns,
    conditions: Vec<Attribute>,
}

impl Tool {
    /// Reads a function if it is marked `#[tool]`, and leaves an ordinary public function.
    pub(crate) fn parse(function: &mut ItemFn) -> Result<Option<Self>> {
        let is_tool = |attribute: &Attribute| is_named(attribute, "tool");
        if !function.attrs.iter().any(is_tool) {
            return Ok(None);
        }
        let Some(description) = documentation(&function.attrs) else {
            return Err(Error::new_spanned(
                &function.sig.ident,
                "a tool needs a doc comment, which tells the model what the tool does and when to call it",
            ));
        };
        check_signature(function)?;
        let mut tool = Self {
            name: function.sig.ident.unraw().to_string(),
            name_span: function.sig.ident.span(),
            function: function.sig.ident.clone(),
            title: None,
            description,
            hints: [false; HINTS.len()],
            arguments: Vec::new(),
            returns: Returns::parse(&function.sig.output),
            conditions: function.attrs.iter().filter(|attribute| attribute.path().is_ident("cfg")).cloned().collect(),
        };
        for attribute in function.attrs.iter().filter(|attribute| is_tool(attribute)) {
            tool.read_attribute(attribute)?;
        }
        check_name("a tool", &tool.name, tool.name_span)?;
        for (index, input) in function.sig.inputs.iter_mut().enumerate() {
            let argument = Argument::parse(input, index)?;
            if tool.arguments.iter().any(|other| other.name == argument.name) {
                let reason = format!("the tool has another argument named `{}`", argument.name);
                return Err(Error::new_spanned(input, reason));
            }
            tool.arguments.push(argument);
        }
        function.attrs.retain(|attribute| !is_tool(attribute));
        publish(&mut function.vis);
        Ok(Some(tool))
    }

    fn read_attribute(&mut self, attribute: &Attribute) -> Result<()> {
        if matches!(attribute.meta, Meta::Path(_)) {
            return Ok(());
        }
        attribute.parse_nested_meta(|meta| {
            let option = meta.path.get_ident().map(Ident::to_string).unwrap_or_default();
            if let Some(hint) = HINTS.iter().position(|hint| *hint == option) {
                self.hints[hint] = true;
                return Ok(());
            }
            match option.as_str() {
                "title" => self.title = Some(meta.value()?.parse::<LitStr>()?.value()),
                "name" => {
                    let name = meta.value()?.parse::<LitStr>()?;
                    self.name = name.value();
                    self.name_span = name.span();
                }
                _ => return Err(meta.error(format!("expected `name`, `title`, `{}`", HINTS.join("`, `")))),
            }
            Ok(())
        })
    }

    /// Whether the tool is there only under some `cfg`.
    pub(crate) fn is_conditional(&self) -> bool {
        !self.conditions.is_empty()
    }

    /// The statement that adds the tool's definition to the list `tools`.
    pub(crate) fn definition(&self) -> TokenStream {
        let Self { name, description, conditions, .. } = self;
        let title = match &self.title {
            Some(title) => quote!(::core::option::Option::Some(::std::string::String::from(#title))),
            None => quote!(::core::option::Option::None),
        };
        let [read_only, destructive, idempotent, open_world] = self.hints;
        let properties = self.arguments.iter().map(Argument::property);
        let output_schema = self.returns.schema();
        quote! {
            #(#conditions)*
            tools.push(::perstack::ToolDefinition {
                name: ::std::string::String::from(#name),
                title: #title,
                description: ::std::string::String::from(#description),
                input_schema: ::perstack::__private::input_schema(&[#(#properties),*]),
                output_schema: #output_schema,
                hints: ::perstack::Hints {
                    read_only: #read_only,
                    destructive: #destructive,
                    idempotent: #idempotent,
                    open_world: #open_world,
                },
            });
        }
    }

    /// The match arm that calls the tool.
    pub(crate) fn call(&self) -> TokenStream {
        let Self { name, function, conditions, .. } = self;
        let names = self.arguments.iter().map(|argument| &argument.name);
        let takes = self.arguments.iter().map(Argument::take);
        let variables = self.arguments.iter().map(Argument::variable);
        let binding = if self.arguments.is_empty() { quote!(_) } else { quote!(mut arguments) };
        let answer = self.returns.wrap(quote!(#function(#(#variables),*)));
        quote! {
            #(#conditions)*
            #name => {
                let #binding = ::perstack::__private::Arguments::parse(arguments, &[#(#names),*])?;
                #(#takes)*
                #answer
            }
        }
    }
}

/// Refuses functions that a host could not call.
fn check_signature(function: &ItemFn) -> Result<()> {
    let signature = &function.sig;
    if let Some(token) = &signature.asyncness {
        return Err(Error::new(token.span(), "a tool cannot be `async`: the host runs calls side by side itself"));
    }
    if let Some(parameter) = signature.generics.params.first() {
        return Err(Error::new_spanned(parameter, "a tool cannot be generic: its schema needs concrete types"));
    }
    if let Safety::Unsafe(token) = &signature.safety {
        return Err(Error::new(token.span(), "a tool cannot be `unsafe`: a model calls it"));
    }
    if let Some(abi) = &signature.abi {
        return Err(Error::new_spanned(abi, "a tool is an ordinary Rust function, without `extern`"));
    }
    Ok(())
}
