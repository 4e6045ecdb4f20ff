/**
 * What `aerie inspect` says, as text and as JSON: one object per line.
 *
 * @module
 */

import { CITRUSLEAF_EPOCH_S, toHex, utf8Decode } from "../src/base/mod.ts";
import {
  type DeviceInspection,
  idText,
  type InspectedBlock,
  type InspectedFault,
  type RecordInspection,
} from "../src/storage/mod.ts";
import { PARTICLE } from "../src/wire/mod.ts";
import { sizeText } from "./status_screen.ts";
import { type Column, table } from "./table.ts";

const STOPPED_IN_ORDER = 1;

/** What a whole run found. */
export interface InspectSummary {
  /** Blocks that were looked at. */
  blockCount: number;
  /** Those of them with something in them. */
  usedBlockCount: number;
  /** Records in their units. */
  recordCount: number;
  /** Bytes of these records. */
  recordBytes: number;
  /** What is wrong; undefined when it was not checked. */
  faultCount: number | undefined;
  /** What looks like the end of what a power cut interrupted; undefined when nothing was checked. */
  tornCount: number | undefined;
}

/** The header, in lines. */
export function headText(path: string, { header, head, sizeBytes, blockCount }: DeviceInspection): string {
  const { pages, copies } = head;
  const inOrder = (header.flags & STOPPED_IN_ORDER) !== 0;
  const rows: [string, string][] = [
    ["format", `version ${header.version}, for programs that read ${header.readableBy} or later`],
    ["namespace", header.namespace],
    ["cluster", header.cluster === "" ? "none" : header.cluster],
    ["device", `${header.deviceIndex + 1} of ${header.deviceCount}, id ${idText(header.deviceId)}`],
    ["set of devices", idText(header.setId)],
    ["size", `${sizeText(sizeBytes)}, ${blockCount} blocks of ${sizeText(header.blockSizeBytes)}`],
    ["header copies", copies.map((sequence, copy) => copyText("AB"[copy], sequence)).join(", ")],
    ["partition pages", `${pages.sound} sound, ${pages.unused} never written, ${pages.damaged} damaged`],
    ["partitions", `something is remembered of ${head.partitionCount}`],
    ["encryption", head.cipher ?? "none"],
    ["stopped in order", inOrder ? "yes" : "no: it is in use, or the power or the process went"],
  ];
  return [path, ...rows.map(([name, value]) => `  ${name.padEnd(17)}${value}`)].join("\n");
}

function copyText(name: string, sequence: number | undefined): string {
  return sequence === undefined ? `${name} not sound` : `${name} has sequence ${sequence}`;
}

/** The header, as JSON. */
export function headJson(path: string, { header, head, sizeBytes, blockCount }: DeviceInspection): unknown {
  return {
    type: "header",
    path,
    version: header.version,
    readableBy: header.readableBy,
    namespace: header.namespace,
    cluster: header.cluster,
    deviceIndex: header.deviceIndex,
    deviceCount: header.deviceCount,
    deviceId: idText(header.deviceId),
    setId: idText(header.setId),
    sizeBytes,
    blockSizeBytes: header.blockSizeBytes,
    blockCount,
    headerCopies: head.copies.map((sequence) => sequence ?? null),
    partitionPages: head.pages,
    partitionCount: head.partitionCount,
    encryption: head.cipher ?? "none",
    stoppedInOrder: (header.flags & STOPPED_IN_ORDER) !== 0,
  };
}

/** The table of blocks. */
export function blocksText(blocks: readonly InspectedBlock[], blockSizeBytes: number): string[] {
  const number = (title: string, cell: (block: InspectedBlock) => number): Column<InspectedBlock> => ({
    title,
    align: "right",
    cell: (block) => `${cell(block)}`,
  });
  return table(blocks, [
    number("block", ({ block }) => block),
    number("at byte", ({ offsetBytes }) => offsetBytes),
    number("sequence", ({ sequence }) => sequence),
    number("units", ({ unitCount }) => unitCount),
    number("moved", ({ movedUnitCount }) => movedUnitCount),
    number("records", ({ recordCount }) => recordCount),
    number("record bytes", ({ recordBytes }) => recordBytes),
    {
      title: "filled",
      align: "right",
      cell: ({ filledBytes }) => `${Math.round(filledBytes * 100 / blockSizeBytes)} %`,
    },
  ]);
}

/** A record, in a line and one per bin. */
export function recordText(record: RecordInspection): string {
  const { head, compression } = record;
  const words = [
    `at ${record.offsetBytes} block ${record.block}`,
    `digest ${record.digest}`,
    record.set === "" ? "" : `set ${JSON.stringify(record.set)}`,
    head.keyAt < 0 ? "" : `key ${keyText(head.key()!)}`,
    `generation ${head.generation}`,
    `updated ${timeText(head.lastUpdateMs)}`,
    head.voidTime === 0 ? "" : `void-time ${timeText(head.voidTime * 1000)}`,
    `tree ${head.treeId}`,
    head.binCount === 0 ? "tombstone" : "",
    compression === "none"
      ? `${record.storedBytes} bytes`
      : `${record.storedBytes} bytes by ${compression}, ${record.sizeBytes ?? "?"} expanded`,
  ];
  const bins = record.bins();
  const lines = bins === undefined
    ? [`    (its ${head.binCount} bins can't be read)`]
    : bins.map(({ name, particle, sizeBytes }) =>
      `    ${JSON.stringify(name)} ${particleName(particle)}, ${sizeBytes} bytes`
    );
  return [words.filter((word) => word !== "").join("  "), ...lines].join("\n");
}

/** A record, as JSON. */
export function recordJson(record: RecordInspection): unknown {
  const { head } = record;
  return {
    type: "record",
    block: record.block,
    offsetBytes: record.offsetBytes,
    digest: record.digest,
    set: record.set === "" ? null : record.set,
    key: head.keyAt < 0 ? null : keyText(head.key()!),
    generation: head.generation,
    lastUpdate: timeText(head.lastUpdateMs),
    voidTime: head.voidTime === 0 ? null : timeText(head.voidTime * 1000),
    treeId: head.treeId,
    isTombstone: head.binCount === 0,
    storedBytes: record.storedBytes,
    sizeBytes: record.sizeBytes ?? null,
    compression: record.compression,
    bins: record.bins()?.map(({ name, particle, sizeBytes }) => ({
      name,
      type: particleName(particle),
      sizeBytes,
    })) ?? null,
  };
}

/** A fault, in a line. */
export function faultText(path: string, { offsetBytes, expected, found }: InspectedFault): string {
  return `${path} at byte ${offsetBytes}: expected ${expected}; found ${found}`;
}

/** What was found in all. */
export function summaryText({ blockCount, usedBlockCount, recordCount, ...rest }: InspectSummary): string {
  const filled = `${usedBlockCount} of ${blockCount} blocks in use, ${recordCount} records ` +
    `(older copies included), ${sizeText(rest.recordBytes)}`;
  if (rest.faultCount === undefined) return filled;
  const verdict = rest.faultCount === 0
    ? "all is as it should be"
    : `${rest.faultCount} ${rest.faultCount === 1 ? "fault" : "faults"}`;
  const torn = (rest.tornCount ?? 0) === 0 ? "" : `${rest.tornCount} torn by a power cut, which is normal; `;
  return `${filled}; ${torn}${verdict}`;
}

/** A moment of the records' clock, ms since 2010. */
function timeText(citrusleafMs: number): string {
  return new Date(CITRUSLEAF_EPOCH_S * 1000 + citrusleafMs).toISOString();
}

/** A user key with its particle type. */
function keyText(key: Uint8Array): string {
  const value = key.subarray(1);
  if (key[0] === PARTICLE.STRING) return JSON.stringify(utf8Decode(value));
  if (key[0] === PARTICLE.INTEGER && value.length === 8) {
    return `${new DataView(value.buffer, value.byteOffset).getBigInt64(0)}`;
  }
  return `0x${toHex(value)}`;
}

const PARTICLE_NAMES = new Map<number, string>(
  Object.entries(PARTICLE).map(([name, particle]) => [particle, name.toLowerCase().replace("_", " ")]),
);

function particleName(particle: number): string {
  return PARTICLE_NAMES.get(particle) ?? `type ${particle}`;
}
