//! Who may give orders.

use sys::unix::PeerCredentials;

/// The account that vrrp-core runs as where it exists (packaging/sysusers.d).
pub(crate) const CORE_USER: &str = "_handover-core";
const ROOT: u32 = 0;

/// Lets in vrrp-core's user, or our own where there is no such user, and root; nobody else, whatever the mode of the socket.
#[derive(Debug)]
pub(crate) struct Gate {
    user: u32,
}

impl Gate {
    /// `core` is the number of [`CORE_USER`] if there is one; `own` is our own.
    pub(crate) fn new(core: Option<u32>, own: u32) -> Self {
        Self { user: core.unwrap_or(own) }
    }

    /// Whether this peer may give orders.
    pub(crate) const fn admits(&self, peer: PeerCredentials) -> bool {
        peer.uid == self.user || peer.uid == ROOT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(uid: u32) -> PeerCredentials {
        PeerCredentials { pid: Some(1), uid, gid: 0 }
    }

    #[test]
    fn only_vrrp_cores_user_and_root_may_give_orders() {
        let installed = Gate::new(Some(990), 991);
        assert!(installed.admits(peer(990)) && installed.admits(peer(0)));
        assert!(!installed.admits(peer(991)), "our own user is not vrrp-core's");
        assert!(!installed.admits(peer(1000)));
        let demo = Gate::new(None, 1000);
        assert!(demo.admits(peer(1000)) && demo.admits(peer(0)) && !demo.admits(peer(1001)));
    }
}
