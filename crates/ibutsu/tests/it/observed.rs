//! The stand-in, held to what a real server was seen to do: row by row.
