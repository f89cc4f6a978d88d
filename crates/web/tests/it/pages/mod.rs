//! The pages: what they say, what they let through, how large they are, and what their forms do.

mod acts;
mod checks;
mod logs;
pub mod sample;
mod shown;

use crate::harness::{Said, Server};

impl Server {
    /// A page as a browser asks for it.
    pub async fn page(&self, path: &str) -> Said {
        self.raw(&format!("GET {path} HTTP/1.1\nhost: localhost\naccept: text/html"), "").await
    }

    /// A form as a browser sends it.
    pub async fn form(&self, path: &str, fields: &str) -> Said {
        let head = format!(
            "POST {path} HTTP/1.1\nhost: localhost\naccept: text/html\norigin: http://localhost\ncontent-type: application/x-www-form-urlencoded"
        );
        self.raw(&head, fields).await
    }
}

impl Said {
    /// The value of a header, in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")))
    }

    /// What a reader without styles and scripts would read: the text of the page's content, one line for each block.
    pub fn words(&self) -> String {
        let body = self.body.split_once("<main").and_then(|(_, rest)| rest.split_once('>')).map_or(self.body.as_str(), |(_, rest)| rest);
        let body = body.split_once("</main>").map_or(body, |(main, _)| main);
        let (mut out, mut rest) = (String::new(), body);
        while let Some((text, after)) = rest.split_once('<') {
            out.push_str(text);
            let (tag, after) = after.split_once('>').unwrap_or((after, ""));
            let name = tag.trim_start_matches('/').split([' ', '\n']).next().unwrap_or_default();
            match name {
                "option" | "summary" | "button" if !tag.starts_with('/') => out.push_str(" ["),
                "option" | "summary" | "button" => out.push_str("] "),
                "p" | "li" | "tr" | "h1" | "h2" | "h3" | "div" | "dd" | "section" | "form" | "details" | "pre" | "ol" | "ul" | "br" => {
                    out.push('\n')
                }
                "td" | "th" | "dt" => out.push_str(" | "),
                "span" | "a" | "i" | "time" | "bdi" | "b" | "code" => {}
                _ => out.push(' '),
            }
            rest = after;
        }
        out.push_str(rest);
        let lines = out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
        let mut text = lines.filter(|line| !line.is_empty() && line != "|").collect::<Vec<_>>().join("\n");
        for (entity, sign) in [
            ("&lt;", "<"),
            ("&gt;", ">"),
            ("&quot;", "\""),
            ("&#39;", "'"),
            ("&#34;", "\""),
            ("&#60;", "<"),
            ("&#62;", ">"),
            ("&#38;", "&"),
            ("&amp;", "&"),
        ] {
            text = text.replace(entity, sign);
        }
        text
    }
}
