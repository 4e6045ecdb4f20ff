/**
 * The smart client: it knows which node owns a record and asks that node directly. Pure: network, clock and randomness
 * are given to it, so that it runs under Deno, Node, Bun and in the simulator. It knows nothing of this project's own
 * server and works with any that speaks the protocol. Not here: registering UDFs and jobs on the server, security, TLS.
 * Read `client.ts`, then `single_command.ts` and `cluster.ts`.
 *
 * @module
 */
export { type BatchResult, type BatchRow, NO_ANSWER } from "./batch.ts";
export { AerieClient, type ClientOptions, connect, type NodeInfo } from "./client.ts";
export type { ClientPorts } from "./cluster.ts";
export { parseAddress, parseInfoError } from "./cluster_info.ts";
export * from "./errors.ts";
export { requestInfoText } from "./info_request.ts";
export type { AnyKey, DigestKey, Key, UserKey } from "./key.ts";
export { type Call, type ContextStep, type Operation, type OperationMakers, ops } from "./operation.ts";
export type {
  BasePolicy,
  BatchPolicy,
  DefaultPolicies,
  ExistsAction,
  OperatePolicy,
  ReadPolicy,
  ReplicaChoice,
  ScanPolicy,
  WritePolicy,
} from "./policy.ts";
export type { ClientRecord, OperateRecord, OperationResult, RecordMeta } from "./record.ts";
export type { ScanRecord, ScanRequest } from "./scan.ts";
export {
  type Bins,
  Double,
  Extension,
  GeoJson,
  Hll,
  INFINITE,
  TypedBlob,
  type Value,
  type ValueObject,
  WILDCARD,
} from "./value.ts";
export type { UdfCall } from "./udf.ts";
export type { IndexCollection, Where } from "./where.ts";
export { encodeContext } from "./where.ts";
export { ResultCode, resultCodeName } from "../base/mod.ts";
export { type InfoAnswer, parseInfoReply as parseInfoAnswers } from "../wire/mod.ts";
export type {
  Address,
  Clock,
  CloseReason,
  Compute,
  Connection,
  ConnectionHandler,
  ConnectOptions,
  Listener,
  ListenOptions,
  Network,
  Random,
  Timer,
} from "../port/mod.ts";
