//! What a kustomization refers to: files and folders of the same commit, and nothing else. Kustomize itself would follow folders out of the
//! checkout and fetch what looks like an address.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// The names that a kustomization's file can have.
const FILES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// The lists whose items may be folders or addresses. Everything else kustomize keeps in the kustomization's own folder.
const LISTS: [&str; 6] = ["resources", "bases", "components", "generators", "transformers", "validators"];

/// More kustomizations than this below one are a mistake.
const FOLDERS_MAX: usize = 1000;

/// Checks the kustomization in `folder` and those that it refers to. All must stay below `checkout`.
///
/// # Errors
/// What leads out, and in which file.
pub(super) fn check(checkout: &Path, folder: &Path) -> Result<(), String> {
    let root = checkout.canonicalize().map_err(|e| format!("the checkout cannot be read: {e}"))?;
    let mut seen: BTreeSet<PathBuf> = BTreeSet::new();
    let mut waiting = vec![folder.canonicalize().map_err(|e| format!("the folder cannot be read: {e}"))?];
    while let Some(folder) = waiting.pop() {
        if !seen.insert(folder.clone()) {
            continue;
        }
        if seen.len() > FOLDERS_MAX {
            return Err(format!("it refers to more than {FOLDERS_MAX} folders; split it"));
        }
        for file in FILES.iter().map(|name| folder.join(name)).filter(|file| file.is_file()) {
            let shown = file.strip_prefix(&root).unwrap_or(&file).display().to_string();
            let text = std::fs::read_to_string(&file).map_err(|e| format!("{shown}: {e}"))?;
            for document in towpath_template::yaml::documents(&text).map_err(|e| format!("{shown}: {e}"))? {
                for (list, item) in referred(&document) {
                    let inside = inside(&root, &folder, item).ok_or_else(|| {
                        format!(
                            "{shown}: `{list}` names {item:?}, which is no file or folder of this commit; Towpath fetches nothing while it renders: \
                             copy it into the repository"
                        )
                    })?;
                    if inside.is_dir() {
                        waiting.push(inside);
                    }
                }
            }
        }
    }
    Ok(())
}

/// Items that are names; one of several lines is a configuration in place.
fn referred(document: &Value) -> Vec<(&'static str, &str)> {
    let items = |list: &'static str| document.get(list).and_then(Value::as_array).into_iter().flatten().map(move |item| (list, item));
    LISTS
        .iter()
        .flat_map(|list| items(list))
        .filter_map(|(list, item)| Some((list, item.as_str()?)))
        .filter(|(_, item)| !item.contains('\n'))
        .collect()
}

/// What the item is, if it is there, below the root, and nothing that kustomize would take for an address.
fn inside(root: &Path, folder: &Path, item: &str) -> Option<PathBuf> {
    let is_address = ["://", "::", "?", "@", ".git", "github.com", "_git"].iter().any(|part| item.contains(part));
    let found = Some(folder.join(item)).filter(|_| !is_address)?.canonicalize().ok()?;
    found.starts_with(root).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let file = dir.path().join("checkout").join(path);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        dir
    }

    fn checked(dir: &tempfile::TempDir, folder: &str) -> Result<(), String> {
        let root = dir.path().join("checkout");
        check(&root, &root.join(folder))
    }

    #[test]
    fn bases_of_the_same_commit_are_fine_wherever_they_lie() {
        let dir = repository(&[
            (
                "overlays/stage/kustomization.yaml",
                "resources: [../../base, web.yaml]\ntransformers:\n  - |-\n    apiVersion: builtin\n    kind: X\n",
            ),
            ("overlays/stage/web.yaml", "a: 1\n"),
            ("base/Kustomization", "resources: [../overlays/stage/web.yaml]\n"),
        ]);
        assert_eq!(checked(&dir, "overlays/stage"), Ok(()));
    }

    #[test]
    fn what_leads_out_or_would_be_fetched_is_refused_also_from_a_base() {
        for bad in [
            "../../outside",
            "../../../../../../etc",
            "/etc",
            "https://example.com/x.yaml",
            "github.com/org/repo//base?ref=main",
            "git@example.com:org/repo",
            "git::https://example.com/x",
            "missing.yaml",
        ] {
            let dir = repository(&[
                ("overlay/kustomization.yaml", "resources: [../base]\n"),
                ("base/kustomization.yml", &format!("components: ['{bad}']\n")),
            ]);
            std::fs::create_dir(dir.path().join("outside")).unwrap();
            let refused = checked(&dir, "overlay").unwrap_err();
            assert!(refused.starts_with("base/kustomization.yml: `components` names ") && refused.contains(bad), "{bad}: {refused}");
        }
    }

    #[test]
    fn a_folder_that_is_called_like_an_address_is_not_taken_for_one() {
        let dir = repository(&[("kustomization.yaml", "bases: [github.com/org/repo]\n"), ("github.com/org/repo/kustomization.yaml", "")]);
        assert!(checked(&dir, ".").unwrap_err().contains("github.com/org/repo"));
    }

    #[test]
    fn circles_end() {
        let dir = repository(&[("a/kustomization.yaml", "resources: [../b]\n"), ("b/kustomization.yaml", "resources: [../a]\n")]);
        assert_eq!(checked(&dir, "a"), Ok(()), "kustomize itself refuses it");
    }
}
