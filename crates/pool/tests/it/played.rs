//! A cluster whose part the test plays: what is there, what it refuses, and what was asked of it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{mpsc, watch};
use towpath_cluster::*;
use towpath_domain::{ClusterName, NamespaceName, RunId, Span, TargetId};

/// How all stands there.
pub struct Play {
    /// The namespaces that are there, with whom they were given to.
    pub there: BTreeMap<NamespaceName, Option<String>>,
    /// What the cluster says when one is to be given to somebody.
    pub grants: fn(&Requester) -> Result<(), ClusterError>,
    /// Namespaces go when they are told to.
    pub ends: bool,
    /// Namespaces that were ended.
    pub ended: Vec<NamespaceName>,
    /// How often somebody looked for what is there.
    pub looks: usize,
    /// Whoever looks is answered.
    pub answers: bool,
    /// How the operator's reservations stand.
    pub reservations: BTreeMap<String, ReservationStanding>,
    /// What the operator makes of a reservation that is new to it.
    pub makes: ReservationStanding,
    /// How many reservations the operator does not take back before it does.
    pub keeps: usize,
    /// Reservations that were given back, or tried to.
    pub released: Vec<String>,
    /// Reservations that were extended, with how long they last.
    pub extended: Vec<(String, Span)>,
}

pub struct Played {
    pub play: watch::Sender<Play>,
    nothing: UnnamedCluster,
}

impl Played {
    pub fn new() -> Self {
        let play = Play {
            there: BTreeMap::new(),
            grants: |_| Ok(()),
            ends: true,
            ended: Vec::new(),
            looks: 0,
            answers: true,
            reservations: BTreeMap::new(),
            makes: ReservationStanding::Waiting { why: "the operator has not looked at it yet".to_owned(), expires: None },
            keeps: 0,
            released: Vec::new(),
            extended: Vec::new(),
        };
        Self { play: watch::Sender::new(play), nothing: UnnamedCluster::new(ClusterName::new("local").unwrap()) }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Play) -> T) -> T {
        let mut answer = None;
        self.play.send_modify(|play| answer = Some(change(play)));
        answer.unwrap()
    }

    fn soon<'a, T: Send + 'a>(&self, change: impl FnOnce(&mut Play) -> T) -> BoxFuture<'a, T> {
        let answer = self.change(change);
        Box::pin(async move { answer })
    }
}

impl EphemeralNamespaces for Played {
    fn make<'a>(&'a self, wanted: &'a NamespaceWanted) -> BoxFuture<'a, Result<(), ClusterError>> {
        self.soon(|play| {
            play.there.insert(wanted.name.clone(), None);
            Ok(())
        })
    }

    fn standing<'a>(&'a self, wanted: &'a NamespaceWanted) -> BoxFuture<'a, Result<NamespaceStanding, ClusterError>> {
        self.soon(|play| {
            Ok(match play.there.get(&wanted.name) {
                None => NamespaceStanding::Absent,
                Some(None) => NamespaceStanding::Ready,
                Some(Some(who)) => NamespaceStanding::Dirty { found: vec![who.clone()] },
            })
        })
    }

    fn grant<'a>(&'a self, name: &'a NamespaceName, _: &'a str, to: &'a Requester) -> BoxFuture<'a, Result<(), ClusterError>> {
        self.soon(|play| {
            (play.grants)(to)?;
            play.there.insert(name.clone(), Some(to.name.clone()));
            Ok(())
        })
    }

    fn end<'a>(&'a self, name: &'a NamespaceName, _: &'a str) -> BoxFuture<'a, Result<NamespaceEnd, ClusterError>> {
        self.soon(|play| {
            if !play.ends {
                return Ok(NamespaceEnd::Ending { held_by: Vec::new() });
            }
            play.there.remove(name);
            play.ended.push(name.clone());
            Ok(NamespaceEnd::Gone)
        })
    }

    fn found<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Vec<FoundNamespace>, ClusterError>> {
        Box::pin(async {
            let found = self.change(|play| {
                play.looks += 1;
                let one = |(name, who): (&NamespaceName, &Option<String>)| FoundNamespace {
                    name: name.clone(),
                    pool: "smoke".to_owned(),
                    made_at: None,
                    requester: who.clone(),
                    ending: false,
                };
                play.there.iter().map(one).collect()
            });
            self.play.subscribe().wait_for(|play| play.answers).await.unwrap();
            Ok(found)
        })
    }
}

impl Reservations for Played {
    fn reserve<'a>(&'a self, wanted: &'a ReservationWanted) -> BoxFuture<'a, Result<(), ClusterError>> {
        self.soon(|play| {
            let makes = play.makes.clone();
            play.reservations.entry(wanted.name.clone()).or_insert(makes);
            Ok(())
        })
    }

    fn look<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<ReservationStanding, ClusterError>> {
        self.soon(|play| Ok(play.reservations.get(name).cloned().unwrap_or(ReservationStanding::Absent)))
    }

    fn extend<'a>(&'a self, name: &'a str, _: &'a str, lasting: Span) -> BoxFuture<'a, Result<(), ClusterError>> {
        self.soon(|play| {
            play.extended.push((name.to_owned(), lasting));
            Ok(())
        })
    }

    fn release<'a>(&'a self, name: &'a str, _: &'a str) -> BoxFuture<'a, Result<bool, ClusterError>> {
        self.soon(|play| {
            play.released.push(name.to_owned());
            if play.keeps > 0 {
                play.keeps -= 1;
                return Err(ClusterError::Unreachable { cluster: "local".to_owned(), why: "it is away".to_owned() });
            }
            Ok(play.reservations.remove(name).is_none())
        })
    }
}

/// What has nothing to do with namespaces is refused.
impl Cluster for Played {
    fn namespaces(&self) -> Option<&dyn EphemeralNamespaces> {
        Some(self)
    }

    fn reservations(&self) -> Option<&dyn Reservations> {
        Some(self)
    }

    fn check<'a>(&'a self, n: &'a NamespaceName, o: &'a Owner, all: &'a [Value]) -> BoxFuture<'a, Result<Vec<String>, ClusterError>> {
        self.nothing.check(n, o, all)
    }

    fn apply<'a>(&'a self, n: &'a NamespaceName, o: &'a Owner, all: &'a [Value]) -> BoxFuture<'a, Result<Applied, ClusterError>> {
        self.nothing.apply(n, o, all)
    }

    fn diff<'a>(&'a self, n: &'a NamespaceName, o: &'a Owner, all: &'a [Value]) -> BoxFuture<'a, Result<Vec<ObjectDiff>, ClusterError>> {
        self.nothing.diff(n, o, all)
    }

    fn wait<'a>(
        &'a self,
        n: &'a NamespaceName,
        keys: &'a [ObjectKey],
        run: &'a RunId,
        within: Duration,
        observer: &'a dyn Observer,
    ) -> BoxFuture<'a, Result<Ready, Box<WaitFailure>>> {
        self.nothing.wait(n, keys, run, within, observer)
    }

    fn prune<'a>(
        &'a self,
        n: &'a NamespaceName,
        o: &'a Owner,
        keep: &'a [ObjectKey],
    ) -> BoxFuture<'a, Result<Vec<ObjectKey>, ClusterError>> {
        self.nothing.prune(n, o, keep)
    }

    fn running<'a>(&'a self, n: &'a NamespaceName, t: &'a TargetId) -> BoxFuture<'a, Result<Vec<RunningContainer>, ClusterError>> {
        self.nothing.running(n, t)
    }

    fn examine<'a>(&'a self, all: &'a [(NamespaceName, Vec<String>)]) -> BoxFuture<'a, Result<Examination, ClusterError>> {
        self.nothing.examine(all)
    }

    fn list<'a>(&'a self, n: Option<&'a NamespaceName>) -> BoxFuture<'a, Result<Vec<ObjectStatus>, ClusterError>> {
        self.nothing.list(n)
    }

    fn logs<'a>(&'a self, request: LogRequest) -> BoxFuture<'a, Result<mpsc::Receiver<LogChunk>, ClusterError>> {
        self.nothing.logs(request)
    }

    fn events<'a>(&'a self, n: &'a NamespaceName, after: u64) -> BoxFuture<'a, Vec<Event>> {
        Cluster::events(&self.nothing, n, after)
    }

    fn run_controllers<'a>(&'a self, shutdown: BoxFuture<'a, ()>) -> BoxFuture<'a, ()> {
        self.nothing.run_controllers(shutdown)
    }
}
