//! Tokens of programs.

use towpath_domain::Verb;
use towpath_web::auth::{MadeToken, TokenView};

use super::table::Table;
use super::{Look, words};

/// Tokens as a table.
pub fn render(tokens: &[TokenView], look: &Look) -> String {
    if tokens.is_empty() {
        return "No tokens.\n".to_owned();
    }
    let mut table = Table::new(&["ID", "NAME", "OWNER", "USED", "STATE", "MAY"]);
    for token in tokens {
        let state = match token.revoked {
            Some(at) => format!("revoked {}", words::ago(at, look.now)),
            None if token.ends <= look.now => "ended".to_owned(),
            None => format!("until {}", date(token)),
        };
        table.row([
            token.id.clone(),
            token.name.clone(),
            token.owner.clone().unwrap_or_else(|| "(machine)".to_owned()),
            token.used.map_or_else(|| "never".to_owned(), |at| words::ago(at, look.now)),
            state,
            allows(token),
        ]);
    }
    table.render(look.width)
}

/// What is said of a new one, beside the token itself.
pub fn of_made(made: &MadeToken) -> String {
    let about = &made.about;
    let (name, id) = (words::line(&about.name), words::line(&about.id));
    format!(
        "This is the only time that the token is shown. {name} may {} until {}; take it back with: towpath token revoke {id}",
        allows(about),
        date(about)
    )
}

/// What is said of one that was taken back.
pub fn of_revoked(token: &TokenView) -> String {
    format!("{} ({}) counts no more.\n", words::line(&token.name), words::line(&token.id))
}

/// What it may do, and where.
fn allows(token: &TokenView) -> String {
    let verbs = token.may.iter().copied().map(Verb::name).collect::<Vec<_>>().join(", ");
    let some =
        |names: &Option<Vec<std::sync::Arc<str>>>, all: &str| names.as_ref().map_or_else(|| all.to_owned(), |names| names.join(", "));
    format!("{verbs} for {} in {}", some(&token.apps, "all apps"), some(&token.environments, "all environments"))
}

fn date(token: &TokenView) -> String {
    token.ends.to_string().chars().take(10).collect()
}
