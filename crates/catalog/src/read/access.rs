//! People, roles and change types: app-interface's `/access/user-1.yml`, `/access/role-1.yml`, `/app-interface/change-type-1.yml`.
//! Read are the fields that say who may do and approve what; all others are app-interface's own business.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use towpath_domain::Timestamp;

use super::Ref;
use super::fields::{At, Reader};
use crate::access::{Account, ForgeKind};
use crate::yaml::Node;

/// A person as they are written.
#[derive(Debug)]
pub(crate) struct RawUser {
    pub name: Option<String>,
    pub org_username: At<String>,
    pub oidc_subject: Option<At<String>>,
    pub accounts: Vec<(ForgeKind, At<String>)>,
    pub roles: Vec<Ref>,
}

/// A role as it is written.
#[derive(Debug)]
pub(crate) struct RawRole {
    pub name: At<String>,
    pub expires: Option<Timestamp>,
    pub all: bool,
    /// Paths in the config repository.
    pub paths: Vec<At<Box<str>>>,
    /// Permissions of whatever type.
    pub permissions: Vec<Ref>,
    pub self_service: Vec<RawSelfService>,
}

/// One item of a role's `self_service`.
#[derive(Debug)]
pub(crate) struct RawSelfService {
    pub change_type: Ref,
    pub datafiles: Vec<Ref>,
}

/// A change type, as far as it matters: whether it lets a whole file be changed.
#[derive(Debug)]
pub(crate) struct RawChangeType {
    /// The type of the files that may be changed as a whole, if any may.
    pub whole: Option<Box<str>>,
}

/// The fields of a user that name an account. app-interface has the first one; the others are Towpath's own.
const ACCOUNTS: [(&str, ForgeKind); 3] =
    [("github_username", ForgeKind::GitHub), ("gitlab_username", ForgeKind::GitLab), ("forgejo_username", ForgeKind::Forgejo)];

pub(super) fn read_user(reader: &mut Reader, root: Node<'_, '_>) -> Option<RawUser> {
    let org_username = required_text(reader, root, "org_username");
    let name = reader.text_of(root, "name").map(str::to_owned);
    let mut accounts = Vec::new();
    for (field, forge) in ACCOUNTS {
        let Some(node) = root.get(field) else { continue };
        let Some(login) = reader.text(node, field) else { continue };
        if Account::is_sound(login) {
            accounts.push((forge, At { value: login.to_owned(), spot: node.spot() }));
        } else {
            let message = format!("`{field}`: `{}` is no login of a forge", login.escape_debug());
            reader.error("bad-name", node.spot(), message, "Write the login, without `@`: letters, digits, dots, dashes, underscores.");
        }
    }
    let roles = references(reader, root, "roles");
    let oidc_subject = match root.entries().any(|entry| entry.key == "oidc_subject") {
        false => None,
        // Whoever is to be known by it alone must not be known by a name in its place.
        true => Some(required_text(reader, root, "oidc_subject")?),
    };
    Some(RawUser { name, org_username: org_username?, oidc_subject, accounts, roles })
}

pub(super) fn read_role(reader: &mut Reader, root: Node<'_, '_>) -> Option<RawRole> {
    let name = required_text(reader, root, "name");
    let expires = match root.get("expirationDate") {
        None => None,
        // A role whose end cannot be told gives nothing.
        Some(node) => Some(read_date(reader, node)?),
    };
    let (all, paths) = read_approves(reader, root);
    let permissions = references(reader, root, "permissions");
    let items = reader.list(root, "self_service").unwrap_or_default();
    let self_service = items.into_iter().filter_map(|item| read_self_service(reader, item)).collect();
    Some(RawRole { name: name?, expires, all, paths, permissions, self_service })
}

pub(super) fn read_change_type(root: Node<'_, '_>) -> RawChangeType {
    let text = |node: Node<'_, '_>, field: &str| node.get(field).and_then(|node| node.scalar()).map(|(text, _)| text.to_owned());
    let is = |field: &str| text(root, field).is_some_and(|text| text != "false");
    let schema = text(root, "contextSchema").filter(|_| text(root, "contextType").as_deref() == Some("datafile"));
    let whole = |change: Node<'_, '_>| {
        text(change, "provider").as_deref() == Some("jsonPath")
            && change.get("context").is_none()
            && (change.get("changeSchema").is_none() || text(change, "changeSchema") == schema)
            && change.get("jsonPathSelectors").is_some_and(|all| all.items().any(|one| one.scalar().is_some_and(|(text, _)| text == "$")))
    };
    let counts = !is("disabled") && !is("restrictive") && root.get("changes").is_some_and(|changes| changes.items().any(whole));
    RawChangeType { whole: schema.filter(|_| counts).map(String::into_boxed_str) }
}

/// `all`, or a list of files and folders.
fn read_approves(reader: &mut Reader, root: Node<'_, '_>) -> (bool, Vec<At<Box<str>>>) {
    let Some(node) = root.get("approves") else { return (false, Vec::new()) };
    if !node.is_sequence() {
        let all = node.scalar().is_some_and(|(text, _)| text == "all");
        if !all {
            reader.wrong_type(node, "approves", "`all`, or a list of files and folders");
        }
        return (all, Vec::new());
    }
    let texts = reader.texts(root, "approves").unwrap_or_default();
    let paths = texts.into_iter().filter_map(|at| {
        let path = at.value.strip_suffix('/').unwrap_or(&at.value);
        let sound = path.split('/').all(|part| !matches!(part, "" | "." | ".."))
            && !path.chars().any(|c| c.is_control() || matches!(c, '*' | '\\'));
        if !sound {
            let message = format!("`approves`: `{}` is no path in the config repository", at.value.escape_debug());
            let mend = "Write a file or a folder from the repository's root, such as `data/services/web/`; or `approves: all`.";
            reader.error("bad-path", at.spot, message, mend);
            return None;
        }
        Some(At { value: path.into(), spot: at.spot })
    });
    (false, paths.collect())
}

fn read_self_service(reader: &mut Reader, item: Node<'_, '_>) -> Option<RawSelfService> {
    let change_type = reader.reference(item, "change_type")?;
    let datafiles = references(reader, item, "datafiles");
    Some(RawSelfService { change_type, datafiles })
}

pub(super) fn references(reader: &mut Reader, map: Node<'_, '_>, field: &str) -> Vec<Ref> {
    // app-interface writes `roles:` with nothing behind it, too.
    if map.get(field).is_some_and(|node| node.is_null()) {
        return Vec::new();
    }
    let items = reader.list(map, field).unwrap_or_default();
    items.into_iter().filter_map(|item| reader.reference_at(item, field)).collect()
}

pub(super) fn required_text(reader: &mut Reader, map: Node<'_, '_>, field: &str) -> Option<At<String>> {
    let node = reader.required(map, field)?;
    let text = reader.text(node, field)?;
    if text.trim().is_empty() || text.chars().any(char::is_control) {
        reader.error("bad-name", node.spot(), format!("`{field}` is empty or holds a control character"), "Mend the value.");
        return None;
    }
    Some(At { value: text.to_owned(), spot: node.spot() })
}

/// The beginning of a day in UTC.
fn read_date(reader: &mut Reader, node: Node<'_, '_>) -> Option<Timestamp> {
    let text = reader.text(node, "expirationDate")?;
    let day = text.parse::<Date>().ok().and_then(|day| day.to_zoned(TimeZone::UTC).ok());
    if day.is_none() {
        reader.error("bad-time", node.spot(), format!("`{}` is no date", text.escape_debug()), "Write it as 2026-12-24.");
    }
    day.map(|day| Timestamp::from_millis(day.timestamp().as_millisecond()))
}
