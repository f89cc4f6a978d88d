//! Who may what: sign-in at a provider, sessions and tokens, and those who try to get in otherwise.

mod house;
mod sessions;
mod sign_in;
mod table;
mod tokens;
