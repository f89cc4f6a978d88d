//! Tells people, from the outbox, with retries.
