//! What `towpath doctor` says of sign-in.

use towpath_catalog::Access;
use towpath_control::view::Finding;
use towpath_control::{Grants, Scope};
use towpath_domain::{Timestamp, Verb};

use super::{Auth, Everybody};

const SIGN_IN: &str = "sign-in";
const PROVIDER: &str = "identity provider";

/// More people than this are not named in one finding.
const NAMED_MAX: usize = 5;

impl Auth {
    /// Whether people can sign in, and who of them may do what. The provider is asked anew, whatever is still known of it.
    pub async fn doctor(&self) -> Vec<Finding> {
        let mut findings = match &self.oidc {
            None => vec![finding(SIGN_IN, "ok", "nobody signs in: only tokens count, and this machine's command line".to_owned(), "")],
            Some(oidc) => {
                let issuer = oidc.issuer();
                let provider = match oidc.try_out().await {
                    Ok(()) => finding(PROVIDER, "ok", format!("{issuer} answers"), ""),
                    Err(error) => {
                        let mend = "nobody can sign in until it answers; whoever is signed in stays so. See [auth.oidc] in towpath.toml";
                        finding(PROVIDER, "error", format!("{issuer}: {error}"), mend)
                    }
                };
                vec![
                    finding(SIGN_IN, "ok", format!("people sign in at {issuer}, and come here as {}", self.settings.base_url), ""),
                    provider,
                ]
            }
        };
        findings.extend(people(&self.keeper.catalog().access, self.settings.everybody, self.keeper.now()));
        findings
    }
}

/// What is said where nobody has to sign in.
#[must_use]
pub fn nobody_signs_in() -> Finding {
    finding(SIGN_IN, "ok", "off: whoever can connect from this machine may do everything".to_owned(), "")
}

/// Who of the config repository's people may do something, and who can never be told apart.
fn people(access: &Access, everybody: Everybody, now: Timestamp) -> Vec<Finding> {
    let mut findings = Vec::new();
    let names = access.people.values().map(|person| &*person.org_username);
    let mut doubtful: Vec<&str> = names.filter(|name| access.named(name).is_none()).collect();
    doubtful.sort_unstable();
    doubtful.dedup();
    if !doubtful.is_empty() {
        let text = format!("several files have the org_username {}: nobody is known by it", listed(&doubtful));
        findings.push(finding("people", "warning", text, "give each person one file, and each org_username to one person"));
    }
    let known: Vec<_> = access.people.values().filter(|person| access.named(&person.org_username).is_some()).collect();
    let grants = |person| Grants::of(access, person, now);
    let mut without: Vec<&str> = known.iter().filter(|person| grants(person).is_empty()).map(|person| &*person.org_username).collect();
    without.sort_unstable();
    if !without.is_empty() {
        let rest = match everybody {
            Everybody::Look => "may look, as everybody does",
            Everybody::Nothing => "may do nothing",
        };
        let text = format!("{} of {} without a role that counts now, who {rest}: {}", without.len(), known.len(), listed(&without));
        findings.push(finding("roles", "ok", text, ""));
    }
    if !known.iter().any(|person| grants(person).may(Verb::Administer, &Scope::INSTALLATION)) {
        let mend = "give a role a /towpath/permission-1.yml with `may: [administer]`, or leave it to this machine's command line";
        findings.push(finding("administrators", "warning", "nobody who signs in may administer the installation".to_owned(), mend));
    }
    findings
}

/// The first of these names, and how many more there are.
fn listed(names: &[&str]) -> String {
    let shown = names.iter().take(NAMED_MAX).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED_MAX) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn finding(what: &str, level: &str, text: String, mend: &str) -> Finding {
    Finding { what: what.to_owned(), level: level.to_owned(), text, mend: mend.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    /// What is said of these people, beside a permission to look and one to administer.
    fn said(files: &[(&str, &str)], everybody: Everybody) -> Vec<(String, String, String)> {
        let may = [
            ("data/look.yml", "$schema: /towpath/permission-1.yml\nname: look\nmay: [look]\n"),
            ("data/run.yml", "$schema: /towpath/permission-1.yml\nname: run\nmay: [administer]\n"),
            ("data/lookers.yml", "$schema: /access/role-1.yml\nname: lookers\npermissions: [{$ref: /look.yml}]\n"),
            ("data/admins.yml", "$schema: /access/role-1.yml\nname: admins\npermissions: [{$ref: /run.yml}]\n"),
            ("data/gone.yml", "$schema: /access/role-1.yml\nname: gone\nexpirationDate: '2020-01-01'\npermissions: [{$ref: /run.yml}]\n"),
        ];
        let files = may.iter().chain(files).map(|(path, text)| towpath_catalog::InputFile::new(*path, text.as_bytes())).collect();
        let findings = people(&towpath_catalog::load(files).catalog.access, everybody, NOW);
        findings.into_iter().map(|finding| (finding.what, finding.level, finding.text)).collect()
    }

    fn line(what: &str, level: &str, text: &str) -> (String, String, String) {
        (what.to_owned(), level.to_owned(), text.to_owned())
    }

    #[test]
    fn an_installation_where_all_have_a_role_and_somebody_administers_it_is_well() {
        let ann = ("data/ann.yml", "$schema: /access/user-1.yml\norg_username: ann\nroles: [{$ref: /admins.yml}]\n");
        let bob = ("data/bob.yml", "$schema: /access/user-1.yml\norg_username: bob\nroles: [{$ref: /lookers.yml}]\n");
        assert_eq!(said(&[ann, bob], Everybody::Nothing), []);
    }

    #[test]
    fn who_has_no_role_and_that_nobody_administers_is_said_and_a_role_that_has_expired_is_none() {
        let ann = ("data/ann.yml", "$schema: /access/user-1.yml\norg_username: ann\nroles: [{$ref: /gone.yml}]\n");
        let bob = ("data/bob.yml", "$schema: /access/user-1.yml\norg_username: bob\nroles: [{$ref: /lookers.yml}]\n");
        let nobody = line("administrators", "warning", "nobody who signs in may administer the installation");
        let without = |rest: &str| line("roles", "ok", &format!("1 of 2 without a role that counts now, who {rest}: ann"));
        assert_eq!(said(&[ann, bob], Everybody::Nothing), [without("may do nothing"), nobody.clone()]);
        assert_eq!(said(&[ann, bob], Everybody::Look), [without("may look, as everybody does"), nobody]);
    }

    #[test]
    fn a_name_that_two_files_claim_is_nobodys_and_makes_nobody_an_administrator() {
        let user = "$schema: /access/user-1.yml\norg_username: ann\nroles: [{$ref: /admins.yml}]\n";
        let said = said(&[("data/ann.yml", user), ("data/ann2.yml", user)], Everybody::Look);
        assert_eq!(said[0], line("people", "warning", "several files have the org_username ann: nobody is known by it"));
        assert_eq!(said[1].0, "administrators");
    }

    #[test]
    fn a_long_list_names_the_first_and_counts_the_rest() {
        assert_eq!(listed(&["a", "b", "c", "d", "e"]), "a, b, c, d, e");
        assert_eq!(listed(&["a", "b", "c", "d", "e", "f", "g"]), "a, b, c, d, e and 2 more");
    }
}
