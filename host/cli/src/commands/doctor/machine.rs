//! What the machine offers, looked at before anything is given up.

use perstack_hardening::machine::{LANDLOCK_NEEDED, executable_memory, kernel, landlock, seccomp, user_namespaces};
use serde_json::{Value, json};

/// What the machine offers.
pub(crate) struct Machine {
    kernel: String,
    seccomp: Result<(), String>,
    /// Landlock's version.
    landlock: Result<u32, String>,
    pub(super) executable_memory: Result<(), String>,
    user_namespaces: bool,
}

impl Machine {
    pub(crate) fn look() -> Self {
        Self {
            kernel: kernel(),
            seccomp: seccomp().map_err(|error| error.to_string()),
            landlock: landlock().map_err(|error| error.to_string()),
            executable_memory: executable_memory().map_err(|error| error.to_string()),
            user_namespaces: user_namespaces(),
        }
    }

    /// `kernel 6.18.44   seccomp ✓   Landlock ABI 7 ✓   executable memory ✓   user namespaces ✗ (not needed)`
    pub(super) fn to_line(&self) -> String {
        let mark = |holds: bool| if holds { '✓' } else { '✗' };
        let landlock = match &self.landlock {
            Ok(version) => format!("Landlock ABI {version} {}", mark(*version >= LANDLOCK_NEEDED)),
            Err(_) => "Landlock ✗".to_owned(),
        };
        format!(
            "kernel {}   seccomp {}   {landlock}   executable memory {}   user namespaces {} (not needed)",
            self.kernel,
            mark(self.seccomp.is_ok()),
            mark(self.executable_memory.is_ok()),
            mark(self.user_namespaces),
        )
    }

    /// What is lacking, and what that means.
    pub(super) fn lacks(&self) -> Vec<String> {
        let mut lacks = Vec::new();
        if let Err(reason) = &self.seccomp {
            lacks.push(format!(
                "no seccomp ({reason}): with `native = \"deny\"` programs are refused by the program alone, not by the kernel"
            ));
        }
        match &self.landlock {
            Ok(version) if *version < LANDLOCK_NEEDED => lacks.push(format!(
                "Landlock ABI {version} is older than {LANDLOCK_NEEDED}: files elsewhere could be truncated, were the \
                 sandbox broken"
            )),
            Ok(_) => {}
            Err(reason) => lacks.push(format!(
                "no Landlock ({reason}): files elsewhere are out of reach by the sandbox alone, not by the kernel"
            )),
        }
        if let Err(reason) = &self.executable_memory {
            lacks.push(format!(
                "no executable memory ({reason}): components run only with `engine = \"interpreter\"` in the host policy"
            ));
        }
        lacks
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "kernel": self.kernel,
            "seccomp": self.seccomp.is_ok(),
            "landlock": self.landlock.as_ref().ok(),
            "executableMemory": self.executable_memory.is_ok(),
            "userNamespaces": self.user_namespaces,
        })
    }
}
