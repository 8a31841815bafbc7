//! Code that must not compile, and what its author is told.

use proc_macro2::TokenStream;

fn skill(source: &str) -> syn::Result<TokenStream> {
    crate::skill::expand(syn::parse_str(source).unwrap(), &crate::needs::Needs::default())
}

fn expert(source: &str) -> syn::Result<TokenStream> {
    crate::expert::expand(syn::parse_str(source).unwrap())
}

fn schema(source: &str) -> syn::Result<TokenStream> {
    crate::schema::expand(syn::parse_str(source).unwrap())
}

/// Asserts that `expand` reports an error with the text `reason`.
#[track_caller]
fn refuses(expand: fn(&str) -> syn::Result<TokenStream>, source: &str, reason: &str) {
    let errors: Vec<_> = match expand(source) {
        Ok(_) => panic!("not refused: {source}"),
        Err(errors) => errors.into_iter().collect(),
    };
    let told: Vec<_> = errors.iter().map(ToString::to_string).collect();
    assert!(told.iter().any(|told| told.contains(reason)), "told {told:?} about {source}");
}

/// A skill of one tool with this signature.
#[track_caller]
fn refuses_tool(signature: &str, reason: &str) {
    refuses(skill, &format!("mod m {{ /** Does. */ #[tool] {signature} {{}} }}"), reason);
}

/// A skill of one tool with this attribute.
#[track_caller]
fn refuses_attribute(attribute: &str, reason: &str) {
    refuses(skill, &format!("mod m {{ /** Does. */ #[tool({attribute})] fn f() {{}} }}"), reason);
}

/// A skill of one tool with this argument.
#[track_caller]
fn refuses_argument(argument: &str, reason: &str) {
    refuses_tool(&format!("fn f({argument})"), reason);
}

#[test]
fn modules() {
    refuses(skill, "mod m;", "stand in the module itself");
    refuses(skill, "mod m { fn f() {} }", "the skill has no tool");
    let twice = r#"mod m { /** A. */ #[tool] fn f() {} /** B. */ #[tool(name = "f")] fn g() {} }"#;
    refuses(skill, twice, "the skill has another tool named `f`");
    refuses(skill, "mod m { #[tool] fn f() {} }", "a tool needs a doc comment");
}

#[test]
fn all_errors_are_reported_at_once() {
    let errors = skill("mod m { #[tool] fn f() {} #[tool] fn g() {} }").unwrap_err();
    assert_eq!(errors.into_iter().count(), 2);
}

#[test]
fn signatures() {
    refuses_tool("async fn f()", "cannot be `async`");
    refuses_tool("fn f<T>(a: T)", "cannot be generic");
    refuses_tool("unsafe fn f()", "cannot be `unsafe`");
    refuses_tool(r#"extern "C" fn f()"#, "without `extern`");
    refuses_tool("fn f(&self)", "no `self`");
    refuses_tool("fn f((a, b): (u8, u8))", "needs a plain name");
    refuses_tool("fn f(a: &str)", "`String` in place of `&str`");
    refuses_tool("fn f(a: impl Copy)", "not `impl Trait`");
}

#[test]
fn names() {
    refuses_attribute(r#"name = "two words""#, "1 to 64 of `a-z A-Z 0-9 _ -`");
    refuses_attribute(r#"name = """#, "1 to 64");
    let long = format!("{:?}", "x".repeat(65));
    refuses_attribute(&format!("name = {long}"), "1 to 64");
    refuses_tool("fn größe()", "`größe` does not fit");
    assert!(skill(r#"mod m { /** A. */ #[tool(name = "a-Z_9")] fn f() {} }"#).is_ok());
}

#[test]
fn hints() {
    refuses_attribute("readonly", "expected `name`, `title`, `read_only`, `destructive`");
    refuses_attribute("title = 7", "expected string literal");
}

#[test]
fn arguments() {
    refuses_argument("#[arg(least = 1)] a: u8", "expected `name`, `default`, `min`, `max` or `description`");
    refuses_argument(r#"#[arg(name = "two words")] a: u8"#, "an argument's name has 1 to 64");
    refuses_argument(r#"a: u8, #[arg(name = "a")] b: u8"#, "the tool has another argument named `a`");
    refuses_argument("#[arg(min = LOW)] a: u8", "expected a number");
    refuses_argument("#[arg(min = 3, max = 2)] a: u8", "`max = 2` is below `min = 3`");
    refuses_argument("#[arg(default = 9, max = 8)] a: u8", "the default is above `max = 8`");
    refuses_argument("#[arg(default = 0, min = 1)] a: u8", "the default is below `min = 1`");
    refuses_argument("#[arg(default = 1)] a: Option<u8>", "an `Option` is `None` by default");
}

#[test]
fn experts() {
    refuses(expert, "async fn f(i: Input) -> String {}", "cannot be `async`");
    refuses(expert, "fn f<T>(i: T) -> String {}", "cannot be generic");
    refuses(expert, "fn f() -> String {}", "takes one argument");
    refuses(expert, "fn f(i: Input) {}", "returns its final answer");
}

#[test]
fn types_without_a_schema() {
    refuses(schema, "union U { a: u8 }", "a union has no JSON form");
    refuses(schema, "struct S;", "needs named fields");
    refuses(schema, "enum E {}", "without variants");
    refuses(schema, "enum E { A(u8, u8) }", "name the fields");
    refuses(schema, r#"#[serde(tag = "t")] enum E { A(u8) }"#, "name the fields");
    refuses(schema, "struct S { #[serde(flatten)] a: A }", "`#[serde(flatten)]` cannot be put into a schema");
    refuses(schema, "#[serde(untagged)] enum E { A }", "implement `perstack::Schema` by hand");
    refuses(schema, r#"#[serde(rename_all = "Any")] struct S { a: u8 }"#, "not a case that serde knows");
}

#[test]
fn no_arguments() {
    let given: TokenStream = syn::parse_str("network = 1").unwrap();
    let error = crate::attributes::no_arguments("skill", &given).unwrap_err();
    assert_eq!(error.to_string(), "`#[perstack::skill]` takes no arguments");
}

#[test]
fn cases_of_serde() {
    let cases = ["lowercase", "UPPERCASE", "PascalCase", "camelCase", "snake_case", "SCREAMING_SNAKE_CASE"];
    let cases = cases.into_iter().chain(["kebab-case", "SCREAMING-KEBAB-CASE"]);
    let renamed: Vec<_> = cases
        .map(|case| {
            let attribute: syn::ItemStruct =
                syn::parse_str(&format!("#[serde(rename_all = {case:?})] struct S;")).unwrap();
            let case = crate::serde_attributes::Container::parse(&attribute.attrs).unwrap().rename_all.unwrap();
            (case.rename_field("two_words"), case.rename_variant("TwoWords"))
        })
        .collect();
    let expected = [
        ("two_words", "twowords"),
        ("TWO_WORDS", "TWOWORDS"),
        ("TwoWords", "TwoWords"),
        ("twoWords", "twoWords"),
        ("two_words", "two_words"),
        ("TWO_WORDS", "TWO_WORDS"),
        ("two-words", "two-words"),
        ("TWO-WORDS", "TWO-WORDS"),
    ];
    let expected: Vec<_> = expected.map(|(field, variant)| (field.to_owned(), variant.to_owned())).into();
    assert_eq!(renamed, expected);
}
