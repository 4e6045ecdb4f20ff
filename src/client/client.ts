/**
 * The client.
 *
 * @module
 */

import {
  ByteBuffer,
  CLIENT_CONNECTIONS_PER_NODE_MAX,
  CLIENT_WAITERS_PER_NODE_MAX,
  createDigester,
  type Digester,
  ResultCode,
  SET_NAME_SIZE_MAX,
  utf8,
} from "../base/mod.ts";
import { OP, type ReplyMessage, RequestWriter } from "../wire/mod.ts";
import { type BatchResult, type BatchRow, isWriteRow, runBatch } from "./batch.ts";
import { type ClientPorts, Cluster } from "./cluster.ts";
import { parseAddress } from "./cluster_info.ts";
import { compressRequest } from "./compression.ts";
import { ConnectionError } from "./errors.ts";
import { type AnyKey, checkNamespace, KeyResolver, type ResolvedKey } from "./key.ts";
import { isWriteOperation, type Operation } from "./operation.ts";
import {
  type BatchPolicy,
  type DefaultPolicies,
  type OperatePolicy,
  READ_DEFAULTS,
  type ReadPolicy,
  type ResolvedPolicy,
  resolvePolicy,
  SCAN_DEFAULTS,
  WRITE_DEFAULTS,
  type WritePolicy,
} from "./policy.ts";
import {
  type ClientRecord,
  type OperateRecord,
  readMeta,
  readOperate,
  readRecord,
  type RecordMeta,
} from "./record.ts";
import { type ReadWhat, writeBins, writeDelete, writeOperate, writeRead } from "./record_request.ts";
import { Scan, type ScanRecord, type ScanRequest } from "./scan.ts";
import { runSingle } from "./single_command.ts";
import { readUdfReply, type UdfCall, writeUdf } from "./udf.ts";
import type { Bins, Value } from "./value.ts";

/** How to reach a cluster. */
export interface ClientOptions {
  /** Some of its nodes: `host`, `host:port`, `[v6]:port`. The port defaults to 3000. */
  hosts: readonly string[];
  /** Network, clock, randomness, and compression where wanted. */
  ports: ClientPorts;
  /** Refuse nodes whose cluster has another name. */
  clusterName?: string;
  /** How long the first contact may take, in milliseconds. Default 1000. */
  connectTimeoutMs?: number;
  /** Pause between looks at the cluster, in milliseconds. Default 1000. */
  tendIntervalMs?: number;
  /** How long such a look may take, in milliseconds. Default 1000. */
  tendTimeoutMs?: number;
  /** Connections per node. Default 100. */
  connectionsPerNodeMax?: number;
  /** Requests per node that may wait for a connection. Default 10000. */
  waitersPerNodeMax?: number;
  /** Close connections that have been idle this long, in milliseconds; 0 never. Default 55000. */
  idleMaxMs?: number;
  /** Use the alternate addresses that nodes announce. */
  useAlternateAddresses?: boolean;
  /** Default policies. */
  policies?: DefaultPolicies;
}

/** A node as the client sees it. */
export interface NodeInfo {
  /** Node id. */
  name: string;
  /** Address. */
  address: string;
  /** Version. */
  build: string;
}

/**
 * Connects to a cluster.
 *
 * @throws {ConnectionError} when none of the hosts answers in time
 * @throws {TypeError | RangeError} when an option is wrong
 *
 * @example
 * ```ts ignore
 * const client = await connect({ hosts: ["127.0.0.1:3000"], ports });
 * await client.put({ namespace: "test", set: "demo", key: "k1" }, { a: 1, s: "hi" });
 * const record = await client.get({ namespace: "test", set: "demo", key: "k1" });
 * client.close();
 * ```
 */
export async function connect(options: ClientOptions): Promise<AerieClient> {
  return await AerieClient.open(options);
}

async function openCluster(options: ClientOptions): Promise<Cluster> {
  if (options.hosts.length === 0) throw new TypeError("Cannot connect: the list of hosts is empty");
  const cluster = new Cluster(options.ports, {
    seeds: options.hosts.map((host) => parseAddress(host)),
    clusterName: options.clusterName,
    tendIntervalMs: positive("tendIntervalMs", options.tendIntervalMs ?? 1000),
    tendTimeoutMs: positive("tendTimeoutMs", options.tendTimeoutMs ?? 1000),
    connectTimeoutMs: positive("connectTimeoutMs", options.connectTimeoutMs ?? 1000),
    useAlternateAddresses: options.useAlternateAddresses ?? false,
    limits: {
      connectionCountMax: positive(
        "connectionsPerNodeMax",
        options.connectionsPerNodeMax ?? CLIENT_CONNECTIONS_PER_NODE_MAX,
      ),
      waiterCountMax: positive("waitersPerNodeMax", options.waitersPerNodeMax ?? CLIENT_WAITERS_PER_NODE_MAX),
      idleMaxMs: options.idleMaxMs ?? 55_000,
      connectTimeoutMs: positive("connectTimeoutMs", options.connectTimeoutMs ?? 1000),
    },
  });
  await cluster.open();
  return cluster;
}

function positive(name: string, value: number): number {
  if (!(value > 0)) throw new RangeError(`Cannot use ${name} ${value}: expected more than 0`);
  return value;
}

const acceptsNotFound = (code: number): boolean => code === ResultCode.NOT_FOUND;
const acceptsNothing = (): boolean => false;

/** What a single request needs beside its bytes. */
interface SingleParts<Result> {
  key: ResolvedKey;
  policy: ResolvedPolicy;
  isWrite: boolean;
  accepts: (resultCode: number) => boolean;
  parse: (message: ReplyMessage) => Result;
}

/** A client of one cluster. All methods reject with `ServerError`, `TimeoutError` or `ConnectionError`. */
export class AerieClient {
  readonly #cluster: Cluster;
  readonly #keys: KeyResolver;
  readonly #policies: DefaultPolicies;
  readonly #writer: RequestWriter = new RequestWriter(new ByteBuffer(1024));

  private constructor(cluster: Cluster, digester: Digester, policies: DefaultPolicies) {
    this.#cluster = cluster;
    this.#keys = new KeyResolver(digester);
    this.#policies = policies;
  }

  /** See {@linkcode connect}. */
  static async open(options: ClientOptions): Promise<AerieClient> {
    const digester = await createDigester();
    return new AerieClient(await openCluster(options), digester, options.policies ?? {});
  }

  /** Nodes of the cluster. */
  get nodes(): NodeInfo[] {
    return this.#cluster.nodes.map((node) => ({
      name: node.name,
      address: node.addressText,
      build: node.build.join("."),
    }));
  }

  /** Namespaces of the cluster. */
  get namespaces(): string[] {
    return this.#cluster.partitions.namespaces;
  }

  /** Whether {@linkcode AerieClient.close} was called. */
  get closed(): boolean {
    return this.#cluster.closed;
  }

  /** Ends all connections; requests under way fail. */
  close(): void {
    this.#cluster.close();
  }

  /** The digest and the partition of a key. */
  digest(key: AnyKey): { digest: Uint8Array; partition: number } {
    const { digest, partition } = this.#keys.resolve(key);
    return { digest, partition };
  }

  /**
   * Reads a record.
   *
   * @param key which
   * @param options chosen bins (all when absent) and policy
   * @returns undefined when there is none
   */
  async get(
    key: AnyKey,
    options: { bins?: readonly string[]; policy?: ReadPolicy } = {},
  ): Promise<ClientRecord | undefined> {
    const { clock } = this.#cluster.ports;
    return await this.#read(key, {
      what: options.bins ?? "all",
      policy: options.policy,
      parse: (message) => readRecord(message, clock),
    });
  }

  /**
   * Looks whether a record exists.
   *
   * @returns generation and TTL, undefined when there is none
   */
  async exists(key: AnyKey, policy?: ReadPolicy): Promise<RecordMeta | undefined> {
    const { clock } = this.#cluster.ports;
    return await this.#read(key, { what: "none", policy, parse: (message) => readMeta(message, clock) });
  }

  /** Writes bins; null removes one. */
  put(key: AnyKey, bins: Bins, policy?: WritePolicy): Promise<RecordMeta> {
    return this.#writeBins(key, { op: OP.WRITE, bins, policy });
  }

  /** Appends to text or blob bins. */
  append(key: AnyKey, bins: Bins, policy?: WritePolicy): Promise<RecordMeta> {
    return this.#writeBins(key, { op: OP.APPEND, bins, policy });
  }

  /** Prepends to text or blob bins. */
  prepend(key: AnyKey, bins: Bins, policy?: WritePolicy): Promise<RecordMeta> {
    return this.#writeBins(key, { op: OP.PREPEND, bins, policy });
  }

  /** Adds to number bins. */
  increment(key: AnyKey, bins: Bins, policy?: WritePolicy): Promise<RecordMeta> {
    return this.#writeBins(key, { op: OP.INCR, bins, policy });
  }

  /**
   * Renews a record's TTL.
   *
   * @returns undefined when there is no such record
   */
  async touch(key: AnyKey, policy?: WritePolicy): Promise<RecordMeta | undefined> {
    const { clock } = this.#cluster.ports;
    const resolved = this.#keys.resolve(key);
    const merged = resolvePolicy(WRITE_DEFAULTS, this.#policies.write, policy);
    const operations = [{ op: OP.TOUCH, bin: "" }];
    return await this.#single<RecordMeta | undefined>(
      {
        key: resolved,
        policy: merged,
        isWrite: true,
        accepts: acceptsNotFound,
        parse: (message) =>
          message.resultCode === ResultCode.NOT_FOUND ? undefined : readMeta(message, clock),
      },
      (writer) => writeOperate(writer, { key: resolved, operations, policy: merged }),
    );
  }

  /**
   * Deletes a record.
   *
   * @returns whether there was one
   */
  async delete(key: AnyKey, policy?: WritePolicy): Promise<boolean> {
    const resolved = this.#keys.resolve(key);
    const merged = resolvePolicy(WRITE_DEFAULTS, this.#policies.write, policy);
    return await this.#single(
      {
        key: resolved,
        policy: merged,
        isWrite: true,
        accepts: acceptsNotFound,
        parse: (message) => message.resultCode === ResultCode.OK,
      },
      (writer) => writeDelete(writer, { key: resolved, policy: merged }),
    );
  }

  /**
   * Applies operations to a record, all or none.
   *
   * @param operations made by `ops`, applied in order
   */
  async operate(
    key: AnyKey,
    operations: readonly Operation[],
    policy?: OperatePolicy,
  ): Promise<OperateRecord> {
    if (operations.length === 0) throw new TypeError("Cannot operate: the list of operations is empty");
    const { clock } = this.#cluster.ports;
    const isWrite = operations.some(isWriteOperation);
    const resolved = this.#keys.resolve(key);
    const merged = isWrite
      ? resolvePolicy<OperatePolicy>(WRITE_DEFAULTS, this.#policies.write, policy)
      : resolvePolicy<OperatePolicy>(READ_DEFAULTS, this.#policies.read, policy);
    return await this.#single(
      {
        key: resolved,
        policy: merged,
        isWrite,
        accepts: acceptsNothing,
        parse: (message) => readOperate(message, clock),
      },
      (writer) => writeOperate(writer, { key: resolved, operations, policy: merged }),
    );
  }

  /**
   * Runs a function of a registered module on a record, which may not exist yet.
   *
   * @param call module without `.lua`, function, and its arguments after the record
   * @returns what the function returned
   * @throws {ServerError} when the function failed: code 100, with the script's own words
   */
  async execute(key: AnyKey, call: UdfCall, policy?: WritePolicy): Promise<Value> {
    const resolved = this.#keys.resolve(key);
    const merged = resolvePolicy<WritePolicy>(WRITE_DEFAULTS, this.#policies.write, policy);
    return await this.#single(
      {
        key: resolved,
        policy: merged,
        isWrite: true,
        accepts: (code) => code === ResultCode.UDF_EXECUTION,
        parse: (message) => readUdfReply(message, this.#cluster.ports.clock),
      },
      (writer) => writeUdf(writer, { key: resolved, call, policy: merged }),
    );
  }

  /**
   * Runs rows about many records in one request per node. Rows fail one by one: look at each result's `error`.
   * Batches that write are not retried unless the policy says so.
   *
   * @returns one result per row, in the rows' order
   * @throws {TypeError | RangeError} when a row is wrong; nothing has been sent then
   */
  async batch(rows: readonly BatchRow[], policy?: BatchPolicy): Promise<BatchResult[]> {
    const defaults = rows.some(isWriteRow) ? WRITE_DEFAULTS : READ_DEFAULTS;
    const merged = resolvePolicy(defaults, this.#policies.batch, policy);
    return await runBatch(this.#cluster, rows, { keys: this.#keys, policy: merged });
  }

  /**
   * Reads many records.
   *
   * @param keys which
   * @param options chosen bins (all when absent) and policy
   * @returns records in the keys' order, undefined where there is none
   * @throws the first error of a row
   */
  async getMany(
    keys: readonly AnyKey[],
    options: { bins?: readonly string[]; policy?: BatchPolicy } = {},
  ): Promise<(ClientRecord | undefined)[]> {
    const { bins, policy } = options;
    const rows = keys.map((key): BatchRow =>
      bins === undefined ? { type: "get", key } : { type: "get", key, bins }
    );
    return (await this.batch(rows, policy)).map(({ record, error }) => {
      if (error !== undefined) throw error;
      return record && { bins: record.bins, generation: record.generation, ttlS: record.ttlS };
    });
  }

  /**
   * Reads all records of a namespace or set, from all nodes at once. A lost node's records come from its successors,
   * none twice. The reader's pace holds the servers back.
   *
   * With `where` it is a query: only the records that a secondary index finds.
   *
   * @throws {RangeError} when the range of partitions is wrong; errors of the scan come out of the iteration
   *
   * @example
   * ```ts ignore
   * for await (const record of client.scan({ namespace: "test", set: "demo" })) show(record.bins);
   * ```
   */
  scan(request: ScanRequest): AsyncGenerator<ScanRecord, void, void> {
    checkNamespace(request.namespace);
    const policy = resolvePolicy(SCAN_DEFAULTS, this.#policies.scan, request.policy);
    return new Scan(this.#cluster, request, policy).records();
  }

  /**
   * Asks one node an info command.
   *
   * @param command as the protocol has it, for example `namespace/test`
   * @param options node id (any node when absent), time limit in milliseconds
   * @returns the value
   * @throws {ServerError} when the answer is an error
   */
  async info(command: string, options: { node?: string; timeoutMs?: number } = {}): Promise<string> {
    const node = options.node === undefined ? this.#cluster.anyNode() : this.#cluster.node(options.node);
    if (node === undefined) {
      throw new ConnectionError(`Cannot ask node ${options.node ?? "(any)"}: it is not in the cluster`);
    }
    return (await node.info([command], options.timeoutMs ?? 1000))[0];
  }

  /**
   * Asks all nodes an info command.
   *
   * @returns values by node id
   */
  async infoAll(command: string, options: { timeoutMs?: number } = {}): Promise<Map<string, string>> {
    const nodes = [...this.#cluster.nodes];
    const values = await Promise.all(nodes.map((node) => node.info([command], options.timeoutMs ?? 1000)));
    return new Map(nodes.map((node, i) => [node.name, values[i][0]]));
  }

  /**
   * Deletes all records of a set or namespace that were last written before a moment.
   *
   * @param what namespace, set (all sets when absent), moment in nanoseconds since 1970 (now when absent)
   */
  async truncate(
    what: { namespace: string; set?: string; beforeNs?: bigint; timeoutMs?: number },
  ): Promise<void> {
    checkNamespace(what.namespace);
    for (const name of [what.namespace, what.set ?? ""]) {
      if (/[;:\n\t]/.test(name) || utf8(name).length > SET_NAME_SIZE_MAX) {
        throw new RangeError(`Cannot truncate "${name}": the name is too long or contains one of ; : TAB LF`);
      }
    }
    const set = what.set === undefined ? "" : `;set=${what.set}`;
    const before = what.beforeNs === undefined ? "" : `;lut=${what.beforeNs}`;
    await this.info(`truncate:namespace=${what.namespace}${set}${before}`, {
      timeoutMs: what.timeoutMs ?? 1000,
    });
  }

  async #read<Result>(
    key: AnyKey,
    options: { what: ReadWhat; policy: ReadPolicy | undefined; parse: (message: ReplyMessage) => Result },
  ): Promise<Result | undefined> {
    const resolved = this.#keys.resolve(key);
    const policy = resolvePolicy(READ_DEFAULTS, this.#policies.read, options.policy);
    return await this.#single<Result | undefined>(
      {
        key: resolved,
        policy,
        isWrite: false,
        accepts: acceptsNotFound,
        parse: (message) => message.resultCode === ResultCode.NOT_FOUND ? undefined : options.parse(message),
      },
      (writer) => writeRead(writer, { key: resolved, what: options.what, policy }),
    );
  }

  async #writeBins(
    key: AnyKey,
    options: { op: number; bins: Bins; policy: WritePolicy | undefined },
  ): Promise<RecordMeta> {
    const { clock } = this.#cluster.ports;
    const resolved = this.#keys.resolve(key);
    const policy = resolvePolicy(WRITE_DEFAULTS, this.#policies.write, options.policy);
    return await this.#single(
      {
        key: resolved,
        policy,
        isWrite: true,
        accepts: acceptsNothing,
        parse: (message) => readMeta(message, clock),
      },
      (writer) => writeBins(writer, { key: resolved, op: options.op, bins: options.bins, policy }),
    );
  }

  #single<Result>(parts: SingleParts<Result>, write: (writer: RequestWriter) => void): Promise<Result> {
    const { key, policy, isWrite, accepts, parse } = parts;
    const buffer = this.#writer.buffer;
    buffer.reset();
    write(this.#writer);
    const bytes = compressRequest(buffer.toBytes(), policy, this.#cluster.ports.compute);
    return runSingle(this.#cluster, {
      bytes,
      namespace: key.namespace,
      partition: key.partition,
      isWrite,
      policy,
      accepts,
      parse,
    });
  }
}
