//! Waiting until all that was applied is well, at the new revision, or cannot become so. By watches.

mod judge;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DynamicObject, LogParams};
use kube::runtime::watcher;
use tokio::time::{Instant, MissedTickBehavior};
use towpath_domain::{NamespaceName, RunId};

use super::discover::Kind;
use super::follow::{Followers, Line, Place, start_of};
use super::view::View;
use super::watching::{self, Seen, Watches};
use super::{Core, diagnose, discover, events, status};
use crate::api::{ClusterError, LogLine, ObjectKey, Observer, Progress, Ready, Reason, WaitFailure};
use judge::{Judge, Verdict};

/// How many of a failing container's last lines are told.
const TAIL_LINES: usize = 50;

/// How long the last lines may take to come.
const TAIL_WITHIN: Duration = Duration::from_secs(10);

/// How a node begins its answer when the container is gone, which it says in the place of its log.
const GONE: &str = "unable to retrieve container logs for ";

/// How many events are told of a failure.
const EVENTS: usize = 20;

/// How long the last lines of jobs may take after their end.
const DRAIN_WITHIN: Duration = Duration::from_secs(60);

/// How often it is looked whether something has lasted too long; what happens is told by the watches.
const TICK: Duration = Duration::from_secs(1);

/// How many times as long as the last look took it is waited at least before the next.
const REST: u32 = 4;

/// How much of a line is kept to be told of a failure, in bytes.
const TAIL_BYTES: usize = 4096;

/// Waits.
pub(super) async fn wait(
    core: &Arc<Core>,
    namespace: &NamespaceName,
    keys: &[ObjectKey],
    run: &RunId,
    within: Duration,
    observer: &dyn Observer,
) -> Result<Ready, Box<WaitFailure>> {
    let end = Instant::now() + within;
    let keys: Vec<ObjectKey> = keys.iter().filter(|key| status::is_worth_waiting_for(&key.group, &key.kind)).cloned().collect();
    let Some(first) = keys.first().cloned() else { return Ok(Ready::default()) };
    let (client, kinds) = connected(core, &keys, end, observer).await.map_err(|why| away(&first, &why))?;
    let waiting = Waiting {
        core,
        namespace,
        watches: watching::watch(&client, namespace.as_str(), &kinds),
        kinds: kinds.len(),
        seen: Seen::default(),
        judge: Judge::new(keys, run),
        followers: Followers::new(client.clone(), namespace.to_string()),
        client,
        told: BTreeMap::new(),
        last: BTreeMap::new(),
        trouble: None,
        observer,
    };
    waiting.go_on(end, within).await
}

/// A client, and the kinds to watch. A cluster that does not answer is asked again until there is no time left.
async fn connected(core: &Core, keys: &[ObjectKey], end: Instant, observer: &dyn Observer) -> Result<(kube::Client, Vec<Kind>), String> {
    loop {
        let why = match (core.client().await, watched(core, keys).await) {
            (Ok(client), Ok(kinds)) => return Ok((client, kinds)),
            (Err(why), _) | (_, Err(why)) => why,
        };
        if Instant::now() + TICK > end {
            return Err(why);
        }
        if let Some(key) = keys.first() {
            observer.progress(Progress { object: key.clone(), message: format!("cannot be looked at: {why}") });
        }
        tokio::time::sleep(TICK).await;
    }
}

/// The kinds of what is waited for, and of all that tells about it.
async fn watched(core: &Core, keys: &[ObjectKey]) -> Result<Vec<Kind>, String> {
    let has = |kinds: &[&str]| keys.iter().any(|key| kinds.contains(&key.kind.as_str()));
    let mut wanted: Vec<String> = keys.iter().map(ObjectKey::kind_and_group).collect();
    wanted.extend(["Pod", "Event"].map(str::to_owned));
    if has(&["Deployment", "ClowdApp"]) {
        wanted.extend(["ReplicaSet.apps", "Deployment.apps"].map(str::to_owned));
    }
    if has(&["DeploymentConfig"]) {
        wanted.push("ReplicationController".to_owned());
    }
    if has(&["ClowdJobInvocation", "CronJob"]) {
        wanted.push("Job.batch".to_owned());
    }
    wanted.sort();
    wanted.dedup();
    let mut kinds: Vec<Kind> = Vec::new();
    for written in wanted {
        // The core group's name is empty: without it, `Event` would also mean another group's.
        let found = match written.split_once('.') {
            Some(_) => discover::meant(core, &written).await,
            None => discover::kind(core, "v1", &written).await.map(|kind| kind.into_iter().collect()),
        };
        kinds.extend(found.map_err(|e| e.to_string())?);
    }
    Ok(kinds)
}

fn away(key: &ObjectKey, why: &str) -> Box<WaitFailure> {
    let reason = Reason::Unreachable;
    let message = format!("the cluster did not answer for as long as there was time: {why}; `towpath doctor` looks at it");
    Box::new(WaitFailure { class: reason.class(), reason, object: key.clone(), message, log_tail: Vec::new(), events: Vec::new() })
}

struct Waiting<'a> {
    core: &'a Core,
    namespace: &'a NamespaceName,
    client: kube::Client,
    watches: Watches,
    kinds: usize,
    seen: Seen,
    judge: Judge,
    followers: Followers,
    told: BTreeMap<ObjectKey, String>,
    /// The last lines of the containers of jobs: they may be gone with their pods when they are to be told.
    last: BTreeMap<Place, VecDeque<String>>,
    /// Why the cluster cannot be looked at, as long as it cannot.
    trouble: Option<String>,
    observer: &'a dyn Observer,
}

impl Waiting<'_> {
    async fn go_on(mut self, end: Instant, within: Duration) -> Result<Ready, Box<WaitFailure>> {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut look_at = Instant::now();
        let mut news = false;
        loop {
            tokio::select! {
                Some((kind, said)) = self.watches.next() => {
                    self.take(&kind, said);
                    // What else has come is taken in before all is looked at again.
                    while let Some(Some((kind, said))) = self.watches.next().now_or_never() {
                        self.take(&kind, said);
                    }
                    news = true;
                }
                Some(line) = self.followers.lines.recv() => self.say(&line),
                _ = tick.tick() => news = true,
                () = tokio::time::sleep_until(look_at), if news => {}
                () = tokio::time::sleep_until(end) => return Err(self.out_of_time(within).await),
            }
            if !news || !self.seen.knows(self.kinds) || Instant::now() < look_at {
                continue;
            }
            news = false;
            let looked = Instant::now();
            self.follow_jobs();
            let verdicts = self.judge.look(&View::new(&self.seen));
            self.tell(&verdicts);
            if let Some((key, failure)) = judge::gravest(&verdicts) {
                self.drain(end).await;
                // By now its pods were looked at once more: an exit code, or that memory ran out, may be known only since.
                let (key, failure) = match judge::gravest(&self.judge.look(&View::new(&self.seen))) {
                    Some((key, failure)) => (key.clone(), failure),
                    None => (key.clone(), failure),
                };
                return Err(self.failed(&key, failure).await);
            }
            if verdicts.iter().all(|(_, verdict)| matches!(verdict, Verdict::Ready)) {
                let unread = self.drain(end).await;
                return Ok(Ready { unread, ..self.judge.ready(&View::new(&self.seen)) });
            }
            // However many objects there are and however much happens to them, looking leaves time for everything else.
            look_at = Instant::now() + looked.elapsed() * REST;
        }
    }

    fn take(&mut self, kind: &str, said: Result<watcher::Event<DynamicObject>, String>) {
        match said {
            Ok(event) => {
                self.seen.take(kind, event);
                self.trouble = None;
            }
            Err(why) => self.trouble(why),
        }
    }

    fn trouble(&mut self, why: String) {
        if self.trouble.is_none() {
            for key in self.judge.keys().iter().take(1) {
                let message = format!("the cluster cannot be watched, and is asked again: {why}");
                self.observer.progress(Progress { object: key.clone(), message });
            }
        }
        self.trouble = Some(why);
    }

    fn say(&mut self, line: &Line) {
        let last = self.last.entry(line.place.clone()).or_default();
        if last.len() >= TAIL_LINES {
            last.pop_front();
        }
        last.push_back(line.text.chars().take(TAIL_BYTES).collect());
        self.observer.line(LogLine { pod: &line.place.0, container: &line.place.1, text: &line.text });
    }

    fn tell(&mut self, verdicts: &[(ObjectKey, Verdict)]) {
        for (key, verdict) in verdicts {
            let message = verdict.message();
            if self.told.get(key).map(String::as_str) != Some(message) {
                self.told.insert(key.clone(), message.to_owned());
                self.observer.progress(Progress { object: key.clone(), message: message.to_owned() });
            }
        }
    }

    /// Follows what the pods of jobs print.
    fn follow_jobs(&mut self) {
        let view = View::new(&self.seen);
        for key in self.judge.keys().iter().filter(|key| judge::is_job(key)) {
            for pod in diagnose::pods(&view, key) {
                self.followers.look_at(pod, &|pod, container| self.observer.told(pod, container));
            }
        }
        self.followers.forget_gone(&|pod| self.seen.get("Pod", pod).is_some());
    }

    /// Reads what jobs printed to its end, before anything of it is gone; answers with what could not be read.
    async fn drain(&mut self, end: Instant) -> Vec<String> {
        let until = Instant::now() + DRAIN_WITHIN;
        let until = until.min(end.max(Instant::now() + Duration::from_secs(5)));
        let mut late = tokio::time::timeout_at(until, self.look_again()).await.is_err();
        while !late && !self.followers.are_done() {
            tokio::select! {
                Some(line) = self.followers.lines.recv() => self.say(&line),
                Some((kind, said)) = self.watches.next() => {
                    if let Ok(event) = said {
                        self.seen.take(&kind, event);
                        self.follow_jobs();
                    }
                }
                () = tokio::time::sleep(Duration::from_millis(20)) => {}
                () = tokio::time::sleep_until(until) => late = true,
            }
        }
        while let Ok(line) = self.followers.lines.try_recv() {
            self.say(&line);
        }
        let mut unread: Vec<String> =
            self.followers.unread().map(|(pod, container)| format!("the end of the log of pod {pod}, container {container}")).collect();
        if late {
            let why = self.trouble.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            unread.push(format!("what was still to be read when time was up{why}"));
        }
        unread
    }

    /// Looks at the jobs' pods once more. Watches know nothing of each other, so that a job's end may be told before its pod's beginning; but
    /// who asks after hearing of the end is told of the pod as it ended.
    async fn look_again(&mut self) {
        let has = |kind: &str| self.judge.keys().iter().any(|key| judge::is_job(key) && (kind.is_empty() || key.kind == kind));
        let mut kinds = Vec::new();
        if has("ClowdJobInvocation") {
            kinds.push(("batch/v1", "Job"));
        }
        if has("") {
            kinds.push(("v1", "Pod"));
        }
        for (version, kind) in kinds {
            while let Err(error) = self.list(version, kind).await {
                self.trouble(error.to_string());
                tokio::time::sleep(TICK).await;
            }
        }
        self.follow_jobs();
    }

    async fn list(&mut self, version: &str, kind: &str) -> Result<(), ClusterError> {
        let Some(kind) = discover::kind(self.core, version, kind).await? else { return Ok(()) };
        let list = self.core.read(&kind.path(self.namespace.as_str(), None)).await?.unwrap_or_default();
        self.seen.put(&watching::name_of(&kind), &kind, list);
        Ok(())
    }

    async fn out_of_time(&mut self, within: Duration) -> Box<WaitFailure> {
        let verdicts = if self.seen.knows(self.kinds) { self.judge.look(&View::new(&self.seen)) } else { Vec::new() };
        let lacking = verdicts.iter().find(|(_, verdict)| !matches!(verdict, Verdict::Ready));
        let Some((key, verdict)) = lacking else {
            let why = self.trouble.clone().unwrap_or_else(|| "nothing was seen of it".to_owned());
            return away(
                &self.judge.keys().first().cloned().unwrap_or_else(|| ObjectKey {
                    kind: String::new(),
                    group: String::new(),
                    name: String::new(),
                }),
                &why,
            );
        };
        let mut failure = self.judge.likeliest(&View::new(&self.seen), key);
        failure.message = format!(
            "not ready within {} s: {}",
            within.as_secs(),
            if failure.message.is_empty() { verdict.message() } else { &failure.message }
        );
        if let Some(why) = &self.trouble {
            failure.reason = Reason::Unreachable;
            failure.message = format!("{}; the cluster cannot be watched: {why}", failure.message);
        }
        let key = key.clone();
        self.drain(Instant::now()).await;
        self.failed(&key, failure).await
    }

    /// The last lines of the container at fault, as far as they were heard; of the pod's first one when none is known to be at fault.
    fn heard(&self, view: &View<'_>, failure: &judge::Failure) -> Option<&VecDeque<String>> {
        let name = failure.pod.as_deref()?;
        let pod = view.get("Pod", name).or_else(|| self.seen.gone().find(|pod| watching::text(pod, "/metadata/name") == name))?;
        let at = failure.container.as_deref().unwrap_or_else(|| watching::text(pod, "/spec/containers/0/name"));
        let runs = diagnose::container::statuses(pod)
            .any(|status| watching::text(status, "/name") == at && status.pointer("/state/running").is_some());
        let starts = self.last.iter().filter(|((of, shown), _)| of == name && start_of(shown).0 == at);
        let mut starts: Vec<_> = starts.map(|((_, shown), lines)| (start_of(shown).1, lines)).collect();
        starts.sort_by_key(|(start, _)| *start);
        if failure.restarted && runs {
            // It was started again: what it says now is not why it ended.
            starts.pop();
        }
        starts.pop().map(|(_, lines)| lines)
    }

    /// All that is known of a failure, fetched before it is gone.
    fn failed(&self, key: &ObjectKey, failure: judge::Failure) -> impl Future<Output = Box<WaitFailure>> + Send + use<> {
        let view = View::new(&self.seen);
        let mut told: Vec<_> = diagnose::ids(&view, key)
            .iter()
            .flat_map(|id| view.events_of(id))
            .map(|event| {
                (events::at(event).to_owned(), format!("{} {}", watching::text(event, "/involvedObject/name"), events::line(event)))
            })
            .collect();
        told.sort();
        let events = told.split_off(told.len().saturating_sub(EVENTS)).into_iter().map(|(_, line)| line).collect();
        let (class, message) = judge::classed(key, &failure);
        let kept = self.heard(&view, &failure).cloned().unwrap_or_default();
        let (object, api) = (key.clone(), Api::namespaced(self.client.clone(), self.namespace.as_str()));
        async move {
            let log_tail = if kept.is_empty() { tail(&api, &failure).await } else { kept.into() };
            Box::new(WaitFailure { class, reason: failure.reason, object, message, log_tail, events })
        }
    }
}

/// The last lines of the container at fault.
async fn tail(api: &Api<Pod>, failure: &judge::Failure) -> Vec<String> {
    let Some(pod) = failure.pod.as_ref().filter(|pod| !pod.is_empty()) else { return Vec::new() };
    // The container before the present one, if that is at fault; else, or when it is gone, the present one.
    for previous in [failure.restarted, !failure.restarted] {
        let params = LogParams {
            container: failure.container.clone(),
            previous,
            tail_lines: i64::try_from(TAIL_LINES).ok(),
            ..LogParams::default()
        };
        match tokio::time::timeout(TAIL_WITHIN, api.logs(pod, &params)).await {
            Ok(Ok(text)) if !text.is_empty() && !text.starts_with(GONE) => return text.lines().map(str::to_owned).collect(),
            _ => {}
        }
    }
    Vec::new()
}
