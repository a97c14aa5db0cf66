//! What streams and the swarms that they make up may take: bytes, shards and time.

use std::time::Duration;

/// Bytes of the largest frame body that is stored before it is used.
pub const FRAME_BODY_MAX: usize = 16 * 1024;
/// Bytes that a stream has room for from its start, of control frames that come in pieces and of
/// those that wait to be sent: a full queue of requests and the news of a few dozen shards, so that
/// nothing is allocated while shards move.
pub const BOX_SIZE: usize = 2048;
/// Bytes of the largest range that one request names: a fast stream sends it in a few milliseconds.
pub const RANGE_SIZE_MAX: u32 = 1024 * 1024;
/// Parts of a range that a stream sends in a second, at least: between two of them it can say
/// something else, and take back what it has not begun.
pub const PARTS_PER_SECOND: u64 = 8;
/// While the rate is not known, a part is one in so many of its range: for large shards time does not
/// press so much.
pub const PARTS_FIRST: u32 = 4;
/// Bytes of the smallest part of a range: its header is less than a hundredth of it, and it fills a
/// few packets.
pub const PART_SIZE_MIN: u32 = 4 * 1024;
/// Requests of a stream that wait for their answer: 1 MiB of the smallest shards, so that a path of
/// 100 ms carries 80 Mbit/s of them.
pub const REQUESTS_MAX: usize = 64;
/// Requests that go out together where many are under way: one packet carries them, and wakes the
/// other end once. The processor time of who sends a GiB on a fast link fell by a fourth.
pub const REQUESTS_BATCH: usize = 8;
/// Streams of a node.
pub const STREAMS_MAX: usize = 64;
/// Of these, so many are for those who come when the others are taken: each learns where else the file
/// is, and goes.
pub const STREAMS_SPARE: usize = 4;
/// Streams from one IP that is not of a local network, so that one host cannot take all of them.
pub const STREAMS_PER_IP_MAX: usize = 4;
/// Streams from one IP, of a local network as well, whose handshake is not over, in a network with a
/// key: a stranger that connects and says nothing cannot take all of them either.
pub const HANDSHAKES_PER_IP_MAX: usize = 16;
/// Connections of a swarm that are being made at once: a home router forgets a flood of them.
pub const SWARM_DIALS_MAX: usize = 16;
/// Streams of a swarm above which a fetch dials nobody else: see the figures of `swarm::providers`.
pub const SWARM_STREAMS_ENOUGH: usize = 24;
/// Swarms of a node.
pub const SWARMS_MAX: usize = 1_024;
/// Providers of a file that are remembered: several times as many as a node may connect to.
pub const PROVIDERS_MAX: usize = 4 * STREAMS_MAX;
/// Shards of a swarm in flight at once: each costs a hasher and a place.
pub const FLIGHTS_MAX: usize = 4 * STREAMS_MAX;
/// Shards in flight from one stream: few, so that they become whole, and can be passed on, early.
pub const FLIGHTS_PER_STREAM_MAX: usize = REQUESTS_MAX;
/// Bytes that are asked for in advance on a stream whose rate is not known yet.
pub const ASK_AHEAD_FIRST: u64 = 64 * 1024;
/// A stream asks for what it carries in this time in advance, or in [`AHEAD_ROUND_TRIPS`].
pub const ASK_AHEAD: Duration = Duration::from_millis(250);
/// Round trips whose payload is asked for, and offered, in advance where they are long, on all streams
/// of a swarm together: with one, the pipe would run dry at the least delay, and a stream could not
/// find out that it can be faster. With four, two receivers still find out.
pub const AHEAD_ROUND_TRIPS: u32 = 4;
/// What is asked for, or offered, in advance takes at most so long: a satellite's round trip, twice.
pub const AHEAD_MAX: Duration = Duration::from_secs(2);
/// Shards that a node with the whole file offers on a stream whose rate is not known yet: one that
/// is being sent and one that is asked for meanwhile.
pub const OFFERS_FIRST: u64 = 2;
/// Shards that it offers later, at least. What is offered early is offered blindly; the uplink is
/// kept busy by the other streams.
pub const OFFERS_MIN: u64 = 1;
/// Besides, it offers what the stream carries in this time, or in [`AHEAD_ROUND_TRIPS`].
pub const OFFER_AHEAD: Duration = Duration::from_micros(62_500);
/// Shards on offer above which it offers no more while they are half of what the rate allows: on a
/// fast stream one frame offers many.
pub const OFFERS_KEPT: u64 = 8;
/// Shards that it offers when it offers them again, at least ...
pub const OFFERS_REPEATED: u64 = 4;
/// ... and besides what the stream carries in this time, or in [`AHEAD_ROUND_TRIPS`].
pub const OFFER_AHEAD_REPEATED: Duration = Duration::from_millis(250);
/// Streams that are sent payload at once: enough to fill an uplink although each waits for its
/// window now and then, few enough that shards are whole, and can be passed on, early.
pub const UPLOADS_MAX: usize = 4;
/// Of what a node sends in a second, the part that may wait in the kernel on each stream is one in so
/// many: [`UPLOADS_MAX`] streams then hold up what is said on them for a sixteenth of a second.
pub const NOTSENT_PER_SECOND: u64 = 64;
/// Bytes that may wait on a stream, at least: a few full packets, and one while these are made.
pub const NOTSENT_MIN: u32 = 8 * 1024;
/// Bytes that may wait on a stream while the rate is not known: with less, a kernel would take a fast
/// path for a slow one.
pub const NOTSENT_FIRST: u32 = 256 * 1024;
/// Bytes that may wait on a stream, at most: more than a kernel takes.
pub const NOTSENT_MAX: u32 = 1 << 30;
/// Requests that a stream keeps when idle ones have shards recalled: what is asked for may be on its
/// way.
pub const RECLAIM_QUEUE_MIN: usize = 2;
/// How many times slower a stream is from which idle ones have shards recalled.
pub const SLOWER_THAN: u64 = 4;
/// Wrong shards from one stream before its other end is banned: a failing disk may spoil one or
/// two.
pub const BAD_SHARDS_MAX: u8 = 3;

// -- times

/// From dialling to a connection.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// From connection to a complete `Open`.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// Without a byte of what was asked for, before a stream is closed.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Without taking a byte of what is being sent to it, before a stream no longer counts among
/// [`UPLOADS_MAX`].
pub const UPLOAD_STALL_TIMEOUT: Duration = Duration::from_millis(200);
/// Without a byte of what was asked for, before idle streams may have a shard recalled, and another is
/// asked for the manifest.
pub const SLOW_TIMEOUT: Duration = Duration::from_millis(500);
/// From a recall that is not answered to the end of the stream: longer than an answer waits behind
/// payload on a thin uplink.
pub const STILL_TIMEOUT: Duration = Duration::from_secs(1);
/// From a recall to the end of the stream, whatever it sends meanwhile: what it had begun is a part of a
/// range, which an honest node sends in less than a second.
pub const RECLAIM_TIMEOUT: Duration = Duration::from_secs(30);
/// How often idle streams look for shards to have recalled.
pub const RECLAIM_PERIOD: Duration = Duration::from_millis(250);
/// Without taking a byte of what is sent to it, before a stream is closed.
pub const SEND_TIMEOUT: Duration = Duration::from_secs(30);
/// Without a frame, before a stream is closed.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// Without sending, before a keep-alive: two of them fit the other end's idle time.
pub const KEEP_ALIVE_PERIOD: Duration = Duration::from_secs(25);
/// How long news of gained shards wait for a request that takes them along, or for more of them,
/// for each stream of the swarm: with thirty streams the packets would else take a twentieth of a
/// thin uplink, and most of a small processor's time.
pub const HAVE_DELAY: Duration = Duration::from_millis(10);
/// The same for the first shards, which nobody can request before the news of them has come.
pub const HAVE_DELAY_FIRST: Duration = Duration::from_millis(1);
/// How many shards are the first.
pub const FIRST_HAVES_MAX: usize = 4;
/// From the end of the first round, in which each shard was offered to one node, to the first shard
/// that is offered twice: at least so long ...
pub const REPEAT_DELAY_MIN: Duration = Duration::from_millis(100);
/// ... and at most so long; between them it is the time of the round divided by
/// [`REPEAT_DELAY_DIVISOR`].
pub const REPEAT_DELAY_MAX: Duration = Duration::from_secs(1);
/// By then equals have nearly everything from each other; and if the others are slow, the uplink
/// that could have helped them was idle for one part in so many of a round.
pub const REPEAT_DELAY_DIVISOR: u32 = 8;
/// From the loss of a provider to the next try, less up to half of it by chance; doubled with each
/// failure.
pub const REDIAL_DELAY_MIN: Duration = Duration::from_secs(1);
/// The longest wait for the next try of a provider.
pub const REDIAL_DELAY_MAX: Duration = Duration::from_secs(120);
/// From a node that was met to a lookup for providers of which nobody has heard: several are met
/// within moments.
pub const LOOKUP_DELAY_MET: Duration = Duration::from_millis(100);
/// From the loss of a stream to a lookup where no other is open: who was turned away by a full node may
/// know nobody else, and by then the first of its swarm have announced themselves.
pub const LOOKUP_DELAY_ALONE: Duration = Duration::from_millis(500);
/// From the end of a lookup for providers to the next; longer with each that brings nobody.
pub const LOOKUP_PERIOD: Duration = Duration::from_secs(3);
/// Lookups that must have ended before a fetch may fail for want of providers.
pub const LOOKUPS_BEFORE_GIVING_UP: u32 = 2;
/// How long a fetch that has nothing yet waits for a provider.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// How long a fetch that has some shards waits for a provider of the rest: one that stands still for a
/// minute, or starts anew, is dialled again within that.
pub const PATIENCE_PARTIAL: Duration = Duration::from_secs(90);

// -- caps (`--up`, `--down`)

/// Bytes a second of the lowest cap: with [`UPLOADS_MAX`] streams, each gets a portion in less than
/// half of [`REQUEST_TIMEOUT`], after which its other end would give up.
pub const RATE_MIN: u64 = 4 * 1024;
/// Bytes a second of the highest cap: a thousand times the fastest link of a small host.
pub const RATE_MAX: u64 = 1 << 40;
/// What may go at once is the cap's bytes of a second divided by this (100 ms): a turn of the loop
/// that comes late by less loses nothing, and a thin link sees no longer burst.
pub const RATE_BURST_DIVISOR: i64 = 10;
/// What is admitted at once, at least, is the bytes of a second divided by this (10 ms).
pub const RATE_PORTION_DIVISOR: i64 = 100;
/// Bytes of the least portion: with its header it fills a few packets.
pub const RATE_PORTION_MIN: i64 = 4 * 1024;
/// Bytes of the greatest portion: a range.
pub const RATE_PORTION_MAX: i64 = RANGE_SIZE_MAX as i64;
