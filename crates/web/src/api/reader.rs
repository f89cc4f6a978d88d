//! The API's description: for programs, and as a page for people.

use std::fmt::Write as _;

use askama::Template;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::openapi;
use crate::pages::{Frame, Nav, show};
use crate::text::escaped;

/// The document.
pub(super) async fn document() -> Response {
    let mut response = openapi::text().into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[derive(Template)]
#[template(path = "reader.html")]
struct ReaderPage<'a> {
    frame: &'a Frame,
    /// Made here, of nothing that anybody wrote elsewhere.
    content: &'a str,
}

/// The page.
pub(super) async fn page(frame: Frame) -> Response {
    static CONTENT: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    let content = CONTENT.get_or_init(|| render(&openapi::document()));
    show(&ReaderPage { frame: &frame.on(Nav::Elsewhere, "The API"), content })
}

fn render(document: &Value) -> String {
    let mut html = String::from("<h1>The API</h1>\n");
    for paragraph in words(&document["info"]["description"]).split("\n\n") {
        let _ = writeln!(html, "<p>{}</p>", marked(paragraph));
    }
    html.push_str(
        "<p><a href=\"/api/v1/openapi.json\">The description for programs</a> (OpenAPI 3.1) · <a href=\"/problems\">All problems</a></p>\n",
    );
    for tag in document["tags"].as_array().into_iter().flatten() {
        let _ = writeln!(html, "<h2>{}</h2>", marked(words(&tag["description"])));
        for (path, methods) in document["paths"].as_object().into_iter().flatten() {
            for (method, operation) in methods.as_object().into_iter().flatten() {
                if operation["tags"][0] == tag["name"] {
                    one(&mut html, path, method, operation);
                }
            }
        }
    }
    html.push_str("<h2>What comes back</h2>\n");
    for (name, schema) in document["components"]["schemas"].as_object().into_iter().flatten() {
        let _ =
            writeln!(html, "<section id=\"{0}\"><h3><code>{0}</code></h3><p>{1}</p>", escaped(name), marked(words(&schema["description"])));
        fields(&mut html, schema);
        html.push_str("</section>\n");
    }
    html
}

fn one(html: &mut String, path: &str, method: &str, operation: &Value) {
    let id = escaped(words(&operation["operationId"]));
    let _ = writeln!(
        html,
        "<section id=\"{id}\"><h3>{} <code>{} {}</code></h3>\n<p>{} Needs: {}.</p>",
        escaped(words(&operation["summary"])),
        method.to_uppercase(),
        escaped(path),
        marked(words(&operation["description"])),
        escaped(words(&operation["x-towpath-needs"])),
    );
    if let Some(parameters) = operation["parameters"].as_array().filter(|all| !all.is_empty()) {
        html.push_str("<table><thead><tr><th>Parameter</th><th>In</th><th>Kind</th><th>Meaning</th></tr></thead><tbody>\n");
        for parameter in parameters {
            let required = if parameter["required"] == true { " (required)" } else { "" };
            let _ = writeln!(
                html,
                "<tr><td><code>{}</code>{required}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
                escaped(words(&parameter["name"])),
                escaped(words(&parameter["in"])),
                kind(&parameter["schema"]),
                marked(words(&parameter["description"])),
            );
        }
        html.push_str("</tbody></table>\n");
    }
    let body = &operation["requestBody"]["content"]["application/json"]["schema"];
    if !body.is_null() {
        let _ = writeln!(html, "<p>Takes {} as JSON.</p>", kind(body));
    }
    html.push_str("<dl>\n");
    for (status, response) in operation["responses"].as_object().into_iter().flatten() {
        let shapes: Vec<String> = response["content"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(media, content)| format!("{} <code>{}</code>", kind(&content["schema"]), escaped(media)))
            .collect();
        let _ = writeln!(html, "<dt>{status} {}</dt><dd>{}</dd>", shapes.join(", "), marked(words(&response["description"])));
    }
    html.push_str("</dl></section>\n");
}

fn fields(html: &mut String, schema: &Value) {
    let Some(properties) = schema["properties"].as_object() else { return };
    html.push_str("<table><thead><tr><th>Field</th><th>Kind</th><th>Meaning</th></tr></thead><tbody>\n");
    for (name, field) in properties {
        let meaning = marked(words(&field["description"]));
        let _ = writeln!(html, "<tr><td><code>{}</code></td><td>{}</td><td>{meaning}</td></tr>", escaped(name), kind(field));
    }
    html.push_str("</tbody></table>\n");
}

/// A schema in a few words, with links to others.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|at| at.rsplit('/').next()) {
        return format!("<a href=\"#{0}\">{0}</a>", escaped(name));
    }
    if let Some(ways) = schema["anyOf"].as_array() {
        return ways.iter().map(kind).collect::<Vec<_>>().join(" or ");
    }
    if !schema["items"].is_null() {
        return format!("list of {}", kind(&schema["items"]));
    }
    match &schema["type"] {
        Value::String(one) => escaped(one),
        Value::Array(several) => several.iter().map(|one| escaped(words(one))).collect::<Vec<_>>().join(" or "),
        _ => "anything".to_owned(),
    }
}

fn words(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Text in which backticks mark code, and brackets what leads to a rule.
fn marked(text: &str) -> String {
    let parts = text.split('`').enumerate();
    parts.map(|(at, part)| if at % 2 == 1 { format!("<code>{}</code>", escaped(part)) } else { linked(part) }).collect()
}

fn linked(text: &str) -> String {
    let Some((before, link)) = text.split_once('[') else { return escaped(text) };
    match link.split_once("](/problems/").and_then(|(name, rest)| Some((name, rest.split_once(')')?))) {
        Some((name, (rule, rest))) => {
            format!("{}<a href=\"/problems/{}\">{}</a>{}", escaped(before), escaped(rule), escaped(name), linked(rest))
        }
        None => format!("{}[{}", escaped(before), linked(link)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_operation_and_no_script() {
        let page = render(&openapi::document());
        for operation in super::super::operations::operations() {
            assert!(page.contains(&format!("<section id=\"{}\">", operation.id)), "{}", operation.id);
        }
        for foreign in ["<script", "http://", "style=", "javascript:"] {
            assert!(!page.contains(foreign), "{foreign}");
        }
    }
}
