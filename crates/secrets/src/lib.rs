//! Secret values: Vault, Kubernetes Secrets, files. Never logged, never stored.
