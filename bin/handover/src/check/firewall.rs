//! Whether the packet filter drops adverts, as far as `nft --json list ruleset` tells (libnftables-json(5)).
//!
//! It must never guess: a rule that can't be understood may match or not, and only what is dropped whatever such rules do
//! counts as dropped.

use std::collections::HashMap;

use model::{Family, LinkName};
use serde_json::Value;
use sys::netlink::Filter;

/// How deep chains may jump; nftables has the same limit (NFT_JUMP_STACK_SIZE).
const MAX_JUMPS: usize = 16;
/// An IP protocol: its number, and its name in /etc/protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Protocol(u64, &'static str);

/// What adverts are sent as.
pub(crate) const VRRP: Protocol = Protocol(112, "vrrp");
/// What they are sent as with `auth_type AH`.
pub(crate) const AH: Protocol = Protocol(51, "ah");

/// An advert that comes in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Advert<'a> {
    pub(crate) link: &'a LinkName,
    pub(crate) family: Family,
    pub(crate) protocol: Protocol,
}

/// What drops it, for people; `None` if nothing surely does.
pub(crate) fn barrier(ruleset: &Value, advert: Advert<'_>) -> Option<String> {
    let objects = ruleset.get("nftables")?.as_array()?;
    let mut chains: HashMap<Key<'_>, Vec<&Value>> = HashMap::new();
    for rule in objects.iter().filter_map(|object| object.get("rule")) {
        chains.entry(Key::of(rule, "chain")).or_default().push(rule);
    }
    let bases = objects.iter().filter_map(|object| object.get("chain"));
    let bases = bases.filter(|chain| text(chain, "hook") == "input" && text(chain, "type") == "filter");
    bases.filter(|chain| concerns(text(chain, "family"), advert.family)).find_map(|chain| {
        let key = Key::of(chain, "name");
        let name = format!("chain {} {} {}", key.family, key.table, key.name);
        match walk(&chains, key, advert, 0) {
            Fate::Dropped(rule) => Some(format!("{name} has {rule}")),
            Fate::Accepted | Fate::Unsure => None,
            Fate::Through if text(chain, "policy") == "drop" => {
                Some(format!("{name} has policy drop, and no rule accepts protocol {}", advert.protocol.0))
            }
            Fate::Through => None,
        }
    })
}

/// Whether there is a table `inet` of that name that isn't ipmgr's.
pub(crate) fn has_foreign(ruleset: &Value, name: &str) -> bool {
    let objects = ruleset.get("nftables").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let of = |kind: &'static str| objects.iter().filter_map(move |object| object.get(kind));
    let ours = of("set").any(|set| text(set, "table") == name && text(set, "name") == Filter::SET);
    !ours && of("table").any(|table| text(table, "family") == "inet" && text(table, "name") == name)
}

/// A chain's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key<'a> {
    family: &'a str,
    table: &'a str,
    name: &'a str,
}

impl<'a> Key<'a> {
    fn of(object: &'a Value, name: &str) -> Self {
        Self { family: text(object, "family"), table: text(object, "table"), name: text(object, name) }
    }
}

fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn concerns(table: &str, family: Family) -> bool {
    match family {
        Family::V4 => ["ip", "inet"].contains(&table),
        Family::V6 => ["ip6", "inet"].contains(&table),
    }
}

/// What becomes of an advert in a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fate {
    Accepted,
    /// By this rule.
    Dropped(String),
    /// It comes out at the end, or returns.
    Through,
    /// It depends on what isn't understood here.
    Unsure,
}

/// Whether a rule's matches fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fits {
    Yes,
    No,
    Perhaps,
}

fn walk(chains: &HashMap<Key<'_>, Vec<&Value>>, key: Key<'_>, advert: Advert<'_>, depth: usize) -> Fate {
    if depth > MAX_JUMPS {
        return Fate::Unsure;
    }
    let mut unsure = false;
    for rule in chains.get(&key).into_iter().flatten() {
        let expressions = rule.get("expr").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let fits =
            expressions.iter().map(|it| fits(it, advert)).fold(Fits::Yes, |all, one| match (all, one) {
                (Fits::No, _) | (_, Fits::No) => Fits::No,
                (Fits::Perhaps, _) | (_, Fits::Perhaps) => Fits::Perhaps,
                (Fits::Yes, Fits::Yes) => Fits::Yes,
            });
        if fits == Fits::No {
            continue;
        }
        let Some(fate) = verdict(expressions, chains, key, advert, depth) else { continue };
        match (fits, fate) {
            (_, Fate::Unsure) | (Fits::Perhaps, Fate::Accepted) => unsure = true,
            (Fits::Yes, Fate::Through) if goes_back(expressions) => break,
            (Fits::Perhaps, Fate::Through) if goes_back(expressions) => unsure = true,
            (_, Fate::Through) | (Fits::Perhaps, Fate::Dropped(_)) => {}
            (Fits::Yes | Fits::No, Fate::Accepted) => {
                return if unsure { Fate::Unsure } else { Fate::Accepted };
            }
            (Fits::Yes | Fits::No, Fate::Dropped(rule)) => {
                return if unsure { Fate::Unsure } else { Fate::Dropped(rule) };
            }
        }
    }
    if unsure { Fate::Unsure } else { Fate::Through }
}

fn goes_back(expressions: &[Value]) -> bool {
    expressions.iter().any(|it| it.get("return").is_some())
}

/// What a rule does with what fits; `None` if it goes on with the next one.
fn verdict(
    expressions: &[Value],
    chains: &HashMap<Key<'_>, Vec<&Value>>,
    key: Key<'_>,
    advert: Advert<'_>,
    depth: usize,
) -> Option<Fate> {
    expressions.iter().find_map(|expression| {
        let object = expression.as_object()?;
        if object.contains_key("accept") {
            return Some(Fate::Accepted);
        }
        if object.contains_key("drop") || object.contains_key("reject") {
            return Some(Fate::Dropped("a rule that drops them".to_owned()));
        }
        if object.contains_key("return") {
            return Some(Fate::Through);
        }
        let target = object.get("jump").or_else(|| object.get("goto"));
        if let Some(target) = target {
            let other = Key { name: text(target, "target"), ..key };
            return Some(walk(chains, other, advert, depth + 1));
        }
        // A verdict map decides by what isn't known here; a queue's program decides.
        ["vmap", "queue"].iter().any(|word| object.contains_key(*word)).then_some(Fate::Unsure)
    })
}

/// Whether one expression of a rule fits; what is no match always does.
fn fits(expression: &Value, advert: Advert<'_>) -> Fits {
    let Some(condition) = expression.get("match") else {
        // `limit` and its like let through some and not others.
        let is_condition = ["limit", "ct count", "meter"].iter().any(|word| expression.get(word).is_some());
        return if is_condition { Fits::Perhaps } else { Fits::Yes };
    };
    let negated = text(condition, "op") == "!=";
    if !negated && !["==", "in"].contains(&text(condition, "op")) {
        return Fits::Perhaps;
    }
    let (Some(left), Some(right)) = (condition.get("left"), condition.get("right")) else {
        return Fits::Perhaps;
    };
    let meta = left.get("meta").map(|meta| text(meta, "key")).unwrap_or_default();
    let payload = left.get("payload");
    let field = payload.map(|it| (text(it, "protocol"), text(it, "field")));
    let found = match (meta, field) {
        ("l4proto", _) | (_, Some(("ip", "protocol") | ("ip6", "nexthdr"))) => holds(right, |value| {
            value.as_u64() == Some(advert.protocol.0) || value.as_str() == Some(advert.protocol.1)
        }),
        ("iifname", _) => holds(right, |value| value.as_str() == Some(advert.link.as_str())),
        // Other protocols' ports and types.
        (_, Some(("tcp" | "udp" | "icmp" | "icmpv6" | "udplite" | "sctp" | "dccp", _))) => Some(false),
        _ => None,
    };
    match found {
        None => Fits::Perhaps,
        Some(found) if found != negated => Fits::Yes,
        Some(_) => Fits::No,
    }
}

/// Whether a value, or one of an anonymous set, is that; `None` for what isn't written out.
fn holds(right: &Value, is: impl Fn(&Value) -> bool) -> Option<bool> {
    let one = |value: &Value| match value {
        // `eth*` stands for many.
        Value::String(name) if name.ends_with('*') || name.starts_with('@') => None,
        Value::String(_) | Value::Number(_) => Some(is(value)),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    let Some(set) = right.get("set").and_then(Value::as_array) else { return one(right) };
    let all: Option<Vec<bool>> = set.iter().map(one).collect();
    match all {
        Some(all) => Some(all.contains(&true)),
        None => set.iter().filter_map(one).any(|it| it).then_some(true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(policy: &str, rules: &[Value]) -> Option<String> {
        told_of(VRRP, policy, rules)
    }

    fn told_of(protocol: Protocol, policy: &str, rules: &[Value]) -> Option<String> {
        let link = LinkName::new("eth0").unwrap();
        let mut all = vec![
            json!({"chain": {"family": "inet", "table": "f", "name": "in", "type": "filter", "hook": "input", "policy": policy}}),
        ];
        for rule in rules {
            let (chain, expr) =
                rule.get("chain").map_or(("in", rule), |chain| (chain.as_str().unwrap(), &rule["expr"]));
            all.push(json!({"rule": {"family": "inet", "table": "f", "chain": chain, "expr": expr}}));
        }
        barrier(&json!({ "nftables": all }), Advert { link: &link, family: Family::V4, protocol })
    }

    fn protocol(value: &Value) -> Value {
        json!({"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "protocol"}}, "right": value}})
    }

    fn meta(key: &str, value: &Value) -> Value {
        json!({"match": {"op": "==", "left": {"meta": {"key": key}}, "right": value}})
    }

    fn established() -> Value {
        json!({"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": ["established", "related"]}})
    }

    #[test]
    fn a_policy_drops_what_no_rule_accepts() {
        let (accept, ssh) = (
            json!({"accept": null}),
            json!({"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 22}}),
        );
        assert_eq!(told("accept", &[]), None);
        let policy = "chain inet f in has policy drop, and no rule accepts protocol 112";
        assert_eq!(told("drop", &[]).as_deref(), Some(policy));
        assert_eq!(told("drop", &[json!([ssh, accept])]).as_deref(), Some(policy));
        assert_eq!(told("drop", &[json!([meta("iifname", &json!("lo")), accept])]).as_deref(), Some(policy));
        assert_eq!(told("drop", &[json!([protocol(&json!("vrrp")), accept])]), None);
        assert_eq!(told("drop", &[json!([meta("l4proto", &json!({"set": [51, 112]})), accept])]), None);
        assert_eq!(told("drop", &[json!([meta("iifname", &json!("eth0")), accept])]), None);
    }

    /// `auth_type AH` goes out as another protocol, which a rule for VRRP doesn't let in.
    #[test]
    fn authenticated_adverts_are_another_protocol() {
        let vrrp = json!([protocol(&json!("vrrp")), {"accept": null}]);
        assert!(
            told_of(AH, "drop", std::slice::from_ref(&vrrp)).is_some_and(|it| it.ends_with("protocol 51"))
        );
        let both = json!([protocol(&json!({"set": ["ah", "vrrp"]})), {"accept": null}]);
        assert_eq!(told_of(AH, "drop", &[both]), None);
    }

    #[test]
    fn a_rule_drops_what_nothing_accepts_before() {
        let (accept, drop) = (json!({"accept": null}), json!({"drop": null}));
        let rule = "chain inet f in has a rule that drops them";
        assert_eq!(
            told("accept", &[json!([protocol(&json!(112)), {"counter": null}, drop])]).as_deref(),
            Some(rule)
        );
        assert_eq!(told("accept", &[json!([protocol(&json!(6)), drop])]), None);
        let accepted = json!([protocol(&json!(112)), accept]);
        assert_eq!(told("accept", &[accepted, json!([drop])]), None);
    }

    #[test]
    fn what_is_not_understood_is_no_accusation() {
        let (accept, drop) = (json!({"accept": null}), json!({"drop": null}));
        assert_eq!(told("drop", &[json!([established(), accept])]), None);
        assert_eq!(told("accept", &[json!([established(), drop])]), None);
        assert_eq!(told("drop", &[json!([meta("iifname", &json!("eth*")), accept])]), None);
        assert_eq!(told("drop", &[json!([{"vmap": {}}])]), None);
    }

    #[test]
    fn other_chains_are_followed_and_returned_from() {
        let jump = json!([{"jump": {"target": "other"}}]);
        let other = |expr: Value| json!({"chain": "other", "expr": expr});
        assert!(
            told("accept", &[jump.clone(), other(json!([protocol(&json!(112)), {"drop": null}]))]).is_some()
        );
        assert_eq!(
            told("drop", &[jump.clone(), other(json!([protocol(&json!(112)), {"accept": null}]))]),
            None
        );
        let back = [jump.clone(), other(json!([{"return": null}])), other(json!([{"accept": null}]))];
        assert!(told("drop", &back).is_some());
        assert_eq!(told("drop", &[json!([{"jump": {"target": "in"}}])]), None, "a loop is no accusation");
    }

    #[test]
    fn a_table_of_that_name_is_ours_if_it_is_made_like_it() {
        let table =
            |family: &str, name: &str| json!({"table": {"family": family, "name": name, "handle": 1}});
        let set = |name: &str| json!({"set": {"family": "inet", "name": name, "table": "handover"}});
        let foreign = |all: &[Value]| has_foreign(&json!({ "nftables": all }), "handover");
        assert!(foreign(&[table("inet", "handover")]));
        assert!(foreign(&[table("inet", "handover"), set("theirs")]));
        assert!(!foreign(&[table("inet", "handover"), set("shut4")]));
        assert!(!foreign(&[table("ip", "handover"), table("inet", "other")]));
        assert!(!foreign(&[]));
    }
}
