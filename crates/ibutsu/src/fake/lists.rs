//! Lists, and which of the things in them are wanted.

use serde_json::{Value, json};

use super::http::Asked;
use super::state::{Answer, State};

impl Asked {
    /// Whether all filters want it. Of the operators, `=` alone: no other is used here.
    pub(super) fn filters(&self) -> impl Fn(&Value) -> bool {
        let filters = self.query.iter().filter(|(name, _)| name == "filter").filter_map(|(_, filter)| filter.split_once('='));
        let filters: Vec<(String, String)> = filters.map(|(field, value)| (field.to_owned(), value.to_owned())).collect();
        move |thing| {
            filters.iter().all(|(field, value)| {
                let found = field.split('.').fold(thing, |thing, part| &thing[part]);
                found.as_str().map_or_else(|| found.to_string(), str::to_owned) == *value
            })
        }
    }

    pub(super) fn list(&self, state: &State, what: &str) -> Answer {
        if state.superadmin && !self.query.iter().any(|(name, filter)| name == "filter" && filter.starts_with("project_id=")) {
            return (400, json!("Bad request, project_id filter is required for unscoped queries"));
        }
        let all = if what == "runs" { &state.runs } else { &state.results };
        let fits = self.filters();
        let found: Vec<&Value> = all.iter().filter(|thing| state.member && fits(thing)).collect();
        let (items, pagination) = self.page(&found);
        (200, json!({what: items, "pagination": pagination}))
    }

    /// One page.
    pub(super) fn page<T: Clone>(&self, found: &[T]) -> (Vec<T>, Value) {
        let number = |name: &str, usual: usize| self.query(name).and_then(|text| text.parse().ok()).filter(|n| *n > 0).unwrap_or(usual);
        let (page, size) = (number("page", 1), number("pageSize", 25));
        let items = found.iter().skip((page - 1) * size).take(size).cloned().collect();
        (items, json!({"page": page, "pageSize": size, "totalItems": found.len(), "totalPages": found.len().div_ceil(size)}))
    }
}
