//! Every button, pressed by a person who looks at nothing else, on the demo's story as it goes on. Nothing is loaded again by hand: what
//! happens arrives on the page that is open.

use serde_json::{Value, json};
use towpath_testbed::browser::Browser;

use super::look::faults;
use super::server::Server;
use super::story::{commits, items};

/// Presses a page's button for `verb` as a person does: opens it, says who they are and why, and sends it.
fn act(browser: &Browser, verb: &str, to: Option<&str>) -> String {
    let form = format!("details.act form[action='/act/{verb}']");
    browser.until(&format!("a button for {verb}"), &format!("document.querySelector(\"{form}\")"));
    if browser.count(&format!("details.act[open] form[action='/act/{verb}']")) == 0 {
        browser.click(&format!("details.act:has(form[action='/act/{verb}']) > summary"));
    }
    browser.fill(&format!("{form} [name=by]"), "Cleo");
    browser.fill(&format!("{form} [name=why]"), &format!("to see what {verb} does"));
    if let Some(to) = to {
        browser.fill(&format!("{form} [name=to]"), to);
    }
    send(browser, &format!("{form} button"));
    // What moves production asks once more.
    if browser.count("form.panel [name=sure]") == 1 && browser.count("[role=alert]") == 0 {
        browser.fill("#by", "Cleo");
        browser.fill("#why", &format!("to see what {verb} does"));
        send(browser, "form.panel button.main");
    }
    let said = browser.until("what came of it", "(document.querySelector('.flash') || document.querySelector('[role=alert]'))?.innerText");
    // Whatever comes from now on must come by itself.
    browser.run("window.here = true;", &[]);
    said.as_str().unwrap_or_default().to_owned()
}

/// Sends a form and waits for the page that follows.
fn send(browser: &Browser, button: &str) {
    browser.run("window.before = true;", &[]);
    browser.click(button);
    browser.until("the next page", "!window.before && document.readyState === 'complete'");
}

/// Waits until the page says something, and it is still the page that it was.
fn arrives(browser: &Browser, text: &str) {
    browser.until(text, &format!("document.querySelector('main').innerText.toLowerCase().includes({}.toLowerCase())", json!(text)));
    assert_eq!(browser.run("return window.here;", &[]), json!(true), "the page was loaded again");
}

fn production(server: &Server) -> Value {
    let status = server.api("/api/v1/status");
    status["targets"].as_array().unwrap().iter().find(|target| target["environment"] == "production").unwrap().clone()
}

fn runs_at(server: &Server, commit: &str) {
    server.until(&format!("production at {commit}"), "/api/v1/status", |status| {
        let targets = status["targets"].as_array()?;
        let at = &targets.iter().find(|target| target["environment"] == "production")?["current"]["commit"]["id"];
        (at == commit).then_some(())
    });
}

#[test]
fn a_person_holds_releases_takes_back_and_promotes_by_buttons_and_sees_it_happen() {
    let Some(browser) = Browser::start() else { return };
    let server = Server::with_the_demo();
    let story = commits(&server);
    let page = format!("{}/targets/{}", server.base, production(&server)["id"].as_str().unwrap());
    browser.size(1280, 900);

    browser.go(&page);
    let said = act(&browser, "hold", None);
    assert!(said.starts_with("Hold"), "{said}");
    let good = server.push("greeting.h", &server.git("web", &["show", &format!("{}:greeting.h", story[0])]), "Greet as before");
    // The commit comes as far as it may, and the page says whose word keeps it there.
    arrives(&browser, &good[..7]);
    arrives(&browser, "to see what hold does");
    assert_eq!(production(&server)["current"]["commit"]["id"], story[2], "held is held");

    act(&browser, "release", None);
    runs_at(&server, &good);
    arrives(&browser, "up to date");

    act(&browser, "rollback", None);
    runs_at(&server, &story[2]);
    arrives(&browser, &story[2][..7]);

    let said = act(&browser, "promote", Some(&good));
    assert!(said.contains("block"), "what was taken back is not promoted, and the page says how it could be: {said}");
    browser.go(&page);
    act(&browser, "promote", Some(&story[0]));
    runs_at(&server, &story[0]);
    arrives(&browser, &story[0][..7]);

    let by: Vec<String> = items(&server.api("/api/v1/changes"))
        .iter()
        .filter(|change| change["by"].as_str().unwrap().contains("Cleo"))
        .map(|change| change["kind"].as_str().unwrap().to_owned())
        .collect();
    for kind in ["hold", "release", "rollback", "promotion"] {
        assert!(by.iter().any(|made| made == kind), "{kind} is not Cleo's in {by:?}");
    }
    assert_eq!(
        faults(&browser, &server.base, "target").iter().filter(|fault| !fault.contains("status of 4")).collect::<Vec<_>>(),
        Vec::<&String>::new()
    );
}

#[test]
fn a_person_sees_to_a_failure_tries_again_and_stops_what_hangs() {
    let Some(browser) = Browser::start() else { return };
    let server = Server::with_the_demo();
    let story = commits(&server);
    browser.size(1280, 900);
    browser.go(&format!("{}/incidents", server.base));
    browser.run("window.here = true;", &[]);

    let bad = server.push("greeting.h", &server.git("web", &["show", &format!("{}:greeting.h", story[1])]), "Greet nobody");
    arrives(&browser, "the version page does not");
    act(&browser, "ack", None);
    arrives(&browser, "Cleo");

    let of_bad = |state: &'static str, bad: String| {
        move |runs: &Value| {
            let found =
                items(runs).into_iter().filter(|run| run["kind"] == "deploy" && run["state"] == state && run["commit"]["id"] == *bad);
            let ids: Vec<String> = found.map(|run| run["id"].as_str().unwrap().to_owned()).collect();
            (!ids.is_empty()).then_some(ids)
        }
    };
    let failed = server.until("the failed run", "/api/v1/runs?limit=50", of_bad("failed", bad.clone()));
    browser.go(&format!("{}/runs/{}", server.base, failed[0]));
    browser.until("its log", "document.querySelector('#log').textContent.includes('the version page does not')");
    act(&browser, "retry", None);
    server.until("a second attempt that fails", "/api/v1/runs?limit=50", |runs| {
        of_bad("failed", bad.clone())(runs).filter(|ids| ids.len() > 1)
    });
    arrives(&browser, "other attempts");

    let smoke = server
        .git("web", &["show", "HEAD:smoke.c"])
        .replace("int main(void)\n{", "int main(void)\n{\n    printf(\"waiting\\n\");\n    fflush(stdout);\n    sleep(3000);");
    let hangs = server.push("smoke.c", &smoke, "Wait for better times");
    // The change that moves the test is called after it, too.
    let is_test = |run: &Value| run["kind"] == "deploy" && run["subject"].as_str().is_some_and(|subject| subject.contains("web-test"));
    let run = server.until("the test that hangs", "/api/v1/runs?limit=50", |runs| {
        let run = items(runs).into_iter().find(|run| is_test(run) && run["state"] == "running" && run["commit"]["id"] == *hangs)?;
        Some(run["id"].as_str()?.to_owned())
    });
    browser.go(&format!("{}/runs/{run}", server.base));
    browser.run("window.here = true;", &[]);
    browser.until("the log as it is written", "document.querySelector('#log').textContent.includes('waiting')");
    act(&browser, "cancel", None);
    arrives(&browser, "cancelled");
    assert_eq!(faults(&browser, &server.base, "runs"), Vec::<String>::new());
}

#[test]
fn without_javascript_the_buttons_are_forms_that_do_the_same() {
    let Some(browser) = Browser::start() else { return };
    let server = Server::with_the_demo();
    let page = format!("{}/targets/{}", server.base, production(&server)["id"].as_str().unwrap());
    browser.scripts(false);
    browser.go(&page);
    let form = "details.act form[action='/act/hold']";
    browser.click("details.act:has(form[action='/act/hold']) > summary");
    browser.fill(&format!("{form} [name=by]"), "Cleo");
    browser.fill(&format!("{form} [name=why]"), "no script runs here");
    browser.click(&format!("{form} button"));
    browser.until("what came of it", "document.querySelector('.flash')?.innerText");
    assert_eq!(browser.address(), page);
    server.until("the hold", "/api/v1/changes", |changes| {
        items(changes).iter().any(|change| change["kind"] == "hold" && change["by"] == "Cleo" && change["state"] == "merged").then_some(())
    });
}

#[test]
fn a_person_reserves_a_namespace_extends_it_and_gives_it_back_by_buttons() {
    let Some(browser) = Browser::start() else { return };
    let server = Server::with_the_demo();
    browser.size(1280, 900);
    server.until("namespaces to be ready", "/api/v1/pools", |pools| (pools[0]["ready"] == 2).then_some(()));
    browser.go(&format!("{}/namespaces", server.base));
    let said = act(&browser, "reserve", Some("90m"));
    assert!(said.starts_with("a namespace of checks is reserved"), "{said}");
    arrives(&browser, "to see what reserve does");
    arrives(&browser, "Give back …");
    let lease = server
        .until("the lease", "/api/v1/reservations", |leases| leases.as_array()?.first().filter(|one| one["state"] == "active").cloned());
    let (name, until) = (lease["namespace"].as_str().unwrap().to_owned(), lease["until"].as_i64().unwrap());

    let again = |verb: &str, to: Option<&str>| {
        send(&browser, &format!("form[action='/act/{verb}']:has([value='{name}']) button"));
        browser.fill("#by", "Cleo");
        browser.fill("#why", &format!("to see what {verb} does"));
        if let Some(to) = to {
            browser.fill("#to", to);
        }
        send(&browser, "form.panel button.main");
        browser.until("what came of it", "(document.querySelector('.flash') || document.querySelector('[role=alert]'))?.innerText")
    };
    assert!(again("extend", Some("3h")).as_str().unwrap().contains("lasts until"));
    let later = server.api(&format!("/api/v1/reservations/{name}"))["until"].as_i64().unwrap();
    assert!(later > until);
    let said = again("extend", Some("30h"));
    assert!(said.as_str().unwrap().contains("checks gives 12h at most"), "{said}");
    browser.go(&format!("{}/namespaces", server.base));
    assert!(again("give-back", None).as_str().unwrap().ends_with("is given back"));
    server.until("it to be gone", "/api/v1/namespaces", |all| all.as_array()?.iter().all(|one| one["name"] != name.as_str()).then_some(()));
    // What was refused was refused.
    let wrong: Vec<_> = faults(&browser, &server.base, "namespaces").into_iter().filter(|fault| !fault.contains("status of 4")).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}
