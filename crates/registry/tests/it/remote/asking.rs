//! What a registry tells: tags, digests, indexes.

use serde_json::json;
use towpath_domain::{Digest, ImageRef};
use towpath_registry::{LayoutRegistry, Registries, RegistryError, TagMove};
use towpath_testbed::{Fate, Proxy, Registry};

use super::{blob_file, member, packed, remote, settings};
use crate::support::World;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

#[tokio::test]
async fn an_index_is_called_by_its_own_digest_and_knows_its_members() {
    let Some(registry) = Registry::plain() else { return };
    let (world, remote) = (World::new(), remote(settings(&registry.host)));
    let name = format!("{}/web", registry.host);
    let own = packed(&world, &name, "1", "content");
    remote.push(&world.registry, &name, "amd64", own.digest, TagMove::Refuse).await.unwrap();
    let other = packed(&world, &name, "2", "for another machine");
    remote.push(&world.registry, &name, "s390x", other.digest, TagMove::Refuse).await.unwrap();
    let size = |digest| usize::try_from(std::fs::metadata(blob_file(&world.registry, &name, digest)).unwrap().len()).unwrap();
    let here = towpath_registry::Platform::host().architecture;
    let members =
        [member(&other.digest.to_string(), size(other.digest), "s390x"), member(&own.digest.to_string(), size(own.digest), &here)];
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": members}).to_string();
    let whole: Digest = registry.put_manifest("web", Some("all"), INDEX, &index).parse().unwrap();

    let image = ImageRef::tagged(&name, "all").unwrap();
    assert_eq!(remote.resolve(&image).await.unwrap(), Some(whole));
    assert_eq!(remote.members(&name, whole).await.unwrap(), [whole, other.digest, own.digest]);
    assert_eq!(remote.manifest(&name, whole).await.unwrap(), remote.manifest(&name, own.digest).await.unwrap());

    let elsewhere = LayoutRegistry::open(world.path("elsewhere")).unwrap();
    let registries = Registries::new(elsewhere, vec![settings(&registry.host)]).unwrap();
    assert!(registries.is_part(&name, whole, own.digest).await.unwrap());
    assert!(registries.is_part(&name, whole, whole).await.unwrap());
    let third = Digest::from_bytes([3; 32]);
    assert!(!registries.is_part(&name, whole, third).await.unwrap());
    assert!(!registries.is_part(&name, own.digest, other.digest).await.unwrap());
}

#[tokio::test]
async fn what_is_not_there_is_not_an_error_and_has_no_tags() {
    let Some(registry) = Registry::plain() else { return };
    let remote = remote(settings(&registry.host));
    let name = format!("{}/nothing", registry.host);
    assert_eq!(remote.resolve(&ImageRef::tagged(&name, "1").unwrap()).await.unwrap(), None);
    assert!(remote.tags(&name).await.unwrap().is_empty());
    let error = remote.manifest(&name, Digest::from_bytes([1; 32])).await.unwrap_err();
    assert!(matches!(error, RegistryError::NotThere { .. }), "{error}");
}

#[tokio::test]
async fn tags_are_read_to_the_last_page() {
    // Debian's registry has no pages for tags: one in its place has.
    let registry = Proxy::start("127.0.0.1:1", |head| {
        let (body, link) = match head.path.as_str() {
            "/v2/web/tags/list" => (r#"{"name":"web","tags":["b","a"]}"#, Some(r#"</v2/web/tags/list?last=b&n=2>; rel="next""#)),
            "/v2/web/tags/list?last=b&n=2" => (r#"{"name":"web","tags":["d","c"]}"#, Some(r#"<?last=d>; rel="next""#)),
            "/v2/web/tags/list?last=d" => (r#"{"name":"web","tags":null}"#, None),
            other => panic!("{other}"),
        };
        let headers = link.into_iter().map(|link| ("link".to_owned(), link.to_owned())).collect();
        Fate::Answer { status: "200 OK".to_owned(), headers, body: body.as_bytes().to_vec() }
    });
    let tags = remote(settings(&registry.host)).tags(&format!("{}/web", registry.host)).await.unwrap();
    assert_eq!(tags, ["a", "b", "c", "d"]);
}

#[tokio::test]
async fn a_list_of_tags_without_an_end_is_given_up_and_leads_nowhere_else() {
    let many: String = (0..20_000).map(|n| format!(",\"{n}\"")).collect();
    let endless = Proxy::start("127.0.0.1:1", move |_| Fate::Answer {
        status: "200 OK".to_owned(),
        headers: vec![("link".to_owned(), "</v2/web/tags/list?again>; rel=next".to_owned())],
        body: format!("{{\"tags\":[\"x\"{many}]}}").into_bytes(),
    });
    let error = remote(settings(&endless.host)).tags(&format!("{}/web", endless.host)).await.unwrap_err();
    assert!(matches!(error, RegistryError::TooLarge { .. }), "{error}");

    let away = Proxy::start("127.0.0.1:1", |_| Fate::status("200 OK", &[("link", "<http://169.254.169.254/tags>; rel=next")]));
    let error = remote(settings(&away.host)).tags(&format!("{}/web", away.host)).await.unwrap_err();
    assert!(!matches!(error, RegistryError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn answers_that_do_not_end_are_given_up() {
    let endless = Proxy::start("127.0.0.1:1", |head| {
        let body = if head.method == "HEAD" { Vec::new() } else { vec![b' '; 5 << 20] };
        Fate::Answer { status: "200 OK".to_owned(), headers: Vec::new(), body }
    });
    let (remote, name) = (remote(settings(&endless.host)), format!("{}/web", endless.host));
    let digest = Digest::from_bytes([1; 32]);
    for error in [
        remote.resolve(&ImageRef::tagged(&name, "1").unwrap()).await.unwrap_err(),
        remote.manifest(&name, digest).await.unwrap_err(),
        remote.tags(&name).await.unwrap_err(),
    ] {
        assert!(matches!(error, RegistryError::TooLarge { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_manifest_that_is_another_one_is_refused() {
    let Some(registry) = Registry::plain() else { return };
    let world = World::new();
    let direct = remote(settings(&registry.host));
    let name = format!("{}/web", registry.host);
    let image = packed(&world, &name, "1", "content");
    direct.push(&world.registry, &name, "1", image.digest, TagMove::Refuse).await.unwrap();
    let body = std::fs::read(blob_file(&world.registry, &name, image.digest)).unwrap();
    let liar = Proxy::start(&registry.host, move |_| Fate::Answer {
        status: "200 OK".to_owned(),
        headers: vec![("content-type".to_owned(), crate::support::MANIFEST.to_owned())],
        body: [&body[..], b" "].concat(),
    });
    let error = remote(settings(&liar.host)).manifest(&format!("{}/web", liar.host), image.digest).await.unwrap_err();
    assert!(matches!(error, RegistryError::Malformed { .. }) && error.to_string().contains("its digest is"), "{error}");
}
