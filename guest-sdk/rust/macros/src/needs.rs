//! What a skill says that it needs: the arguments of `#[perstack::skill(…)]`, written into the component.

use proc_macro2::{Literal, TokenStream};
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Error, Ident, LitStr, Result, Token, bracketed, parenthesized};

/// The custom section in which the host looks.
const SECTION: &str = "perstack:needs";

/// What stands in the parentheses. The host reads it as it reads `capabilities` of `perstack.toml`, and checks it there.
#[derive(Default)]
pub(crate) struct Needs {
    network: Vec<LitStr>,
    env: Vec<LitStr>,
    read: Vec<LitStr>,
    write: Vec<LitStr>,
    secrets: Vec<(Ident, Vec<LitStr>)>,
    is_said: bool,
}

impl Parse for Needs {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut needs = Self { is_said: !input.is_empty(), ..Self::default() };
        while !input.is_empty() {
            let name: Ident = input.parse()?;
            let list = match name.to_string().as_str() {
                "network" => &mut needs.network,
                "env" => &mut needs.env,
                "read" => &mut needs.read,
                "write" => &mut needs.write,
                "secrets" => {
                    let content;
                    parenthesized!(content in input);
                    for secret in Punctuated::<Secret, Token![,]>::parse_terminated(&content)? {
                        needs.secrets.push((secret.name, secret.hosts));
                    }
                    comma(input)?;
                    continue;
                }
                _ => {
                    let known =
                        "there are `network = […]`, `secrets(NAME = […])`, `env = […]`, `read = […]` and `write = […]`";
                    return Err(Error::new(name.span(), known));
                }
            };
            if !list.is_empty() {
                return Err(Error::new(name.span(), format!("`{name}` is there twice")));
            }
            input.parse::<Token![=]>()?;
            *list = texts(input)?;
            comma(input)?;
        }
        Ok(needs)
    }
}

/// `NAME = ["host", …]`.
struct Secret {
    name: Ident,
    hosts: Vec<LitStr>,
}

impl Parse for Secret {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let name = input.parse()?;
        input.parse::<Token![=]>()?;
        Ok(Self { name, hosts: texts(input)? })
    }
}

fn comma(input: ParseStream<'_>) -> Result<()> {
    if input.is_empty() { Ok(()) } else { input.parse::<Token![,]>().map(drop) }
}

fn texts(input: ParseStream<'_>) -> Result<Vec<LitStr>> {
    let content;
    bracketed!(content in input);
    let texts: Vec<LitStr> = Punctuated::<LitStr, Token![,]>::parse_terminated(&content)?.into_iter().collect();
    let plain = |text: &&LitStr| {
        text.value().chars().any(|character| character.is_control() || matches!(character, '"' | '\\'))
    };
    match texts.iter().find(plain) {
        Some(text) => Err(Error::new(text.span(), "neither quotes nor backslashes nor control characters stand here")),
        None => Ok(texts),
    }
}

impl Needs {
    /// The section, where the target is a component; nothing where nothing is said.
    pub(crate) fn section(&self) -> TokenStream {
        if !self.is_said {
            return TokenStream::new();
        }
        let text = self.text();
        let (length, bytes) = (text.len(), Literal::byte_string(text.as_bytes()));
        quote! {
            #[cfg(target_arch = "wasm32")]
            #[allow(unsafe_code, reason = "a section has a name, and no code")]
            const _: () = {
                #[used]
                #[unsafe(link_section = #SECTION)]
                static NEEDS: [u8; #length] = *#bytes;
            };
        }
    }

    /// As `capabilities` of `perstack.toml` have it.
    fn text(&self) -> String {
        let quoted = |text: &LitStr| format!("\"{}\"", text.value());
        let list = |texts: &[LitStr]| texts.iter().map(quoted).collect::<Vec<_>>().join(", ");
        let path = |access: &str, text: &LitStr| format!("{{ path = {}, access = \"{access}\" }}", quoted(text));
        let reads = self.read.iter().map(|text| path("read", text));
        let paths: Vec<String> = reads.chain(self.write.iter().map(|text| path("write", text))).collect();
        let secrets = self.secrets.iter().map(|(name, hosts)| format!("{name} = [{}]", list(hosts)));
        format!(
            "network = [{}]\nenv = [{}]\nfilesystem = [{}]\nsecrets = {{ {} }}\n",
            list(&self.network),
            list(&self.env),
            paths.join(", "),
            secrets.collect::<Vec<_>>().join(", ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(source: &str) -> Result<Needs> {
        syn::parse_str(source)
    }

    #[test]
    fn needs_are_written_as_perstack_toml_has_them() {
        let source = r#"network = ["https://a.com", "https://b.com",], secrets(KEY = ["a.com"], OTHER = ["b.com"]),
            env = ["REGION"], read = ["."], write = ["reports"]"#;
        let expected = concat!(
            "network = [\"https://a.com\", \"https://b.com\"]\nenv = [\"REGION\"]\n",
            "filesystem = [{ path = \".\", access = \"read\" }, { path = \"reports\", access = \"write\" }]\n",
            "secrets = { KEY = [\"a.com\"], OTHER = [\"b.com\"] }\n",
        );
        assert_eq!(needs(source).unwrap().text(), expected);
        assert!(needs("").unwrap().section().is_empty());
        assert!(!needs("network = []").unwrap().section().is_empty());
    }

    #[test]
    fn mistakes_are_told() {
        for (source, reason) in [
            ("hosts = []", "there are `network = […]`"),
            ("network", "expected `=`"),
            ("network = [\"a\"], network = [\"b\"]", "is there twice"),
            ("network = [1]", "expected string literal"),
            ("network = [\"a\\\"\"]", "neither quotes"),
            ("secrets = []", "expected parentheses"),
        ] {
            let error = needs(source).err().unwrap_or_else(|| panic!("{source}")).to_string();
            assert!(error.contains(reason), "{source}: {error}");
        }
    }
}
