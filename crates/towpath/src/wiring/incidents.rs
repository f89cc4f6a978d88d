//! Incidents: the failures that hold something, and whom the app's escalation policy calls for them.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::anyhow;
use towpath_catalog::EscalationLevel;
use towpath_control::Control;
use towpath_domain::Pages;
use towpath_engine::Subject;
use towpath_ledger::subject_key;
use towpath_notify::escalation::{Climber, Incident, MailTo, Opsgenie, Pager, PagerDuty, UserGroup};
use towpath_notify::sinks::{Http, Mail, Slack};
use towpath_notify::{Link, Names as _, Secret};
use towpath_runs::World;

use super::names::CatalogNames;
use crate::config::notify::{Escalation, Notify};
use crate::config::outside::Credential;

/// PagerDuty's own address.
const PAGERDUTY: &str = "https://events.pagerduty.com";

/// Opsgenie's own address.
const OPSGENIE: &str = "https://api.opsgenie.com";

/// What people are called with.
#[derive(Default)]
pub struct Calls {
    /// Slack, by the workspace's name.
    pub slack: BTreeMap<String, Arc<Slack>>,
    /// The mail server that is used: the first by name.
    pub mail: Option<Arc<Mail>>,
    /// Services, by the table that names them.
    pub pagers: BTreeMap<String, Arc<dyn Pager>>,
}

impl Calls {
    /// The services that `[notify]` names.
    ///
    /// # Errors
    /// When one cannot be set up, with its table.
    pub fn pagers(notify: &Notify, secret: impl Fn(&Credential) -> Secret) -> anyhow::Result<BTreeMap<String, Arc<dyn Pager>>> {
        let mut all: BTreeMap<String, Arc<dyn Pager>> = BTreeMap::new();
        for (name, pager) in &notify.pagers {
            let http = Http::new(pager.ca.as_deref()).map_err(|why| anyhow!("[notify.{name}]: {why}"))?;
            let api = |own: &str| pager.api.clone().unwrap_or_else(|| own.to_owned());
            let one: Arc<dyn Pager> = if name.starts_with("pagerduty.") {
                Arc::new(PagerDuty::new(secret(&pager.key), api(PAGERDUTY), http))
            } else {
                Arc::new(Opsgenie::new(secret(&pager.key), api(OPSGENIE), http))
            };
            all.insert(name.clone(), one);
        }
        Ok(all)
    }
}

/// The climb as the loop and the catalog see it.
pub struct Climb {
    pub control: Arc<Control>,
    pub world: Arc<World>,
    pub calls: Calls,
    pub escalation: Escalation,
    pub pages: Option<Pages>,
}

impl Climb {
    fn app(&self, subject: &Subject) -> Option<String> {
        let snapshot = self.world.current();
        let catalog = &snapshot.catalog;
        match subject {
            Subject::Source(name) => catalog.sources.get(name).map(|source| source.app.to_string()),
            Subject::Target(id) => catalog.targets.get(id).map(|target| target.saas_file.app.to_string()),
            // A pull request is its author's: nobody is called for it.
            Subject::Check(_) => None,
            Subject::Change(id) => {
                let facts = self.world.ledger.facts();
                let change = facts.changes.get(id)?;
                let moved = change.spec.edits.iter().find_map(|edit| match edit {
                    towpath_engine::ConfigEdit::SetRef { target, .. } => catalog.targets.get(target),
                    _ => None,
                });
                moved.map(|target| target.saas_file.app.to_string())
            }
        }
    }

    /// The rungs of one level: its user groups, its mails, its PagerDuty targets.
    fn level(&self, level: &EscalationLevel, rungs: &mut Vec<(String, Arc<dyn Pager>)>) {
        for group in &level.user_groups {
            let Some(slack) = self.calls.slack.get(&group.workspace) else { continue };
            for channel in &group.channels {
                let name = format!("slack @{} in {channel}", group.handle);
                rungs
                    .push((name, Arc::new(UserGroup { slack: Arc::clone(slack), channel: channel.clone(), handle: group.handle.clone() })));
            }
        }
        if let Some(mail) = self.calls.mail.as_ref().filter(|_| !level.emails.is_empty()) {
            match MailTo::new(Arc::clone(mail), &level.emails) {
                Ok(to) => rungs.push((format!("mail of {}", level.name), Arc::new(to))),
                Err(why) => tracing::warn!(policy = level.name, why, "Nobody is called by mail."),
            }
        }
        for target in &level.pagerduty {
            let name = format!("pagerduty.{target}");
            match self.calls.pagers.get(&name) {
                Some(pager) => rungs.push((name, Arc::clone(pager))),
                None => tracing::warn!(policy = level.name, "There is no [notify.{name}]: nobody is called there."),
            }
        }
    }
}

impl Climber for Climb {
    fn open(&self) -> Vec<Incident> {
        let names = CatalogNames(Arc::clone(&self.world));
        let wanted = |environment: &Option<String>| {
            let only = &self.escalation.environments;
            only.is_empty() || environment.as_ref().is_none_or(|environment| only.contains(environment))
        };
        let incident = |stuck: towpath_control::Stuck| {
            let environment = names.environment(&stuck.subject);
            let link = |pages: &Pages| Link { text: "Run".to_owned(), url: pages.run(&stuck.run) };
            wanted(&environment).then(|| Incident {
                app: self.app(&stuck.subject),
                environment,
                title: format!("{} is held by a failure", stuck.title),
                detail: stuck.message.chars().take(2_000).collect(),
                links: self.pages.iter().map(link).collect(),
                run: stuck.run.to_string(),
                subject: stuck.subject,
            })
        };
        self.control.stuck().into_iter().filter_map(incident).collect()
    }

    fn ready(&self) -> bool {
        self.world.current().commit.is_some()
    }

    fn mended(&self, subject: &Subject) -> bool {
        self.control.is_mended(subject)
    }

    fn under_way(&self, subject: &Subject) -> bool {
        self.control.is_under_way(subject)
    }

    fn rungs(&self, incident: &Incident) -> Vec<(String, Arc<dyn Pager>)> {
        let snapshot = self.world.current();
        let mut rungs = Vec::new();
        match incident.app.as_ref().and_then(|app| snapshot.catalog.apps.get(app.as_str())) {
            Some(app) => app.escalation.iter().for_each(|level| self.level(level, &mut rungs)),
            None => tracing::debug!(subject = subject_key(&incident.subject), "No app is known of it."),
        }
        let last = self.escalation.last.iter().filter_map(|name| Some((name.clone(), Arc::clone(self.calls.pagers.get(name)?))));
        for (name, pager) in last {
            if !rungs.iter().any(|(known, _)| *known == name) {
                rungs.push((name, pager));
            }
        }
        rungs
    }
}
