//! Where an object can be reached, by what its own fields say. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

use super::watching::text;

/// By the name or number of a service's port, or by what a route or an ingress leads to.
pub(super) fn of(object: &Value) -> BTreeMap<String, String> {
    let group = text(object, "/apiVersion").split_once('/').map_or("", |(group, _)| group);
    match (group, text(object, "/kind")) {
        ("", "Service") => service(object),
        ("networking.k8s.io", "Ingress") => ingress(object),
        ("route.openshift.io", "Route") => route(object),
        _ => BTreeMap::new(),
    }
}

fn list<'v>(object: &'v Value, pointer: &str) -> impl Iterator<Item = &'v Value> {
    object.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

/// A port as it is written: its name, or its number.
fn port(port: &Value) -> Option<String> {
    let name = port.get("name").and_then(Value::as_str).filter(|name| !name.is_empty());
    name.map(str::to_owned).or_else(|| port.get("port").or(port.get("number")).and_then(Value::as_u64).map(|number| number.to_string()))
}

/// Outside of the cluster by its load balancer, or else inside of it by its name.
fn service(object: &Value) -> BTreeMap<String, String> {
    let host = match text(object, "/spec/type") {
        "ExternalName" => text(object, "/spec/externalName").to_owned(),
        "LoadBalancer" => balancer(object).unwrap_or_else(|| inside(object)),
        _ => inside(object),
    };
    let number = |port: &Value| port.get("port").and_then(Value::as_u64);
    list(object, "/spec/ports").filter_map(|declared| Some((port(declared)?, format!("{host}:{}", number(declared)?)))).collect()
}

fn inside(object: &Value) -> String {
    format!("{}.{}.svc", text(object, "/metadata/name"), text(object, "/metadata/namespace"))
}

/// What a load balancer is called: by name, or else by number.
fn balancer(object: &Value) -> Option<String> {
    let named = |at: &Value| {
        let said = |field: &str| at.get(field).and_then(Value::as_str).filter(|name| !name.is_empty()).map(str::to_owned);
        let ip = || said("ip").map(|ip| if ip.contains(':') { format!("[{ip}]") } else { ip });
        said("hostname").or_else(ip)
    };
    list(object, "/status/loadBalancer/ingress").find_map(named)
}

/// A route is reached by the host that a router gave it; one that no router admitted, nowhere.
fn route(object: &Value) -> BTreeMap<String, String> {
    let admitted = |router: &&Value| list(router, "/conditions").any(|is| is["type"] == "Admitted" && is["status"] == "True");
    let Some(host) = list(object, "/status/ingress").find(admitted).map(|router| text(router, "/host")).filter(|host| !host.is_empty())
    else {
        return BTreeMap::new();
    };
    let scheme = if object.pointer("/spec/tls").is_some_and(Value::is_object) { "https" } else { "http" };
    BTreeMap::from([(text(object, "/spec/to/name").to_owned(), address(scheme, host, text(object, "/spec/path")))])
}

/// An ingress is reached by the hosts of its rules, and without one by that of its controller.
fn ingress(object: &Value) -> BTreeMap<String, String> {
    let secured = |host: &str| {
        list(object, "/spec/tls").any(|tls| {
            let mut hosts = list(tls, "/hosts").filter_map(Value::as_str).peekable();
            hosts.peek().is_none() || hosts.any(|of| of == host)
        })
    };
    let mut found = BTreeMap::new();
    for rule in list(object, "/spec/rules") {
        let Some(host) = Some(text(rule, "/host")).filter(|host| !host.is_empty()).map(str::to_owned).or_else(|| balancer(object)) else {
            continue;
        };
        let scheme = if secured(&host) { "https" } else { "http" };
        for path in list(rule, "/http/paths") {
            let backend = path.pointer("/backend/service/port").and_then(port);
            let service = text(path, "/backend/service/name");
            let to = backend.map_or_else(|| service.to_owned(), |port| format!("{service}:{port}"));
            // The first way to it is the one that is told.
            found.entry(to).or_insert_with(|| address(scheme, &host, text(path, "/path")));
        }
    }
    found
}

fn address(scheme: &str, host: &str, path: &str) -> String {
    format!("{scheme}://{host}{}", path.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(object: &Value) -> Vec<(String, String)> {
        of(object).into_iter().collect()
    }

    fn is(to: &str, address: &str) -> Vec<(String, String)> {
        vec![(to.to_owned(), address.to_owned())]
    }

    fn of_service(spec: &Value, status: &Value) -> Value {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "checks-1"}, "spec": spec, "status": status})
    }

    #[test]
    fn a_service_is_reached_outside_by_its_balancer_and_else_by_its_name_inside() {
        let none = json!({});
        assert_eq!(told(&of_service(&json!({"ports": [{"port": 80}]}), &none)), is("80", "web.checks-1.svc:80"));
        let balanced = json!({"type": "LoadBalancer", "ports": [{"name": "http", "port": 80}]});
        assert_eq!(told(&of_service(&balanced, &none)), is("http", "web.checks-1.svc:80"), "it has none yet");
        for (at, host) in [
            (json!({"ip": "192.0.2.7"}), "192.0.2.7"),
            (json!({"ip": "2001:db8::7"}), "[2001:db8::7]"),
            (json!({"hostname": "lb.example.com"}), "lb.example.com"),
        ] {
            assert_eq!(told(&of_service(&balanced, &json!({"loadBalancer": {"ingress": [at]}}))), is("http", &format!("{host}:80")));
        }
        let elsewhere = json!({"type": "ExternalName", "externalName": "db.example.com", "ports": [{"port": 5432}]});
        assert_eq!(told(&of_service(&elsewhere, &none)), is("5432", "db.example.com:5432"));
        assert_eq!(told(&of_service(&none, &none)), []);
    }

    #[test]
    fn a_route_is_reached_once_a_router_has_admitted_it() {
        let route = |tls: Value, path: &str, admitted: &str| {
            json!({"apiVersion": "route.openshift.io/v1", "kind": "Route", "metadata": {"name": "web"},
                "spec": {"host": "asked.example.com", "path": path, "to": {"kind": "Service", "name": "web"}, "tls": tls},
                "status": {"ingress": [{"host": "web-checks-1.apps.example.com", "conditions": [{"type": "Admitted", "status": admitted}]}]}})
        };
        assert_eq!(told(&route(Value::Null, "", "False")), []);
        assert_eq!(told(&route(Value::Null, "", "True")), is("web", "http://web-checks-1.apps.example.com"));
        let secured = route(json!({"termination": "edge"}), "/api/", "True");
        assert_eq!(told(&secured), is("web", "https://web-checks-1.apps.example.com/api"));
    }

    #[test]
    fn an_ingress_is_reached_by_its_rules() {
        let ingress = |host: Value, tls: Value, status: Value| {
            json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "web"}, "status": status,
            "spec": {"tls": tls, "rules": [{"host": host, "http": {"paths": [
                {"path": "/", "backend": {"service": {"name": "web", "port": {"number": 80}}}},
                {"path": "/again", "backend": {"service": {"name": "web", "port": {"number": 80}}}},
            ]}}]}})
        };
        let (host, none) = (json!("web.example.com"), json!([]));
        assert_eq!(told(&ingress(host.clone(), none.clone(), json!({}))), is("web:80", "http://web.example.com"));
        for (tls, scheme) in [
            (json!([{"hosts": ["web.example.com"]}]), "https"),
            (json!([{"secretName": "all"}]), "https"),
            (json!([{"hosts": ["other.example.com"]}]), "http"),
        ] {
            assert_eq!(told(&ingress(host.clone(), tls, json!({}))), is("web:80", &format!("{scheme}://web.example.com")));
        }
        assert_eq!(told(&ingress(Value::Null, none.clone(), json!({}))), []);
        let controller = json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.7"}]}});
        assert_eq!(told(&ingress(Value::Null, none, controller)), is("web:80", "http://192.0.2.7"));
    }

    #[test]
    fn what_has_no_address_or_is_no_object_at_all_has_none() {
        for object in [
            json!({}),
            json!([]),
            json!({"apiVersion": "apps/v1", "kind": "Deployment"}),
            json!({"apiVersion": "v1", "kind": "Service", "spec": {"ports": 7}}),
        ] {
            assert_eq!(told(&object), []);
        }
    }
}
