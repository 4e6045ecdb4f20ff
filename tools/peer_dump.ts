/**
 * Prints a recording of heartbeat and fabric messages as text, one line per message, or counts them.
 *
 * Example: `deno run -A tools/peer_dump.ts --type clustering,exchange --from 5 --until 8`
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { fromHex, toHex, utf8Decode } from "../src/base/mod.ts";
import {
  ByteSpan,
  decodePeerBytes,
  hybridCounter,
  hybridPhysicalMs,
  isPeerFault,
  nodeIdText,
  type PartitionVersion,
  partitionVersionText,
  type PeerFault,
  type PeerMessage,
} from "../src/wire/mod.ts";
import {
  type RecordedPeerMessage,
  recordedPeerMessages,
  STOCK_CLUSTER_RECORDING,
  testInflate,
} from "../src/wire/peer_testing.ts";
import { print } from "./print.ts";

const HELP = `Usage: deno run -A tools/peer_dump.ts [--from S] [--until S] [--type T,T] [--counts] [FILE]

Prints a recording (gzip, a JSON object per line) of what nodes said to each other.
--from, --until  seconds since the recording began
--type           handshake, migrate, proxy, heartbeat, clustering, rw, info, exchange, smd
--counts         how many of each kind, no messages
FILE             default: testdata/captures/stock-cluster.jsonl.gz`;

/** Bytes of a buffer that are shown. */
const SHOWN_BYTES_MAX = 32;

/** Properties that hold node ids, and hybrid times. */
const NODE_PROPERTIES = new Set(["source", "principal", "preferredPrincipal", "redirect", "node", "roster"]);
const NODE_LISTS = new Set(["adjacency", "succession", "nodes"]);
const TIME_PROPERTIES = new Set(["timestamp", "sequenceNumber"]);
const KEY_PROPERTIES = new Set(["clusterKey", "committedClusterKey"]);

/** One message in words. */
export function describePeerMessage(message: PeerMessage | PeerFault): string {
  if (isPeerFault(message)) return `FAULT ${message.fault}`;
  const parts = [messageLabel(message)];
  for (const [name, value] of Object.entries(message)) {
    if (name === "type" || name === "kind" || value === undefined) continue;
    if (message.type === "rw" && name === "operation") continue;
    const text = show(name, value);
    if (text !== "") parts.push(`${name}=${text}`);
  }
  return parts.join(" ");
}

/** Type and kind of a message. */
export function messageLabel(message: PeerMessage): string {
  if (message.type === "rw") return `rw ${message.operation}`;
  return "kind" in message ? `${message.type} ${message.kind}` : message.type;
}

function show(name: string, value: unknown): string {
  if (typeof value === "string") {
    if (NODE_PROPERTIES.has(name)) return nodeIdText(value).toLowerCase();
    if (TIME_PROPERTIES.has(name)) return `${hybridPhysicalMs(value)}.${hybridCounter(value)}`;
    return JSON.stringify(value);
  }
  if (typeof value === "number") {
    return KEY_PROPERTIES.has(name) ? value.toString(16).padStart(12, "0") : String(value);
  }
  if (value instanceof ByteSpan) return value.isPresent ? showBytes(name, value.view()) : "";
  if (value instanceof Uint8Array) return showBytes(name, value);
  if (Array.isArray(value)) return showList(name, value);
  if (value !== null && typeof value === "object") return showObject(value);
  return String(value);
}

function showBytes(name: string, bytes: Uint8Array): string {
  if (name === "namespace") return utf8Decode(bytes);
  const hex = toHex(bytes.subarray(0, SHOWN_BYTES_MAX));
  return bytes.length > SHOWN_BYTES_MAX ? `${hex}…(${bytes.length} bytes)` : hex;
}

function showList(name: string, values: readonly unknown[]): string {
  if (name === "unknown" && values.length === 0) return "";
  const item = NODE_LISTS.has(name) ? "node" : name;
  return `[${values.map((value) => show(item, value)).join(" ")}]`;
}

function showObject(value: object): string {
  if ("partitions" in value && value.partitions instanceof Uint16Array && "version" in value) {
    return `${partitionVersionText(value.version as PartitionVersion)}×${value.partitions.length}`;
  }
  if ("address" in value && "port" in value) return `${value.address}:${value.port}`;
  return `{${Object.entries(value).map(([name, inner]) => `${name}=${show(name, inner)}`).join(" ")}}`;
}

/** Who connected, by connection: the id is in the first message that the connecting side sends. */
function connectors(messages: Iterable<RecordedPeerMessage>): Map<number, string> {
  const found = new Map<number, string>();
  for (const line of messages) {
    if (line.dir !== "to-listener" || found.has(line.conn)) continue;
    const message = decodePeerBytes(fromHex(line.hex), testInflate);
    if ("source" in message) found.set(line.conn, nodeIdText(message.source).toLowerCase());
  }
  return found;
}

function listenerName(line: RecordedPeerMessage): string {
  return (line.to ?? line.from ?? "?").replace(/^n/, "b");
}

function main(): number {
  const args = parseArgs(Deno.args, { string: ["from", "until", "type"], boolean: ["counts", "help"] });
  if (args.help) {
    print(HELP);
    return 0;
  }
  const file = args._.length > 0 ? String(args._[0]) : STOCK_CLUSTER_RECORDING;
  const from = Number(args.from ?? 0);
  const until = Number(args.until ?? Infinity);
  if (Number.isNaN(from) || Number.isNaN(until)) {
    print(`Cannot read --from "${args.from ?? ""}" or --until "${args.until ?? ""}": expected seconds`);
    return 2;
  }
  const types = args.type?.split(",");
  const counts = new Map<string, number>();
  const names = args.counts ? new Map<number, string>() : connectors(recordedPeerMessages(file));
  for (const line of recordedPeerMessages(file)) {
    if (line.t < from || line.t >= until) continue;
    const message = decodePeerBytes(fromHex(line.hex), testInflate);
    const label = isPeerFault(message) ? "FAULT" : messageLabel(message);
    if (types !== undefined && !types.includes(label.split(" ")[0])) continue;
    counts.set(label, (counts.get(label) ?? 0) + 1);
    if (!args.counts) printLine(line, { connector: names.get(line.conn) ?? "?", message });
  }
  if (args.counts) {
    for (const [label, count] of [...counts].sort()) print(`${String(count).padStart(8)} ${label}`);
  }
  return counts.has("FAULT") ? 1 : 0;
}

function printLine(
  line: RecordedPeerMessage,
  shown: { connector: string; message: PeerMessage | PeerFault },
): void {
  const listener = listenerName(line);
  const way = line.dir === "to-listener"
    ? `${shown.connector}>${listener}`
    : `${listener}>${shown.connector}`;
  print(`${line.t.toFixed(6).padStart(10)} #${line.conn} ${way} ${describePeerMessage(shown.message)}`);
}

if (import.meta.main) {
  try {
    Deno.exit(main());
  } catch (error) {
    // The reader of the lines has seen enough, as `head` has.
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}
