//! One parameter of a tool function.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::ext::IdentExt;
use syn::{Error, Expr, FnArg, Ident, LitStr, Pat, PatType, Result, Type};

use crate::attributes::{check_name, documentation, is_named, optional_text};
use crate::literal::{Default, Number};
use crate::returns::generic_argument;

/// A parameter, as the model sees it.
pub(crate) struct Argument {
    pub(crate) name: String,
    ident: Ident,
    ty: Type,
    description: Option<String>,
    default: Option<Default>,
    min: Option<Number>,
    max: Option<Number>,
}

impl Argument {
    /// Reads a parameter and removes the attributes that only this macro understands.
    pub(crate) fn parse(input: &mut FnArg, index: usize) -> Result<Self> {
        let FnArg::Typed(parameter) = input else {
            return Err(Error::new_spanned(input, "a tool has no `self`: state goes to `perstack::state`"));
        };
        let name = match &*parameter.pat {
            Pat::Ident(pattern) if pattern.by_ref.is_none() && pattern.subpat.is_none() => pattern.ident.unraw(),
            other => {
                return Err(Error::new_spanned(other, "a tool's argument needs a plain name, which the model is told"));
            }
        };
        match &*parameter.ty {
            Type::Reference(reference) => {
                return Err(Error::new_spanned(
                    reference,
                    "a tool owns its arguments: `String` in place of `&str`, `Vec<T>` in place of `&[T]`",
                ));
            }
            Type::ImplTrait(ty) => {
                return Err(Error::new_spanned(ty, "a tool's argument needs a type of its own, not `impl Trait`"));
            }
            _ => {}
        }
        let mut argument = Self {
            name: name.to_string(),
            // Names of our own, so that an argument may be called like anything else in the generated code.
            ident: format_ident!("argument_{index}"),
            ty: (*parameter.ty).clone(),
            description: documentation(&parameter.attrs),
            default: None,
            min: None,
            max: None,
        };
        argument.read_attributes(parameter)?;
        argument.check()?;
        parameter.attrs.retain(|attribute| !is_named(attribute, "arg") && !attribute.path().is_ident("doc"));
        Ok(argument)
    }

    fn read_attributes(&mut self, parameter: &PatType) -> Result<()> {
        for attribute in parameter.attrs.iter().filter(|attribute| is_named(attribute, "arg")) {
            attribute.parse_nested_meta(|meta| {
                let name = meta.path.get_ident().map(Ident::to_string).unwrap_or_default();
                match name.as_str() {
                    "default" if self.optional().is_some() => {
                        return Err(meta.error("an `Option` is `None` by default: drop the `Option` or the default"));
                    }
                    "default" => self.default = Some(Default::parse(meta.value()?.parse::<Expr>()?, &self.ty)),
                    "min" => self.min = Some(Number::parse_bound(&meta.value()?.parse()?, self.inner())?),
                    "max" => self.max = Some(Number::parse_bound(&meta.value()?.parse()?, self.inner())?),
                    "description" => self.description = Some(meta.value()?.parse::<LitStr>()?.value()),
                    "name" => {
                        let name = meta.value()?.parse::<LitStr>()?;
                        check_name("an argument", &name.value(), name.span())?;
                        self.name = name.value();
                    }
                    _ => return Err(meta.error("expected `name`, `default`, `min`, `max` or `description`")),
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Refuses bounds that nothing fits, and a default outside them.
    fn check(&self) -> Result<()> {
        if let (Some(min), Some(max)) = (&self.min, &self.max)
            && min.value > max.value
        {
            return Err(Error::new(max.span, format!("`max = {}` is below `min = {}`", max.json, min.json)));
        }
        let Some(default) = self.default.as_ref().and_then(|default| default.number.as_ref()) else {
            return Ok(());
        };
        if let Some(min) = self.min.as_ref().filter(|min| default.value < min.value) {
            return Err(Error::new(default.span, format!("the default is below `min = {}`", min.json)));
        }
        if let Some(max) = self.max.as_ref().filter(|max| default.value > max.value) {
            return Err(Error::new(default.span, format!("the default is above `max = {}`", max.json)));
        }
        Ok(())
    }

    /// `T` where the parameter is an `Option<T>`.
    fn optional(&self) -> Option<&Type> {
        generic_argument(&self.ty, "Option")
    }

    /// The type that bounds apply to.
    fn inner(&self) -> &Type {
        self.optional().unwrap_or(&self.ty)
    }

    /// The variable that holds the argument in the generated code.
    pub(crate) fn variable(&self) -> &Ident {
        &self.ident
    }

    /// The argument's entry in the input schema, an expression of type `Property`.
    pub(crate) fn property(&self) -> TokenStream {
        let Self { name, ty, .. } = self;
        let description = optional_text(self.description.as_deref());
        let required = self.optional().is_none() && self.default.is_none();
        let minimum = optional_text(self.min.as_ref().map(|bound| bound.json.as_str()));
        let maximum = optional_text(self.max.as_ref().map(|bound| bound.json.as_str()));
        let default = match &self.default {
            None => quote!(::core::option::Option::None),
            Some(Default { json: Some(json), .. }) => {
                quote!(::core::option::Option::Some(::std::string::String::from(#json)))
            }
            Some(Default { tokens, .. }) => quote!({
                let value: #ty = #tokens;
                ::perstack::__private::default_json(&value)
            }),
        };
        quote!(::perstack::__private::Property {
            name: #name,
            description: #description,
            required: #required,
            schema: <#ty as ::perstack::Schema>::schema,
            minimum: #minimum,
            maximum: #maximum,
            default: #default,
        })
    }

    /// Takes the argument out of the call: a statement that declares the variable.
    pub(crate) fn take(&self) -> TokenStream {
        let Self { name, ident, ty, .. } = self;
        let value = match (&self.default, self.optional()) {
            (Some(Default { tokens, .. }), _) => quote!(match arguments.optional::<#ty>(#name)? {
                ::core::option::Option::Some(value) => value,
                ::core::option::Option::None => #tokens,
            }),
            (None, Some(inner)) => quote!(arguments.optional::<#inner>(#name)?),
            (None, None) => quote!(arguments.required::<#ty>(#name)?),
        };
        let check = (self.min.is_some() || self.max.is_some()).then(|| {
            let inner = self.inner();
            let bound = |number: &Option<Number>| match number {
                Some(Number { tokens, .. }) => quote!(::core::option::Option::Some(#tokens)),
                None => quote!(::core::option::Option::None),
            };
            let (min, max) = (bound(&self.min), bound(&self.max));
            let given = if self.optional().is_some() { quote!(#ident.as_ref()) } else { quote!(Some(&#ident)) };
            quote!(::perstack::__private::check_bounds::<#inner>(#name, #given, #min, #max)?;)
        });
        quote!(let #ident: #ty = #value; #check)
    }
}
