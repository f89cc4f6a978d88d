//! Mirrors, reads at a commit, commits and pushes, by the git program.
