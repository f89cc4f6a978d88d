//! Where objects run: the embedded local runtime.
