//! Literals of `#[arg(…)]`, as Rust and as JSON.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Error, Expr, ExprLit, ExprUnary, Lit, Result, Type, UnOp};

use crate::returns::last_segment;

/// A number that is known while the macro runs.
pub(crate) struct Number {
    /// As JSON text.
    pub(crate) json: String,
    /// For comparing bounds with each other; exact enough for a compile-time check.
    pub(crate) value: f64,
    /// As Rust, fitting the type of the argument.
    pub(crate) tokens: TokenStream,
    pub(crate) span: Span,
}

impl Number {
    /// Reads a number literal with an optional minus sign. `ty` is the type that the number is for: integers are
    /// written as floats where it is one, so that `max = 1` fits an `f64`.
    pub(crate) fn parse(expression: &Expr, ty: &Type) -> Option<Self> {
        let (negative, literal) = match expression {
            Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr, .. }) => (true, &**expr),
            other => (false, other),
        };
        let Expr::Lit(ExprLit { lit, .. }) = literal else {
            return None;
        };
        let digits = match lit {
            Lit::Int(literal) => literal.base10_digits().to_owned(),
            Lit::Float(literal) => literal.base10_parse::<f64>().ok()?.to_string(),
            _ => return None,
        };
        let json = if negative { format!("-{digits}") } else { digits.clone() };
        let value = json.parse::<f64>().ok()?;
        let span = expression.span();
        let is_float = last_segment(ty).is_some_and(|segment| segment.ident == "f32" || segment.ident == "f64");
        let tokens = match lit {
            Lit::Int(_) if is_float => {
                let float = syn::LitFloat::new(&format!("{digits}.0"), span);
                if negative { quote_spanned!(span=> -#float) } else { quote!(#float) }
            }
            _ => quote!(#expression),
        };
        Some(Self { json, value, tokens, span })
    }

    /// Reads the value of `min` or `max`.
    pub(crate) fn parse_bound(expression: &Expr, ty: &Type) -> Result<Self> {
        Self::parse(expression, ty).ok_or_else(|| Error::new_spanned(expression, "expected a number, such as `14`"))
    }
}

/// The value of `default = …`: the Rust expression, and its JSON where the macro can tell.
pub(crate) struct Default {
    pub(crate) tokens: TokenStream,
    pub(crate) json: Option<String>,
    pub(crate) number: Option<Number>,
}

impl Default {
    /// Reads the expression of `default = …` for an argument of type `ty`.
    pub(crate) fn parse(expression: Expr, ty: &Type) -> Self {
        if let Some(number) = Number::parse(&expression, ty) {
            return Self { tokens: number.tokens.clone(), json: Some(number.json.clone()), number: Some(number) };
        }
        let (tokens, json) = match &expression {
            Expr::Lit(ExprLit { lit: Lit::Bool(literal), .. }) => (quote!(#literal), Some(literal.value.to_string())),
            Expr::Lit(ExprLit { lit: Lit::Str(_), .. }) => {
                (quote!(<#ty as ::core::convert::From<&str>>::from(#expression)), None)
            }
            other => (quote!(#other), None),
        };
        Self { tokens, json, number: None }
    }
}
