//! One message per release that grows as it moves: what is told in which room, and what is kept of it in the ledger.
//!
//! Each room is a thread of its own with its own note of how far it was told, so that a crash, or a room that refuses, costs no other
//! room anything and has nothing told twice that was noted.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use towpath_domain::Timestamp;
use towpath_ledger::{Error, EventId, Ledger, Thread};

use crate::about::Room;
use crate::message::Message;
use crate::release::Release;
use crate::route::{Manner, Route, manner};
use crate::sink::{DeliveryError, Follower, Told};

/// What is kept of a release in one room.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    /// The release as it was last told or remembered.
    release: Option<Release>,
    /// Where its message stands; none while it was only remembered.
    place: Option<Value>,
}

/// One event on its way through all rooms of a sink.
pub(crate) struct Following<'a> {
    pub ledger: &'a Ledger,
    /// The sink's name.
    pub sink: &'a str,
    pub follower: &'a dyn Follower,
    pub route: &'a Route,
    pub event: EventId,
    pub message: &'a Message,
    /// The threads that something further waits for.
    pub later: &'a BTreeSet<String>,
    /// It may have been posted by a process that died before it could note so.
    pub again: bool,
    pub now: Timestamp,
}

impl Following<'_> {
    /// Tells it in each room that does not have it yet.
    pub async fn tell(&self) -> Result<Result<(), DeliveryError>, Error> {
        let mut refused = Vec::new();
        let mut passing: Option<DeliveryError> = None;
        for room in self.follower.rooms(self.message) {
            match self.tell_in(&room).await? {
                Ok(()) => {}
                Err(error) if error.permanent => refused.push(error.why),
                // The longest wait that any room asks for.
                Err(error) => passing = Some(passing.filter(|before| before.retry_after >= error.retry_after).unwrap_or(error)),
            }
        }
        Ok(match passing {
            Some(error) => Err(error),
            None if refused.is_empty() => Ok(()),
            None => Err(DeliveryError::permanent(refused.join("; "))),
        })
    }

    /// The event is given up: where it was not told, it is still remembered, so that the next one tells of it.
    pub async fn give_up(&self) -> Result<(), Error> {
        for room in self.follower.rooms(self.message) {
            let key = self.key(&room);
            let thread = self.ledger.thread(self.sink, &key).await?.unwrap_or_default();
            if thread.event < self.event {
                let kept = kept(&thread);
                let release = self.moved(&room, &kept);
                self.note(&key, self.event, &Kept { release, place: kept.place }, None).await?;
            }
        }
        Ok(())
    }

    async fn tell_in(&self, room: &Room) -> Result<Result<(), DeliveryError>, Error> {
        let key = self.key(room);
        let thread = self.ledger.thread(self.sink, &key).await?.unwrap_or_default();
        if thread.event >= self.event {
            return Ok(match thread.error.filter(|_| thread.event == self.event) {
                Some(why) => Err(DeliveryError::permanent(why)),
                None => Ok(()),
            });
        }
        let kept = kept(&thread);
        let release = self.moved(room, &kept);
        let mut manner = manner(room, self.message, kept.place.is_some(), self.route.wants(self.message.kind));
        // What is shown again in a moment need not be shown now: a release of a hundred targets would otherwise come to the service's limits.
        if manner == Manner::Show && kept.place.is_some() && self.later.contains(&key) {
            manner = Manner::Remember;
        }
        let mut place = kept.place.clone();
        let told = if manner == Manner::Remember {
            Ok(())
        } else {
            let (reply, release) = (manner == Manner::Answer, release.as_ref());
            self.follower.tell(Told { room, message: self.message, release, reply, again: self.again }, &mut place).await
        };
        match &told {
            Err(error) if !error.permanent => {
                if place != kept.place {
                    self.note(&key, thread.event, &Kept { release: kept.release, place }, None).await?;
                }
            }
            told => self.note(&key, self.event, &Kept { release, place }, told.as_ref().err().map(|error| error.why.clone())).await?,
        }
        Ok(told)
    }

    /// The release as it stands after this event; none where the message is told by itself.
    fn moved(&self, room: &Room, kept: &Kept) -> Option<Release> {
        let (Some(id), Some(stage), false) = (&self.message.about.release, &self.message.stage, room.each) else { return None };
        let mut release = kept.release.clone().unwrap_or_else(|| Release::new(id.clone(), self.message.at));
        // Who wrote the commit may become known later than that it is built.
        release.id = id.clone();
        release.apply(stage, self.message.at);
        Some(release)
    }

    fn key(&self, room: &Room) -> String {
        thread_key(self.message, room)
    }

    async fn note(&self, key: &str, event: EventId, kept: &Kept, error: Option<String>) -> Result<(), Error> {
        // Plain data: it cannot fail to be written.
        let state = serde_json::to_string(kept).unwrap_or_default();
        self.ledger.note_thread(self.sink, key, &Thread { event, state, error }, self.now).await
    }
}

/// The name of the thread that a message goes into in a room.
pub(crate) fn thread_key(message: &Message, room: &Room) -> String {
    let channel = room.channel.trim_start_matches('#');
    match &message.about.release {
        Some(id) if message.stage.is_some() && !room.each => format!("{channel} {}", id.key()),
        _ => channel.to_owned(),
    }
}

/// What was kept; what a later version wrote and this one cannot read is begun anew.
fn kept(thread: &Thread) -> Kept {
    serde_json::from_str(&thread.state).unwrap_or_default()
}
