//! The setup of a Kademlia node: its identity, its network and its limits.

use crate::dht::{Params, RecordLimits};
use crate::id::NodeId;
use crate::limits;
use crate::wire::Network;

/// The setup of a node.
#[derive(Clone, Debug)]
pub struct Config {
    /// The node's own id, the centre of its table.
    pub id: NodeId,
    /// Its network; datagrams of others count as damaged.
    pub network: Network,
    /// Its port, UDP and TCP alike; not 0 if it provides anything.
    pub port: u16,
    /// It asks other nodes, but must not be put into their tables.
    pub read_only: bool,
    /// Kademlia's parameters for this node (rule 2).
    pub params: Params,
}

/// The limits of the records that a node keeps for others (rule 16).
pub const RECORD_LIMITS: RecordLimits = RecordLimits {
    keys: limits::KEYS_MAX,
    records: limits::RECORDS_MAX,
    per_key: limits::PROVIDERS_PER_KEY_MAX,
    per_key_and_subnet: limits::PROVIDERS_PER_KEY_AND_SUBNET_MAX,
    per_ip: limits::RECORDS_PER_IP_MAX,
    per_subnet: limits::RECORDS_PER_SUBNET_MAX,
};
