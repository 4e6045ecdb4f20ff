/**
 * Every queue, buffer, loop and retry has its named limit here, with the reason. Reaching one is counted and tested.
 * Limits that a configuration option sets are not here but in the option table.
 *
 * @module
 */

import { assert } from "./assert.ts";

/** Partitions of a namespace; fixed by the protocol. Only {@linkcode setPartitionCount} changes it. */
export let PARTITION_COUNT: number = 4096;

/**
 * Lets everything that is made from now on have fewer partitions, which makes a simulated cluster cheap: most of the
 * work of a change of a cluster is the same for each partition. For the simulator only; one process runs one number at
 * a time.
 *
 * @param count a power of two, 16 to 4096
 */
export function setPartitionCount(count: number): void {
  assert(count >= 16 && count <= 4096 && (count & (count - 1)) === 0, `${count} is a number of partitions`);
  PARTITION_COUNT = count;
}

/** Bytes of a digest; fixed by the protocol. */
export const DIGEST_SIZE_BYTES = 20;

/** Largest proto body; larger announcements drop the connection, as the stock server does. */
export const PROTO_BODY_SIZE_MAX = 128 * 1024 * 1024;

/** Longest namespace name in bytes. */
export const NAMESPACE_NAME_SIZE_MAX = 31;

/** Longest set name in bytes. */
export const SET_NAME_SIZE_MAX = 63;

/** Longest bin name in bytes. */
export const BIN_NAME_SIZE_MAX = 15;

/** Bins of one record. */
export const BIN_COUNT_MAX = 32767;

/** Operations of one message. */
export const OP_COUNT_MAX = 32768;

/** Sets of one namespace: 12 bits of the index entry, 0 means none. */
export const SET_COUNT_MAX = 4095;

/** Longest TTL that a client may ask for: ten years. */
export const TTL_MAX_S = 315_360_000;

/** Nesting of lists and maps that the validator follows; deeper input is refused, so that no recursion runs away. */
export const MSGPACK_DEPTH_MAX = 256;

/**
 * Reply bytes that may wait for a client before the node stops reading its requests. A client that does not read
 * costs at most this much memory plus one reply.
 */
export const SESSION_OUTPUT_HIGH_WATER_BYTES = 1024 * 1024;

/**
 * Reply bytes of a job (scan, batch) that may wait for a client before the job pauses. Enough to keep a socket busy; more
 * would make one write, which holds the event loop while the system copies it, longer than a slice.
 */
export const SESSION_JOB_OUTPUT_HIGH_WATER_BYTES = 256 * 1024;

/** Time for which one connection's requests are run in one go: as long as a slice of background work. */
export const CLIENT_RUN_MAX_MS = 1;

/** Time for which requests of all connections are run in one turn of the event loop; heartbeats and timers come between. */
export const CLIENT_TURN_MAX_MS = 8;

/** Request bytes that a node reads ahead while an earlier request of the connection is still running. */
export const SESSION_INPUT_HIGH_WATER_BYTES = 256 * 1024;

/** Longest text line of the plain info port. */
export const INFO_LINE_SIZE_MAX = 64 * 1024;

/** Longest body of an info request; tools send at most an encoded UDF module of 1 MiB. */
export const INFO_BODY_SIZE_MAX = 2 * 1024 * 1024;

/** Longest text that a client may have written into the log, so that a line stays a line. */
export const LOG_MESSAGE_SIZE_MAX = 1024;

/**
 * Longest answer to one info request. A request may name any number of commands, each with an answer a thousand times
 * its size; honest ones stay below a tenth of this.
 */
export const INFO_REPLY_SIZE_MAX = 16 * 1024 * 1024;

/**
 * Longest reply for one record. A request may ask for the same bin in every one of its operations; a record with all its
 * bins is far smaller.
 */
export const REPLY_MESSAGE_SIZE_MAX = 32 * 1024 * 1024;

/**
 * A compressed request may announce at most this size; larger ones are malformed. Inflating holds the event loop: this
 * much takes some tens of milliseconds, the whole of a proto body would take half a second.
 */
export const INFLATE_SIZE_MAX = 16 * 1024 * 1024;

/** How long one slice of background work may hold the event loop. */
export const SLICE_MAX_MS = 1;

/**
 * The same for jobs of clients (scans, batches) while other requests come in: those wait for a slice at most, and still
 * more than half of the time is left for the job, because a turn between two slices costs about a tenth of this.
 */
export const SLICE_BESIDE_REQUESTS_MAX_MS = 0.3;

/** Longest delay of a timer: runtimes take longer ones for 1 ms. Clients may send larger timeouts. */
export const TIMER_DELAY_MAX_MS = 0x7fff_ffff;

/** Seconds between 1970-01-01 and 2010-01-01, the epoch of void-times and LUTs. */
export const CITRUSLEAF_EPOCH_S = 1_262_304_000;

/** Connections of one client to one node unless its options say otherwise: what the official clients allow. */
export const CLIENT_CONNECTIONS_PER_NODE_MAX = 100;

/** Requests of one client that may wait for a connection to one node; more fail at once instead of growing a queue. */
export const CLIENT_WAITERS_PER_NODE_MAX = 10_000;

/** Nodes that a client adds: a cluster has no more. Keeps a broken list of peers from growing the client. */
export const CLIENT_NODE_COUNT_MAX = 256;

/** Replicas per partition that a client keeps; it asks no further ones. */
export const CLIENT_REPLICA_COUNT_MAX = 8;

/** Records of a scan that may wait for a slow reader before the client pauses the connections. */
export const CLIENT_SCAN_QUEUE_COUNT_MAX = 1000;

/** Largest body of a fabric message; a larger announcement closes the connection, as the stock server does. */
export const FABRIC_BODY_SIZE_MAX = 128 * 1024 * 1024;

/** Largest heartbeat message, inflated or not; the stock server's hard limit. */
export const HEARTBEAT_SIZE_MAX = 10 * 1024 * 1024;

/** Fields of one peer message; the stock server has at most 22 kinds in one. */
export const PEER_FIELD_COUNT_MAX = 64;

/** Nodes in one list of a peer message: the largest cluster of any edition. */
export const PEER_NODE_COUNT_MAX = 256;

/** Namespaces in one exchange message: the largest number of any edition. */
export const PEER_NAMESPACE_COUNT_MAX = 32;

/** Truncation marks that a node tells in an exchange, the latest: more than operators set while a network is parted. */
export const EXCHANGE_TRUNCATION_COUNT_MAX = 1024;

/** Longest name of a namespace and a set in such a mark; a namespace has 31 bytes, a set 63. */
export const EXCHANGE_TRUNCATION_KEY_SIZE_MAX = 255;

/** Items of one SMD message: a truncation per set of 32 namespaces, and as many again for everything else. */
export const SMD_ITEM_COUNT_MAX = 2 * 32 * 4096;

/** Seeds of one node, from the configuration and `tip`; the stock Enterprise server's limit. */
export const HEARTBEAT_SEED_COUNT_MAX = 256;

/** Addresses of one seed name that are dialled; a name of a whole cluster has one per node. */
export const HEARTBEAT_SEED_ADDRESS_COUNT_MAX = 32;

/** Open heartbeat connections: two per peer while duplicates are resolved, and room for strangers. More are closed. */
export const HEARTBEAT_CONNECTION_COUNT_MAX = 2 * PEER_NODE_COUNT_MAX + 64;

/** Heartbeat connects under way at once; further ones wait for the next tend, the longest waiting first. */
export const HEARTBEAT_DIAL_COUNT_MAX = 128;

/** Largest heartbeat datagram: what UDP over IPv4 carries. */
export const HEARTBEAT_DATAGRAM_SIZE_MAX = 65_507;

/** Heartbeat datagrams looked at in 100 ms: 256 nodes send 4 prompt pulses each in that time, by two interfaces. */
export const HEARTBEAT_DATAGRAM_COUNT_MAX = 2048;

/** Kinds of heartbeat log lines whose last time is remembered, so that none floods the log. */
export const HEARTBEAT_LOG_KEY_COUNT_MAX = 1024;

/** Messages of one heartbeat connection that are looked at per interval; a peer that floods costs no more. */
export const HEARTBEAT_MESSAGES_PER_INTERVAL_MAX = 64;

/** Info requests of one connection that are answered per interval; a peer asks once per pulse. */
export const HEARTBEAT_INFO_REPLIES_PER_INTERVAL_MAX = 4;

/** Pulses per interval that are sent before their time, because there is news for the others. */
export const HEARTBEAT_PROMPT_PULSES_PER_INTERVAL_MAX = 4;

/** Changes that the heartbeat tells of in one batch; the stock server's limit. */
export const HEARTBEAT_CHANGE_COUNT_MAX = 200;

/** Nodes of which arrivals are counted, those that will not come back included. */
export const HEARTBEAT_ARRIVALS_NODE_COUNT_MAX = 4 * PEER_NODE_COUNT_MAX;

/** Bytes of new values that the operations of one request may build: more than any record holds, and no flood of memory. */
export const SCRATCH_SIZE_MAX = 128 * 1024 * 1024;

/** A blob that bit operations build is smaller than this, as the stock server limits it. */
export const BITS_BLOB_SIZE_MAX = 128 * 1024 * 1024;

/** Sketches in one HyperLogLog call, as many as items in a list of any other call. */
export const HLL_LIST_COUNT_MAX = 1_048_576;

/** Vertices of one GeoJSON value: looking for edges that cross may take the square of them, 0.1 s for this many. */
export const GEO_VERTEX_COUNT_MAX = 4096;

/**
 * Room that a namespace's buffers for new values and records keep after a large one. Making room for a megabyte anew, in
 * each of them and for each operation, costs several times what the operation does.
 */
export const BUILD_BUFFER_KEEP_BYTES = 4 * 1024 * 1024;

/** Elements of a list or map that is a parameter of an operation on lists or maps; the stock server's limit. */
export const CDT_PARAM_COUNT_MAX = 1_048_576;

/** Elements that an answer may list: a sorted list repeats elements that were asked for more than once. */
export const CDT_ANSWER_COUNT_MAX = 4 * 1_048_576;

/**
 * Numbers in the persisted index of a list or map: so many take three bytes each, and no record is larger than 8 MiB. What
 * would need more gets no index, so that a request can't make much room be taken for what is refused then.
 */
export const CDT_INDEX_NUMBER_COUNT_MAX = Math.floor(8 * 1_048_576 / 3);

/** Elements of a list that an index beyond its end may pad with nil: no record is larger than 8 MiB. */
export const CDT_PAD_COUNT_MAX = 8 * 1_048_576;

/** Steps of a context: nothing that is stored is nested more deeply. */
export const CDT_CONTEXT_STEP_COUNT_MAX = 256;

/** Bytes that one call on lists or maps may look at more than once on its way to what it is for. */
export const CDT_WALK_WORK_MAX_BYTES = 128 * 1024 * 1024;

/** Steps of a selection by path; the stock server's limit. */
export const CDT_PATH_STEP_COUNT_MAX = 64;

/** Messages that wait for a fabric connection of one peer and channel from which on it counts as overloaded, as in 8.1.2. */
export const FABRIC_OVERLOAD_COUNT = 16;

/** Messages that may wait for one peer and channel; more are refused, and the sender's retransmission comes later. */
export const FABRIC_QUEUE_COUNT_MAX = 32_768;

/** Bytes that may wait for one peer and channel before messages are refused; one message of any size always fits. */
export const FABRIC_QUEUE_SIZE_MAX = 64 * 1024 * 1024;

/** Messages of one fabric write together have at most this size, unless one alone is larger. */
export const FABRIC_WRITE_SIZE_MAX = 64 * 1024;

/** Empty write buffers that one peer and channel keep for the next messages. */
export const FABRIC_SPARE_CHUNK_COUNT_MAX = 4;

/** Times that messages are sent again because their connection broke; one that breaks every connection must end. */
export const FABRIC_RESEND_COUNT_MAX = 3;

/** Fabric connects under way at once; further ones wait, control channels first. */
export const FABRIC_DIAL_COUNT_MAX = 64;

/** A fabric connect that takes longer is given up. */
export const FABRIC_CONNECT_TIMEOUT_MS = 1000;

/** Longest wait between two attempts to connect to a peer that is adjacent; the first ones come much faster. */
export const FABRIC_BACKOFF_MAX_MS = 1000;

/** Accepted fabric connections whose handshake has not come; the oldest is closed for a new one. */
export const FABRIC_PENDING_COUNT_MAX = 1024;

/** A connection must say who it is within this time. */
export const FABRIC_HANDSHAKE_TIMEOUT_MS = 2000;

/** Connections of a new process wait so long for the end of the old one to be noticed. */
export const FABRIC_PARKED_TIMEOUT_MS = 10_000;

/** Largest body of a handshake: two fields and some that come later. */
export const FABRIC_HANDSHAKE_SIZE_MAX = 1024;

/** Connections that one peer may have open to one channel: the upper bound of its options; the oldest goes for more. */
export const FABRIC_ACCEPTED_PER_CHANNEL_MAX = 128;

/** Bytes of unfinished messages on all fabric connections; the one that reaches it is closed. */
export const FABRIC_PARTIAL_SIZE_MAX = 512 * 1024 * 1024;

/** Bytes of unfinished messages on all heartbeat connections; real ones have a few KiB. */
export const HEARTBEAT_PARTIAL_SIZE_MAX = 32 * 1024 * 1024;

/** Messages that wait for one heartbeat connection; a newer pulse takes the place of an older one. */
export const HEARTBEAT_SEND_COUNT_MAX = 8;

/** A heartbeat connection that takes no bytes for so long counts as closed. */
export const HEARTBEAT_WRITE_TIMEOUT_MS = 500;

/** Malformed messages in a row after which a heartbeat connection is closed. */
export const HEARTBEAT_FAULT_COUNT_MAX = 8;

/** Turns of the event loop in which sockets are read after a sleep, before what is missing counts as missing. */
export const HEARTBEAT_DRAIN_TURN_COUNT_MAX = 64;

/** Exchange messages kept for a cluster that is not known yet: data and "ready" of each node of the largest cluster. */
export const EXCHANGE_EARLY_COUNT_MAX = 2 * 256;

/** Longest expression; the stock server limits what it builds to this. */
export const EXP_SIZE_MAX_BYTES = 1024 * 1024;

/** Nodes of one expression. */
export const EXP_NODE_COUNT_MAX = 65_536;

/** Nesting of expressions: evaluation follows it with the machine's stack. */
export const EXP_DEPTH_MAX = 512;

/**
 * Bytes of texts, lists and maps that a filter may look at for one record, and all expressions of one message together,
 * so that a search of a large list in each of many nodes does not hold the event loop: this much takes about a third of
 * a second. An evaluation that needs more ends as unknown.
 */
export const EXP_WORK_MAX_BYTES = 64 * 1024 * 1024;

/** Compiled expressions that a namespace keeps. */
export const EXP_CACHE_COUNT_MAX = 256;

/** Memory that they may take together, by estimate; the oldest make room. */
export const EXP_CACHE_SIZE_MAX_BYTES = 32 * 1024 * 1024;

/** Characters of all regular expressions of an expression when their repetitions are written out. */
export const REGEX_EXPANDED_SIZE_MAX = 10_000;

/** Regular expressions in one expression: each keeps an automaton that grows with the texts it sees. */
export const REGEX_COUNT_MAX = 64;

/** Memory for the automata of one expression, shared equally; one that is full starts again from nothing. */
export const REGEX_AUTOMATA_SIZE_MAX_BYTES = 512 * 1024;

/** Nesting of groups in a regular expression. */
export const REGEX_DEPTH_MAX = 100;

/** Nodes whose addresses are remembered after they left; `alumni-*` shows them. */
export const PEER_SERVICE_ALUMNI_COUNT_MAX = 1024;

/** Nodes that one configuration may start on one host: more than the largest machines have processors for. */
export const NODES_PER_HOST_MAX = 64;

/** Bytes of one emigration that may be sent without having been acknowledged; the stock server's limit. */
export const MIGRATE_UNACKED_SIZE_MAX = 32 * 1024 * 1024;

/** Records of one emigration that may be sent without having been acknowledged: each costs some bytes of memory. */
export const MIGRATE_UNACKED_COUNT_MAX = 8192;

/** Lineages of each kind that a copy of a partition remembers: some per change of the cluster; older ones are forgotten. */
export const LINEAGE_ID_COUNT_MAX = 32;

/** Filter of a copy's older lineages, a power of two: with 300 of them, one of sixteen others is taken for one of them. */
export const LINEAGE_FILTER_SIZE_BYTES = 256;

/** Records whose meta data a receiver offers, and a source keeps, for one partition; with more everything is sent. */
export const MIGRATE_META_COUNT_MAX = 1024 * 1024;

/** Meta records of one batch. */
export const MIGRATE_META_BATCH_COUNT_MAX = 512;

/** Batches of meta records that may be sent without having been acknowledged. */
export const MIGRATE_META_UNACKED_COUNT_MAX = 8;

/** Records from other nodes that wait for the bytes of the record here; further ones are left for the source to repeat. */
export const MIGRATE_WAITING_COUNT_MAX = 1024;

/** Modules of user-defined functions that a node keeps. */
export const UDF_MODULE_COUNT_MAX = 1024;

/** Base64 text of a module, as the stock server limits it. */
export const UDF_CONTENT_SIZE_MAX = 1024 * 1024;

/** Name of a module, in bytes, as the stock server limits it. */
export const UDF_NAME_SIZE_MAX = 127;

/**
 * Instructions of Lua that one call may run. Simple ones run at about 100 per µs, those that make tables or strings at
 * a fraction of that: this is about 50 ms of an ordinary script. Library functions count by the work that they do.
 */
export const UDF_INSTRUCTION_COUNT_MAX = 2_500_000;

/** Time after which a call is stopped whatever it has counted: a few slow instructions must not add up. */
export const UDF_CALL_TIME_MAX_MS = 250;

/** Memory of one Lua state: its module's code, its globals and whatever a call has at one time. */
export const UDF_STATE_SIZE_MAX_BYTES = 32 * 1024 * 1024;

/** Largest single value of Lua, such as a string: operations on it are one instruction. */
export const UDF_VALUE_SIZE_MAX_BYTES = 8 * 1024 * 1024;

/** Memory of all Lua states of a node together. */
export const UDF_MACHINE_SIZE_MAX_BYTES = 256 * 1024 * 1024;

/** Lua states that a node keeps, one per module that was called last. */
export const UDF_STATE_COUNT_MAX = 32;

/** Nesting of lists and maps that go to Lua and come back: both ways follow it with the machine's stack. */
export const UDF_VALUE_DEPTH_MAX = 128;

/** Lines that one call may write into the log. */
export const UDF_LOG_LINE_COUNT_MAX = 64;

/** Nesting of a pattern's parts while it is matched, as Lua limits it. */
export const UDF_PATTERN_DEPTH_MAX = 200;

/** Reads of single records that run at once per namespace; more wait their turn. The system's pool has fewer threads. */
export const READS_IN_FLIGHT_MAX = 128;

/** Bytes of records that were read and are kept a little, because who asked for one may ask again. */
export const READ_STAGE_SIZE_MAX_BYTES = 1024 * 1024;

/** Records that can't be read here and are asked for elsewhere at a time, or were in vain; the reader of more gets an error. */
export const MEND_COUNT_MAX = 4096;

/** Records whose replicas are to be mended; beyond this the next migration or write of the record must do it. */
export const REPLICA_REPAIR_COUNT_MAX = 65_536;

/** Records that are sent to be mended at a time. */
export const REPLICA_REPAIR_BURST_COUNT_MAX = 128;

/** Times that one write is raised above newer copies that its replicas have. */
export const REPLICA_RAISE_COUNT_MAX = 8;

/** Requests of other nodes that run here at a time; more are returned to their senders, who try again. */
export const PROXIED_COUNT_MAX = 16_384;

/** Requests that one node has sent on and that are not answered; more are refused. */
export const PROXYING_COUNT_MAX = 65_536;

/** Ids of a peer's requests that are remembered, because a message may come twice when a connection breaks. */
export const PROXY_ID_COUNT_MAX = 8192;

/** Rows of one batch that wait for other nodes; the batch goes on when there are less. */
export const BATCH_DEFERRED_COUNT_MAX = 256;

/** Writes of one background job that wait for their replicas. */
export const BACKGROUND_DEFERRED_COUNT_MAX = 64;

/**
 * GeoJSON regions inside one list, map or expression's value that an index takes in: covering each takes a millisecond,
 * in the turn of the write. Further ones are in no index.
 */
export const GEO_INDEXED_REGION_COUNT_MAX = 64;

/** Bytes of GeoJSON texts inside one list, map or expression's value that an index takes in, for the same reason. */
export const GEO_INDEXED_SIZE_MAX_BYTES = 256 * 1024;

/** Replica writes that a node remembers, to send on what it has from a master that died in the middle of one. */
export const RECENT_WRITE_COUNT_MAX = 16_384;

/** Places for the order of replica writes beside members that take no tombstones: some of the last writes' digests. */
export const REPLICA_ORDER_PLACE_COUNT = 8192;

/** Writes sent to stock replicas whose late answers are understood. */
export const UNORDERED_WRITE_COUNT_MAX = 8192;

/** Longest key that a key file may hold; 32 random bytes are enough. */
export const ENCRYPTION_KEY_SIZE_MAX_BYTES = 64 * 1024;
