//! Nothing: the whole-program tests are in `program/`, the guests that they need in `guests/` and `artifacts/`.
