//! The planner: one pure function from catalog, facts and time to verdicts.
