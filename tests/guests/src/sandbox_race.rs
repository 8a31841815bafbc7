//! One guest swaps what a name stands for, another uses the name meanwhile.

use std::fs;
use std::io::Write;
use std::time::{Duration, Instant};

/// In place of a target: a file, with this in it.
const PLAIN: &str = "plain";

fn swap(link: &str, targets: &[String], milliseconds: u64) -> Result<u32, String> {
    let until = Instant::now() + Duration::from_millis(milliseconds);
    let next = format!("{link}-next");
    let mut swaps = 0;
    while Instant::now() < until {
        for target in targets {
            #[expect(deprecated, reason = "the one stable way to make a symbolic link on every target")]
            let made = if target == PLAIN { fs::write(&next, PLAIN) } else { fs::soft_link(target, &next) };
            made.map_err(|error| format!("not made: {error}"))?;
            fs::rename(&next, link).map_err(|error| format!("not swapped: {error}"))?;
            swaps += 1;
        }
    }
    Ok(swaps)
}

/// Says how often the name led somewhere, and all that was read behind it.
fn chase(link: &str, milliseconds: u64) -> String {
    let until = Instant::now() + Duration::from_millis(milliseconds);
    let (mut reached, mut seen) = (0, Vec::new());
    while Instant::now() < until {
        for below in ["", "/file", "/secret"] {
            if let Ok(text) = fs::read_to_string(format!("{link}{below}")) {
                reached += 1;
                if !seen.contains(&text) {
                    seen.push(text);
                }
            }
        }
        drop(fs::write(format!("{link}/taken"), "taken"));
        drop(fs::OpenOptions::new().append(true).open(link).and_then(|mut file| file.write_all(b"")));
        drop(fs::hard_link(format!("{link}/secret"), "stolen"));
        drop(fs::rename(format!("{link}/secret"), "moved"));
    }
    format!("{}: {}", if reached > 0 { "reached" } else { "never reached" }, seen.join(", "))
}

pub(crate) fn run(role: &str, link: &str, targets: &[String], milliseconds: u64) -> Result<String, String> {
    match role {
        "swap" => swap(link, targets, milliseconds).map(|swaps| format!("{swaps} swaps")),
        "chase" => Ok(chase(link, milliseconds)),
        other => Err(format!("no such role: {other}")),
    }
}
