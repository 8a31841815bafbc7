//! Network: HTTP over TLS to the hosts that were granted, through `wasi:http`. By default:
//! - no host
//! - no secret
//! - no sockets and no lookups of names, ever
//!
//! The way of a request:
//! 1. [`gate`]: where it goes is read once, and compared with the grants.
//! 2. [`secrets`]: placeholders become values, where they may.
//! 3. [`egress`]: the name is resolved once, all of its addresses are checked, and one of those is connected to. Access is
//!    on record before that.
//! 4. [`exchange`]: what is sent and received is bounded, in bytes and in time. No redirect is followed.
//! 5. [`scrub`]: values that come back become placeholders again.

mod dial;
mod egress;
mod exchange;
mod gate;
mod resolve;
mod scrub;
mod secrets;

use std::collections::BTreeSet;

use perstack_core::config::{HostPattern, NetworkPattern};
use secrecy::SecretString;
use wasmtime::component::Linker;
use wasmtime_wasi_http::WasiHttpView;

use crate::error::LoadError;

pub use self::dial::{DialError, Dialed};
pub(crate) use self::egress::Egress;
pub use self::egress::{EgressConfig, EgressError};
pub(crate) use self::gate::Gate;
#[cfg(fuzzing)]
pub(crate) use self::scrub::properties::Prepared as PreparedSecrets;
pub use self::secrets::Redactor;
pub(crate) use self::secrets::{Placeholders, Secrets};

/// What a skill may do on the network.
#[derive(Clone, Debug, Default)]
pub struct NetworkGrants {
    /// Where it may connect to.
    pub destinations: BTreeSet<NetworkPattern>,
    /// Values that it may use, and never sees.
    pub secrets: Vec<SecretGrant>,
}

/// A value that is put into requests to some hosts. The skill has a placeholder for it, in a variable.
#[derive(Clone, Debug)]
pub struct SecretGrant {
    /// The variable.
    pub name: String,
    /// The value.
    pub value: SecretString,
    /// The hosts that it may be sent to.
    pub hosts: Vec<HostPattern>,
}

/// Grants that are ready to be used.
pub(crate) struct OpenNetwork {
    destinations: BTreeSet<NetworkPattern>,
    pub(crate) secrets: Secrets,
}

/// Gets the grants ready.
pub(crate) fn open(grants: NetworkGrants) -> Result<OpenNetwork, LoadError> {
    Ok(OpenNetwork { destinations: grants.destinations, secrets: Secrets::new(grants.secrets)? })
}

/// Gives guests `wasi:http`. What is not granted is denied when it is asked for, as with files: standard libraries import
/// it whether they use it or not.
pub(crate) fn add_to_linker<T: WasiHttpView + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)
}
