//! The guests of the test suites, built.
