//! The cluster state: who is there, what is where, who may serve. A pure state machine.

mod apply;
mod change_log;
mod cluster;
mod command;
mod counters;
mod dedupe;
mod disk;
mod event;
mod fill;
mod following;
mod growth;
mod leases;
pub mod limits;
mod name;
mod outcome;
mod peer;
mod pg;
mod placing;
mod policy;
mod proposal;
mod recovery;
mod restored;
mod token;
mod upkeep;
mod view;
mod volume;
mod voters;

pub use change_log::Touched;
pub use cluster::{ClusterState, Genesis};
pub use command::{
    Command, InSyncItem, JoinItem, PgMembers, RemovalReason, TableDelta, TakeBasis, Target,
};
pub use counters::Counters;
pub use disk::{Disk, DiskClass, NewDisk};
pub use event::{Event, Severity};
pub use fill::{FACTOR_ONE, FillFactors};
pub use growth::MoveRates;
pub use outcome::{
    Applied, Fault, Kind, Outcome, PgOutcome, PgRefused, PgResult, Rejection, outcome_json,
};
pub use peer::{Address, AddressRole, Domains, NewPeer, Peer, Standing};
pub use pg::PgTable;
pub use placing::{ClassRule, Localize, Movement, Rules};
pub use policy::{FailureDomain, NewPolicy, Policy, ReadMode, Redundancy};
pub use proposal::Proposal;
pub use restored::Restored;
pub use token::Token;
pub use upkeep::{Settings, Upkeep};
pub use view::state_json;
pub use volume::{
    Attachment, Export, ExportKind, Fenced, Head, HeadOwner, Via, Volume, VolumeState,
};
pub use voters::{ConfChange, Voters};

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod growth_tests;
#[cfg(test)]
mod placing_tests;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod tests;
