//! People, projects and tokens.

use serde_json::{Value, json};

use super::http::Asked;
use super::state::{Answer, State};

/// What a project tells of each of its members.
const LEAKED: &str = "$2b$12$CRpYaPoXZRVPTGUiQ1DMNuWDQ0V4P0MHZbmpEQW0VJVpbNRpFXZyq";

impl Asked {
    pub(super) fn log_in(&self) -> Answer {
        let body = self.json().unwrap_or_default();
        if body["email"] == "member@example.com" && body["password"] == "member" {
            return (200, json!({"name": "Member", "email": "member@example.com", "token": super::TOKEN}));
        }
        (401, json!({"code": "INVALID", "message": "Username and/or password are invalid"}))
    }

    pub(super) fn add_project(&self, state: &mut State) -> Answer {
        let body = self.json().unwrap_or_default();
        let name = body["name"].as_str().unwrap_or_default().to_owned();
        let id = body["id"].as_str().map_or_else(|| state.new_id(), str::to_owned);
        state.projects.push((name.clone(), id.clone()));
        (201, project(&name, &id, &body["title"]))
    }

    /// From the source: projects of which one is a member, by filters.
    pub(super) fn projects(&self, state: &State) -> Answer {
        let wanted = self.query.iter().filter(|(name, _)| name == "filter").filter_map(|(_, filter)| filter.split_once('='));
        let wanted: Vec<_> = wanted.collect();
        let fits = |(name, id): &&(String, String)| {
            wanted.iter().all(|(field, value)| match *field {
                "name" => name == value,
                "id" => id == value,
                _ => false,
            })
        };
        let found = state.projects.iter().filter(|_| state.member).filter(fits);
        let found: Vec<Value> = found.map(|(name, id)| project(name, id, &Value::Null)).collect();
        let pagination = json!({"page": 1, "pageSize": 25, "totalItems": found.len(), "totalPages": 1});
        (200, json!({"projects": found, "pagination": pagination}))
    }

    pub(super) fn add_token(&self, state: &mut State) -> Answer {
        let body = self.json().unwrap_or_default();
        let Some(expires) = body["expires"].as_str() else {
            return (400, json!({"detail": "'expires' is a required property", "status": 400, "title": "Bad Request"}));
        };
        let id = state.new_id();
        let token = format!("eyJhbGciOiJIUzI1NiJ9.{}.bWFkZQ", id.replace('-', ""));
        state.tokens.push(token.clone());
        (201, json!({"id": id, "name": body["name"], "token": token, "expires": expires}))
    }

    pub(super) fn add_user(&self, state: &mut State) -> Answer {
        let body = self.json().unwrap_or_default();
        (201, json!({"id": state.new_id(), "email": body["email"], "name": body["name"], "is_active": body["is_active"]}))
    }
}

fn project(name: &str, id: &str, title: &Value) -> Value {
    let member = json!({"name": "Member", "email": "member@example.com", "_password": LEAKED});
    json!({"id": id, "name": name, "title": title, "owner_id": null, "group_id": null, "users": [member]})
}
