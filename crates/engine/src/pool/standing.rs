//! How a reservation stands, and why it waits.

use serde::Serialize;
use towpath_domain::{NamespaceName, Timestamp};

/// How a reservation stands that is not over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "standing", rename_all = "kebab-case")]
pub enum Standing {
    /// It waits.
    Waiting {
        /// Its place among those who wait for the same pool, from 1.
        position: usize,
        /// How many wait.
        of: usize,
        /// For what.
        wait: Wait,
    },
    /// A namespace is set aside for it, and is being proven clean.
    Assigned {
        /// Which.
        namespace: NamespaceName,
    },
    /// It has one.
    Active {
        /// Which.
        namespace: NamespaceName,
        /// Until when; none: as long as its run lasts.
        until: Option<Timestamp>,
    },
}

/// What a reservation waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "wait", rename_all = "kebab-case")]
pub enum Wait {
    /// Namespaces are being made.
    Making {
        /// How many.
        count: usize,
        /// What the first of them waits for; may be empty.
        waits: String,
    },
    /// Making one failed, and is tried again.
    Failing {
        /// How.
        error: String,
        /// When it is tried again.
        again_at: Timestamp,
    },
    /// One was not fit any more when it was to be handed out, and another one is made later.
    Spoiled {
        /// What was found.
        error: String,
        /// When another one is made.
        again_at: Timestamp,
    },
    /// There are as many as there may be.
    Full {
        /// How many that is.
        limit: u32,
        /// Who has them, and until when: those that end first come first.
        holders: Vec<(NamespaceName, String, Option<Timestamp>)>,
        /// How many are on their way out.
        ending: usize,
    },
    /// Its owner has as many as one may have. Others go first.
    Each {
        /// The owner.
        owner: String,
        /// How many one may have.
        limit: usize,
        /// What they have.
        held: Vec<NamespaceName>,
    },
    /// The pool's file is broken.
    Broken {
        /// How.
        error: String,
    },
    /// The cluster's operator has to give one.
    Operator {
        /// What it says.
        says: String,
    },
}

impl Wait {
    /// In a sentence for people, without its full stop.
    #[must_use]
    pub fn text(&self) -> String {
        let names = |held: &[NamespaceName]| held.iter().map(NamespaceName::as_str).collect::<Vec<_>>().join(", ");
        match self {
            Self::Making { count: 0, .. } => "a namespace is about to be made".to_owned(),
            Self::Making { count, waits } => {
                let one = if *count == 1 { "a namespace is being made".to_owned() } else { format!("{count} namespaces are being made") };
                if waits.is_empty() { one } else { format!("{one}: {waits}") }
            }
            Self::Failing { error, again_at } => format!("making a namespace failed, and is tried again at {again_at}: {error}"),
            Self::Spoiled { error, again_at } => {
                format!("a namespace could not be handed out, and another one is made at {again_at}: {error}")
            }
            Self::Full { limit, holders, ending } => {
                let told = |(name, owner, until): &(NamespaceName, String, Option<Timestamp>)| match until {
                    Some(until) => format!("{name} by {owner} until {until}"),
                    None => format!("{name} by {owner} until its run ends"),
                };
                let shown: Vec<String> = holders.iter().take(5).map(told).collect();
                let more = holders.len().saturating_sub(shown.len());
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                let ending = if *ending > 0 { format!("; {ending} on the way out") } else { String::new() };
                let held = if shown.is_empty() { String::new() } else { format!(": held are {}{more}", shown.join(", ")) };
                format!("all {limit} namespaces of the pool are taken{held}{ending}")
            }
            Self::Each { owner, limit, held } => format!("{owner} may have {limit} at a time, and has {}", names(held)),
            Self::Broken { error } => format!("the pool's file cannot be used: {error}"),
            Self::Operator { says } if says.is_empty() => "the cluster's operator has not given one yet".to_owned(),
            Self::Operator { says } => format!("the cluster's operator: {says}"),
        }
    }
}
