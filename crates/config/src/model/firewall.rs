//! The nouns of what shuts addresses: a table of nftables (nft(8)).

/// `nftables`, `nftables_priority`, `nftables_counters`: the table in which ipmgr shuts addresses, of the family `inet`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firewall {
    /// Its name, which no other table may have.
    pub table: String,
    /// When its chain has its turn among those that see what is for this host: the lower, the earlier; filters usually have 0.
    pub priority: i32,
    /// Whether rules count what they drop.
    pub counters: bool,
}
