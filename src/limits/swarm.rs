//! Bounds of streams and swarms: bytes, shards, times, and the caps of rates.

use std::time::Duration;

/// Bytes of the largest frame body: a stream stores a body before it parses it.
pub const FRAME_BODY_MAX: usize = 16 * 1024;
/// Bytes that a stream allocates at its start for control frames that arrive in pieces and for
/// frames that wait to be sent: a full queue of requests and the haves of a few dozen shards, so
/// that the data path allocates nothing.
pub const BOX_SIZE: usize = 2048;
/// Bytes of the largest range that one request names: a fast stream sends it in a few milliseconds.
pub const RANGE_SIZE_MAX: u32 = 1024 * 1024;
/// Parts of a range that a stream sends in a second, at least: between two of them it can send
/// other frames, and drop requests that it has not begun.
pub const PARTS_PER_SECOND: u64 = 8;
/// While the rate is unknown, a part is one in this many of its range: large shards are less
/// urgent.
pub const PARTS_FIRST: u32 = 4;
/// Bytes of the smallest part of a range: its header is less than a hundredth of it, and it fills a
/// few packets.
pub const PART_SIZE_MIN: u32 = 4 * 1024;
/// Requests of a stream in flight: 1 MiB of the smallest shards, so that a path of 100 ms carries
/// 80 Mbit/s of them.
pub const REQUESTS_MAX: usize = 64;
/// Requests sent together where many are in flight: one packet carries them, and wakes the other
/// end once. Sender CPU per GiB on a fast link fell by a fourth.
pub const REQUESTS_BATCH: usize = 8;
/// Streams of a node, for all its swarms: their buffers may take 10 MiB together.
pub const STREAMS_MAX: usize = 64;
/// Streams, of those, that accept peers while all others are in use: each peer is redirected to
/// other providers and closed.
pub const STREAMS_SPARE: usize = 4;
/// Streams from one IP outside local networks, so that one host cannot take all of them.
pub const STREAMS_PER_IP_MAX: usize = 4;
/// Streams from one IP, of a local network as well, whose handshake is not complete, in a network
/// with a key: a stranger that connects in silence cannot take all of them either.
pub const HANDSHAKES_PER_IP_MAX: usize = 16;
/// Connections of a swarm in progress at once: a home router fails under a flood of them.
pub const SWARM_DIALS_MAX: usize = 16;
/// Streams of a swarm above which a fetch dials no further provider: see the figures of
/// `swarm::providers`.
pub const SWARM_STREAMS_ENOUGH: usize = 24;
/// Swarms of a node: each is a shared or fetched file or folder.
pub const SWARMS_MAX: usize = 1_024;
/// Providers remembered for a file: several times as many as a node may connect to.
pub const PROVIDERS_MAX: usize = 4 * STREAMS_MAX;
/// Shards of a swarm in flight at once: each costs a hasher and a slot.
pub const FLIGHTS_MAX: usize = 4 * STREAMS_MAX;
/// Shards in flight from one stream: few, so that they become complete, and can be served, early.
pub const FLIGHTS_PER_STREAM_MAX: usize = REQUESTS_MAX;
/// Bytes requested in advance on a stream whose rate is unknown.
pub const ASK_AHEAD_FIRST: u64 = 64 * 1024;
/// A stream requests in advance the bytes that it carries in this time, or in
/// [`AHEAD_ROUND_TRIPS`].
pub const ASK_AHEAD: Duration = Duration::from_millis(250);
/// Round trips whose payload all streams of a swarm together request, or offer, in advance where
/// they are long. With one, the pipe runs dry at the least delay and a stream cannot find out that
/// it can be faster; with four, two receivers still find out.
pub const AHEAD_ROUND_TRIPS: u32 = 4;
/// Requests, or offers, in advance cover at most this time: twice a satellite's round trip.
pub const AHEAD_MAX: Duration = Duration::from_secs(2);
/// Shards that a super-seed offers on a stream whose rate is unknown: one that it sends and one
/// that is requested meanwhile.
pub const OFFERS_FIRST: u64 = 2;
/// Shards that it offers later, at least. An early offer is a blind one, and the other streams keep
/// the uplink busy.
pub const OFFERS_MIN: u64 = 1;
/// Besides, it offers the bytes that the stream carries in this time, or in [`AHEAD_ROUND_TRIPS`].
pub const OFFER_AHEAD: Duration = Duration::from_micros(62_500);
/// Open offers above which it makes no more while they are half of the number that the rate allows:
/// on a fast stream, one frame offers many.
pub const OFFERS_KEPT: u64 = 8;
/// Shards that it offers when it offers them again, at least ...
pub const OFFERS_REPEATED: u64 = 4;
/// ... and besides the bytes that the stream carries in this time, or in [`AHEAD_ROUND_TRIPS`].
pub const OFFER_AHEAD_REPEATED: Duration = Duration::from_millis(250);
/// Upload slots: enough to fill an uplink although a stream now and then waits for its window, and
/// few enough that shards become complete, and can be served, early.
pub const UPLOADS_MAX: usize = 4;
/// Each stream may keep one part in this many of the node's bytes of a second in the kernel:
/// [`UPLOADS_MAX`] streams then delay control frames by a sixteenth of a second.
pub const NOTSENT_PER_SECOND: u64 = 64;
/// Unsent bytes that a stream may keep in the kernel, at least: a few full packets, and one while
/// these are built.
pub const NOTSENT_MIN: u32 = 8 * 1024;
/// The same while the rate is unknown: with less, a kernel takes a fast path for a slow one.
pub const NOTSENT_FIRST: u32 = 256 * 1024;
/// The same at most: more than a kernel buffers.
pub const NOTSENT_MAX: u32 = 1 << 30;
/// Requests that a stream keeps when idle streams reclaim its shards: their data may be on its way.
pub const RECLAIM_QUEUE_MIN: usize = 2;
/// A stream is slow, and idle streams reclaim its shards, if it is this many times slower than they
/// are.
pub const SLOWER_THAN: u64 = 4;
/// Bad shards from one peer before it is banned: a failing disk may spoil one or two.
pub const BAD_SHARDS_MAX: u8 = 3;

// -- times

/// From the dial to a connection.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// From the connection to a complete `Open`.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// Time without a requested byte after which a stream is closed.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Time without an accepted byte after which a stream loses its upload slot ([`UPLOADS_MAX`]).
pub const UPLOAD_STALL_TIMEOUT: Duration = Duration::from_millis(200);
/// Time without a requested byte after which idle streams may reclaim a shard, and another stream
/// requests the manifest.
pub const SLOW_TIMEOUT: Duration = Duration::from_millis(500);
/// From a reclaim without an answer to the end of the stream: longer than an answer waits behind
/// payload on a thin uplink.
pub const STILL_TIMEOUT: Duration = Duration::from_secs(1);
/// From a reclaim to the end of the stream, whatever else it sends: it may finish the part that it
/// has begun, which an honest node sends in less than a second.
pub const RECLAIM_TIMEOUT: Duration = Duration::from_secs(30);
/// Period at which idle streams look for shards to reclaim.
pub const RECLAIM_PERIOD: Duration = Duration::from_millis(250);
/// Time without an accepted byte after which a stream is closed.
pub const SEND_TIMEOUT: Duration = Duration::from_secs(30);
/// Time without a received frame after which a stream is closed.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// Time without a sent frame after which a keep-alive is sent: two of them fit the idle timeout.
pub const KEEP_ALIVE_PERIOD: Duration = Duration::from_secs(25);
/// Time for which haves wait, for each stream of the swarm, for a request to travel with or for
/// more of them: with thirty streams their packets would otherwise take a twentieth of a thin
/// uplink, and most of a small processor's time.
pub const HAVE_DELAY: Duration = Duration::from_millis(10);
/// The same for the first shards, which no peer can request before it has the haves.
pub const HAVE_DELAY_FIRST: Duration = Duration::from_millis(1);
/// Shards that count as the first.
pub const FIRST_HAVES_MAX: usize = 4;
/// From the end of the first round, which offers each shard to one node, to the first repeated
/// offer: at least this time ...
pub const REPEAT_DELAY_MIN: Duration = Duration::from_millis(100);
/// ... and at most this time; between them it is the duration of the round divided by
/// [`REPEAT_DELAY_DIVISOR`].
pub const REPEAT_DELAY_MAX: Duration = Duration::from_secs(1);
/// By then equal peers have nearly everything from each other; and if the others are slow, the
/// uplink that could have helped them was idle for one part in this many of a round.
pub const REPEAT_DELAY_DIVISOR: u32 = 8;
/// From the loss of a provider to the next try, less up to half of it by chance; each failure
/// doubles it.
pub const REDIAL_DELAY_MIN: Duration = Duration::from_secs(1);
/// The longest time from the loss of a provider to the next try.
pub const REDIAL_DELAY_MAX: Duration = Duration::from_secs(120);
/// From a new contact to a lookup for a file without known providers: several contacts come within
/// moments.
pub const LOOKUP_DELAY_MET: Duration = Duration::from_millis(100);
/// From the loss of the last stream to a lookup: a peer that a full node redirected may know no
/// other provider, and by then the first peers of its swarm have announced themselves.
pub const LOOKUP_DELAY_ALONE: Duration = Duration::from_millis(500);
/// From the end of a lookup for providers to the next; longer after each that finds none.
pub const LOOKUP_PERIOD: Duration = Duration::from_secs(3);
/// Lookups that must end before a fetch may fail for lack of providers.
pub const LOOKUPS_BEFORE_GIVING_UP: u32 = 2;
/// Time for which a fetch without a shard waits for a provider.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// Time for which a fetch with some shards waits for a provider of the rest: one that is paused for
/// a minute, or restarts, is dialled again within it.
pub const PATIENCE_PARTIAL: Duration = Duration::from_secs(90);

// -- caps (`--up`, `--down`)

/// Bytes a second of the lowest cap: with [`UPLOADS_MAX`] streams, each gets a portion in less than
/// half of [`REQUEST_TIMEOUT`], after which the receiver gives up.
pub const RATE_MIN: u64 = 4 * 1024;
/// Bytes a second of the highest cap: a thousand times the fastest link of a small host.
pub const RATE_MAX: u64 = 1 << 40;
/// A burst is at most the cap's bytes of a second divided by this (100 ms): a turn of the loop that
/// is late by less loses nothing, and a thin link sees no longer burst.
pub const RATE_BURST_DIVISOR: i64 = 10;
/// A portion is at least the bytes of a second divided by this (10 ms).
pub const RATE_PORTION_DIVISOR: i64 = 100;
/// Bytes of the smallest portion: with its header it fills a few packets.
pub const RATE_PORTION_MIN: i64 = 4 * 1024;
/// Bytes of the largest portion: a range.
pub const RATE_PORTION_MAX: i64 = RANGE_SIZE_MAX as i64;
