//! Why a report could not be read.

use crate::report::Report;

/// Why a report could not be read.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ReportError {
    /// There is nothing in it.
    #[error("the report is empty; look whether the tests got as far as to write it")]
    Empty,
    /// It ends before its end: whoever wrote it was cut short.
    #[error("the report is cut short after {} test cases; look why the tests did not end by themselves", .so_far.cases.len())]
    CutShort {
        /// What was read until there.
        so_far: Box<Report>,
    },
    /// It is not XML.
    #[error("the report is no well-formed XML at line {line}, column {column}: {why}; look at what writes it")]
    Malformed {
        /// The line, from 1.
        line: usize,
        /// The column, from 1, in characters.
        column: usize,
        /// What is wrong there.
        why: String,
    },
    /// It is XML, but no JUnit report.
    #[error("the report begins with <{root}>, not with <testsuites> or <testsuite>; collect JUnit XML only")]
    NotJunit {
        /// The name of the first element.
        root: String,
    },
    /// It declares a document type, which no test tool needs and attackers like.
    #[error("the report declares a document type (<!DOCTYPE), which is refused; write it without")]
    DocumentType,
    /// It is larger than the limit.
    #[error("the report is larger than {limit} bytes; write less output into it, or split it")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// It has more test cases than the limit.
    #[error("the report has more than {limit} test cases; split it")]
    TooManyCases {
        /// The limit.
        limit: usize,
    },
    /// Its elements are nested deeper than the limit.
    #[error("the report's elements are nested deeper than {limit}; look at what writes it")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// It was packed, and what arrived cannot be unpacked.
    #[error("the packed report cannot be unpacked: {why}; pack it with `gzip -c FILE | base64`, and write nothing else meanwhile")]
    Packed {
        /// What is wrong.
        why: String,
    },
}
