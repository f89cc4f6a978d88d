//! Test reports: JUnit XML to results.
