//! Secrets: a guest has a placeholder, and the value is put in on the way out, for the hosts that it is meant for.
//!
//! A placeholder is random, new for each call, and always of the same length: it says nothing about the value. It is found
//! in headers, in what `Basic` encodes, in the path, the query and the body. Of a placeholder that is encoded in another
//! way or signed with, nothing becomes a value.

use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::{Parts, PathAndQuery};
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use memchr::memmem;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};
use perstack_core::config::Destination;
use secrecy::{ExposeSecret, SecretString};
use wasmtime_wasi_http::{Error, WasiBody};

use super::SecretGrant;
use super::gate::{Call, MAX_URI_BYTES};
use super::scrub::Scrubber;
use crate::error::LoadError;

/// The shortest value. A shorter one would be found in answers where it is not meant.
const MIN_VALUE_BYTES: usize = 8;
/// The longest value: a key file of a large service.
const MAX_VALUE_BYTES: usize = 8 << 10;

/// What every placeholder begins with. It has no character that any encoding changes.
const PREFIX: &str = "perstack_secret_";
/// Random bytes of a placeholder, written in hexadecimal.
const RANDOM_BYTES: usize = 16;
const PLACEHOLDER_BYTES: usize = PREFIX.len() + 2 * RANDOM_BYTES;

/// What a value is percent-encoded as: all but the unreserved characters of RFC 3986.
pub(super) const UNRESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The secrets of a skill.
pub(crate) struct Secrets {
    granted: Vec<SecretGrant>,
    scrubber: Arc<Scrubber>,
}

/// What a call has in place of its secrets, in their order.
#[derive(Clone, Default)]
pub(crate) struct Placeholders(Arc<[String]>);

/// How a value is written where it is put.
#[derive(Clone, Copy)]
enum Form {
    Plain,
    Percent,
    Json,
}

/// Why a request is not sent.
pub(super) enum Refused {
    /// It has a placeholder of a secret that is not for this host.
    NotHere(String),
    /// It cannot be sent with the value in it.
    Unfit(Error),
}

impl Refused {
    /// Puts it on record.
    pub(super) fn tell(self, call: &Call, destination: &Destination) -> Error {
        match self {
            Self::NotHere(name) => {
                call.deny_access(destination, &format!("secret `{name}` may not be sent to this host"))
            }
            Self::Unfit(error) => error,
        }
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Unfit(error)
    }
}

impl Placeholders {
    /// New ones, for one call.
    pub(crate) fn new(secrets: &Secrets) -> Result<Self, getrandom::Error> {
        let placeholder = |_: &SecretGrant| {
            let mut random = [0; RANDOM_BYTES];
            getrandom::fill(&mut random)?;
            let hexadecimal: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
            Ok(format!("{PREFIX}{hexadecimal}"))
        };
        secrets.granted.iter().map(placeholder).collect::<Result<_, _>>().map(Self)
    }

    /// Names in their place, for who may know which secret it was.
    fn named(secrets: &Secrets) -> Self {
        Self(secrets.granted.iter().map(|secret| format!("${{{}}}", secret.name)).collect())
    }

    /// Variables for the guest.
    pub(crate) fn variables<'a>(&'a self, secrets: &'a Secrets) -> impl Iterator<Item = (&'a str, &'a str)> {
        secrets.granted.iter().zip(&*self.0).map(|(secret, placeholder)| (secret.name.as_str(), placeholder.as_str()))
    }

    /// The placeholder of a secret.
    pub(super) fn of(&self, secret: usize) -> &str {
        &self.0[secret]
    }
}

impl Secrets {
    pub(super) fn new(granted: Vec<SecretGrant>) -> Result<Self, LoadError> {
        for SecretGrant { name, value, .. } in &granted {
            let bad = |reason| LoadError::BadSecret { name: name.clone(), reason };
            match value.expose_secret() {
                value if value.len() < MIN_VALUE_BYTES => {
                    return Err(bad(format!("a value of fewer than {MIN_VALUE_BYTES} bytes could be guessed")));
                }
                value if value.len() > MAX_VALUE_BYTES => {
                    return Err(bad(format!("its value has more than {MAX_VALUE_BYTES} bytes")));
                }
                _ => {}
            }
        }
        let values: Vec<&str> = granted.iter().map(|secret| secret.value.expose_secret()).collect();
        let scrubber = Scrubber::new(&values).map_err(|error| LoadError::Engine(error.to_string()))?;
        Ok(Self { scrubber: Arc::new(scrubber), granted })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.granted.is_empty()
    }

    /// Puts values in place of placeholders. Nothing is sent if one of them is not for this host.
    pub(super) async fn fill(
        &self,
        placeholders: &Placeholders,
        destination: &Destination,
        request: Request<WasiBody>,
    ) -> Result<Request<WasiBody>, Refused> {
        let place = Place { secrets: self, placeholders, destination };
        let (mut parts, body) = request.into_parts();
        place.fill_headers(&mut parts.headers)?;
        parts.uri = place.fill_uri(parts.uri)?;
        // Of an answer in pieces, or compressed, values could not be told from anything else.
        parts.headers.remove(header::RANGE);
        parts.headers.remove(header::IF_RANGE);
        parts.headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        // The whole of it: its length is said before it is sent, and it has changed.
        let form = body_form(&parts.headers);
        let body = body.collect().await?.to_bytes();
        let filled = match place.fill(&body, form)? {
            Cow::Borrowed(_) => body,
            Cow::Owned(filled) => Bytes::from(filled),
        };
        parts.headers.remove(header::CONTENT_LENGTH);
        let body = Full::new(filled).map_err(|never| match never {}).boxed_unsync();
        Ok(Request::from_parts(parts, body))
    }

    /// Puts placeholders in place of values.
    pub(super) fn scrub(
        &self,
        placeholders: &Placeholders,
        response: Response<WasiBody>,
    ) -> Result<Response<WasiBody>, Error> {
        let (mut parts, body) = response.into_parts();
        if parts.status == StatusCode::PARTIAL_CONTENT {
            return Err(Error::HttpResponseIncomplete);
        }
        if let Some(coding) = coding(&parts.headers, header::CONTENT_ENCODING, "identity") {
            return Err(Error::HttpResponseContentCoding(Some(coding)));
        }
        if let Some(coding) = coding(&parts.headers, header::TRANSFER_ENCODING, "chunked") {
            return Err(Error::HttpResponseTransferCoding(Some(coding)));
        }
        self.scrubber.headers(placeholders, &mut parts.headers);
        // It would tell how long a value is.
        parts.headers.remove(header::CONTENT_LENGTH);
        Ok(Response::from_parts(parts, self.scrubber.body(placeholders, body)))
    }
}

/// Takes secrets that the host itself has sent out of what it is answered: `${NAME}` stands in their place.
pub struct Redactor {
    secrets: Secrets,
    names: Placeholders,
}

impl Redactor {
    /// For these secrets.
    ///
    /// # Errors
    /// [`LoadError::BadSecret`]: a value is too short to be told from other text, or too long.
    pub fn new(secrets: Vec<SecretGrant>) -> Result<Self, LoadError> {
        let secrets = Secrets::new(secrets)?;
        Ok(Self { names: Placeholders::named(&secrets), secrets })
    }

    /// A text without them, however they are encoded.
    pub fn redact(&self, text: Vec<u8>) -> Vec<u8> {
        if self.secrets.is_empty() { text } else { self.secrets.scrubber.whole(&self.names, &text) }
    }
}

/// How a body is coded, if not in the one way that can be read here.
fn coding(headers: &HeaderMap, name: HeaderName, readable: &str) -> Option<String> {
    let codings = headers.get_all(name).into_iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    codings.into_iter().find(|coding| !coding.trim().eq_ignore_ascii_case(readable))
}

fn body_form(headers: &HeaderMap) -> Form {
    let media_type = headers.get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let media_type = String::from_utf8_lossy(media_type).to_ascii_lowercase();
    match media_type.split(';').next().unwrap_or_default().trim() {
        "application/x-www-form-urlencoded" => Form::Percent,
        json if json.ends_with("/json") || json.ends_with("+json") => Form::Json,
        _ => Form::Plain,
    }
}

fn written(value: &SecretString, form: Form) -> Vec<u8> {
    let value = value.expose_secret();
    match form {
        Form::Plain => value.as_bytes().to_vec(),
        Form::Percent => percent_encoding::utf8_percent_encode(value, &UNRESERVED).to_string().into_bytes(),
        Form::Json => super::scrub::json(value).into_bytes(),
    }
}

/// Where values are put.
struct Place<'a> {
    secrets: &'a Secrets,
    placeholders: &'a Placeholders,
    destination: &'a Destination,
}

impl Place<'_> {
    fn fill_headers(&self, headers: &mut HeaderMap) -> Result<(), Refused> {
        for (name, value) in headers.iter_mut() {
            let filled = match basic(name, value) {
                Some(decoded) => match self.fill(&decoded, Form::Plain)? {
                    Cow::Borrowed(_) => continue,
                    Cow::Owned(filled) => format!("Basic {}", STANDARD.encode(filled)).into_bytes(),
                },
                None => match self.fill(value.as_bytes(), Form::Plain)? {
                    Cow::Borrowed(_) => continue,
                    Cow::Owned(filled) => filled,
                },
            };
            *value = HeaderValue::from_bytes(&filled)
                .map_err(|_| Error::HttpRequestHeaderSize { field_name: Some(name.to_string()), field_size: None })?;
            value.set_sensitive(true);
        }
        Ok(())
    }

    fn fill_uri(&self, uri: Uri) -> Result<Uri, Refused> {
        let invalid = |_| Refused::Unfit(Error::HttpRequestUriInvalid);
        let path = match uri.path_and_query() {
            Some(path) => match self.fill(path.as_str().as_bytes(), Form::Percent)? {
                Cow::Borrowed(_) => return Ok(uri),
                Cow::Owned(filled) => PathAndQuery::try_from(filled).map_err(invalid)?,
            },
            None => return Ok(uri),
        };
        if path.as_str().len() > MAX_URI_BYTES {
            return Err(Error::HttpRequestUriTooLong.into());
        }
        let mut parts: Parts = uri.into_parts();
        parts.path_and_query = Some(path);
        Uri::from_parts(parts).map_err(|_| Error::HttpRequestUriInvalid.into())
    }

    /// The text with values in it; the same text if it has no placeholder.
    fn fill<'t>(&self, text: &'t [u8], form: Form) -> Result<Cow<'t, [u8]>, Refused> {
        let mut filled = Vec::new();
        let mut taken = 0;
        for start in memmem::find_iter(text, PREFIX) {
            let Some(found) = text.get(start..start + PLACEHOLDER_BYTES) else { break };
            let Some(secret) = self.placeholders.0.iter().position(|known| known.as_bytes() == found) else { continue };
            let secret = &self.secrets.granted[secret];
            if !secret.hosts.iter().any(|host| host.matches(self.destination)) {
                return Err(Refused::NotHere(secret.name.clone()));
            }
            filled.extend_from_slice(&text[taken..start]);
            filled.extend(written(&secret.value, form));
            taken = start + PLACEHOLDER_BYTES;
        }
        if taken == 0 {
            return Ok(Cow::Borrowed(text));
        }
        filled.extend_from_slice(&text[taken..]);
        Ok(Cow::Owned(filled))
    }
}

/// What `Authorization: Basic` encodes.
fn basic(name: &HeaderName, value: &HeaderValue) -> Option<Vec<u8>> {
    let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
    let is_basic = *name == header::AUTHORIZATION && scheme.eq_ignore_ascii_case("basic");
    is_basic.then(|| STANDARD.decode(encoded.trim()).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(value: &str) -> Secrets {
        let hosts = vec!["api.example.com".parse().unwrap()];
        let secret = SecretGrant { name: "KEY".into(), value: value.into(), hosts };
        Secrets::new(vec![secret]).ok().unwrap()
    }

    async fn sent(
        to: &str,
        value: &str,
        request: impl FnOnce(&str) -> Request<String>,
    ) -> Result<Request<String>, String> {
        let secrets = secrets(value);
        let placeholders = Placeholders::new(&secrets).unwrap();
        let request = request(placeholders.of(0));
        let request = request.map(|body| Full::new(Bytes::from(body)).map_err(|never| match never {}).boxed_unsync());
        match secrets.fill(&placeholders, &Destination::https(to).unwrap(), request).await {
            Ok(request) => {
                let (parts, body) = request.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                Ok(Request::from_parts(parts, String::from_utf8(body.to_vec()).unwrap()))
            }
            Err(Refused::NotHere(name)) => Err(name),
            Err(Refused::Unfit(error)) => Err(error.to_string()),
        }
    }

    #[tokio::test]
    async fn values_are_put_in_as_their_place_needs_them() {
        let value = "a/b \"c\"&d=ü";
        let request = sent("api.example.com", value, |placeholder| {
            let basic = STANDARD.encode(format!("user:{placeholder}"));
            Request::builder()
                .uri(format!("https://api.example.com/{placeholder}?key={placeholder}&x=1"))
                .header("x-key", format!("Bearer {placeholder}, {placeholder}"))
                .header("authorization", format!("basic {basic}"))
                .header("content-type", "application/json; charset=utf-8")
                .header("content-length", "7")
                .header("range", "bytes=0-1")
                .header("accept-encoding", "gzip")
                .body(format!("{{\"key\": \"{placeholder}\"}}"))
                .unwrap()
        });
        let request = request.await.unwrap();
        let encoded = "a%2Fb%20%22c%22%26d%3D%C3%BC";
        assert_eq!(request.uri().to_string(), format!("https://api.example.com/{encoded}?key={encoded}&x=1"));
        let header = |name: &str| {
            request.headers().get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        assert_eq!(header("x-key").unwrap(), format!("Bearer {value}, {value}"));
        assert_eq!(header("authorization").unwrap(), format!("Basic {}", STANDARD.encode(format!("user:{value}"))));
        assert_eq!(header("accept-encoding").unwrap(), "identity");
        assert_eq!((header("range"), header("content-length")), (None, None));
        assert_eq!(serde_json::from_str::<serde_json::Value>(request.body()).unwrap()["key"], value);
        let form = sent("api.example.com", value, |placeholder| {
            let request = Request::builder()
                .uri("https://api.example.com")
                .header("content-type", "application/x-www-form-urlencoded");
            request.body(format!("key={placeholder}")).unwrap()
        });
        assert_eq!(form.await.unwrap().body(), &format!("key={encoded}"));
    }

    #[tokio::test]
    async fn a_placeholder_goes_to_no_other_host() {
        type Make = fn(&str) -> Request<String>;
        let places: [Make; 4] = [
            |placeholder| Request::builder().header("x-key", placeholder).body(String::new()).unwrap(),
            |placeholder| {
                Request::builder().uri(format!("https://evil.org/{placeholder}")).body(String::new()).unwrap()
            },
            |placeholder| Request::builder().body(format!("x{placeholder}")).unwrap(),
            |placeholder| {
                let basic = format!("Basic {}", STANDARD.encode(placeholder));
                Request::builder().header("authorization", basic).body(String::new()).unwrap()
            },
        ];
        for place in places {
            for host in ["evil.org", "x.api.example.com", "example.com"] {
                assert_eq!(sent(host, "0123456789", place).await.unwrap_err(), "KEY");
            }
        }
    }

    #[tokio::test]
    async fn what_is_no_placeholder_stays() {
        let other = format!("{PREFIX}{} {PREFIX}", "0".repeat(32));
        let request =
            sent("evil.org", "0123456789", |_| Request::builder().header("x", &other).body(other.clone()).unwrap());
        let request = request.await.unwrap();
        assert_eq!((request.headers()["x"].to_str().unwrap(), request.body()), (other.as_str(), &other));
    }

    #[tokio::test]
    async fn a_value_cannot_end_a_header() {
        let request = sent("api.example.com", "0123\r\nHost: evil.org", |placeholder| {
            Request::builder().header("x-key", placeholder).body(String::new()).unwrap()
        });
        assert!(request.await.unwrap_err().contains("x-key"));
    }

    #[test]
    fn values_have_a_length_that_can_be_told_from_chance() {
        for value in ["", "1234567", &"x".repeat(MAX_VALUE_BYTES + 1)] {
            let hosts = vec!["api.example.com".parse().unwrap()];
            assert!(Secrets::new(vec![SecretGrant { name: "KEY".into(), value: value.into(), hosts }]).is_err());
        }
    }
}
