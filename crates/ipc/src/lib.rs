//! What the processes say to each other: one file per link, each with one type per direction.
//!
//! | link | file | form |
//! |---|---|---|
//! | vrrp-core to anybody | [`events`] | JSON Lines |
//! | checkerd to anybody | [`verdicts`] | JSON Lines |
//! | notifierd to anybody | [`hooks`] | JSON Lines |
//! | a reload's coordinator to each of these | [`reload`] | JSON Lines |
//! | notifierd to its history on disk | [`history`] | JSON Lines |
//! | vrrp-core and ipmgr | [`core_ipmgr`] | bincode frames ([`frame`]) with descriptors |
//!
//! Only shapes, encoding and decoding: no socket is opened here. Whatever is decoded came from another
//! process and is believed only as far as its type says.

pub mod core_ipmgr;
pub mod events;
pub mod frame;
pub mod history;
pub mod hooks;
pub mod json;
pub mod reload;
pub mod verdicts;
