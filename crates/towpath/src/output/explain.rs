//! `explain`: the story of one thing.

use towpath_control::view::ExplainView;

use super::{Look, status, words};

/// The answer first, then the story, then where it stands.
pub fn render(view: &ExplainView, look: &Look) -> String {
    let mut text = format!("{} {}\n\n{}\n", view.kind, words::line(&view.title), words::wrap(&view.answer, look.width, 0));
    if !view.story.is_empty() {
        text.push_str("\nWhat happened:\n");
        for line in &view.story {
            let told = match &line.run {
                Some(run) if run.as_str() != view.title => format!("{} (run {run})", line.text),
                _ => line.text.clone(),
            };
            text.push_str(&format!("  {}  {}\n", line.at, words::wrap(&told, look.width, 28)));
        }
    }
    if !view.now.is_empty() {
        text.push_str("\nNow:\n");
        for stand in &view.now {
            let told = match (&stand.verdict.wanted, stand.verdict.holds.is_empty()) {
                (Some(wanted), false) => format!("{}: held on the way to {}", stand.title, words::short(wanted)),
                (None, false) => format!("{}: held", stand.title),
                (_, true) => format!("{}: {}", stand.title, stand.verdict.summary),
            };
            text.push_str(&format!("  {}\n", words::wrap(&told, look.width, 4)));
            text.push_str(&status::holds(&stand.verdict.holds, 4, look));
            for passed in &stand.verdict.passed_over {
                text.push_str(&format!("    passed over: {}\n", words::wrap(&words::commit(&passed.commit), look.width, 17)));
                text.push_str(&status::holds(&passed.holds, 6, look));
            }
            if let Some(ms) = stand.usually_ms.filter(|_| stand.verdict.state != "up-to-date") {
                text.push_str(&format!("    this usually takes {}\n", words::took(ms)));
            }
        }
    }
    text
}
