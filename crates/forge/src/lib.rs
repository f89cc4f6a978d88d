//! Changes on a config repository: the built-in forge on plain Git.
