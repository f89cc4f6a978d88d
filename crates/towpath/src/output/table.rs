//! Tables for people.

use comfy_table::{ColumnConstraint, ContentArrangement, presets};

use super::words;

/// Columns with a heading each, two spaces apart.
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

    /// The table as text that ends with a line break, its cells broken into lines to fit `width`.
    pub fn render(self, width: Option<u16>) -> String {
        let mut table = comfy_table::Table::new();
        table.load_style(presets::NOTHING).set_header(self.headings);
        match width {
            Some(width) => table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width),
            None => table.set_content_arrangement(ContentArrangement::Disabled),
        };
        for row in self.rows {
            table.add_row(row);
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        // What names a row is there to be copied: it stays in one piece.
        if let Some(first) = table.column_mut(0) {
            first.set_constraint(ColumnConstraint::ContentWidth);
        }
        let mut text = table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n");
        text.push('\n');
        text
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
    fn cells_break_to_fit_a_terminal() {
        let text = table().render(Some(40));
        assert!(text.lines().all(|line| line.chars().count() <= 40), "{text}");
        assert!(text.lines().count() > 3, "{text}");
    }
}
