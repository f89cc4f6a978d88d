//! `history`: events of the ledger in words.

use towpath_control::view::HistoryLine;

use super::Look;
use super::table::Table;

/// Events as a table, in the order given.
pub fn render(lines: &[HistoryLine], look: &Look) -> String {
    if lines.is_empty() {
        return "No events.\n".to_owned();
    }
    let mut table = Table::new(&["EVENT", "TIME", "CAUSE", "BY", "WHAT"]);
    for line in lines {
        let cause = line.cause.map_or_else(|| "-".to_owned(), |cause| cause.to_string());
        table.row([line.id.to_string(), line.at.to_string(), cause, line.actor.clone(), line.text.clone()]);
    }
    table.render(look.width)
}
