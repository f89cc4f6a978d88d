//! What the client does, against a server that does as it is told.
