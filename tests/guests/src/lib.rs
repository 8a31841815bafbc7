//! Guests that the test suites run: one file a case.
