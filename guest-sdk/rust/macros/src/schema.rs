//! `#[derive(perstack::Schema)]`.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::{Data, DataEnum, DeriveInput, Error, Field, Fields, FieldsNamed, Result, Variant, parse_quote};

use crate::attributes::{documentation, optional_text};
use crate::returns::generic_argument;
use crate::serde_attributes::{Case, Container, Part};

/// Implements `perstack::Schema` for a struct or an enum.
pub(crate) fn expand(item: DeriveInput) -> Result<TokenStream> {
    let DeriveInput { attrs, ident, mut generics, data, .. } = item;
    let container = Container::parse(&attrs)?;
    let body = match &data {
        Data::Struct(data) => structure(&data.fields, &container, &ident)?,
        Data::Enum(data) => enumeration(data, &container, &ident)?,
        Data::Union(_) => return Err(Error::new_spanned(ident, "a union has no JSON form")),
    };
    let description = description(&attrs, &data)?;
    for parameter in generics.type_params_mut() {
        parameter.bounds.push(parse_quote!(::perstack::Schema));
    }
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    Ok(quote! {
        impl #impl_generics ::perstack::Schema for #ident #type_generics #where_clause {
            fn schema(schema: &mut ::perstack::SchemaWriter) {
                #description
                #body
            }
        }
    })
}

/// The statement that writes the type's doc comment. The variants of an enum of names have no place of their own in
/// a schema, so their docs are listed here.
fn description(attributes: &[syn::Attribute], data: &Data) -> Result<Option<TokenStream>> {
    let mut lines: Vec<String> = documentation(attributes).into_iter().collect();
    if let Data::Enum(data) = data
        && is_names_only(data)
    {
        let container = Container::parse(attributes)?;
        for (variant, name) in named_variants(data, &container)? {
            if let Some(text) = documentation(&variant.attrs) {
                lines.push(format!("- `{name}`: {text}"));
            }
        }
    }
    let text = lines.join("\n");
    Ok((!text.is_empty()).then(|| quote!(schema.describe(#text);)))
}

fn structure(fields: &Fields, container: &Container, subject: &dyn ToTokens) -> Result<TokenStream> {
    match fields {
        Fields::Named(fields) => {
            let properties = properties(fields, container.rename_all, container.all_default)?;
            let closed = container.closed;
            Ok(quote!(schema.object(&[#(#properties),*], #closed);))
        }
        Fields::Unnamed(fields) if fields.unnamed.len() == 1 => {
            let ty = &fields.unnamed[0].ty;
            Ok(quote!(<#ty as ::perstack::Schema>::schema(schema);))
        }
        _ => Err(Error::new_spanned(subject, "a struct needs named fields, which become the properties of an object")),
    }
}

/// The fields as expressions of type `Property`.
fn properties(fields: &FieldsNamed, case: Option<Case>, all_default: bool) -> Result<Vec<TokenStream>> {
    let mut properties = Vec::new();
    for field in &fields.named {
        let part = Part::parse(&field.attrs)?;
        if part.skip {
            continue;
        }
        let Field { attrs, ident: Some(ident), ty, .. } = field else { continue };
        let written = ident.unraw().to_string();
        let renamed = || case.map_or(written.clone(), |case| case.rename_field(&written));
        let name = part.rename.unwrap_or_else(renamed);
        let description = optional_text(documentation(attrs).as_deref());
        let required = !part.may_be_absent && !all_default && generic_argument(ty, "Option").is_none();
        properties.push(quote!(::perstack::__private::Property {
            name: #name,
            description: #description,
            required: #required,
            schema: <#ty as ::perstack::Schema>::schema,
            minimum: ::core::option::Option::None,
            maximum: ::core::option::Option::None,
            default: ::core::option::Option::None,
        }));
    }
    Ok(properties)
}

fn enumeration(data: &DataEnum, container: &Container, subject: &dyn ToTokens) -> Result<TokenStream> {
    let variants = named_variants(data, container)?;
    if variants.is_empty() {
        return Err(Error::new_spanned(subject, "an enum without variants has no value"));
    }
    if is_names_only(data) && container.tag.is_none() {
        let names = variants.iter().map(|(_, name)| name);
        return Ok(quote!(schema.choices(&[#(#names),*]);));
    }
    let mut cases = Vec::new();
    for (variant, name) in variants {
        let description = optional_text(documentation(&variant.attrs).as_deref());
        let shape = shape(variant, container)?;
        cases.push(quote!(::perstack::__private::Case { name: #name, description: #description, shape: #shape }));
    }
    let tag = optional_text(container.tag.as_deref());
    Ok(quote!(schema.one_of(#tag, &[#(#cases),*]);))
}

/// What a variant carries, an expression of type `Shape`.
fn shape(variant: &Variant, container: &Container) -> Result<TokenStream> {
    match &variant.fields {
        Fields::Unit => Ok(quote!(::perstack::__private::Shape::Unit)),
        Fields::Named(fields) => {
            let part = Part::parse(&variant.attrs)?;
            let properties = properties(fields, part.rename_all, false)?;
            Ok(quote!(::perstack::__private::Shape::Fields(&[#(#properties),*])))
        }
        Fields::Unnamed(fields) if fields.unnamed.len() == 1 && container.tag.is_none() => {
            let ty = &fields.unnamed[0].ty;
            Ok(quote!(::perstack::__private::Shape::Value(<#ty as ::perstack::Schema>::schema)))
        }
        Fields::Unnamed(fields) => Err(Error::new_spanned(fields, "name the fields of this variant: `{ name: Type }`")),
    }
}

/// The variants that are written, with their names in JSON.
fn named_variants<'a>(data: &'a DataEnum, container: &Container) -> Result<Vec<(&'a Variant, String)>> {
    let mut variants = Vec::new();
    for variant in &data.variants {
        let part = Part::parse(&variant.attrs)?;
        if part.skip {
            continue;
        }
        let written = variant.ident.unraw().to_string();
        let renamed = || container.rename_all.map_or(written.clone(), |case| case.rename_variant(&written));
        variants.push((variant, part.rename.unwrap_or_else(renamed)));
    }
    Ok(variants)
}

fn is_names_only(data: &DataEnum) -> bool {
    data.variants.iter().all(|variant| matches!(variant.fields, Fields::Unit))
}
