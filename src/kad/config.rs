//! The setup of a Kademlia node: its identity, its network and the parameters of the algorithm.

use crate::dht::{Params, records};
use crate::id::NodeId;
use crate::limits;
use crate::wire::Network;

/// How a node is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// Our node id.
    pub id: NodeId,
    /// Our network.
    pub network: Network,
    /// Our port, UDP and TCP alike; not 0 if anything is provided.
    pub port: u16,
    /// We ask, but must not be put into tables.
    pub read_only: bool,
    /// The parameters.
    pub params: Params,
}

/// The limits of the records that a node keeps for others (rule 16).
pub const RECORD_LIMITS: records::Limits = records::Limits {
    keys: limits::KEYS_MAX,
    records: limits::RECORDS_MAX,
    per_key: limits::PROVIDERS_PER_KEY_MAX,
    per_key_and_subnet: limits::PROVIDERS_PER_KEY_AND_SUBNET_MAX,
    per_ip: limits::RECORDS_PER_IP_MAX,
    per_subnet: limits::RECORDS_PER_SUBNET_MAX,
};
