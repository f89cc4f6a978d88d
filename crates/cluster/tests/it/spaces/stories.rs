//! The stories that both clusters must tell the same.

use serde_json::{Value, json};
use towpath_cluster::{ClusterError, NamespaceStanding, NamespaceWanted, Requester, Subject};

use super::bench::{Bench, INSTALLATION, config, deployment, secret, secrets};
use crate::support::until;

fn ann() -> Requester {
    Requester { name: "ann".to_owned(), subject: Some(Subject::User("ann@example.com".to_owned())), role: "edit".to_owned() }
}

/// A secret's password, wherever it stands.
fn password(secret: &Value) -> String {
    let encoded = &secret["data"]["password"];
    match (&secret["stringData"]["password"], encoded) {
        (Value::String(plain), _) => plain.clone(),
        (_, Value::String(text)) if text == "aHVudGVyMg==" => "hunter2".to_owned(),
        (_, Value::String(text)) if text == "c2VjcmV0" => "secret".to_owned(),
        other => panic!("{other:?}"),
    }
}

pub async fn a_namespace_is_made_and_ready_with_all_that_was_wanted(bench: &impl Bench) {
    let base = bench.ordinary().await;
    bench.put(&base, &secret("login", "hunter2")).await;
    bench.put(&base, &secret("other", "hunter2")).await;
    let wanted = NamespaceWanted { secrets: secrets(&base, &["login"]), ..bench.wanted() };
    assert_eq!(bench.spaces().standing(&wanted).await.unwrap(), NamespaceStanding::Absent);
    bench.make_ready(&wanted).await;
    let name = &wanted.name;
    assert_eq!(bench.read(name, "ConfigMap", "settings").await.unwrap()["data"]["mode"], "fast");
    assert_eq!(password(&bench.read(name, "Secret", "login").await.unwrap()), "hunter2");
    assert!(bench.read(name, "Secret", "other").await.is_none(), "only what was named");
    let found = bench.spaces().found(INSTALLATION).await.unwrap();
    let found = found.iter().find(|found| found.name == *name).unwrap();
    assert_eq!((found.pool.as_str(), &found.requester, found.ending), ("default", &None, false));
    assert!(found.made_at.is_some());
    assert!(bench.spaces().found("another").await.unwrap().is_empty());

    // Made again, it is the same one.
    let made_at = found.made_at;
    bench.make_ready(&wanted).await;
    assert!(bench.spaces().found(INSTALLATION).await.unwrap().iter().any(|found| found.made_at == made_at));
    // A pool that was changed since wants another one, and gets it by making it again.
    let other = NamespaceWanted { manifests: vec![config("settings", "slow")], ..wanted.clone() };
    let standing = bench.spaces().standing(&other).await.unwrap();
    assert!(
        matches!(&standing, NamespaceStanding::Making { waits } if waits.contains("ConfigMap/settings is as an earlier definition")),
        "{standing:?}"
    );
    bench.make_ready(&other).await;
    assert_eq!(bench.read(name, "ConfigMap", "settings").await.unwrap()["data"]["mode"], "slow");
}

pub async fn what_was_left_in_a_namespace_makes_it_dirty(bench: &impl Bench) {
    let wanted = bench.wanted();
    bench.make_ready(&wanted).await;
    bench.put(&wanted.name, &config("left", "x")).await;
    let dirty = |found: &str| NamespaceStanding::Dirty { found: vec![found.to_owned()] };
    assert_eq!(bench.spaces().standing(&wanted).await.unwrap(), dirty("ConfigMap/left"));
    // Unless it was to be expected.
    let expected = NamespaceWanted { expected: vec!["ConfigMap/le*".parse().unwrap()], ..wanted.clone() };
    assert_eq!(bench.spaces().standing(&expected).await.unwrap(), NamespaceStanding::Ready);

    bench.put(&wanted.name, &deployment("web")).await;
    until("the pod is found, too", async || match bench.spaces().standing(&wanted).await.unwrap() {
        NamespaceStanding::Dirty { found } => {
            assert!(found.contains(&"Deployment.apps/web".to_owned()), "{found:?}");
            found.iter().any(|left| left.starts_with("Pod/web-"))
        }
        other => panic!("{other:?}"),
    })
    .await;
}

pub async fn it_is_given_to_one_and_is_ready_no_more(bench: &impl Bench) {
    let wanted = bench.wanted();
    let (spaces, name) = (bench.spaces(), &wanted.name);
    let absent = spaces.grant(name, INSTALLATION, &ann()).await.unwrap_err();
    assert!(matches!(absent, ClusterError::NotFound { .. }), "{absent}");
    bench.make_ready(&wanted).await;
    let everybody = Requester { subject: Some(Subject::Group("system:authenticated".to_owned())), ..ann() };
    assert!(spaces.grant(name, INSTALLATION, &everybody).await.unwrap_err().to_string().contains("everybody"));
    assert_eq!(bench.made(&wanted).await, NamespaceStanding::Ready, "a refusal gives it to nobody");

    for requester in [ann(), ann(), Requester { name: "bob".to_owned(), subject: None, ..ann() }] {
        spaces.grant(name, INSTALLATION, &requester).await.unwrap();
        let given = NamespaceStanding::Dirty { found: vec![format!("it was given to {}", requester.name)] };
        assert_eq!(bench.spaces().standing(&wanted).await.unwrap(), given);
        // Not even when the pool wants other things by now: whoever has it is left in peace.
        let other = NamespaceWanted { manifests: vec![config("settings", "slow")], ..wanted.clone() };
        assert_eq!(bench.spaces().standing(&other).await.unwrap(), given);
        let all = spaces.found(INSTALLATION).await.unwrap();
        assert_eq!(all.iter().find(|found| found.name == *name).unwrap().requester, Some(requester.name));
    }
}

pub async fn its_end_leaves_nothing_and_it_can_be_made_again(bench: &impl Bench) {
    let wanted = bench.wanted();
    let name = &wanted.name;
    bench.make_ready(&wanted).await;
    bench.spaces().grant(name, INSTALLATION, &ann()).await.unwrap();
    bench.put(name, &deployment("web")).await;
    bench.put(name, &secret("left", "hunter2")).await;
    bench.gone(name).await;
    assert!(bench.spaces().end(name, INSTALLATION).await.unwrap().is_gone(), "ended again, it is still gone");
    assert_eq!(bench.spaces().standing(&wanted).await.unwrap(), NamespaceStanding::Absent);
    assert!(bench.spaces().found(INSTALLATION).await.unwrap().iter().all(|found| found.name != *name));
    assert!(bench.read(name, "Secret", "left").await.is_none());

    bench.make_ready(&wanted).await;
    assert!(bench.read(name, "Secret", "left").await.is_none());
    // While it goes, it is not made: whoever is given it would lose it.
    bench.spaces().end(name, INSTALLATION).await.unwrap();
    match bench.spaces().make(&wanted).await {
        Err(refused) => assert!(refused.to_string().contains("still being deleted"), "{refused}"),
        // It had nothing to wait for, and is another one now.
        Ok(()) => assert_eq!(bench.made(&wanted).await, NamespaceStanding::Ready),
    }
}

pub async fn somebody_elses_is_left_alone(bench: &impl Bench) {
    let mine = bench.wanted();
    bench.make_ready(&mine).await;
    let ordinary = bench.ordinary().await;
    bench.put(&ordinary, &config("theirs", "fast")).await;
    let other = NamespaceWanted { installation: "another".to_owned(), ..mine.clone() };
    let theirs = NamespaceWanted { name: ordinary.clone(), ..bench.wanted() };
    for (wanted, whose) in
        [(&other, "belongs to installation https://towpath.example.com/"), (&theirs, "was not made by Towpath for a pool")]
    {
        let (spaces, name, by) = (bench.spaces(), &wanted.name, &wanted.installation);
        let refused = spaces.make(wanted).await.unwrap_err();
        assert!(matches!(&refused, ClusterError::Refused { .. }) && refused.to_string().contains(whose), "{refused}");
        let standing = spaces.standing(wanted).await.unwrap();
        assert!(matches!(&standing, NamespaceStanding::Broken { why } if why.contains(whose)), "{standing:?}");
        let refused = spaces.grant(name, by, &ann()).await.unwrap_err();
        assert!(matches!(refused, ClusterError::NotFound { .. }), "{refused}");
        assert!(spaces.end(name, by).await.unwrap().is_gone(), "nothing of ours is there");
        assert!(spaces.found(by).await.unwrap().iter().all(|found| found.name != *name));
    }
    assert_eq!(bench.made(&mine).await, NamespaceStanding::Ready);
    assert!(bench.read(&ordinary, "ConfigMap", "theirs").await.is_some());
    assert!(bench.read(&ordinary, "ConfigMap", "settings").await.is_none());
}

pub async fn two_who_make_it_at_once_make_one(bench: &impl Bench) {
    let base = bench.ordinary().await;
    bench.put(&base, &secret("login", "hunter2")).await;
    let wanted = NamespaceWanted { secrets: secrets(&base, &["login"]), ..bench.wanted() };
    let make = || bench.spaces().make(&wanted);
    let (a, b, c, d) = tokio::join!(make(), make(), make(), make());
    for made in [a, b, c, d] {
        made.unwrap();
    }
    assert_eq!(bench.made(&wanted).await, NamespaceStanding::Ready);
    let end = || bench.spaces().end(&wanted.name, INSTALLATION);
    let (a, b) = tokio::join!(end(), end());
    for ended in [a, b] {
        ended.unwrap();
    }
    bench.gone(&wanted.name).await;
}

pub async fn a_secret_that_is_missing_is_told_by_name_and_mended_by_making_it(bench: &impl Bench) {
    let base = bench.ordinary().await;
    bench.put(&base, &secret("login", "hunter2")).await;
    let wanted = NamespaceWanted { secrets: secrets(&base, &["login", "pull"]), ..bench.wanted() };
    let refused = bench.spaces().make(&wanted).await.unwrap_err().to_string();
    assert!(refused.contains(&format!("Secret/pull: is to be copied from namespace {base}, which has none")), "{refused}");
    assert!(!refused.contains("hunter2") && !refused.contains("Secret/login"), "{refused}");
    let standing = bench.spaces().standing(&wanted).await.unwrap();
    assert!(matches!(&standing, NamespaceStanding::Broken { why } if why.contains("Secret/pull is to be copied")), "{standing:?}");
    bench.put(&base, &secret("pull", "secret")).await;
    bench.make_ready(&wanted).await;
    assert_eq!(password(&bench.read(&wanted.name, "Secret", "pull").await.unwrap()), "secret");
}

pub async fn a_secret_that_changed_is_copied_anew(bench: &impl Bench) {
    let base = bench.ordinary().await;
    bench.put(&base, &secret("login", "hunter2")).await;
    let wanted = NamespaceWanted { secrets: secrets(&base, &["login"]), ..bench.wanted() };
    bench.make_ready(&wanted).await;
    bench.put(&base, &secret("login", "secret")).await;
    let standing = bench.spaces().standing(&wanted).await.unwrap();
    assert!(
        matches!(&standing, NamespaceStanding::Making { waits } if waits.contains("Secret/login is a copy of an earlier")),
        "{standing:?}"
    );
    bench.make_ready(&wanted).await;
    assert_eq!(password(&bench.read(&wanted.name, "Secret", "login").await.unwrap()), "secret");
}

pub async fn what_cannot_be_made_is_refused_before_anything_is(bench: &impl Bench) {
    let elsewhere = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "prod"}});
    for (change, words) in [
        (NamespaceWanted { manifests: vec![elsewhere], ..bench.wanted() }, "metadata.namespace: is prod"),
        (NamespaceWanted { manifests: vec![json!({"kind": "ConfigMap"})], ..bench.wanted() }, "apiVersion: is absent"),
        (NamespaceWanted { installation: String::new(), ..bench.wanted() }, "without a name"),
    ] {
        let refused = bench.spaces().make(&change).await.unwrap_err();
        assert!(matches!(&refused, ClusterError::Refused { .. }) && refused.to_string().contains(words), "{refused}");
        let there = bench.spaces().found(INSTALLATION).await.unwrap();
        assert!(there.iter().all(|found| found.name != change.name), "{there:?}");
    }
}
