//! One Ibutsu server.

use std::sync::OnceLock;

use reqwest::Method;
use towpath_domain::RunId;
use uuid::Uuid;

use crate::answers::{Info, Projects};
use crate::deliver::Clock;
use crate::error::{IbutsuError, IbutsuErrorKind, clean};
use crate::ids::run_uuid;
use crate::progress::{Journal, Progress, Uploaded};
use crate::settings::{IbutsuSettings, Mode};
use crate::told::Told;
use crate::upload::Upload;
use crate::way::{Session, api, import};
use crate::wire::{Body, Call, Wire, no_project};

/// Tells one Ibutsu server.
pub struct Ibutsu {
    settings: IbutsuSettings,
    wire: Wire,
    clock: Clock,
    /// Where the server says that its pages are.
    known: OnceLock<String>,
}

/// How a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// In one line.
    pub summary: String,
    /// What should be mended, and how.
    pub warnings: Vec<(String, String)>,
}

impl Ibutsu {
    /// The server of these settings. Nothing is asked yet.
    ///
    /// # Errors
    /// The certificates cannot be used; this process installed no TLS provider.
    pub fn new(settings: IbutsuSettings, clock: Clock) -> Result<Self, IbutsuError> {
        let wire = Wire::new(&settings)?;
        Ok(Self { settings, wire, clock, known: OnceLock::new() })
    }

    /// Tells of an upload: what is there already is not sent again, as far as `progress` and the server know.
    ///
    /// # Errors
    /// [`IbutsuError`]: why not all of it is there.
    pub async fn send(&self, upload: &Upload, progress: &mut Progress, journal: &dyn Journal) -> Result<Uploaded, IbutsuError> {
        let settings = &self.settings;
        let session = self.session().await?;
        let told = Told::of(upload, &settings.project, &settings.limits);
        let (id, results) = (told.id, told.results.len() as u64);
        let (known, without_files) = match settings.mode {
            Mode::Archive => {
                let sent = import::send(&session, told, upload.started, &upload.source, progress, journal).await?;
                (sent.known, sent.without_files)
            }
            Mode::Api => (api::send(&session, &told, progress, journal).await?, None),
        };
        let frontend = self.frontend().await.unwrap_or_default();
        let link = frontend.map(|frontend| link(&frontend, known.project_id.as_deref().unwrap_or(&settings.project), id));
        Ok(Uploaded { id: id.to_string(), link, results, without_files })
    }

    /// Where a run from `source` is or will be found, told or not; none while it is not known where the server's pages are.
    ///
    /// # Errors
    /// The server does not say where its pages are.
    pub async fn link(&self, source: &str, run: &RunId) -> Result<Option<String>, IbutsuError> {
        let frontend = self.frontend().await?;
        Ok(frontend.map(|frontend| link(&frontend, &self.settings.project, run_uuid(source, run))))
    }

    /// The same without asking: none before the server said once where its pages are.
    #[must_use]
    pub fn known_link(&self, source: &str, run: &RunId) -> Option<String> {
        let frontend = self.settings.frontend.as_ref().or_else(|| self.known.get())?;
        Some(link(frontend, &self.settings.project, run_uuid(source, run)))
    }

    /// Looks whether the server answers, and takes the token for the project.
    ///
    /// # Errors
    /// Why nothing can be told.
    pub async fn examine(&self) -> Result<Health, IbutsuError> {
        let frontend = self.info().await?;
        let session = self.session().await?;
        let project = &self.settings.project;
        let field = if Uuid::try_parse(project).is_ok() { "id" } else { "name" };
        let answer = session.get(&["project"], &[("filter", &format!("{field}={project}"))]).await?;
        let answer = session.accepted(answer, "look for the project").await?;
        let found: Projects = session.read(&answer)?;
        let is_it = |known: &crate::answers::Project| known.id.eq_ignore_ascii_case(project) || known.name.as_deref() == Some(project);
        if !found.projects.iter().any(is_it) {
            return Err(no_project(self.wire.address(), project));
        }
        let mut warnings = Vec::new();
        let pages = match (&self.settings.frontend, &frontend) {
            (Some(frontend), _) => frontend.clone(),
            (None, Some(frontend)) => frontend.clone(),
            (None, None) => "an address that is none".to_owned(),
        };
        if self.settings.frontend.is_none() && frontend.as_deref().is_none_or(|frontend| frontend.contains("//localhost")) {
            let why = format!("Ibutsu at {} says that its pages are at {}", self.wire.address(), clean(&pages));
            warnings.push((
                why,
                "set `frontend` of [ibutsu] in towpath.toml, or FRONTEND_URL of the server: links lead nowhere else".to_owned(),
            ));
        }
        let summary = format!("Ibutsu at {}, project {project}, pages at {}", self.wire.address(), clean(&pages));
        Ok(Health { summary, warnings })
    }

    async fn session(&self) -> Result<Session<'_>, IbutsuError> {
        let token = self.settings.token.read().await?;
        let Self { settings, wire, clock, .. } = self;
        Ok(Session { wire, token, project: &settings.project, limits: settings.limits, clock })
    }

    /// Where pages are: as configured, or as the server says.
    async fn frontend(&self) -> Result<Option<String>, IbutsuError> {
        match &self.settings.frontend {
            Some(frontend) => Ok(Some(frontend.clone())),
            // What the server said once counts for as long as this process lives.
            None => match self.known.get() {
                Some(frontend) => Ok(Some(frontend.clone())),
                None => Ok(self.info().await?.map(|found| self.known.get_or_init(|| found).clone())),
            },
        }
    }

    /// Where the server says that its pages are; none if that is no address. No token is needed, so none is sent.
    async fn info(&self) -> Result<Option<String>, IbutsuError> {
        let call = Call { method: Method::GET, path: &["health", "info"], query: &[], token: None, body: Body::Nothing };
        let answer = self.wire.again(call).await?;
        if answer.status.is_server_error() {
            let said = Wire::said(&answer, None);
            let (address, project) = (self.wire.address(), &self.settings.project);
            return Err(crate::wire::refused(address, project, "say how it is", answer.status, &said, answer.retry_after));
        }
        let strange = || {
            let why = format!("what answers at {} does not answer as Ibutsu does ({})", self.wire.address(), answer.status.as_u16());
            IbutsuError::new(IbutsuErrorKind::Setup, why, "look whether `url` of [ibutsu] in towpath.toml is that of Ibutsu's API")
        };
        let info: Info = answer.status.is_success().then(|| answer.parse()).flatten().ok_or_else(strange)?;
        let frontend = info.frontend.trim_end_matches('/');
        let is_address = frontend.starts_with("https://") || frontend.starts_with("http://");
        Ok((is_address && !frontend.contains(char::is_whitespace)).then(|| frontend.to_owned()))
    }
}

/// The page of a run, at its summary.
fn link(frontend: &str, project: &str, run: Uuid) -> String {
    let mut url = format!("{}/project/", frontend.trim_end_matches('/'));
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    project.bytes().for_each(|byte| if keep(byte) { url.push(char::from(byte)) } else { url.push_str(&format!("%{byte:02X}")) });
    format!("{url}/runs/{run}#summary")
}
