//! The order of the steps that make a fetch durable.
//!
//! The order is data, so that both drivers follow the same one and a test can show, by swapping any
//! two steps, what each of them is for (`tests/core/crash.rs`).

/// One step. It is done wholly before the next begins; if it fails, the plan has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// `fdatasync` of each entry that was written since it was last synced.
    SyncData,
    /// `fsync` of the folders within the part, so that its entries keep their names.
    SyncFolders,
    /// The new journal, whole, beside the old one.
    WriteJournal,
    /// The records of what was gained, at the journal's end.
    AppendRecords,
    /// `fdatasync` of the journal that was written or appended to.
    SyncJournal,
    /// The new journal takes the old one's name.
    NameJournal,
    /// The part takes its final name.
    NamePart,
    /// `fsync` of the folder that part and journal stand in, so that they keep their names.
    SyncParent,
    /// The journal goes: the final name says all that it said.
    RemoveJournal,
}

/// A plan, by its purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// The part's files are made or found, and an old journal was read, or something durable is
    /// lost: a new journal begins, with what the old one proved and still is so.
    Begin,
    /// New shards become durable.
    Checkpoint,
    /// Every shard is there: the file gets its final name.
    Finish,
    /// Shards of a finished file that had gone bad are written again.
    Repair,
}

impl Plan {
    /// Its steps, first to last.
    pub const fn steps(self) -> &'static [Step] {
        match self {
            // A new journal beside the old one: one of them is always whole. The folders last: both
            // names, and the part's, are then on the disk before the first record is.
            Plan::Begin => &[
                Step::WriteJournal,
                Step::SyncJournal,
                Step::NameJournal,
                Step::SyncFolders,
                Step::SyncParent,
            ],
            Plan::Checkpoint => &[Step::SyncData, Step::AppendRecords, Step::SyncJournal],
            // No record: a start reads a finished file before it believes it (`swarm::repair`).
            Plan::Repair => &[Step::SyncData],
            Plan::Finish => &[
                Step::SyncData,
                Step::SyncFolders,
                Step::NamePart,
                Step::SyncParent,
                Step::RemoveJournal,
            ],
        }
    }
}
