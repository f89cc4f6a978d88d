//! Looks into a bucket for one run.

use std::fmt;

use reqwest::Url;
use rusty_s3::UrlStyle;

use crate::error::{BucketError, BucketErrorKind, shown};
use crate::keys::Pair;
use crate::limits::Limits;
use crate::listing;
use crate::pattern::{Names, Slot};
use crate::settings::BucketSettings;
use crate::wire::{Answer, Wire};

/// Where the reports of runs are.
#[derive(Debug, Clone)]
pub struct Bucket {
    settings: BucketSettings,
    wire: Wire,
}

/// A bucket, and what keys in it begin with, for one pod or run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    bucket: String,
    prefix: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bucket {}", shown(&self.bucket))?;
        if self.prefix.is_empty() { Ok(()) } else { write!(f, " below {}", shown(&self.prefix)) }
    }
}

/// A report, or why it could not be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its key, fit to be shown.
    pub name: String,
    /// Its content.
    pub content: Result<Vec<u8>, BucketError>,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fetched {
    /// Reports, by place and key.
    pub files: Vec<(Place, File)>,
    /// Places where there is nothing, not even a bucket.
    pub missing: Vec<Place>,
    /// Why places could not be looked into, or not to their end.
    pub trouble: Vec<BucketError>,
}

/// What may still be taken.
struct Room {
    files: usize,
    bytes: usize,
}

impl Bucket {
    /// # Errors
    /// When the certificates cannot be used.
    pub fn new(settings: BucketSettings) -> Result<Self, BucketError> {
        let wire = Wire::new(&settings)?;
        Ok(Self { settings, wire })
    }

    /// The places of a run: one for each pod and job that the patterns name. At most [`Limits::places`].
    #[must_use]
    pub fn places(&self, namespace: &str, run: &str, jobs: &[String], pods: &[String]) -> Vec<Place> {
        let has = |slot| self.settings.bucket.has(slot) || self.settings.prefix.has(slot);
        let one = [String::new()];
        let pods = if has(Slot::Pod) { pods } else { &one };
        let jobs = if has(Slot::Job) { jobs } else { &one };
        let mut places = Vec::new();
        for (pod, job) in pods.iter().flat_map(|pod| jobs.iter().map(move |job| (pod, job))).take(self.settings.limits.places) {
            let names = Names { pod, namespace, run, job };
            let place = Place { bucket: self.settings.bucket.fill(&names), prefix: self.settings.prefix.fill(&names) };
            if !places.contains(&place) {
                places.push(place);
            }
        }
        places
    }

    /// Lists the places and fetches every report in them, within the time and the bounds that are set.
    pub async fn fetch(&self, places: &[Place]) -> Fetched {
        let mut fetched = Fetched::default();
        let within = self.settings.limits.within;
        if tokio::time::timeout(within, self.fetch_into(places, &mut fetched)).await.is_err() {
            let why = format!("looking for reports took longer than {} s", within.as_secs());
            let mend = "look why the server is slow, or whether there is too much in the bucket";
            fetched.trouble.push(BucketError::new(BucketErrorKind::Away, why, mend).at(&self.settings.endpoint));
        }
        fetched
    }

    async fn fetch_into(&self, places: &[Place], fetched: &mut Fetched) {
        let keys = match self.settings.keys.read().await {
            Ok(keys) => keys,
            Err(error) => return fetched.trouble.push(error.at(&self.settings.endpoint)),
        };
        let Limits { files, bytes, .. } = self.settings.limits;
        let mut room = Room { files, bytes };
        for place in places {
            match self.look(place, &keys, &mut room, fetched).await {
                Ok(true) => {}
                Ok(false) => fetched.missing.push(place.clone()),
                Err(error) => fetched.trouble.push(error.at(format_args!("{place} at {}", self.settings.endpoint))),
            }
        }
    }

    /// Whether there is such a place at all.
    async fn look(&self, place: &Place, keys: &Pair, room: &mut Room, fetched: &mut Fetched) -> Result<bool, BucketError> {
        let at = self.address(place)?;
        let Some(reports) = self.list(place, &at, keys).await? else { return Ok(false) };
        for object in reports {
            if room.files == 0 {
                let why = format!("there are more than {} reports", self.settings.limits.files);
                return Err(BucketError::new(BucketErrorKind::TooMuch, why, "write fewer files, or name those that count in `files`"));
            }
            room.files -= 1;
            let name = shown(&object.key);
            let content = self.get(&at, &object, keys, room.bytes).await;
            let content = content.map_err(|error| error.at(format_args!("{name} in {place} at {}", self.settings.endpoint)));
            room.bytes = room.bytes.saturating_sub(content.as_ref().map_or(0, Vec::len));
            fetched.files.push((place.clone(), File { name, content }));
        }
        Ok(true)
    }

    /// The reports of a place, sorted by key; none when there is no such bucket.
    async fn list(&self, place: &Place, at: &rusty_s3::Bucket, keys: &Pair) -> Result<Option<Vec<listing::Object>>, BucketError> {
        let limits = &self.settings.limits;
        let (mut reports, mut listed, mut pages, mut next) = (Vec::new(), 0, 0, None::<String>);
        loop {
            // Sorted by name, as signing wants it.
            let mut query = Vec::new();
            query.extend(next.as_deref().map(|token| ("continuation-token", token)));
            query.push(("list-type", "2"));
            query.extend(Some(place.prefix.as_str()).filter(|prefix| !prefix.is_empty()).map(|prefix| ("prefix", prefix)));
            let content = match self.wire.get(at.base_url(), &query, keys, limits.page_bytes).await? {
                Answer::Content(content) => content,
                Answer::Missing if next.is_none() => return Ok(None),
                Answer::Missing => return Err(no_listing("it went away while it was listed")),
            };
            let page = listing::page(&String::from_utf8_lossy(&content)).map_err(no_listing)?;
            listed += page.objects.len();
            pages += 1;
            for object in page.objects {
                check_key(&object.key, &place.prefix)?;
                if self.settings.files.are_of(&object.key) {
                    reports.push(object);
                }
            }
            let has_no_end = page.next.is_some() && (page.next == next || pages >= limits.pages);
            if listed > limits.listed || has_no_end {
                let why = format!("the listing has no end, or more than {} files", limits.listed);
                return Err(BucketError::new(BucketErrorKind::TooMuch, why, "set a `prefix` that only reports are below"));
            }
            next = page.next;
            if next.is_none() {
                reports.sort_by(|a, b| a.key.cmp(&b.key));
                reports.dedup_by(|a, b| a.key == b.key);
                return Ok(Some(reports));
            }
        }
    }

    async fn get(&self, at: &rusty_s3::Bucket, object: &listing::Object, keys: &Pair, room: usize) -> Result<Vec<u8>, BucketError> {
        if object.size.is_some_and(|size| size > u64::try_from(room).unwrap_or(u64::MAX)) {
            let why = format!("it is larger than the {room} bytes that may still be taken");
            return Err(BucketError::new(BucketErrorKind::TooMuch, why, "write less output into the report, or split it"));
        }
        match self.wire.get(&at.object_url(&object.key), &[], keys, room).await? {
            Answer::Content(content) if object.size.is_none_or(|size| size == content.len() as u64) => Ok(content),
            Answer::Content(_) => {
                Err(BucketError::new(BucketErrorKind::Answer, "it is not as long as the listing says", "upload it before the test ends"))
            }
            Answer::Missing => {
                let mend = "leave reports in the bucket until the run has ended";
                Err(BucketError::new(BucketErrorKind::Answer, "it was listed, and is not there", mend))
            }
        }
    }

    fn address(&self, place: &Place) -> Result<rusty_s3::Bucket, BucketError> {
        let mend = "correct `bucket` of the cluster's [artifacts.s3] in towpath.toml";
        let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let inner = |c: char| edge(c) || ".-".contains(c);
        let name = &place.bucket;
        let is_name = (3..=63).contains(&name.len()) && name.chars().all(inner) && name.starts_with(edge) && name.ends_with(edge);
        if !is_name || name.contains("..") {
            let why = "no bucket can have this name: 3 to 63 lower-case letters, digits, dots and dashes";
            return Err(BucketError::new(BucketErrorKind::Name, why, mend));
        }
        let style = if self.settings.virtual_host { UrlStyle::VirtualHost } else { UrlStyle::Path };
        let endpoint: Url = self.settings.endpoint.url().clone();
        rusty_s3::Bucket::new(endpoint, style, name.clone(), self.settings.region.clone())
            .map_err(|error| BucketError::new(BucketErrorKind::Name, error.to_string(), mend))
    }
}

/// A key must be one that was asked for, and its address must not be that of another.
fn check_key(key: &str, prefix: &str) -> Result<(), BucketError> {
    let climbs = key.split('/').any(|part| matches!(part, "." | ".."));
    if key.is_empty() || climbs || !key.starts_with(prefix) {
        return Err(no_listing("a key in it is empty, climbs with `..`, or lies elsewhere"));
    }
    Ok(())
}

fn no_listing(why: &str) -> BucketError {
    let why = format!("what the server answers is no listing that can be used: {why}");
    BucketError::new(BucketErrorKind::Answer, why, "look whether `endpoint` in towpath.toml is that of an S3-compatible server")
}
