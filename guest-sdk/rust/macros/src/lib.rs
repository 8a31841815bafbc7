//! Attribute macros of perstack-guest.
