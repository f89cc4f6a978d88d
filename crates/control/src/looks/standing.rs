//! How something is, in the four words of the board.

use towpath_engine::{Hold, State, Unvouched, Verdict};

/// How something is, for people: the four words of the board.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Standing {
    /// Somebody has to do something.
    Stuck,
    /// It passes by itself, or somebody wants it so.
    Waiting,
    /// On its way.
    Moving,
    /// As it should be.
    UpToDate,
}

impl Standing {
    /// All of them, the worst first.
    pub(crate) const ALL: [Self; 4] = [Self::Stuck, Self::Waiting, Self::Moving, Self::UpToDate];

    /// The word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Stuck => "stuck",
            Self::Waiting => "waiting",
            Self::Moving => "moving",
            Self::UpToDate => "up-to-date",
        }
    }

    /// What a verdict comes to.
    pub(crate) fn of(verdict: &Verdict) -> Self {
        match &verdict.state {
            State::UpToDate => Self::UpToDate,
            State::Act { .. } => Self::Moving,
            // The weightiest stands first; but what is stuck by one reason is not moved by another.
            State::Held { holds } => {
                let all = || holds.iter().map(hold_standing);
                if all().any(|standing| standing == Self::Stuck) {
                    Self::Stuck
                } else if all().any(|standing| standing == Self::Moving) {
                    Self::Moving
                } else {
                    Self::Waiting
                }
            }
        }
    }
}

/// Whose turn it is, by one hold.
fn hold_standing(hold: &Hold) -> Standing {
    match hold {
        Hold::Building { .. } | Hold::InProgress { .. } | Hold::UnderTest { .. } | Hold::NotRunning { .. } | Hold::Backoff { .. } => {
            Standing::Moving
        }
        Hold::ChangeOpen { waits, .. } if waits.is_empty() => Standing::Moving,
        Hold::Unsupported { .. }
        | Hold::Unreachable { .. }
        | Hold::NoBranch { .. }
        | Hold::TagMoved { .. }
        | Hold::BuildFailed { .. }
        | Hold::RenderFailed { .. }
        | Hold::ChangeFailed { .. }
        | Hold::Failed { .. }
        | Hold::NoWayBack { .. }
        | Hold::Unvouched { why: Unvouched::NoPublisher | Unvouched::FileBroken { .. } | Unvouched::Failed { .. }, .. } => Standing::Stuck,
        _ => Standing::Waiting,
    }
}

/// A hold's stable name, such as `unvouched`.
pub(crate) fn hold_name(hold: &Hold) -> String {
    serde_json::to_value(hold).ok().and_then(|value| value.get("hold")?.as_str().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use towpath_domain::{ChangeId, FailureClass, RunId, Timestamp};

    use super::*;

    fn held(holds: Vec<Hold>) -> Standing {
        Standing::of(&Verdict { wanted: None, state: State::Held { holds }, passed_over: Vec::new(), valid_until: None })
    }

    #[test]
    fn what_failed_is_stuck_whatever_else_holds_it_and_what_only_takes_time_moves() {
        let run = || RunId::new("r").unwrap();
        let failed = Hold::Failed { run: run(), class: FailureClass::Own, attempts: 1, message: "it crashed".to_owned() };
        let backoff = Hold::Backoff { run: run(), until: Timestamp::from_millis(1), attempts: 1, of: 3, message: "no answer".to_owned() };
        let open = |waits: &[&str]| Hold::ChangeOpen {
            change: ChangeId::new("p-1").unwrap(),
            url: None,
            waits: waits.iter().map(|wait| (*wait).to_owned()).collect(),
        };
        assert_eq!(held(vec![backoff.clone(), failed]), Standing::Stuck);
        assert_eq!(held(vec![backoff]), Standing::Moving);
        assert_eq!(held(vec![open(&[])]), Standing::Moving);
        assert_eq!(held(vec![open(&["an approval of the owners"])]), Standing::Waiting, "people are asked, and nothing is broken");
    }
}
