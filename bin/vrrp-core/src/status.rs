//! The answer to `status`: the core's view in the words of the feed.

use std::time::Duration;

use ipc::core_ipmgr::{Feud, Troubles};
use ipc::events::{
    Awaited, AwaitedWhat, CheckView, Contested, Dropped, GroupStatus, InstanceStatus, MasterStatus, Peer,
    Penalty, PriorityStatus, Remark, Status,
};
use ipc::reload::LastReload;
use model::{CheckName, Instant, State, Verdict};
use vrrp::{Core, GroupId, GroupView, InstanceId, LinkId, PenaltyView, RemarkView};

use crate::feed::Feed;
use crate::losses::Losses;
use crate::setup::Setup;

/// What the status needs beside the core.
#[derive(Debug)]
pub(crate) struct Surroundings<'a> {
    /// Names.
    pub(crate) setup: &'a Setup,
    /// What never came to the core.
    pub(crate) losses: &'a Losses,
    /// Since when everything is as it is.
    pub(crate) feed: &'a Feed,
    /// How ipmgr is.
    pub(crate) ipmgr: Peer,
    /// What it says works against it.
    pub(crate) troubles: &'a Troubles,
    /// What clients do that they should not.
    pub(crate) clients: Vec<String>,
    /// How checkerd is.
    pub(crate) checkerd: Peer,
    /// The last verdict of each tracked check.
    pub(crate) verdicts: Vec<(CheckName, Verdict)>,
    /// The configuration's path.
    pub(crate) config_path: String,
    /// The configuration's fingerprint.
    pub(crate) config: String,
    /// The last reload.
    pub(crate) last_reload: Option<LastReload>,
    /// The time of day.
    pub(crate) at: String,
    /// When this process started.
    pub(crate) started: Instant,
}

/// Everything that is known at `now`.
pub(crate) fn assemble(core: &Core, around: Surroundings<'_>, now: Instant) -> Status {
    let view = core.status();
    let instances = view.instances.into_iter().enumerate().filter_map(|(number, view)| {
        let id = InstanceId(number);
        let config = around.setup.instance_config(id)?;
        Some(InstanceStatus {
            name: config.name.clone(),
            state: view.state.unwrap_or(State::Init),
            since: around.feed.since(id).unwrap_or_default().to_owned(),
            cause: view.cause,
            reasons: view.reasons,
            priority: PriorityStatus { base: view.base, effective: view.effective },
            interface: around.setup.core.links.get(config.link.0)?.clone(),
            vrid: config.vrid,
            version: config.version,
            family: config.family,
            addresses: around.setup.addresses(id).iter().map(ToString::to_string).collect(),
            master: view.master.map(|master| MasterStatus {
                address: master.address,
                priority: master.priority,
                silent_ms: milliseconds(now.since(master.heard)),
                interval_ms: milliseconds(master.interval),
            }),
            awaits_frames_ms: view.awaits_frames.map(|until| milliseconds(until.since(now))),
            awaited: view.awaited.map(|it| awaited(it, now)),
            counted_ms: milliseconds(now.since(view.counted_since)),
            adverts_sent: view.adverts_sent,
            adverts_received: view.adverts_received,
            remarks: view.remarks.into_iter().map(remark).collect(),
            refused: view.refused,
            penalties: view.penalties.into_iter().map(|view| penalty(view, now)).collect(),
        })
    });
    let groups = view.groups.into_iter().enumerate();
    let groups = groups.filter_map(|(number, view)| group(view, GroupId(number), &around));
    let links = view.links.into_iter().zip(&around.setup.core.links).enumerate();
    let dropped = links.map(|(number, (view, name))| Dropped {
        interface: name.clone(),
        remarks: around.losses.on(LinkId(number)).chain(view.strays.into_iter().map(remark)).collect(),
    });
    Status {
        protocol: ipc::json::PROTOCOL,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        instances: instances.collect(),
        groups: groups.collect(),
        dropped: dropped.filter(|dropped| !dropped.remarks.is_empty()).collect(),
        contested: around.troubles.feuds.iter().map(contested).collect(),
        clients: around.clients,
        static_refused: around.troubles.standing.clone(),
        checks: around.verdicts.into_iter().map(|(name, verdict)| CheckView { name, verdict }).collect(),
        at: around.at,
        running_ms: milliseconds(now.since(around.started)),
        config_path: around.config_path,
        config: around.config,
        last_reload: around.last_reload,
        ipmgr: around.ipmgr,
        checkerd: around.checkerd,
    }
}

fn awaited(view: vrrp::Awaited, now: Instant) -> Awaited {
    let what = match view.what {
        vrrp::AwaitedWhat::Prelude => AwaitedWhat::Prelude,
        vrrp::AwaitedWhat::Placing => AwaitedWhat::Placing,
        vrrp::AwaitedWhat::Removing => AwaitedWhat::Removing,
    };
    Awaited { what, ms: milliseconds(now.since(view.since)) }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn group(view: GroupView, id: GroupId, around: &Surroundings<'_>) -> Option<GroupStatus> {
    let config = around.setup.core.groups.get(id.0)?;
    let members = config.members.iter().filter_map(|member| around.setup.instance_config(*member));
    Some(GroupStatus {
        name: config.name.clone(),
        state: view.state.unwrap_or(State::Init),
        cause: view.cause,
        since: around.feed.group_since(id).unwrap_or_default().to_owned(),
        members: members.map(|member| member.name.clone()).collect(),
    })
}

fn penalty(view: PenaltyView, now: Instant) -> Penalty {
    Penalty {
        check: view.check,
        length_ms: milliseconds(view.length),
        left_ms: view.until.map(|until| milliseconds(until.since(now))),
    }
}

fn contested(feud: &Feud) -> Contested {
    let Feud { instance, thing, count, last } = feud.clone();
    Contested { instance, thing, count, last }
}

fn remark(view: RemarkView) -> Remark {
    Remark {
        reason: view.reason.to_owned(),
        dropped: view.dropped,
        count: view.count,
        last_from: Some(view.last_from),
    }
}
