//! Values that come back become placeholders again: as they are, in every encoding that servers commonly answer with, and
//! where a value is cut in two by the way it is sent.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use aho_corasick::{AhoCorasick, BuildError, MatchKind};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use percent_encoding::{AsciiSet, CONTROLS, percent_encode};
use wasmtime_wasi_http::{Error, WasiBody};

use super::secrets::{Placeholders, UNRESERVED};

/// Finds values in answers.
pub(super) struct Scrubber {
    finder: AhoCorasick,
    spellings: Vec<Vec<u8>>,
    /// The secret that each spelling is of.
    secrets: Vec<usize>,
    longest: usize,
}

impl Scrubber {
    pub(super) fn new(values: &[&str]) -> Result<Self, BuildError> {
        let mut all: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
        for (secret, value) in values.iter().enumerate() {
            for spelling in spellings(value) {
                all.entry(spelling.to_ascii_lowercase()).or_insert(secret);
            }
        }
        let (spellings, secrets): (Vec<_>, Vec<_>) = all.into_iter().unzip();
        // In any case: names of headers lose theirs, and so does what a server folds.
        let finder = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::LeftmostLongest)
            .build(&spellings)?;
        let longest = spellings.iter().map(Vec::len).max().unwrap_or_default();
        Ok(Self { finder, spellings, secrets, longest })
    }

    /// Takes values out of headers. One whose name has a value is left out.
    pub(super) fn headers(&self, placeholders: &Placeholders, headers: &mut HeaderMap) {
        let named: Vec<HeaderName> =
            headers.keys().filter(|name| self.finder.is_match(name.as_str())).cloned().collect();
        for name in named {
            headers.remove(name);
        }
        for value in headers.values_mut() {
            if self.finder.is_match(value.as_bytes()) {
                let (scrubbed, rest) = self.scrub(placeholders, value.as_bytes(), Rest::None);
                debug_assert_eq!(rest, value.len());
                // Placeholders have no character that a header cannot have.
                *value = HeaderValue::from_bytes(&scrubbed).unwrap_or(HeaderValue::from_static(""));
            }
        }
    }

    /// A whole text without values.
    pub(super) fn whole(&self, placeholders: &Placeholders, text: &[u8]) -> Vec<u8> {
        self.scrub(placeholders, text, Rest::None).0
    }

    /// A body that is scrubbed while it is read.
    pub(super) fn body(self: &Arc<Self>, placeholders: &Placeholders, body: WasiBody) -> WasiBody {
        let (scrubber, placeholders) = (self.clone(), placeholders.clone());
        Scrubbed { body, scrubber, placeholders, held: Vec::new(), ended: None }.boxed_unsync()
    }

    /// The text without values, and how many bytes of it that is: what could be the beginning of a value is held back if
    /// there is more to come.
    fn scrub(&self, placeholders: &Placeholders, text: &[u8], rest: Rest) -> (Vec<u8>, usize) {
        let mut scrubbed = Vec::with_capacity(text.len());
        let end = match rest {
            Rest::None => text.len(),
            Rest::MoreToCome => self.beginning(text),
        };
        let mut taken = 0;
        for found in self.finder.find_iter(text).take_while(|found| found.start() < end) {
            scrubbed.extend_from_slice(&text[taken..found.start()]);
            scrubbed.extend_from_slice(placeholders.of(self.secrets[found.pattern().as_usize()]).as_bytes());
            taken = found.end();
        }
        let end = end.max(taken);
        scrubbed.extend_from_slice(&text[taken..end]);
        (scrubbed, end)
    }

    /// Where the longest part at the end of a text starts that a spelling begins with; the text's end if there is none.
    fn beginning(&self, text: &[u8]) -> usize {
        let begins = |part: &[u8]| {
            let begins = |spelling: &Vec<u8>| {
                spelling.get(..part.len()).is_some_and(|start| start.eq_ignore_ascii_case(part))
                    && spelling.len() > part.len()
            };
            self.spellings.iter().any(begins)
        };
        let first = text.len().saturating_sub(self.longest.saturating_sub(1));
        (first..text.len()).find(|start| begins(&text[*start..])).unwrap_or(text.len())
    }
}

#[derive(Clone, Copy)]
enum Rest {
    None,
    MoreToCome,
}

struct Scrubbed {
    body: WasiBody,
    scrubber: Arc<Scrubber>,
    placeholders: Placeholders,
    /// What could be the beginning of a value.
    held: Vec<u8>,
    /// What comes after the last data: trailers, or nothing.
    ended: Option<Option<Frame<Bytes>>>,
}

impl Body for Scrubbed {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        loop {
            if let Some(last) = &mut self.ended {
                return Poll::Ready(last.take().map(Ok));
            }
            let frame = ready!(Pin::new(&mut self.body).poll_frame(context)).transpose()?;
            let rest = match frame.map(Frame::into_data) {
                Some(Ok(data)) => {
                    self.held.extend_from_slice(&data);
                    Rest::MoreToCome
                }
                Some(Err(other)) => {
                    self.ended = Some(other.into_trailers().ok().map(|mut trailers| {
                        self.scrubber.headers(&self.placeholders, &mut trailers);
                        Frame::trailers(trailers)
                    }));
                    Rest::None
                }
                None => {
                    self.ended = Some(None);
                    Rest::None
                }
            };
            let (scrubbed, taken) = self.scrubber.scrub(&self.placeholders, &self.held, rest);
            self.held.drain(..taken);
            if !scrubbed.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(scrubbed.into()))));
            }
        }
    }
}

/// A value as it may be written in an answer.
fn spellings(value: &str) -> Vec<Vec<u8>> {
    // What `encodeURI` and `encodeURIComponent` leave as it is.
    const COMPONENT: AsciiSet = UNRESERVED.remove(b'!').remove(b'*').remove(b'\'').remove(b'(').remove(b')');
    const URI: AsciiSet = COMPONENT
        .remove(b';')
        .remove(b'/')
        .remove(b'?')
        .remove(b':')
        .remove(b'@')
        .remove(b'&')
        .remove(b'=')
        .remove(b'+')
        .remove(b'$')
        .remove(b',')
        .remove(b'#');
    const HEADER: AsciiSet = CONTROLS.add(b' ').add(b'"');
    let bytes = value.as_bytes();
    let percent = |set: &'static AsciiSet| percent_encode(bytes, set).to_string();
    let json = json(value);
    let html = value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let mut all = vec![
        value.to_owned(),
        percent(&UNRESERVED),
        percent(&UNRESERVED).replace("%20", "+"),
        percent(&COMPONENT),
        percent(&URI),
        percent(&HEADER),
        percent(&UNRESERVED).replace('~', "%7E"),
        bytes.iter().map(|byte| format!("%{byte:02x}")).collect(),
        bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        json.replace('/', "\\/"),
        ascii_json(value).replace('/', "\\/"),
        ascii_json(value),
        json,
        html.replace('"', "&quot;").replace('\'', "&#39;"),
        html.replace('"', "&#34;").replace('\'', "&#x27;"),
        html,
    ];
    // Within a longer text that is encoded, a value begins at one of three places in a group of three bytes, and what it
    // shares with its neighbours is not known.
    for before in 0..3 {
        let mut shifted = vec![0; before];
        shifted.extend_from_slice(bytes);
        let first = (before * 8).div_ceil(6);
        let last = shifted.len() * 8 / 6;
        all.push(STANDARD_NO_PAD.encode(&shifted)[first..last].to_owned());
        all.push(URL_SAFE_NO_PAD.encode(&shifted)[first..last].to_owned());
    }
    all.into_iter().map(String::into_bytes).collect()
}

/// Text within the quotes of JSON.
pub(super) fn json(value: &str) -> String {
    let quoted = serde_json::Value::from(value).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// The same in ASCII alone.
fn ascii_json(value: &str) -> String {
    let mut escaped = String::new();
    for character in json(value).chars() {
        if character.is_ascii() {
            escaped.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    escaped
}

/// What must hold for any text, with numbers of a test's choice or of a fuzzer's.
#[cfg(any(test, fuzzing))]
#[expect(clippy::unwrap_used, reason = "a panic is what is looked for")]
pub(crate) mod properties {
    use http_body_util::StreamBody;

    use super::*;
    use crate::capability::network::SecretGrant;
    use crate::capability::network::secrets::Secrets;

    /// Secrets, and what finds them.
    pub(crate) struct Prepared {
        pub(super) scrubber: Arc<Scrubber>,
        pub(super) placeholders: Placeholders,
    }

    impl Prepared {
        pub(crate) fn new(values: &[&str]) -> Self {
            let grant = |value: &&str| SecretGrant { name: "KEY".into(), value: (*value).into(), hosts: Vec::new() };
            let secrets = Secrets::new(values.iter().map(grant).collect()).ok().unwrap();
            let placeholders = Placeholders::new(&secrets).unwrap();
            Self { scrubber: Arc::new(Scrubber::new(values).unwrap()), placeholders }
        }

        pub(super) async fn scrubbed(&self, pieces: &[&[u8]]) -> Vec<u8> {
            let pieces: Vec<_> = pieces.iter().map(|piece| Ok(Frame::data(Bytes::copy_from_slice(piece)))).collect();
            let body = StreamBody::new(futures::stream::iter(pieces)).boxed_unsync();
            self.scrubber.body(&self.placeholders, body).collect().await.unwrap().to_bytes().to_vec()
        }

        /// However a text is cut into pieces, all places of a value in it are found, and all else stays.
        pub(crate) async fn pieces_do_not_matter(&self, text: &[u8], cuts: Vec<usize>) {
            let places = text.len() + 1;
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut % places).chain([0, text.len()]).collect();
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &text[cut[0]..cut[1]]).collect();
            let out = self.scrubbed(&pieces).await;
            let finder = &self.scrubber.finder;
            let shown: Vec<&str> = self.scrubber.secrets.iter().map(|secret| self.placeholders.of(*secret)).collect();
            assert_eq!(out, finder.replace_all_bytes(text, &shown));
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;
    use proptest::prelude::*;

    use super::properties::Prepared;
    use super::*;

    const VALUE: &str = "sk-Ab9/+ü\"x'<&> z";

    #[tokio::test]
    async fn a_value_does_not_come_back_in_any_encoding() {
        let prepared = Prepared::new(&[VALUE]);
        let shifted = |text: &str| STANDARD_NO_PAD.encode(text);
        for (text, left) in [
            (VALUE.to_owned(), "sk-"),
            (VALUE.to_ascii_uppercase(), "SK-"),
            (serde_json::json!({ "echo": VALUE }).to_string(), "sk-"),
            (percent_encode(VALUE.as_bytes(), &UNRESERVED).to_string(), "Ab9"),
            (VALUE.bytes().map(|byte| format!("{byte:02X}")).collect(), "736B"),
            (shifted(VALUE), "c2st"),
            (shifted(&format!("a{VALUE}")), "NrLUFi"),
            (shifted(&format!("ab{VALUE}")), "zay1BY"),
            (shifted(&format!("user:{VALUE}")), "zay1BY"),
            (URL_SAFE_NO_PAD.encode(VALUE), "c2st"),
            ("sk-Ab9/+ü&quot;x&#39;&lt;&amp;&gt; z".to_owned(), "sk-"),
            ("sk-Ab9\\/+\\u00fc\\\"x'<&> z".to_owned(), "sk-"),
        ] {
            let out = String::from_utf8(prepared.scrubbed(&[text.as_bytes()]).await).unwrap();
            assert!(!out.contains(left) && out.contains(prepared.placeholders.of(0)), "{text}: {out}");
        }
    }

    #[tokio::test]
    async fn two_secrets_of_which_one_begins_like_the_other() {
        let prepared = Prepared::new(&["abcdefgh", "abcdefghijkl"]);
        let placeholders = &prepared.placeholders;
        let out = prepared.scrubbed(&[b"abcdefgh", b"ijkl abcdefgh", b"!"]).await;
        assert_eq!(String::from_utf8(out).unwrap(), format!("{} {}!", placeholders.of(1), placeholders.of(0)));
    }

    #[tokio::test]
    async fn what_cannot_be_a_value_is_not_held_back() {
        let Prepared { scrubber, placeholders } = Prepared::new(&["abcdefgh"]);
        assert_eq!(scrubber.scrub(&placeholders, b"data: 1\n\n", Rest::MoreToCome), (b"data: 1\n\n".to_vec(), 9));
        assert_eq!(scrubber.scrub(&placeholders, b"data: abcdefg", Rest::MoreToCome), (b"data: ".to_vec(), 6));
    }

    #[tokio::test]
    async fn headers_and_trailers_are_scrubbed() {
        let Prepared { scrubber, placeholders } = Prepared::new(&["Abcdefgh"]);
        let mut headers = HeaderMap::new();
        headers.insert("x-echo", HeaderValue::from_static("key=Abcdefgh; x"));
        headers.insert("x-abcdefgh", HeaderValue::from_static("1"));
        headers.insert("other", HeaderValue::from_static("2"));
        let trailers = Full::new(Bytes::from("body")).with_trailers(futures::future::ready(Some(Ok(headers.clone()))));
        scrubber.headers(&placeholders, &mut headers);
        let shown = |headers: &HeaderMap| headers["x-echo"].to_str().unwrap().to_owned();
        assert_eq!(shown(&headers), format!("key={}; x", placeholders.of(0)));
        assert_eq!((headers.len(), headers["other"].to_str().unwrap()), (2, "2"));
        let body = scrubber
            .body(&placeholders, trailers.map_err(|never: std::convert::Infallible| match never {}).boxed_unsync());
        assert_eq!(shown(body.collect().await.unwrap().trailers().unwrap()), shown(&headers));
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(
            words in prop::collection::vec(prop::sample::select(vec!["abcabcabd", "abc", "abcab", "d", "x"]), 0..20),
            cuts in prop::collection::vec(any::<usize>(), 0..10),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(Prepared::new(&["abcabcabd"]).pieces_do_not_matter(words.concat().as_bytes(), cuts));
        }
    }
}
