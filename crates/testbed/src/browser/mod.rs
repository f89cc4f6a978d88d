//! A real browser: Debian's Chromium, driven over WebDriver by the `chromedriver` of the same package, so that both are always of one version.
//!
//! Nothing of it is fetched from anywhere, and nothing but HTTP is spoken to it: a client of a page in size does.

mod wire;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine as _;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::keeper::Keeper;
use crate::missing::{missing_program, skipped};
use crate::packages::npm_package_of;

/// Longer than anything takes that a page does: only what never happens comes to this.
const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks at a page.
const PAUSE: Duration = Duration::from_millis(15);

/// How tall a picture may be, in pixels.
const TALLEST: u64 = 8000;

/// The checker of accessibility, and the hash of its package.
const AXE: (&str, &str, &str) =
    ("axe-core", "4.14.1", "sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==");

/// Starts the driver, says where it listens, and ends it and all browsers of its process group with whoever asked for it.
const SCRIPT: &str =
    "cd \"$1\" && HOME=\"$1\" TMPDIR=\"$1\" chromedriver --port=0 >\"$1/said\" 2>&1 & read -r end; trap '' TERM; kill -TERM 0; wait";

/// A browser with one window. Gone when dropped.
pub struct Browser {
    port: u16,
    session: String,
    /// Dropped before the folder that it writes to.
    _driver: Keeper,
    _folder: TempDir,
}

/// What is not accessible on a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Barrier {
    /// `minor`, `moderate`, `serious` or `critical`.
    pub impact: String,
    /// The rule's name.
    pub rule: String,
    /// What it says.
    pub help: String,
    /// The elements it is about, as CSS finds them.
    pub places: Vec<String>,
}

impl Browser {
    /// Starts one. Where no Chromium is installed, this says so and there is none.
    ///
    /// # Panics
    /// In CI, when none is installed; anywhere, when it does not start.
    #[must_use]
    pub fn start() -> Option<Self> {
        if let Some(program) = missing_program(&["chromium", "chromedriver", "setsid"]) {
            return skipped(&format!(
                "{program} is missing, which pages are looked at with (Debian: apt-get install chromium chromium-driver)"
            ));
        }
        let folder = tempfile::Builder::new().prefix("towpath-browser-").tempdir().expect("a temporary folder can be made");
        let driver = Keeper::start(SCRIPT, &[folder.path()], &folder.path().join("keeper.log"), None);
        let said = folder.path().join("said");
        let begun = Instant::now();
        let port = loop {
            let text = fs::read_to_string(&said).unwrap_or_default();
            let port = text.split("successfully on port ").nth(1).and_then(|rest| rest.split('.').next()?.parse().ok());
            match port {
                Some(port) => break port,
                None => assert!(begun.elapsed() < PATIENCE, "chromedriver does not start: {text}"),
            }
            std::thread::sleep(PAUSE);
        };
        // Chromium's own sandbox cannot be had by root; what it shows here are our own pages.
        let sandbox = if rustix::process::geteuid().is_root() { vec!["--no-sandbox"] } else { Vec::new() };
        let arguments: Vec<&str> = [
            "--headless=new",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--no-first-run",
            "--hide-scrollbars",
            "--force-device-scale-factor=1",
            "--lang=en-US",
        ]
        .into_iter()
        .chain(sandbox)
        .collect();
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": {"binary": "/usr/bin/chromium", "args": arguments},
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
            "timeouts": {"script": 60_000, "pageLoad": 60_000},
        }}});
        let session = wire::ask(port, "POST", "/session", &wanted).unwrap_or_else(|error| panic!("Chromium does not start: {error}"));
        let session = session["sessionId"].as_str().expect("a session has a name").to_owned();
        Some(Self { port, session, _driver: driver, _folder: folder })
    }

    #[track_caller]
    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        match wire::ask(self.port, method, &format!("/session/{}{path}", self.session), body) {
            Ok(value) => value,
            Err(error) => panic!("{error}"),
        }
    }

    /// A command of Chromium's own protocol.
    #[track_caller]
    fn command(&self, name: &str, parameters: Value) -> Value {
        self.ask("POST", "/goog/cdp/execute", &json!({"cmd": name, "params": parameters}))
    }

    /// Goes to an address and waits until its page is loaded.
    #[track_caller]
    pub fn go(&self, address: &str) {
        self.ask("POST", "/url", &json!({ "url": address }));
    }

    /// The address of the page it is at.
    #[track_caller]
    pub fn address(&self) -> String {
        self.ask("GET", "/url", &Value::Null).as_str().unwrap_or_default().to_owned()
    }

    /// Runs a script in the page, which `return`s something.
    #[track_caller]
    pub fn run(&self, script: &str, arguments: &[Value]) -> Value {
        self.ask("POST", "/execute/sync", &json!({"script": script, "args": arguments}))
    }

    /// Waits until an expression of the page is true, and answers with it.
    #[track_caller]
    pub fn until(&self, what: &str, expression: &str) -> Value {
        let begun = Instant::now();
        loop {
            let script = format!("return {expression};");
            // Between two pages there is none to ask.
            let found =
                wire::ask(self.port, "POST", &format!("/session/{}/execute/sync", self.session), &json!({"script": script, "args": []}));
            match &found {
                Ok(value) if !matches!(value, Value::Null | Value::Bool(false)) && value != "" => return value.clone(),
                _ => assert!(begun.elapsed() < PATIENCE, "never came: {what} at {}: {found:?}\n{}", self.address(), self.words()),
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// All that the page says to people.
    #[track_caller]
    pub fn words(&self) -> String {
        self.run("return document.body ? document.body.innerText : '';", &[]).as_str().unwrap_or_default().to_owned()
    }

    /// How many elements there are.
    #[track_caller]
    pub fn count(&self, css: &str) -> u64 {
        self.run("return document.querySelectorAll(arguments[0]).length;", &[json!(css)]).as_u64().unwrap_or(0)
    }

    #[track_caller]
    fn element(&self, css: &str) -> String {
        let found =
            wire::ask(self.port, "POST", &format!("/session/{}/element", self.session), &json!({"using": "css selector", "value": css}));
        let found = found.unwrap_or_else(|error| panic!("{css} at {}: {error}\n{}", self.address(), self.words()));
        found.as_object().and_then(|of| of.values().next()?.as_str().map(str::to_owned)).expect("an element has a name")
    }

    /// Does something to an element. A page that is live may put another one in its place right after it was found: then that one is meant, as
    /// it is to a person.
    #[track_caller]
    fn to(&self, css: &str, what: &str) -> String {
        let begun = Instant::now();
        loop {
            let element = self.element(css);
            match wire::ask(self.port, "POST", &format!("/session/{}/element/{element}/{what}", self.session), &json!({})) {
                Ok(_) => return element,
                Err(error) if error.to_string().contains("stale element") && begun.elapsed() < PATIENCE => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Clicks as a mouse does: on what can be seen.
    #[track_caller]
    pub fn click(&self, css: &str) {
        self.to(css, "click");
    }

    /// Types into a field that is empty, or is emptied.
    #[track_caller]
    pub fn fill(&self, css: &str, text: &str) {
        let element = self.to(css, "clear");
        self.ask("POST", &format!("/element/{element}/value"), &json!({ "text": text }));
    }

    /// Presses keys wherever the focus is; special ones are those of WebDriver's table, such as [`TAB`] and [`ENTER`].
    #[track_caller]
    pub fn press(&self, keys: &str) {
        let strokes = keys.chars().flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({"type": kind, "value": key.to_string()})));
        let strokes: Vec<Value> = strokes.collect();
        self.ask("POST", "/actions", &json!({"actions": [{"type": "key", "id": "keyboard", "actions": strokes}]}));
    }

    /// Makes the window so large.
    #[track_caller]
    pub fn size(&self, width: u64, height: u64) {
        let of = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.command("Emulation.setDeviceMetricsOverride", of);
    }

    /// What the system prefers: dark or light.
    #[track_caller]
    pub fn prefers(&self, dark: bool) {
        let value = if dark { "dark" } else { "light" };
        let features = json!([{"name": "prefers-color-scheme", "value": value}, {"name": "prefers-reduced-motion", "value": "reduce"}]);
        self.command("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    /// Whether pages that are loaded from now on may run scripts.
    #[track_caller]
    pub fn scripts(&self, on: bool) {
        self.command("Emulation.setScriptExecutionDisabled", json!({ "value": !on }));
    }

    /// A picture of the whole page.
    #[track_caller]
    pub fn picture(&self, file: &Path) {
        let size = self.run("const root = document.documentElement; return [root.clientWidth, root.scrollHeight];", &[]);
        let (width, height) = (size[0].as_u64().unwrap_or(0), size[1].as_u64().unwrap_or(0).min(TALLEST));
        let clip = json!({"x": 0, "y": 0, "width": width, "height": height, "scale": 1});
        self.save(file, json!({"format": "png", "captureBeyondViewport": true, "clip": clip}));
    }

    /// A picture of what is in the window.
    #[track_caller]
    pub fn view(&self, file: &Path) {
        self.save(file, json!({"format": "png"}));
    }

    #[track_caller]
    fn save(&self, file: &Path, how: Value) {
        let made = self.command("Page.captureScreenshot", how);
        let bytes =
            base64::engine::general_purpose::STANDARD.decode(made["data"].as_str().unwrap_or_default()).expect("a picture is base64");
        fs::create_dir_all(file.parent().expect("a picture lies in a folder")).expect("the folder of pictures can be made");
        fs::write(file, bytes).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }

    /// What pages complained of since this was last asked: errors and warnings of scripts, of what could not be loaded, of policies.
    #[track_caller]
    pub fn complaints(&self) -> Vec<String> {
        let said = self.ask("POST", "/se/log", &json!({"type": "browser"}));
        let said = said.as_array().into_iter().flatten().filter(|entry| matches!(entry["level"].as_str(), Some("SEVERE" | "WARNING")));
        said.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// All addresses that pages asked for since this was last asked.
    #[track_caller]
    pub fn requests(&self) -> Vec<String> {
        let said = self.ask("POST", "/se/log", &json!({"type": "performance"}));
        let entries = said.as_array().cloned().unwrap_or_default();
        let asked = entries.iter().filter_map(|entry| {
            let message: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
            let message = message.get("message")?;
            (message["method"] == "Network.requestWillBeSent").then(|| message["params"]["request"]["url"].as_str().map(str::to_owned))?
        });
        asked.filter(|url| !url.starts_with("data:")).collect()
    }

    /// What axe-core finds on the page; none where it cannot be had.
    ///
    /// # Panics
    /// When it cannot be run.
    #[track_caller]
    pub fn barriers(&self) -> Option<Vec<Barrier>> {
        let (name, version, hash) = AXE;
        let package = npm_package_of(name, version, Some(hash))?;
        let source = fs::read_to_string(package.join("axe.min.js")).expect("the package holds axe.min.js");
        self.run(&source, &[]);
        let found = self.ask(
            "POST",
            "/execute/async",
            &json!({"script": "const done = arguments[arguments.length - 1]; axe.run(document).then(done, e => done({error: String(e)}));", "args": []}),
        );
        assert!(found["error"].is_null(), "axe-core: {}", found["error"]);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let barrier = |found: &Value| Barrier {
            impact: text(&found["impact"]),
            rule: text(&found["id"]),
            help: text(&found["help"]),
            places: found["nodes"].as_array().into_iter().flatten().map(|node| text(&node["target"][0])).collect(),
        };
        Some(found["violations"].as_array().into_iter().flatten().map(barrier).collect())
    }
}

/// The tabulator key.
pub const TAB: &str = "\u{e004}";
/// The enter key.
pub const ENTER: &str = "\u{e007}";
/// The escape key.
pub const ESCAPE: &str = "\u{e00c}";
