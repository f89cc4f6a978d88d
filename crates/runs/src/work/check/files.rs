//! Reports that the source's own command left in its checkout.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;
use towpath_junit::{Document, Limits};

use super::paths::Pattern;
use crate::tested::keep::FoundReport;

/// The most reports of one run, and the most bytes of one and of all of them.
const FILES_MAX: usize = 200;
const FILE_BYTES_MAX: u64 = 32 << 20;
const ALL_BYTES_MAX: u64 = 128 << 20;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) reports: Vec<FoundReport>,
    /// Why not everything could be looked at that may hold a report.
    pub(super) trouble: Vec<String>,
    /// Where nothing was, and the like: for the log.
    pub(super) notes: Vec<String>,
}

/// The reports at these paths of the checkout. Blocks on files.
pub(super) fn found(checkout: &Path, paths: &[String]) -> Found {
    let mut found = Found::default();
    let mut left = ALL_BYTES_MAX;
    for path in paths {
        let Some(pattern) = Pattern::of(path) else {
            found.trouble.push(format!("{path:?} is no path within the checkout"));
            continue;
        };
        let Some(folder) = pattern.folder_below(checkout) else {
            found.notes.push(format!("{path}: there is no such folder, or it is a link"));
            continue;
        };
        let names = match pattern.names_in(&folder) {
            Ok(names) => names,
            Err(error) => {
                found.trouble.push(format!("{path}: {error}"));
                continue;
            }
        };
        let before = found.reports.len();
        for name in names {
            let place = pattern.folders.iter().copied().chain([name.as_str()]).collect::<Vec<_>>().join("/");
            if found.reports.iter().any(|report| report.from == place) {
                continue;
            }
            if found.reports.len() >= FILES_MAX {
                found.trouble.push(format!("{path}: there are more than {FILES_MAX} reports"));
                return found;
            }
            match read(&folder.join(&name), left) {
                Ok(Some(content)) => {
                    left = left.saturating_sub(content.len() as u64);
                    found.reports.push(FoundReport { from: place, document: Document::read(name, content, &Limits::default()) });
                }
                Ok(None) => found.notes.push(format!("{place} is no file, and is left out")),
                Err(error) => found.trouble.push(format!("{place}: {error}")),
            }
        }
        found.notes.push(match found.reports.len() - before {
            0 => format!("{path}: no report"),
            1 => format!("{path}: 1 report"),
            count => format!("{path}: {count} reports"),
        });
    }
    found
}

/// The file's content; none for what is no plain file, such as a link.
fn read(path: &Path, left: u64) -> io::Result<Option<Vec<u8>>> {
    if !fs::symlink_metadata(path)?.is_file() {
        return Ok(None);
    }
    // Between the look and the opening it may have become something else, which must be neither followed nor waited for.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    let file: File = OpenOptions::new().read(true).custom_flags(i32::try_from(flags).unwrap_or(0)).open(path)?;
    if !file.metadata()?.is_file() {
        return Ok(None);
    }
    let most = FILE_BYTES_MAX.min(left);
    let mut content = Vec::new();
    file.take(most + 1).read_to_end(&mut content)?;
    if content.len() as u64 > most {
        return Err(io::Error::other(format!("it is larger than {FILE_BYTES_MAX} bytes, or all reports together than {ALL_BYTES_MAX}")));
    }
    Ok(Some(content))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(found: &Found) -> Vec<&str> {
        found.reports.iter().map(|report| report.from.as_str()).collect()
    }

    #[test]
    fn reports_are_found_by_pattern_and_no_link_is_followed() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join("checkout").join(path);
        fs::create_dir_all(at("out/junit")).unwrap();
        fs::create_dir_all(dir.path().join("elsewhere")).unwrap();
        for path in ["out/junit/a.xml", "out/junit/b.xml", "out/junit/b.txt", "../elsewhere/c.xml"] {
            fs::write(at(path), "<testsuite><testcase name=\"x\"/></testsuite>").unwrap();
        }
        symlink("../../../elsewhere/c.xml", at("out/junit/c.xml")).unwrap();
        symlink("../../elsewhere", at("out/linked")).unwrap();
        fs::create_dir(at("out/junit/d.xml")).unwrap();
        let paths = ["out/junit/*.xml", "out/junit/a.xml", "out/linked/*.xml", "nothing/*.xml", "../elsewhere/*.xml"];
        let found = found(&at(""), &paths.map(str::to_owned));
        assert_eq!(names(&found), ["out/junit/a.xml", "out/junit/b.xml"]);
        assert!(found.reports.iter().all(|report| report.document.report.as_ref().unwrap().cases.len() == 1));
        assert_eq!(found.trouble, ["\"../elsewhere/*.xml\" is no path within the checkout"]);
        assert!(found.notes.iter().any(|note| note.starts_with("out/linked/*.xml: there is no such folder")), "{:?}", found.notes);
    }

    #[test]
    fn too_many_reports_are_trouble_and_not_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        for n in 0..=FILES_MAX {
            fs::write(dir.path().join(format!("{n:04}.xml")), "<testsuite/>").unwrap();
        }
        let found = found(dir.path(), &["*.xml".to_owned()]);
        assert_eq!((found.reports.len(), found.trouble.len()), (FILES_MAX, 1));
        let large = dir.path().join("large");
        fs::write(&large, "0123456789").unwrap();
        assert_eq!(read(&large, 10).unwrap().unwrap().len(), 10);
        assert!(read(&large, 9).is_err());
    }

    #[test]
    fn nobody_waits_for_a_pipe() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("a.xml");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
        assert!(read(&pipe, 10).unwrap().is_none());
    }
}
