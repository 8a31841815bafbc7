//! Write Perstack skills and Experts in Rust.
