//! What a template may cost. Everything has a limit, so that no file in a repository can stop the service.

/// Longest template text in bytes. etcd refuses objects over 1.5 MiB, so 8 MiB is room for several of the largest.
pub(crate) const TEXT_BYTES_MAX: usize = 8 << 20;

/// Deepest nesting of maps and lists. Schemas inside CustomResourceDefinitions are the deepest seen, at about 50.
pub(crate) const DEPTH_MAX: usize = 128;

/// Most maps, lists and scalars in one text, aliases expanded.
pub(crate) const NODES_MAX: usize = 500_000;

/// Most bytes that substitution may write for one template: a megabyte put in a million places is a mistake or an attack.
pub(crate) const SUBSTITUTED_BYTES_MAX: usize = 64 << 20;

/// Longest generated value in bytes. The reference has no limit; a single part has 255 at most.
pub(crate) const GENERATED_BYTES_MAX: usize = 64 << 10;

/// Longest parameter value in bytes after `${K}` was put into it.
pub(crate) const PARAMETER_BYTES_MAX: usize = 1 << 20;
