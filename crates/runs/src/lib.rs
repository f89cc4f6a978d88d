//! Carries runs out, step by step, journaled in the ledger.
