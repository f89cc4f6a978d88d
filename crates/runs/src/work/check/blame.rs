//! What a failed check is the fault of.

use towpath_domain::FailureClass;
use towpath_engine::check::Blame;

use crate::journal::Stop;

/// A failure of something that `fault` is answerable for. What the environment did is the environment's, whoever it hit; what a dependency does is
/// the environment's to the pull request, and tried again like anything of that kind.
pub(super) fn on(fault: &Blame, stop: Stop) -> Stop {
    let Stop::Failed { class, message } = stop else { return stop };
    let (blame, class) = match (class, fault) {
        (FailureClass::Environment, _) => (Blame::Environment, class),
        (FailureClass::Flaky, _) => (Blame::FlakyTest, class),
        (_, Blame::Dependency { .. }) => (fault.clone(), FailureClass::Environment),
        (_, fault) => (fault.clone(), class),
    };
    Stop::Blamed { blame, class, message }
}

/// A failure by what the source's file, or the person who tries something, says: trying it again changes nothing.
pub(super) fn said(message: impl std::fmt::Display) -> Stop {
    Stop::Blamed { blame: Blame::Environment, class: FailureClass::Own, message: message.to_string() }
}

/// A failure of the pull request itself.
pub(super) fn source(message: impl std::fmt::Display) -> Stop {
    Stop::Blamed { blame: Blame::Source, class: FailureClass::Own, message: message.to_string() }
}

/// A failure of where it runs, that may pass.
pub(super) fn environment(message: impl std::fmt::Display) -> Stop {
    Stop::Blamed { blame: Blame::Environment, class: FailureClass::Environment, message: message.to_string() }
}

#[cfg(test)]
mod tests {
    use towpath_domain::TargetId;

    use super::*;

    #[test]
    fn whoever_is_hit_by_the_environment_is_not_blamed_and_a_dependency_is_tried_again() {
        let dependency = Blame::Dependency { target: TargetId::new("db").unwrap(), title: "db/db".to_owned() };
        for (fault, class, blamed, counted) in [
            (&Blame::Source, FailureClass::Own, &Blame::Source, FailureClass::Own),
            (&Blame::Source, FailureClass::Unknown, &Blame::Source, FailureClass::Unknown),
            (&Blame::Source, FailureClass::Environment, &Blame::Environment, FailureClass::Environment),
            (&Blame::Source, FailureClass::Flaky, &Blame::FlakyTest, FailureClass::Flaky),
            (&dependency, FailureClass::Own, &dependency, FailureClass::Environment),
            (&dependency, FailureClass::Environment, &Blame::Environment, FailureClass::Environment),
        ] {
            match on(fault, Stop::failed(class, "x")) {
                Stop::Blamed { blame, class, .. } => assert_eq!((&blame, class), (blamed, counted)),
                other => panic!("{other}"),
            }
        }
        // What was blamed before stays so.
        assert!(matches!(on(&Blame::Source, environment("x")), Stop::Blamed { blame: Blame::Environment, .. }));
        assert!(matches!(on(&Blame::Source, Stop::Superseded { by: "a push".into() }), Stop::Superseded { .. }));
    }
}
