//! One client for every hosted forge: JSON over HTTPS, with what all of them ask of a polite caller.
