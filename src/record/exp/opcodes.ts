/**
 * Numbers of the expression language. Source: the expression reference, sections 8.3 and 8.4.
 *
 * @module
 */

/** Types of expressions, as clients send them; REMOVE is ours and is never sent. */
export const EXP_TYPE = {
  NIL: 0,
  BOOL: 1,
  INT: 2,
  STRING: 3,
  LIST: 4,
  MAP: 5,
  BLOB: 6,
  FLOAT: 7,
  GEOJSON: 8,
  HLL: 9,
  REMOVE: 10,
} as const;

/** What an evaluation gives when it gives no value. */
export const UNKNOWN = -1;

/** Operations. */
export const EXP = {
  UNKNOWN: 0,
  EQ: 1,
  NE: 2,
  GT: 3,
  GE: 4,
  LT: 5,
  LE: 6,
  REGEX: 7,
  GEO_COMPARE: 8,
  IN_LIST: 9,
  AND: 16,
  OR: 17,
  NOT: 18,
  EXCLUSIVE: 19,
  ADD: 20,
  SUB: 21,
  MUL: 22,
  DIV: 23,
  POW: 24,
  LOG: 25,
  MOD: 26,
  ABS: 27,
  FLOOR: 28,
  CEIL: 29,
  TO_INT: 30,
  TO_FLOAT: 31,
  INT_AND: 32,
  INT_OR: 33,
  INT_XOR: 34,
  INT_NOT: 35,
  LSHIFT: 36,
  RSHIFT: 37,
  ARSHIFT: 38,
  BIT_COUNT: 39,
  LSCAN: 40,
  RSCAN: 41,
  MIN: 50,
  MAX: 51,
  DIGEST_MODULO: 64,
  DEVICE_SIZE: 65,
  LAST_UPDATE: 66,
  SINCE_UPDATE: 67,
  VOID_TIME: 68,
  TTL: 69,
  SET_NAME: 70,
  KEY_EXISTS: 71,
  IS_TOMBSTONE: 72,
  MEMORY_SIZE: 73,
  RECORD_SIZE: 74,
  KEY: 80,
  BIN: 81,
  BIN_TYPE: 82,
  REMOVE_RESULT: 100,
  MAP_KEYS: 101,
  MAP_VALUES: 102,
  LOOP_VARIABLE: 122,
  COND: 123,
  VAR: 124,
  LET: 125,
  QUOTE: 126,
  CALL: 127,
} as const;

/** Flags of EXP_READ and EXP_MODIFY. */
export const EXP_FLAG = {
  CREATE_ONLY: 0x01,
  UPDATE_ONLY: 0x02,
  ALLOW_DELETE: 0x04,
  POLICY_NO_FAIL: 0x08,
  EVAL_NO_FAIL: 0x10,
} as const;
