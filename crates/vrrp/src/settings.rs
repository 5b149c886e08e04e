//! How an instance behaves where keepalived leaves a choice. Each `Default` is keepalived's, where keepalived has it.
//!
//! Plain values that the machine reads; nothing here decides. The words of keepalived.conf stand at each field.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use model::Family;

use crate::door::LinkId;
use crate::packet::ChecksumForm;
use crate::prelude::Preludes;

/// How often a master tells its neighbours where its addresses live (`garp_*`, `vrrp_garp_*`), for gratuitous ARP and
/// unsolicited NA alike. The pause between two frames on one interface (`garp_interval`) is kept by who sends them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announcements {
    /// `garp_master_repeat`: how many in one go, when the addresses are in place and again after `delay`.
    pub repeat: u8,
    /// `garp_master_delay`: when to announce once more; `None` (0 in keepalived) for not at all.
    pub delay: Option<Duration>,
    /// `garp_master_refresh`: again and again, this far apart, a second at least; `None` (0) for not at all.
    pub refresh: Option<Duration>,
    /// `garp_master_refresh_repeat`.
    pub refresh_repeat: u8,
    /// `garp_lower_prio_delay`: how long a lower master must have been quiet for announcing once more.
    pub lower_priority_delay: Option<Duration>,
    /// `garp_lower_prio_repeat`: how many when a lower master is heard, and once more after the delay; 0 for none.
    pub lower_priority_repeat: u8,
}

impl Default for Announcements {
    fn default() -> Self {
        let delay = Some(Duration::from_secs(5));
        Self {
            repeat: 5,
            delay,
            refresh: None,
            refresh_repeat: 1,
            lower_priority_delay: delay,
            lower_priority_repeat: 5,
        }
    }
}

/// A unicast peer (`unicast_peer`): adverts go to it, and only peers are believed (V3-RX-10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its address.
    pub address: IpAddr,
    /// `min_ttl`: the least TTL or hop limit that its adverts may arrive with.
    pub min_ttl: u8,
    /// `max_ttl`: the greatest.
    pub max_ttl: u8,
}

impl From<IpAddr> for Peer {
    /// However many hops away, as in keepalived.
    fn from(address: IpAddr) -> Self {
        Self { address, min_ttl: u8::MIN, max_ttl: u8::MAX }
    }
}

/// In which role a check counts (`while`); elsewhere it counts as passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// Always, as keepalived's.
    #[default]
    Any,
    /// While the instance is MASTER.
    Master {
        /// `grace`: so long after MASTER a failure doesn't count yet.
        grace: Duration,
        /// `penalty`: so long a failure counts after it has ended, or the role has. Twice as long each time it fails
        /// again before as much time has gone by once more, up to an hour.
        penalty: Duration,
    },
    /// While it isn't.
    Backup,
}

/// Where VRRP lives by itself (RFC 9568 5.1.1.2, 5.1.2.2).
#[must_use]
pub const fn default_group(family: Family) -> IpAddr {
    match family {
        Family::V4 => IpAddr::V4(Ipv4Addr::new(224, 0, 0, 18)),
        Family::V6 => IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12)),
    }
}

/// An interface besides the instance's own that decides on its fitness or priority (`track_interface`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrackedLink {
    /// Which.
    pub link: LinkId,
    /// -253 to 253. Positive: added while up. Negative: added (so subtracted) while down. 0: FAULT while down.
    pub weight: i16,
    /// Up and down change places.
    pub reverse: bool,
}

/// How it treats other routers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manners {
    /// `down_timer_adverts`, 1 to 100: how many adverts a master may miss before it counts as gone.
    pub down_timer_adverts: u8,
    /// False with `lower_prio_no_advert`: a lower master is not answered (V3-FSM-12).
    pub answer_lower: bool,
    /// `higher_prio_send_advert`: one more advert before giving way to a better router (V3-FSM-11 has none).
    pub advertise_before_yielding: bool,
    /// What VRRPv3 over IPv4 sends (V3-PKT-4): [`ChecksumForm::MessageOnly`] with `v3_checksum_as_v2`. Both are accepted.
    pub checksum: ChecksumForm,
    /// Whoever gives way in good health keeps the addresses until its successor has them; not in keepalived.
    pub hand_over: bool,
    /// How long it listens on a link that came up and has carried no frame since, before it takes nobody's adverts for nobody
    /// zero for no longer than on any other. Not in keepalived.
    pub link_patience: Duration,
    /// `pre_master`, `pre_backup`, `pre_timeout`: what comes before; not in keepalived.
    pub preludes: Preludes,
    /// False with `skip_check_adv_addr`: other addresses than ours are not even remarked on (V3-RX-13).
    pub compare_addresses: bool,
}

impl Default for Manners {
    fn default() -> Self {
        Self {
            down_timer_adverts: 3,
            answer_lower: true,
            advertise_before_yielding: false,
            checksum: ChecksumForm::PseudoHeader,
            hand_over: true,
            link_patience: Duration::from_secs(40),
            preludes: Preludes::default(),
            compare_addresses: true,
        }
    }
}
