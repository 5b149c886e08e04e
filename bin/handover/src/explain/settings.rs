//! Every setting of an instance: its value, and where that comes from.
//!
//! A word that the block gives counts; else the word of `global_defs` that stands in for it; else the default. Where
//! another setting decides instead, that one is named.

use config::{Config, Delivery, Given, Hooks, Instance, Queue, Report, Span};
use model::{Credential, Family, Priority, ProtocolVersion};
use serde::Serialize;
use serde_json::{Value, json};

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "from")]
pub(crate) enum Origin {
    /// The instance's own block.
    Instance { file: String, line: usize },
    /// `global_defs`, under this word.
    Global { given_as: &'static str, file: String, line: usize },
    /// What is so where nobody says anything.
    Default,
    /// Another setting decides it.
    Implied { by: &'static str },
}

/// One setting.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Setting {
    pub(crate) word: &'static str,
    pub(crate) value: Value,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) unit: &'static str,
    #[serde(flatten)]
    pub(crate) origin: Origin,
}

/// Finds places, and makes settings.
struct Settings<'a> {
    report: &'a Report,
    global: &'a Given,
    instance: &'a Instance,
    rows: Vec<Setting>,
}

const SECONDS: &str = "s";
/// What strict mode takes from an instance, whatever `global_defs` says (RFC 9568).
const STRICT: [&str; 5] = [
    "down_timer_adverts",
    "lower_prio_no_advert",
    "higher_prio_send_advert",
    "garp_lower_prio_delay",
    "garp_lower_prio_repeat",
];

/// All settings of an instance, in the order of the manual.
pub(crate) fn settings(config: &Config, report: &Report, instance: &Instance) -> Vec<Setting> {
    let mut all = Settings { report, global: &config.global.given, instance, rows: Vec::new() };
    all.election();
    all.reach();
    all.announcements();
    all.manners();
    all.delivery();
    all.mail();
    all.rows
}

/// A place as people write it.
pub(crate) fn place(report: &Report, span: Span) -> (String, usize) {
    report.position(span).map_or((String::new(), 0), |(file, at)| (file.to_owned(), at.line))
}

impl Settings<'_> {
    fn origin(&self, words: &[&str], global: &'static str) -> Origin {
        if let Some(span) = words.iter().find_map(|word| self.instance.given.at(word)) {
            let (file, line) = place(self.report, span);
            return Origin::Instance { file, line };
        }
        match self.global.at(global) {
            Some(span) => {
                let (file, line) = place(self.report, span);
                Origin::Global { given_as: global, file, line }
            }
            None => Origin::Default,
        }
    }

    fn push(&mut self, word: &'static str, value: Value, unit: &'static str, origin: Origin) {
        self.rows.push(Setting { word, value, unit, origin });
    }

    /// A setting of the instance alone.
    fn own(&mut self, word: &'static str, value: Value) {
        let origin = self.origin(&[word], "");
        self.push(word, value, "", origin);
    }

    /// One that `global_defs` may give for all instances.
    fn inherited(&mut self, word: &'static str, global: &'static str, value: Value, unit: &'static str) {
        let origin = match self.origin(&[word], global) {
            Origin::Global { .. } | Origin::Default if self.is_strict() && STRICT.contains(&word) => {
                Origin::Implied { by: "strict mode" }
            }
            origin => origin,
        };
        self.push(word, value, unit, origin);
    }

    /// Whether strict mode was asked for, and holds: then nothing answers a lower priority with announcements.
    fn is_strict(&self) -> bool {
        let asked = self.instance.given.at("strict_mode").or(self.global.at("vrrp_strict"));
        let lower = &self.instance.announcements;
        asked.is_some() && lower.lower_priority_repeat == 0 && lower.lower_priority_delay.is_none()
    }

    fn election(&mut self) {
        let it = self.instance;
        let owner = it.priority == Priority::OWNER;
        let state = json!(if it.wants_master { "MASTER" } else { "BACKUP" });
        match self.origin(&["state"], "") {
            Origin::Default if owner => self.push("state", state, "", Origin::Implied { by: "priority 255" }),
            origin => self.push("state", state, "", origin),
        }
        self.inherited("interface", "default_interface", json!(it.link), "");
        self.own("virtual_router_id", json!(it.vrid));
        match self.origin(&["priority"], "") {
            Origin::Default if owner => {
                self.push(
                    "priority",
                    json!(it.priority),
                    "",
                    Origin::Implied { by: "state MASTER without a priority" },
                );
            }
            origin => self.push("priority", json!(it.priority), "", origin),
        }
        match it.family {
            Family::V4 => self.inherited("version", "vrrp_version", json!(it.version), ""),
            Family::V6 => self.push("version", json!(it.version), "", Origin::Implied { by: "IPv6" }),
        }
        let origin = self.origin(&["advert_int"], "");
        self.push("advert_int", json!(it.advert_interval.as_secs_f64()), SECONDS, origin);
        if it.version == ProtocolVersion::V2 {
            let authentication = match it.credential {
                None => "none",
                Some(Credential::Password(_)) => "password",
                Some(Credential::AhKey(_)) => "ah",
            };
            self.own("authentication", json!(authentication));
        }
        self.preemption();
    }

    /// `nopreempt` and `preempt_delay` don't count beside `state MASTER`, for an owner, or beside each other.
    fn preemption(&mut self) {
        let it = self.instance;
        let by = if it.preempt { "state MASTER or priority 255" } else { "nopreempt" };
        let origin = match self.origin(&["nopreempt", "preempt"], "") {
            Origin::Instance { .. } if it.preempt && it.given.at("preempt").is_none() => {
                Origin::Implied { by }
            }
            origin => origin,
        };
        self.push("nopreempt", json!(!it.preempt), "", origin);
        let ignored = it.given.at("preempt_delay").is_some() && it.preempt_delay.is_zero();
        let origin = self.origin(&["preempt_delay"], "");
        let never_waits = it.wants_master || it.priority == Priority::OWNER || !it.preempt;
        let origin = if ignored && never_waits { Origin::Implied { by } } else { origin };
        self.push("preempt_delay", json!(it.preempt_delay.as_secs_f64()), SECONDS, origin);
    }

    fn reach(&mut self) {
        let it = self.instance;
        let source =
            it.source.map_or(json!("the interface's first address"), |source| json!(source.to_string()));
        let origin = self.origin(&["unicast_src_ip", "mcast_src_ip"], "");
        self.push(if it.peers.is_empty() { "mcast_src_ip" } else { "unicast_src_ip" }, source, "", origin);
        if it.peers.is_empty() {
            let global = match it.family {
                Family::V4 => "vrrp_mcast_group4",
                Family::V6 => "vrrp_mcast_group6",
            };
            self.inherited("mcast_dst_ip", global, json!(it.multicast_group.to_string()), "");
        } else {
            let peers: Vec<String> = it.peers.iter().map(|peer| peer.address.to_string()).collect();
            self.own("unicast_peer", json!(peers));
            self.own("unicast_ttl", json!(it.unicast_ttl));
        }
        self.own("dont_track_primary", json!(!it.follows_link));
        self.own("track_src_ip", json!(it.follows_source));
    }

    fn announcements(&mut self) {
        let it = &self.instance.announcements;
        let time = |time: Option<std::time::Duration>| json!(time.unwrap_or_default().as_secs_f64());
        self.inherited("garp_master_repeat", "vrrp_garp_master_repeat", json!(it.repeat), "");
        self.inherited("garp_master_delay", "vrrp_garp_master_delay", time(it.delay), SECONDS);
        self.inherited("garp_master_refresh", "vrrp_garp_master_refresh", time(it.refresh), SECONDS);
        self.inherited(
            "garp_master_refresh_repeat",
            "vrrp_garp_master_refresh_repeat",
            json!(it.refresh_repeat),
            "",
        );
        let (delay, repeat) = (time(it.lower_priority_delay), json!(it.lower_priority_repeat));
        self.inherited("garp_lower_prio_delay", "vrrp_garp_lower_prio_delay", delay, SECONDS);
        self.inherited("garp_lower_prio_repeat", "vrrp_garp_lower_prio_repeat", repeat, "");
    }

    fn manners(&mut self) {
        let shut = json!(!self.instance.accepts);
        match self.origin(&["no_accept"], "") {
            Origin::Default if !self.instance.accepts => {
                self.push("no_accept", shut, "", Origin::Implied { by: "strict mode" });
            }
            origin => self.push("no_accept", shut, "", origin),
        }
        if let Some(own) = &self.instance.virtual_mac {
            self.own("use_vmac", json!(format!("{} on {}", own.mac, own.link)));
            self.own("vmac_xmit_base", json!(own.adverts_from_base));
        }
        let it = &self.instance.manners;
        self.inherited("down_timer_adverts", "vrrp_down_timer_adverts", json!(it.down_timer_adverts), "");
        self.inherited("lower_prio_no_advert", "vrrp_lower_prio_no_advert", json!(!it.answer_lower), "");
        let before = json!(it.advertise_before_yielding);
        self.inherited("higher_prio_send_advert", "vrrp_higher_prio_send_advert", before, "");
        self.inherited("skip_check_adv_addr", "vrrp_skip_check_adv_addr", json!(!it.compare_addresses), "");
        self.inherited(
            "keep_until_taken_over",
            "vrrp_keep_until_taken_over",
            json!(it.keep_until_taken_over),
            "",
        );
        let patience = json!(it.link_patience.as_secs_f64());
        self.inherited("link_patience", "vrrp_link_patience", patience, SECONDS);
        if (self.instance.version, self.instance.family) == (ProtocolVersion::V3, Family::V4) {
            self.inherited("v3_checksum_as_v2", "v3_checksum_as_v2", json!(it.checksum_as_v2), "");
        }
    }

    /// How its hooks are run, if it has any.
    fn delivery(&mut self) {
        if self.instance.hooks == Hooks::default() {
            return;
        }
        let Delivery { timeout, queue } = self.instance.delivery;
        self.inherited("notify_timeout", "notify_timeout", json!(timeout.as_secs_f64()), SECONDS);
        match queue {
            Queue::Coalesce => self.inherited("notify_queue", "notify_queue", json!("coalesce"), ""),
            Queue::All(limit) => {
                self.inherited("notify_queue", "notify_queue", json!("all"), "");
                self.inherited("notify_queue_limit", "notify_queue_limit", json!(limit), "");
            }
        }
    }

    /// Whether its states are mailed, if any could be.
    fn mail(&mut self) {
        if self.global.at("smtp_server").is_none() && !self.instance.mails {
            return;
        }
        let global =
            if self.global.at("smtp_alert_vrrp").is_some() { "smtp_alert_vrrp" } else { "smtp_alert" };
        self.inherited("smtp_alert", global, json!(self.instance.mails), "");
    }
}
