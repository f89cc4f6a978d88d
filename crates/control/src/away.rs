//! Asks clusters about many targets: each cluster beside the others, and one that does not answer only once.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;
use towpath_catalog::Target;

/// How many targets of one cluster are asked about at the same time.
const AT_ONCE: usize = 8;

/// How long one target may take.
const TARGET_WITHIN: Duration = Duration::from_secs(20);

/// How long all of them may take: whoever asked still waits for an answer then.
const ALL_WITHIN: Duration = Duration::from_secs(45);

/// Why a target has no answer.
pub(crate) enum NoAnswer {
    /// It has one, and that is what is wrong with it.
    Own(String),
    /// Its cluster does not answer: nor will it for the others there.
    Away(String),
}

/// Asks about each of `items`, which `target` says the target of. Answers in any order; for people where there is none.
pub(crate) async fn ask_each<I, T, F>(
    items: Vec<I>,
    target: impl Fn(&I) -> Arc<Target>,
    ask: impl Fn(I) -> F + Sync,
) -> Vec<(Arc<Target>, Result<T, String>)>
where
    F: Future<Output = Result<T, NoAnswer>>,
{
    let deadline = Instant::now() + ALL_WITHIN;
    let mut by_cluster: BTreeMap<_, Vec<(Arc<Target>, I)>> = BTreeMap::new();
    for item in items {
        let target = target(&item);
        by_cluster.entry(target.cluster.clone()).or_default().push((target, item));
    }
    let ask = &ask;
    let clusters = by_cluster.into_iter().map(|(cluster, items)| async move {
        let (mut answers, mut away) = (Vec::new(), None::<String>);
        let mut items = items.into_iter().peekable();
        while items.peek().is_some() {
            let some: Vec<(Arc<Target>, I)> = items.by_ref().take(AT_ONCE).collect();
            if away.is_none() && Instant::now() >= deadline {
                away = Some(format!("not asked: all of them take more than {} s; name one target", ALL_WITHIN.as_secs()));
            }
            if let Some(why) = &away {
                answers.extend(some.into_iter().map(|(target, _)| (target, Err(why.clone()))));
                continue;
            }
            let until = deadline.min(Instant::now() + TARGET_WITHIN);
            let asked = some.into_iter().map(|(target, item)| async move { (target, tokio::time::timeout_at(until, ask(item)).await) });
            for (target, answer) in join_all(asked).await {
                let answer = match answer {
                    Ok(Ok(answer)) => Ok(answer),
                    Ok(Err(NoAnswer::Own(why))) => Err(why),
                    Ok(Err(NoAnswer::Away(why))) => Err(away.insert(why).clone()),
                    Err(_) => {
                        let why = format!("cluster {cluster} did not answer in time; `towpath doctor` looks at it");
                        Err(away.insert(why).clone())
                    }
                };
                answers.push((target, answer));
            }
        }
        answers
    });
    join_all(clusters).await.into_iter().flatten().collect()
}
