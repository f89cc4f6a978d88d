//! Tables for people.

use super::words;

/// The least room, in columns, that the last cell of a row is broken into lines for. With less, it goes below its row.
const LAST_MIN: usize = 24;

/// Spaces between columns.
const GAP: usize = 2;

/// Columns with a heading each, two spaces apart. All but the last hold short things that are there to be copied, so they stay in
/// one piece; the last one may hold sentences.
#[derive(Debug)]
pub struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table.
    pub fn new(headings: &[&'static str]) -> Self {
        Self { headings: headings.to_vec(), rows: Vec::new() }
    }

    /// One more row. Text from outside is made harmless here.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.iter().map(|cell| words::line(cell)).collect());
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table as text that ends with a line break, its sentences broken into lines to fit `width`.
    pub fn render(self, width: Option<u16>) -> String {
        let last = self.headings.len().saturating_sub(1);
        let widths: Vec<usize> = (0..last).map(|column| self.column(column).map(|cell| cell.chars().count()).max().unwrap_or(0)).collect();
        let taken: usize = widths.iter().map(|width| width + GAP).sum();
        let below = width.is_some_and(|width| {
            let longest = self.column(last).map(|cell| cell.chars().count()).max().unwrap_or(0);
            taken + longest.min(LAST_MIN) > usize::from(width)
        });
        let indent = if below { GAP } else { taken };
        let headings: Vec<String> = self.headings.iter().map(|heading| (*heading).to_owned()).collect();
        // Nothing below a row needs a heading.
        let headings = if below { headings.into_iter().take(last).collect() } else { headings };
        let mut text = String::new();
        for row in std::iter::once(&headings).chain(&self.rows) {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}{:GAP$}", ""));
            let mut line: String = cells.collect();
            let sentences = row.get(last).map(|cell| words::wrap(cell, width, indent)).unwrap_or_default();
            if below && !sentences.is_empty() {
                line.truncate(line.trim_end().len());
                line.push_str(&format!("\n{:indent$}", ""));
            }
            line.push_str(&sentences);
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    /// The cells of a column, its heading first.
    fn column(&self, column: usize) -> impl Iterator<Item = &str> {
        let heading = self.headings.get(column).copied();
        heading.into_iter().chain(self.rows.iter().filter_map(move |row| row.get(column).map(String::as_str)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&["TARGET", "WHAT"]);
        table.row(["web/stage".to_owned(), "waits for the tests to pass with this commit".to_owned()]);
        table.row(["db".to_owned(), "two\nlines \x1b[31m".to_owned()]);
        table
    }

    #[test]
    fn columns_line_up_and_a_row_stays_one_line_in_a_pipe() {
        let lines = ["TARGET     WHAT", "web/stage  waits for the tests to pass with this commit", "db         two lines \u{fffd}[31m", ""];
        assert_eq!(table().render(None), lines.join("\n"));
    }

    #[test]
    fn sentences_break_between_words_to_fit_a_terminal() {
        let text = table().render(Some(50));
        let lines = [
            "TARGET     WHAT",
            "web/stage  waits for the tests to pass with this",
            "           commit",
            "db         two lines \u{fffd}[31m",
            "",
        ];
        assert_eq!(text, lines.join("\n"));
    }

    #[test]
    fn sentences_go_below_their_row_where_there_is_no_room_beside_it() {
        let text = table().render(Some(30));
        let lines = ["TARGET", "web/stage", "  waits for the tests to pass", "  with this commit", "db", "  two lines \u{fffd}[31m", ""];
        assert_eq!(text, lines.join("\n"));
    }
}
