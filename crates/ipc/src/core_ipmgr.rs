//! vrrp-core and ipmgr: what may be said between them, as frames (`crate::frame`) over `ipmgr.sock`.
//!
//! The direction is the type: [`Order`] goes from vrrp-core to ipmgr and [`Report`] comes back. An order names an
//! instance and nothing else: no address, path or interface may ever be in one, so that a broken vrrp-core can claim
//! no more than what the administrator wrote into the configuration (ARCHITECTURE.md, "Five promises").
//!
//! The conversation: vrrp-core connects and says [`Order::Hello`]; ipmgr answers with [`Report::Hello`], what it still
//! holds ([`Report::Held`], as often as it takes), every link and socket, then [`Report::Ready`]. From then on both speak
//! when there is something to say (ipmgr several reports in one datagram where there are many), and vrrp-core sends [`Order::Beat`] so that its silence has a meaning, as has ipmgr's
//! ([`Report::Alive`]). Both run the same
//! configuration: [`Order::Prepare`] and [`Order::Adopt`] replace it on both sides.

use std::time::Duration;

use model::{Family, InstanceName, LinkFact, LinkName, Transport};
use serde::{Deserialize, Serialize};

/// The socket's name in the runtime directory.
pub const SOCKET: &str = "ipmgr.sock";
/// The version of these messages; both sides have to speak the same one.
pub const PROTOCOL: u32 = 10;
/// ipmgr withdraws an instance's addresses when vrrp-core was silent for this many of its advertisement intervals: less
/// than the three and a skew after which a peer takes over (V3-TMR-2). A [`Order::Beat`] is due at least twice per interval.
pub const GRACE_INTERVALS: u32 = 2;
/// How often a [`Report::Alive`] is due at least.
pub const ALIVE_EVERY: Duration = Duration::from_secs(10);
/// An ipmgr of which nothing was heard for this long hangs. By then the kernel begins to remove the addresses that it doesn't renew:
/// sooner both routers would have them, and later none.
pub const SILENCE: Duration = Duration::from_secs(40);
/// How many names one [`Report::Held`] may hold: with the longest names it still fits a frame.
pub const MAX_HELD: usize = 128;
/// How many addresses one report may number.
pub const MAX_PLACES: usize = 1024;
/// How many sentences one [`Report::Installed`] may hold.
pub const MAX_FAILURES: usize = 64;
/// How many feuds one [`Report::Troubles`] may tell of.
pub const MAX_FEUDS: usize = 32;
/// The longest sentence in a report, in bytes.
pub const MAX_SENTENCE: usize = 512;

/// What vrrp-core may say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// Always the first.
    Hello {
        /// [`PROTOCOL`].
        protocol: u32,
        /// The fingerprint of the configuration that vrrp-core runs: ipmgr serves only one that runs the same.
        fingerprint: u64,
    },
    /// Add the instance's addresses, and keep them there; answered by [`Report::Installed`]. Repeating it is harmless.
    Install {
        /// Whose addresses.
        instance: InstanceName,
        /// Comes back in the answer.
        order: u64,
    },
    /// Remove the instance's addresses; answered by [`Report::Withdrawn`]. Repeating it is harmless.
    Withdraw {
        /// Whose addresses.
        instance: InstanceName,
        /// Comes back in the answer.
        order: u64,
    },
    /// "I am here, and what I ordered stands."
    Beat,
    /// Read the configuration and keep what it says; answered by [`Report::Prepared`].
    Prepare,
    /// Run the configuration that was prepared, if it has this fingerprint. What follows names instances by their names in
    /// it. Who has prepared another one closes the connection: the next hello settles it.
    Adopt {
        /// As [`Report::Prepared`] gave it.
        fingerprint: u64,
    },
}

/// What ipmgr may say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Report {
    /// The answer to [`Order::Hello`].
    Hello {
        /// [`PROTOCOL`].
        protocol: u32,
        /// The fingerprint of the configuration that ipmgr runs.
        fingerprint: u64,
    },
    /// Instances whose addresses are still in place from a core that went away less than the grace ago. They stay as if
    /// this core had ordered them. At most [`MAX_HELD`] per message; none is sent if nothing is held.
    Held {
        /// Their names.
        instances: Vec<InstanceName>,
    },
    /// A link is so now. All links that instances use are told before [`Report::Ready`], absent ones too.
    Link(LinkFact),
    /// The raw socket for adverts on a link is attached (SCM_RIGHTS). It replaces an earlier one, which
    /// belonged to a link of that name that is gone.
    AdvertSocket {
        /// Where it sends and receives.
        link: LinkName,
        /// What its adverts travel in.
        transport: Transport,
    },
    /// The packet socket for announcements on a link is attached (SCM_RIGHTS). It replaces an earlier one likewise.
    AnnounceSocket {
        /// Where it sends.
        link: LinkName,
    },
    /// Everything that was known when the connection came has been told.
    Ready,
    /// The answer to [`Order::Install`].
    Installed {
        /// Whose addresses.
        instance: InstanceName,
        /// Which order.
        order: u64,
        /// One sentence per address that the kernel refused, at most [`MAX_FAILURES`]; empty when all are in place.
        failures: Vec<String>,
        /// Not one of the addresses is in place.
        nothing: bool,
        /// The addresses that are in place and have not been told by [`Report::Placed`], numbered as there, at most
        /// [`MAX_PLACES`].
        places: Vec<u32>,
    },
    /// The addresses are gone.
    Withdrawn {
        /// Whose addresses.
        instance: InstanceName,
        /// Which order it answers; `None` when ipmgr did it by itself.
        order: Option<u64>,
        /// Why, for a person.
        why: String,
    },
    /// Something was said that ipmgr doesn't do. It may close the connection after that.
    Refused {
        /// Why, for a person.
        why: String,
    },
    /// The socket that overhears who else claims addresses of that family on a link is attached (SCM_RIGHTS). It comes with
    /// the link's others, and replaces an earlier one likewise.
    WatchSocket {
        /// Where it listens.
        link: LinkName,
        /// IPv4 (ARP) or IPv6 (neighbour advertisements).
        family: Family,
    },
    /// The answer to [`Order::Prepare`].
    Prepared {
        /// Of the file as ipmgr read it.
        fingerprint: u64,
        /// Why it can't be run, at most [`MAX_SENTENCE`] long; `None` when it can.
        error: Option<String>,
    },
    /// Some of the addresses that [`Order::Install`] asked for are in place, and may be announced. [`Report::Installed`] follows
    /// when there is nothing more to do for them.
    Placed {
        /// Whose addresses.
        instance: InstanceName,
        /// Which order.
        order: u64,
        /// Which ones, counted from 0 among all that the configuration has the instance hold, in its order; at most
        /// [`MAX_PLACES`].
        places: Vec<u32>,
    },
    /// What is wrong that belongs to no order: all of it, whenever it is another than before. Nothing is wrong until this was said.
    Troubles(Troubles),
    /// "I am here, and do my work."
    Alive,
    /// What kept all of an instance's addresses from their places, as [`Report::Barred`] told, is gone.
    Mended {
        /// Whose addresses.
        instance: InstanceName,
    },
    /// An order to install would fail for certain, until [`Report::Mended`] says otherwise.
    Barred {
        /// Whose addresses.
        instance: InstanceName,
        /// Why, for a person, at most [`MAX_SENTENCE`] long.
        why: String,
    },
}

/// What works against ipmgr, as its status; see [`Report::Troubles`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Troubles {
    /// Who is fought with over what, the most often first, at most [`MAX_FEUDS`].
    pub feuds: Vec<Feud>,
    /// One sentence per address, route and rule that was refused of those that belong to no instance, as by [`bounded`].
    pub standing: Vec<String>,
}

/// Something that somebody on this host takes away again and again, and that ipmgr puts back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feud {
    /// Whose it is; `None` for what stands still.
    pub instance: Option<InstanceName>,
    /// An address and its interface, a route or a rule, at most [`MAX_SENTENCE`] long.
    pub thing: String,
    /// How often it was put back since it was last left alone for a minute.
    pub count: u32,
    /// When that was the last time (RFC 3339, UTC).
    pub last: String,
}

/// The numbers as [`Report::Placed`] messages, each of which fits a frame.
pub fn placed<'a>(
    instance: &'a InstanceName,
    order: u64,
    places: &'a [u32],
) -> impl Iterator<Item = Report> + use<'a> {
    let parts = places.chunks(MAX_PLACES);
    parts.map(move |part| Report::Placed { instance: instance.clone(), order, places: part.to_vec() })
}

/// The names as [`Report::Held`] messages, each of which fits a frame.
pub fn held(names: &[InstanceName]) -> impl Iterator<Item = Report> {
    names.chunks(MAX_HELD).map(|part| Report::Held { instances: part.to_vec() })
}

/// Sentences as [`Report::Installed`] may hold them: long ones are cut, too many are counted in the last one.
#[must_use]
pub fn bounded(mut sentences: Vec<String>) -> Vec<String> {
    if sentences.len() > MAX_FAILURES {
        let more = sentences.len() - (MAX_FAILURES - 1);
        sentences.truncate(MAX_FAILURES - 1);
        sentences.push(format!("and {more} more"));
    }
    sentences.into_iter().map(cut).collect()
}

/// A sentence as a report may hold it.
#[must_use]
pub fn cut(mut sentence: String) -> String {
    while sentence.len() > MAX_SENTENCE {
        sentence.pop();
    }
    sentence
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use model::{MAX_NAME, MacAddress};
    use proptest::prelude::*;

    use super::*;
    use crate::frame::{MAX_FRAME, decode, encode};

    fn instance() -> InstanceName {
        InstanceName::new("VI_1").unwrap()
    }

    fn link() -> LinkName {
        LinkName::new("eth0").unwrap()
    }

    /// The payload in hexadecimal, without the envelope, which is the same for all.
    fn hex(message: &impl Serialize) -> String {
        encode(message).unwrap()[10..].iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        })
    }

    /// A name or text is eight bytes of length and its own.
    const VI_1: &str = "040000000000000056495f31";
    const ETH0: &str = "040000000000000065746830";

    #[test]
    fn golden_bytes_of_every_order() {
        let name = instance;
        let all = [
            (
                Order::Hello { protocol: 1, fingerprint: 0xfeed },
                "0000000001000000edfe000000000000".to_owned(),
            ),
            (Order::Install { instance: name(), order: 2 }, format!("01000000{VI_1}0200000000000000")),
            (Order::Withdraw { instance: name(), order: 3 }, format!("02000000{VI_1}0300000000000000")),
            (Order::Beat, "03000000".to_owned()),
            (Order::Prepare, "04000000".to_owned()),
            (Order::Adopt { fingerprint: 0xfeed }, "05000000edfe000000000000".to_owned()),
        ];
        for (order, expected) in all {
            assert_eq!(hex(&order), expected, "{order:?}");
            assert_eq!(decode::<Order>(&encode(&order).unwrap()), Ok(order));
        }
    }

    #[test]
    fn golden_bytes_of_every_report() {
        let fact = LinkFact {
            name: link(),
            index: Some(7),
            up: true,
            carries: false,
            mac: Some(MacAddress([2, 0, 0, 0, 0, 1])),
            ipv4: Some("192.0.2.1".parse().unwrap()),
            ipv6: None,
            sources: vec!["192.0.2.1".parse().unwrap()],
            hosted: Vec::new(),
        };
        // An address is a tuple of bytes, so it has no length in front.
        let fact_hex = format!("02000000{ETH0}0107000000010001020000000001");
        let text = "0100000000000000";
        let all = [
            (Report::Hello { protocol: 1, fingerprint: 2 }, "00000000010000000200000000000000".to_owned()),
            (Report::Held { instances: vec![instance()] }, format!("01000000{text}{VI_1}")),
            (Report::Link(fact), format!("{fact_hex}01c000020100{text}00000000c00002010000000000000000")),
            (
                Report::AdvertSocket { link: link(), transport: Transport::V6 },
                format!("03000000{ETH0}01000000"),
            ),
            (
                Report::AdvertSocket { link: link(), transport: Transport::Ah },
                format!("03000000{ETH0}02000000"),
            ),
            (Report::AnnounceSocket { link: link() }, format!("04000000{ETH0}")),
            (Report::Ready, "05000000".to_owned()),
            (
                Report::Installed {
                    instance: instance(),
                    order: 2,
                    failures: vec!["x".into()],
                    nothing: true,
                    places: vec![7],
                },
                format!("06000000{VI_1}0200000000000000{text}{text}7801{text}07000000"),
            ),
            (
                Report::Withdrawn { instance: instance(), order: Some(3), why: "x".into() },
                format!("07000000{VI_1}010300000000000000{text}78"),
            ),
            (Report::Refused { why: "x".into() }, format!("08000000{text}78")),
            (Report::WatchSocket { link: link(), family: Family::V4 }, format!("09000000{ETH0}00000000")),
            (
                Report::Prepared { fingerprint: 0xfeed, error: Some("x".into()) },
                format!("0a000000edfe00000000000001{text}78"),
            ),
            (
                Report::Placed { instance: instance(), order: 2, places: vec![7] },
                format!("0b000000{VI_1}0200000000000000{text}07000000"),
            ),
            (
                Report::Troubles(Troubles {
                    feuds: vec![Feud {
                        instance: Some(instance()),
                        thing: "x".into(),
                        count: 9,
                        last: "x".into(),
                    }],
                    standing: vec!["x".into()],
                }),
                format!("0c000000{text}01{VI_1}{text}7809000000{text}78{text}{text}78"),
            ),
            (
                Report::Troubles(Troubles {
                    feuds: vec![Feud { instance: None, thing: "x".into(), count: 9, last: "x".into() }],
                    standing: Vec::new(),
                }),
                format!("0c000000{text}00{text}7809000000{text}780000000000000000"),
            ),
            (Report::Alive, "0d000000".to_owned()),
            (Report::Mended { instance: instance() }, format!("0e000000{VI_1}")),
            (Report::Barred { instance: instance(), why: "x".into() }, format!("0f000000{VI_1}{text}78")),
        ];
        for (report, expected) in all {
            assert_eq!(hex(&report), expected, "{report:?}");
            assert_eq!(decode::<Report>(&encode(&report).unwrap()), Ok(report));
        }
    }

    #[test]
    fn the_largest_reports_fit_a_frame() {
        let longest = InstanceName::new("n".repeat(MAX_NAME)).unwrap();
        let thousands = vec![longest.clone(); 5000];
        let parts: Vec<Report> = held(&thousands).collect();
        assert_eq!(parts.len(), 40);
        let failures = bounded(vec!["ä".repeat(MAX_SENTENCE); 5000]);
        assert_eq!((failures.len(), failures[0].len()), (MAX_FAILURES, MAX_SENTENCE));
        assert_eq!(failures[MAX_FAILURES - 1], "and 4937 more");
        let numbers: Vec<u32> = (0..5000).collect();
        let placed: Vec<Report> = placed(&longest, u64::MAX, &numbers).collect();
        assert_eq!(placed.len(), 5);
        let places = vec![u32::MAX; MAX_PLACES];
        let installed =
            Report::Installed { instance: longest, order: u64::MAX, failures, nothing: true, places };
        for report in parts.iter().chain(&placed).chain([&installed]) {
            assert!(encode(report).unwrap().len() <= MAX_FRAME);
        }
    }

    #[test]
    fn a_name_that_is_none_does_not_arrive() {
        #[derive(Serialize)]
        enum Forged {
            _Hello,
            Install { instance: String, order: u64 },
        }
        let good = Forged::Install { instance: "VI_1".into(), order: 2 };
        assert!(decode::<Order>(&encode(&good).unwrap()).is_ok());
        for name in [String::new(), "a\nb".into(), "x".repeat(MAX_NAME + 1)] {
            let forged = Forged::Install { instance: name, order: 2 };
            assert!(decode::<Order>(&encode(&forged).unwrap()).is_err());
        }
    }

    proptest! {
        #[test]
        fn a_frame_with_any_byte_changed_is_refused_or_another_message(at in 0_usize..40, to: u8) {
            let mut frame = encode(&Order::Install { instance: instance(), order: 2 }).unwrap();
            let at = at % frame.len();
            frame[at] = to;
            if let Ok(order) = decode::<Order>(&frame) {
                prop_assert_eq!(encode(&order).unwrap(), frame);
            }
        }
    }
}
