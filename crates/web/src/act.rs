//! Everything that does something: one function per write, for the API and the pages alike.
//!
//! Each finds out what the write would touch, checks that the caller may do it there, puts the caller's own name to it, and only then asks the
//! brain. Nothing else in this crate asks the brain to do anything.

use axum::http::StatusCode;
use towpath_control::request::{
    AckRequest, Asked, CancelRequest, CheckRequest, ExtendRequest, FreeRequest, HoldRequest, PromoteRequest, ReleaseRequest,
    ReserveRequest, RetryRequest, RollbackRequest, TryRequest,
};
use towpath_control::view::Accepted;
use towpath_control::{Scope, Sight, Verb};

use crate::brain::Brain;
use crate::caller::{Caller, unknown};
use crate::problem::Refusal;
use crate::query::BackupRequest;

/// Who a single user on their own machine is, when they do not say.
const LOCAL: &str = "local user";

/// What came of a write.
pub type Done = Result<Accepted, Refusal>;

/// Tries again what failed.
///
/// # Errors
/// [`Refusal`] when the caller may not, names somebody else, or the brain refuses.
pub async fn retry(brain: &dyn Brain, caller: &Caller, mut request: RetryRequest) -> Done {
    may(brain, caller, Verb::Retry, &request.what).await?;
    signed(caller, &mut request.asked)?;
    Ok(brain.retry(request).await?)
}

/// Says that a person sees to a failure.
///
/// # Errors
/// As [`retry`].
pub async fn ack(brain: &dyn Brain, caller: &Caller, mut request: AckRequest) -> Done {
    may(brain, caller, Verb::Retry, &request.what).await?;
    signed(caller, &mut request.asked)?;
    Ok(brain.ack(request).await?)
}

/// Stops a run.
///
/// # Errors
/// As [`retry`].
pub async fn cancel(brain: &dyn Brain, caller: &Caller, mut request: CancelRequest) -> Done {
    may(brain, caller, Verb::Retry, &request.what).await?;
    signed(caller, &mut request.asked)?;
    Ok(brain.cancel(request).await?)
}

/// Moves a subscriber.
///
/// # Errors
/// As [`retry`].
pub async fn promote(brain: &dyn Brain, caller: &Caller, mut request: PromoteRequest) -> Done {
    may(brain, caller, Verb::Promote, &request.target).await?;
    signed(caller, &mut request.asked)?;
    Ok(brain.promote(request).await?)
}

/// Takes a target back.
///
/// # Errors
/// As [`retry`].
pub async fn rollback(brain: &dyn Brain, caller: &Caller, mut request: RollbackRequest) -> Done {
    may(brain, caller, Verb::Rollback, &request.target).await?;
    signed(caller, &mut request.asked)?;
    Ok(brain.rollback(request).await?)
}

/// Holds what is named.
///
/// # Errors
/// As [`retry`].
pub async fn hold(brain: &dyn Brain, caller: &Caller, mut request: HoldRequest) -> Done {
    may(brain, caller, Verb::Hold, &request.what).await?;
    signed(caller, &mut request.asked)?;
    Ok(brain.hold(request).await?)
}

/// Lifts a hold.
///
/// # Errors
/// As [`retry`].
pub async fn release(brain: &dyn Brain, caller: &Caller, mut request: ReleaseRequest) -> Done {
    may(brain, caller, Verb::Hold, &request.what).await?;
    signed(caller, &mut request.asked)?;
    Ok(brain.release(request).await?)
}

/// Reserves a namespace of a pool, for the caller.
///
/// # Errors
/// As [`retry`].
pub async fn reserve(brain: &dyn Brain, caller: &Caller, mut request: ReserveRequest) -> Done {
    may(brain, caller, Verb::Reserve, &format!("pool/{}", request.pool)).await?;
    signed(caller, &mut request.asked)?;
    Ok(brain.reserve(request).await?)
}

/// Gives a lease of the caller's another end.
///
/// # Errors
/// As [`retry`]; 403 for a lease of somebody else.
pub async fn extend(brain: &dyn Brain, caller: &Caller, mut request: ExtendRequest) -> Done {
    own(brain, caller, &request.what).await?;
    signed(caller, &mut request.asked)?;
    Ok(brain.extend(request).await?)
}

/// Gives a namespace of the caller's back.
///
/// # Errors
/// As [`extend`].
pub async fn free(brain: &dyn Brain, caller: &Caller, mut request: FreeRequest) -> Done {
    own(brain, caller, &request.what).await?;
    signed(caller, &mut request.asked)?;
    Ok(brain.free(request).await?)
}

/// Refuses leases that are not the caller's own: whoever may reserve has their own ones, and those who administer the installation have all of them.
async fn own(brain: &dyn Brain, caller: &Caller, what: &str) -> Result<(), Refusal> {
    let Some(name) = &caller.name else { return Ok(()) };
    if caller.grants.may(Verb::Administer, &Scope::INSTALLATION) {
        return Ok(());
    }
    may(brain, caller, Verb::Reserve, &format!("namespace/{what}")).await?;
    let lease = brain.reservation(caller.sight(), what.to_owned()).await?;
    if lease.run.is_none() && *lease.requester == **name {
        return Ok(());
    }
    Err(Refusal::new(
        StatusCode::FORBIDDEN,
        "not-yours",
        "That is somebody else's",
        format!("{what} is reserved by {}", lease.requester),
        "ask them to give it back, or reserve one of your own",
    ))
}

/// Has a pull request checked once more.
///
/// # Errors
/// As [`retry`].
pub async fn check_again(brain: &dyn Brain, caller: &Caller, mut request: CheckRequest) -> Done {
    may(brain, caller, Verb::Check, &format!("check/{}", request.check)).await?;
    signed(caller, &mut request.asked)?;
    Ok(brain.check_again(request).await?)
}

/// Has the newest commit of a pull request not checked.
///
/// # Errors
/// As [`retry`].
pub async fn check_cancel(brain: &dyn Brain, caller: &Caller, mut request: CheckRequest) -> Done {
    may(brain, caller, Verb::Check, &format!("check/{}", request.check)).await?;
    signed(caller, &mut request.asked)?;
    Ok(brain.check_cancel(request).await?)
}

/// Says that a commit of a fork may be checked.
///
/// # Errors
/// As [`retry`].
pub async fn check_ok(brain: &dyn Brain, caller: &Caller, mut request: CheckRequest) -> Done {
    may(brain, caller, Verb::Check, &format!("check/{}", request.check)).await?;
    signed(caller, &mut request.asked)?;
    Ok(brain.check_ok(request).await?)
}

/// Does by hand what a pull request's check does, in the caller's own name: a namespace that it names must be theirs.
///
/// # Errors
/// As [`retry`].
pub async fn try_it(brain: &dyn Brain, caller: &Caller, mut request: TryRequest) -> Done {
    may(brain, caller, Verb::Check, &format!("check/{}", request.source)).await?;
    // A namespace that stays theirs is one that they reserve.
    if request.reserve.is_some() {
        may(brain, caller, Verb::Reserve, &format!("pool-of/{}", request.source)).await?;
    }
    signed(caller, &mut request.asked)?;
    Ok(brain.try_it(request).await?)
}

/// Copies the ledger to a path on the server's machine.
///
/// # Errors
/// As [`retry`].
pub async fn backup(brain: &dyn Brain, caller: &Caller, request: BackupRequest) -> Done {
    caller.check(Verb::Administer, &[Scope::INSTALLATION])?;
    if !request.dest.starts_with('/') || request.dest.chars().any(char::is_control) {
        return Err(Refusal::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "bad-destination",
            "The ledger cannot be copied there",
            "`dest` is no absolute path",
            "name a file on the server's machine, beginning with /",
        ));
    }
    Ok(brain.backup(request.dest).await?)
}

/// Refuses what the caller may not do to all that a write on `what` would touch.
async fn may(brain: &dyn Brain, caller: &Caller, verb: Verb, what: &str) -> Result<(), Refusal> {
    // The single user of a machine may do everything: the brain's own refusals say more than "nothing is called so".
    if caller.grants.may(verb, &Scope::INSTALLATION) {
        return Ok(());
    }
    let scopes = brain.scopes(what.to_owned()).await.map_err(|problem| match caller.sight() {
        Sight::Everything => Refusal(problem),
        _ if problem.r#type == "not-read" => Refusal(problem),
        // What else is called alike is not told to those who may not see it.
        Sight::Only(_) => unknown(),
    })?;
    caller.check(verb, &scopes)
}

/// Puts the caller's name to a write, and checks that it says who asks and why: both go into the ledger and into a commit, and a name is one line.
fn signed(caller: &Caller, asked: &mut Asked) -> Result<(), Refusal> {
    if let Some(name) = &caller.name {
        if !asked.by.is_empty() && *asked.by != **name {
            let detail = format!("`by` says {:?}, and the request comes from {name}", asked.by.chars().take(100).collect::<String>());
            return Err(Refusal::new(
                StatusCode::FORBIDDEN,
                "not-yourself",
                "The request names somebody else",
                detail,
                "leave `by` out: your own name is used",
            ));
        }
        asked.by = name.to_string();
    } else if asked.by.is_empty() {
        // Whoever can connect is the one user of this machine.
        asked.by = LOCAL.to_owned();
    }
    let refuse = |detail: &str, mend: &str| {
        Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "who-and-why", "The request does not say who asks and why", detail, mend))
    };
    if asked.by.trim().is_empty() || asked.by.chars().any(char::is_control) {
        return refuse("`by` must be a name on one line", "say who asks, with --by NAME");
    }
    if asked.why.trim().is_empty() {
        return refuse("`why` is empty", "say why, with --reason TEXT");
    }
    Ok(())
}

#[cfg(all(test, feature = "fake"))]
mod tests {
    use towpath_control::Grants;

    use super::*;
    use crate::fake::{FakeBrain, Shown};

    fn scope(app: &str, environment: &str) -> Scope {
        Scope { app: Some(app.into()), environment: Some(environment.into()) }
    }

    /// Ada, who may hold web in stage and look at web everywhere.
    fn ada() -> Caller {
        let mut grants = Grants::default();
        grants.allow(Verb::Hold, Some("web".into()), Some("stage".into()));
        grants.allow(Verb::Look, Some("web".into()), None);
        Caller { name: Some("ada".into()), grants, until: None }
    }

    fn hold_by(by: &str) -> HoldRequest {
        HoldRequest { what: "web".into(), asked: Asked { by: by.into(), why: "sale".into() } }
    }

    async fn held(caller: &Caller, touches: Vec<Scope>, by: &str) -> (Result<(), String>, Vec<String>) {
        let brain = FakeBrain::new(Shown { scopes: touches, ..Shown::default() });
        let done = hold(&brain, caller, hold_by(by)).await.map(|_| ()).map_err(|refusal| refusal.0.r#type);
        (done, brain.asked())
    }

    #[tokio::test]
    async fn a_write_is_done_where_it_is_allowed_and_carries_the_callers_own_name() {
        let (done, asked) = held(&ada(), vec![scope("web", "stage")], "").await;
        assert_eq!(done, Ok(()));
        assert!(asked.last().unwrap().contains("by: \"ada\""), "{asked:?}");
        assert_eq!(held(&ada(), vec![scope("web", "stage")], "ada").await.0, Ok(()));
    }

    #[tokio::test]
    async fn a_write_that_is_not_allowed_for_all_that_it_touches_never_reaches_the_brain() {
        for (touches, rule) in [
            (vec![scope("web", "stage"), scope("web", "production")], "not-allowed"),
            (vec![scope("web", "stage"), scope("shop", "stage")], "unknown-name"),
            (vec![], "unknown-name"),
        ] {
            let (done, asked) = held(&ada(), touches.clone(), "").await;
            assert_eq!(done, Err(rule.to_owned()), "{touches:?}");
            assert_eq!(asked, ["scopes \"web\""]);
        }
    }

    #[tokio::test]
    async fn nobody_writes_in_somebody_elses_name() {
        let (done, asked) = held(&ada(), vec![scope("web", "stage")], "bob").await;
        assert_eq!(done, Err("not-yourself".to_owned()));
        assert_eq!(asked, ["scopes \"web\""]);
        assert_eq!(held(&Caller::local(), Vec::new(), "bob").await, (Ok(()), vec![format!("hold {:?}", hold_by("bob"))]));
        assert_eq!(held(&Caller::local(), Vec::new(), " ").await.0, Err("who-and-why".to_owned()));
        assert_eq!(held(&Caller::local(), Vec::new(), "").await.1, [format!("hold {:?}", hold_by("local user"))]);
    }

    #[tokio::test]
    async fn names_that_may_not_be_seen_are_not_told_with_a_refusal() {
        let problem = towpath_control::view::Problem {
            r#type: "ambiguous-target".into(),
            title: "Several".into(),
            status: 409,
            detail: "a part of 2 titles".into(),
            mend: "for example secret-app".into(),
        };
        let brain = FakeBrain::new(Shown { problem: Some(problem), ..Shown::default() });
        let refused = retry(&brain, &ada(), RetryRequest { what: "s".into(), asked: Asked { by: String::new(), why: "x".into() } }).await;
        assert_eq!(refused.unwrap_err(), unknown());
    }

    fn check(by: &str) -> CheckRequest {
        let asked = Asked { by: by.into(), why: "looked at it".into() };
        CheckRequest { check: "web#17".into(), tests: Vec::new(), commit: Some("0123456".into()), asked }
    }

    #[allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]
    fn trial(namespace: Option<&str>, reserve: Option<&str>) -> TryRequest {
        serde_json::from_value(serde_json::json!({ "source": "web", "namespace": namespace, "reserve": reserve, "why": "x" })).unwrap()
    }

    #[tokio::test]
    async fn who_may_have_pull_requests_of_an_app_checked_may_nowhere_else() {
        let mut grants = Grants::default();
        grants.allow(Verb::Check, Some("web".into()), None);
        let bea = Caller { name: Some("bea".into()), grants, until: None };
        let source = |app: &str| vec![Scope { app: Some(app.into()), environment: None }];
        for (caller, scopes, rule) in [
            (&bea, source("web"), None),
            // Who sees it and may not is told so, and who does not see it is told what is told of nothing.
            (&ada(), source("web"), Some("not-allowed")),
            (&bea, source("shop"), Some("unknown-name")),
            (&bea, vec![], Some("unknown-name")),
        ] {
            let brain = FakeBrain::new(Shown { scopes, ..Shown::default() });
            let mut refused = Vec::new();
            refused.push(check_again(&brain, caller, check("")).await.err());
            refused.push(check_cancel(&brain, caller, check("")).await.err());
            refused.push(check_ok(&brain, caller, check("")).await.err());
            refused.push(try_it(&brain, caller, trial(None, None)).await.err());
            for refusal in refused {
                assert_eq!(refusal.map(|refusal| refusal.0.r#type).as_deref(), rule);
            }
            let done: Vec<String> = brain.asked().into_iter().filter(|asked| !asked.starts_with("scopes")).collect();
            assert_eq!(done.len(), if rule.is_none() { 4 } else { 0 }, "{done:?}");
            assert!(done.iter().all(|asked| asked.contains("by: \"bea\"")), "{done:?}");
        }
        let brain = FakeBrain::new(Shown { scopes: source("web"), ..Shown::default() });
        assert_eq!(check_ok(&brain, &bea, check("ada")).await.unwrap_err().0.r#type, "not-yourself");
        assert_eq!(brain.asked(), ["scopes \"check/web#17\""]);
    }

    #[tokio::test]
    async fn who_keeps_a_namespace_after_a_try_must_be_allowed_to_reserve_one() {
        let mut grants = Grants::default();
        grants.allow(Verb::Check, Some("web".into()), None);
        let mut bea = Caller { name: Some("bea".into()), grants, until: None };
        let scopes = vec![Scope { app: Some("web".into()), environment: None }];
        let brain = FakeBrain::new(Shown { scopes, ..Shown::default() });
        assert!(try_it(&brain, &bea, trial(Some("smoke-1"), None)).await.is_ok(), "whose it is, the brain knows");
        assert_eq!(try_it(&brain, &bea, trial(None, Some(""))).await.unwrap_err().0.r#type, "not-allowed");
        assert_eq!(brain.asked().last().unwrap(), "scopes \"pool-of/web\"");
        bea.grants.allow(Verb::Reserve, Some("web".into()), None);
        assert!(try_it(&brain, &bea, trial(None, Some("2h"))).await.is_ok());
    }

    #[tokio::test]
    async fn only_who_administers_makes_backups() {
        let brain = FakeBrain::default();
        let request = BackupRequest { dest: "/tmp/x".into() };
        assert_eq!(backup(&brain, &ada(), request.clone()).await.unwrap_err().0.r#type, "not-allowed");
        assert!(brain.asked().is_empty());
        assert!(backup(&brain, &Caller::local(), request).await.is_ok());
    }
}
