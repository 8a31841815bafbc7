//! Servers elsewhere: over streamable HTTP, or over the older pair of an event stream and a place to post to. Every request has
//! a connection of its own, which somebody else opens; no redirect is followed.

mod answer;
mod events;
mod legacy;
mod request;
mod streamable;

pub(crate) use answer::is_same;
pub(crate) use legacy::Legacy;
pub(crate) use request::Web;
pub(crate) use streamable::streamable;
