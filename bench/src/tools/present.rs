//! Tells when a host has all of many addresses. To list them again and again would cost the kernel as much as to add them;
//! to bind a socket to one costs it next to nothing.

use std::io::ErrorKind;
use std::net::{IpAddr, UdpSocket};
use std::time::Duration;

use super::{parse, say};
use crate::Outcome;
use crate::stage::pause;

/// From one look to the next.
const EVERY: Duration = Duration::from_micros(200);

/// Says `watching`, and `there NANOS` once the host has each of these addresses.
pub(super) fn wait(addresses: &[&str]) -> Outcome<()> {
    let addresses: Vec<IpAddr> = addresses.iter().map(|word| parse(word)).collect::<Outcome<_>>()?;
    say("watching")?;
    for address in addresses {
        while !is_there(address)? {
            pause(EVERY);
        }
    }
    say(format!("there {}", sys::clock::now().as_nanos()))
}

fn is_there(address: IpAddr) -> Outcome<bool> {
    match UdpSocket::bind((address, 0)) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AddrNotAvailable => Ok(false),
        Err(error) => Err(format!("bind to {address}: {error}")),
    }
}
