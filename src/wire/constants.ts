/**
 * Constants of the client protocol, under Aerospike's names. Source: wire-protocol reference, sections 1 to 4.
 *
 * @module
 */

/** Version byte of every proto header. */
export const PROTO_VERSION = 2;
/** Bytes of a proto header: version, type, 48-bit size of the body. */
export const PROTO_HEADER_SIZE = 8;
/** Proto types. */
export const PROTO_TYPE_INFO = 1;
/** Proto type of security messages. */
export const PROTO_TYPE_SECURITY = 2;
/** Proto type of record messages. */
export const PROTO_TYPE_AS_MSG = 3;
/** Proto type of compressed record messages. */
export const PROTO_TYPE_AS_MSG_COMPRESSED = 4;

/** Bytes of a record message's header. */
export const AS_MSG_HEADER_SIZE = 22;
/** Bytes of a field's header: size and type. */
export const FIELD_HEADER_SIZE = 5;
/** Bytes of an operation's header: size, op, particle type, flags, name length. */
export const OP_HEADER_SIZE = 8;

/** info1: bits of reads. */
export const INFO1 = {
  READ: 0x01,
  GET_ALL: 0x02,
  SHORT_QUERY: 0x04,
  BATCH: 0x08,
  XDR: 0x10,
  GET_NO_BINS: 0x20,
  READ_MODE_AP_ALL: 0x40,
  COMPRESS_RESPONSE: 0x80,
} as const;

/** info2: bits of writes. */
export const INFO2 = {
  WRITE: 0x01,
  DELETE: 0x02,
  GENERATION: 0x04,
  GENERATION_GT: 0x08,
  DURABLE_DELETE: 0x10,
  CREATE_ONLY: 0x20,
  RELAX_AP_LONG_QUERY: 0x40,
  RESPOND_ALL_OPS: 0x80,
} as const;

/** info3: more bits. */
export const INFO3 = {
  LAST: 0x01,
  COMMIT_MASTER: 0x02,
  PARTITION_DONE: 0x04,
  UPDATE_ONLY: 0x08,
  CREATE_OR_REPLACE: 0x10,
  REPLACE_ONLY: 0x20,
  SC_READ_TYPE: 0x40,
  SC_READ_RELAX: 0x80,
} as const;

/** info4: bits of multi-record transactions. */
export const INFO4 = {
  MRT_VERIFY_READ: 0x01,
  MRT_ROLL_FORWARD: 0x02,
  MRT_ROLL_BACK: 0x04,
  MRT_MONITOR_DRIVEN: 0x08,
  MRT_ON_LOCKING_ONLY: 0x10,
} as const;

/** Field types of record messages. */
export const FIELD = {
  NAMESPACE: 0,
  SET: 1,
  KEY: 2,
  RECORD_VERSION: 3,
  DIGEST: 4,
  MRT_ID: 5,
  MRT_DEADLINE: 6,
  TRID: 7,
  SOCKET_TIMEOUT: 9,
  RECS_PER_SEC: 10,
  PID_ARRAY: 11,
  DIGEST_ARRAY: 12,
  SAMPLE_MAX: 13,
  LUT: 14,
  BVAL_ARRAY: 15,
  INDEX_NAME: 21,
  INDEX_RANGE: 22,
  INDEX_CONTEXT: 23,
  INDEX_EXPRESSION: 24,
  INDEX_TYPE: 26,
  UDF_FILENAME: 30,
  UDF_FUNCTION: 31,
  UDF_ARGLIST: 32,
  UDF_OP: 33,
  QUERY_BINLIST: 40,
  BATCH: 41,
  BATCH_WITH_SET: 42,
  FILTER_EXP: 43,
} as const;

/** Operations. */
export const OP = {
  READ: 1,
  WRITE: 2,
  CDT_READ: 3,
  CDT_MODIFY: 4,
  INCR: 5,
  EXP_READ: 7,
  EXP_MODIFY: 8,
  APPEND: 9,
  PREPEND: 10,
  TOUCH: 11,
  BITS_READ: 12,
  BITS_MODIFY: 13,
  DELETE_ALL: 14,
  HLL_READ: 15,
  HLL_MODIFY: 16,
} as const;

/** Particle types: the kinds of value that a bin can hold. */
export const PARTICLE = {
  NULL: 0,
  INTEGER: 1,
  FLOAT: 2,
  STRING: 3,
  BLOB: 4,
  JAVA_BLOB: 7,
  CSHARP_BLOB: 8,
  PYTHON_BLOB: 9,
  RUBY_BLOB: 10,
  PHP_BLOB: 11,
  ERLANG_BLOB: 12,
  VECTOR: 16,
  BOOL: 17,
  HLL: 18,
  MAP: 19,
  LIST: 20,
  GEOJSON: 23,
} as const;

/** Flags of a batch request. */
export const BATCH_FLAG = {
  INLINE: 0x01,
  INLINE_SSD: 0x02,
  RESPOND_ALL: 0x04,
  REPORT_ROW: 0x08,
} as const;

/** Flags of one row of a batch. */
export const BATCH_ROW = {
  REPEAT: 0x01,
  INFO: 0x02,
  GENERATION: 0x04,
  TTL: 0x08,
  INFO4: 0x10,
} as const;

/** TTL of a write: the default of set or namespace. */
export const TTL_DEFAULT = 0;
/** TTL: never expire. On reads: never touch. */
export const TTL_NEVER = 0xffff_ffff;
/** TTL: keep the record's void-time. */
export const TTL_KEEP = 0xffff_fffe;
