//! People and roles: references looked up, and what is in doubt left without effect.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::findings::Findings;
use super::index::Index;
use crate::access::{Access, Account, Approves, ForgeKind, Permission, Person, Role};
use crate::read::{Content, RawApp, RawChangeType, RawEnvironment, RawPermission, RawRole, RawUser, schema};

type Users<'a> = Vec<(&'a Arc<str>, &'a RawUser)>;

/// All people and roles. What is broken gives nobody anything: a slip of the pen must not let somebody approve.
pub(super) fn link(index: &Index<'_>, findings: &mut Findings) -> Access {
    let users: Users<'_> = index
        .files
        .iter()
        .filter_map(|file| if let Content::User(raw) = &file.content { Some((&file.path, &**raw)) } else { None })
        .collect();
    let mut access = Access { accounts: accounts(&users, findings), ..Access::default() };
    let mut members: BTreeMap<Arc<str>, BTreeSet<Arc<str>>> = BTreeMap::new();
    for (path, raw) in users {
        let mut roles = BTreeSet::new();
        for role in &raw.roles {
            if let Some((at, _)) = index.find::<RawRole>(path, role, findings)
                && let Some(file) = index.files.get(at)
            {
                members.entry(Arc::clone(&file.path)).or_default().insert(Arc::clone(path));
                roles.insert(Arc::clone(&file.path));
            }
        }
        let org_username: Arc<str> = Arc::from(raw.org_username.value.as_str());
        let person = Person {
            name: raw.name.as_deref().map_or_else(|| Arc::clone(&org_username), Arc::from),
            org_username,
            oidc_subject: raw.oidc_subject.as_ref().map(|subject| Arc::from(subject.value.as_str())),
            accounts: raw.accounts.iter().map(|(forge, login)| (*forge, Account::new(&login.value))).collect(),
            roles: roles.into_iter().collect(),
            place: raw.org_username.spot.place(path),
        };
        access.people.insert(Arc::clone(path), Arc::new(person));
    }
    for file in index.files {
        let Content::Role(raw) = &file.content else { continue };
        let role = Role {
            name: Arc::from(raw.name.value.as_str()),
            approves: approves(&file.path, raw, index, findings),
            permissions: permissions(&file.path, raw, index, findings),
            expires: raw.expires,
            members: members.remove(&file.path).unwrap_or_default().into_iter().collect(),
            place: raw.name.spot.place(&file.path),
        };
        access.roles.insert(Arc::clone(&file.path), Arc::new(role));
    }
    for file in index.files {
        let Content::Permission(raw) = &file.content else { continue };
        access.permissions.insert(Arc::clone(&file.path), Arc::new(permission(&file.path, raw, index, findings)));
    }
    access
}

/// The permissions that a role gives. app-interface lists those of other services in the same place: of them, nothing is said.
fn permissions(file: &Arc<str>, raw: &RawRole, index: &Index<'_>, findings: &mut Findings) -> Vec<Arc<str>> {
    let mut paths = BTreeSet::new();
    for to in &raw.permissions {
        let Some(found) = index.get(to) else {
            findings.missing(file, to, schema::OWN_PERMISSION);
            continue;
        };
        if found.schema.as_deref() == Some(schema::OWN_PERMISSION) && index.find::<RawPermission>(file, to, findings).is_some() {
            paths.insert(Arc::clone(&found.path));
        }
    }
    paths.into_iter().collect()
}

/// An app or environment that is not there is told, and left out: what is left is never all of them.
fn permission(file: &Arc<str>, raw: &RawPermission, index: &Index<'_>, findings: &mut Findings) -> Permission {
    let apps = raw.apps.as_ref().map(|apps| {
        let found = apps.iter().filter_map(|app| Some(index.find::<RawApp>(file, app, findings)?.1));
        found.map(|app| Arc::from(app.name.value.as_str())).collect()
    });
    let environments = raw.environments.as_ref().map(|environments| {
        let found = environments.iter().filter_map(|environment| Some(index.find::<RawEnvironment>(file, environment, findings)?.1));
        found.map(|environment| Arc::from(environment.name.value.as_str())).collect()
    });
    Permission { name: Arc::from(raw.name.value.as_str()), may: raw.may.clone(), apps, environments, place: raw.name.spot.place(file) }
}

/// Whose each account is. One that two files claim is nobody's; a person with two files has none, or would count twice.
fn accounts(users: &Users<'_>, findings: &mut Findings) -> BTreeMap<(ForgeKind, Account), Arc<str>> {
    let mut files: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, raw) in users {
        *files.entry(&raw.org_username.value).or_default() += 1;
    }
    let mut claims: BTreeMap<(ForgeKind, Account), Vec<_>> = BTreeMap::new();
    for (path, raw) in users {
        for (forge, login) in &raw.accounts {
            claims.entry((*forge, Account::new(&login.value))).or_default().push((*path, *raw, login.spot));
        }
    }
    let mut owners = BTreeMap::new();
    for (key, claims) in claims {
        if let [(path, raw, _)] = claims.as_slice() {
            if files.get(raw.org_username.value.as_str()) == Some(&1) {
                owners.insert(key, Arc::clone(path));
            }
            continue;
        }
        for (path, _, spot) in &claims {
            let message = format!("`{}` is the account of {} users, so that nobody can tell who acts by it", key.1, claims.len());
            let others = claims
                .iter()
                .filter(|(other, ..)| other != path)
                .map(|(other, _, spot)| (spot.place(other), "the same account".to_owned()));
            findings.error("duplicate-account", spot.place(path), message, "Leave it with the one whose it is.").related.extend(others);
        }
    }
    owners
}

fn approves(file: &Arc<str>, raw: &RawRole, index: &Index<'_>, findings: &mut Findings) -> Approves {
    let mut paths: BTreeSet<Box<str>> = BTreeSet::new();
    for at in &raw.paths {
        // Of what is not below data/, nothing is known here.
        if at.value.starts_with("data/") && !index.holds(&at.value) {
            let message = format!("`approves`: there is neither a file nor a folder `{}`", at.value.escape_debug());
            findings.warn("unknown-selection", at.spot.place(file), message, "Mend the path, or remove it.");
        }
        paths.insert(at.value.clone());
    }
    // Of app-interface's own way to give files to roles, what gives them as a whole: parts of files are not told apart here.
    for item in &raw.self_service {
        let Some((_, RawChangeType { whole: Some(schema) })) = index.find::<RawChangeType>(file, &item.change_type, findings) else {
            continue;
        };
        let datafiles = item.datafiles.iter().filter_map(|datafile| {
            let found = index.get(datafile);
            if found.is_none() {
                findings.missing(file, datafile, "/app-sre/saas-file-2.yml");
            }
            found
        });
        paths.extend(datafiles.filter(|found| found.schema.as_deref() == Some(&**schema)).map(|found| Box::from(&*found.path)));
    }
    Approves { all: raw.all, paths: paths.into_iter().collect() }
}
