//! Adds addresses as ipmgr does: by the same netlink code, with the same batches.

use std::net::Ipv4Addr;

use model::LinkName;
use sys::netlink::{Change, FOREVER, Place, Route, Shape};

use crate::Outcome;
use crate::suite::further_address;

/// Adds that many addresses to eth0.
pub(super) fn add(count: u16) -> Outcome<()> {
    let mut route = Route::open().map_err(|error| format!("open a netlink socket: {error}"))?;
    let link = route.link_index("eth0").map_err(|error| error.to_string())?;
    let name = LinkName::new("eth0").map_err(|error| error.to_string())?;
    let change = |number| -> Outcome<Change> {
        let address: Ipv4Addr = further_address(number).parse().map_err(|error| format!("{error}"))?;
        let place = Place { link, name: name.clone(), address: address.into(), prefix: 32 };
        Ok(Change::Add { place, shape: Shape::default(), lifetime: FOREVER, origin: None })
    };
    let changes = (0..count).map(change).collect::<Outcome<Vec<_>>>()?;
    let answers: Result<Vec<()>, _> = route.apply(&changes).into_iter().collect();
    answers.map(drop).map_err(|error| error.to_string())
}
