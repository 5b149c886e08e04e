//! A service that takes connections and says nothing.

use std::net::{Ipv4Addr, TcpListener};

use crate::Outcome;
use crate::tools::say;

/// Takes every connection on a port of the loopback, and closes it. Says `ready` first.
pub(super) fn serve(port: u16) -> Outcome<()> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|error| format!("listen: {error}"))?;
    say("ready")?;
    // One that is gone before it was taken is no reason to end.
    listener.incoming().for_each(drop);
    Ok(())
}
