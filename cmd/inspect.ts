/**
 * `aerie inspect`: looks into a data file, and checks it.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { ConfigError } from "../src/base/mod.ts";
import { createPlatform } from "../src/platform/mod.ts";
import type { DiskFile, Ports } from "../src/port/mod.ts";
import {
  type CheckedBlock,
  DeviceInspection,
  type InspectedBlock,
  type InspectedFault,
  readKey,
} from "../src/storage/mod.ts";
import {
  blocksText,
  faultText,
  headJson,
  headText,
  type InspectSummary,
  recordJson,
  recordText,
  summaryText,
} from "./inspect_text.ts";
import { print, printError } from "./terminal.ts";

const help = `aerie inspect: look into a data file, and check it

  aerie inspect FILE [FLAGS]

      --verify                  check header, partition pages, and every unit and record: checksums and layout
      --records                 list the records, older copies included: digest, set, key, times, bins, sizes
      --digest HEX              only records whose digest begins so; implies --records
      --block N                 only this block; may be given several times
      --limit N                 list at most so many records, default 1000; 0 for all
      --key-file SOURCE         key of an encrypted file: PATH, env:NAME or env-b64:NAME
      --json                    one JSON object per line
      --help                    this text

Only reads, a block at a time; the file may be in use. Records that were overwritten or deleted are there until
their block is used again, so a record may have several copies: the one updated last counts. What a power cut
interrupted may be torn: --verify tells of it, and calls it no fault.
Exit codes: 0 fine, 1 something is wrong, 2 wrong usage

Examples
  aerie inspect /var/lib/aerie/test.dat --verify
  aerie inspect test.dat --digest 0fa2 --json
`;

const FINE = 0;
const FAILED = 1;
const USAGE = 2;

const LIMIT_DEFAULT = 1000;
/** A block that a node writes to is read again so often before its faults are believed. */
const READS_MAX = 4;
const READ_AGAIN_MS = 100;
/** Lines of the table of blocks that are formatted together. */
const BLOCK_LINES = 200;

/** Where text goes; the terminal by default. */
export interface InspectOutput {
  /** One text of the result. */
  print(text: string): void;
  /** One text for the person who called. */
  complain(text: string): void;
}

interface InspectFlags {
  path: string;
  verify: boolean;
  records: boolean;
  digest: string;
  blocks: number[];
  limit: number;
  keySource: string | undefined;
  json: boolean;
}

/**
 * Runs the verb.
 *
 * @param args the words after `inspect`
 * @returns the exit code: 0 fine, 1 something is wrong, 2 wrong usage
 */
export async function runInspect(
  args: string[],
  output: InspectOutput = { print, complain: printError },
): Promise<number> {
  if (args.includes("--help") || args.includes("-h")) {
    output.print(help);
    return FINE;
  }
  const flags = parseFlags(args);
  if (typeof flags === "string") {
    output.complain(`aerie inspect: ${flags}\nSee "aerie inspect --help".`);
    return USAGE;
  }
  let file: DiskFile | undefined;
  try {
    const ports = await createPlatform();
    file = await ports.disk.open(flags.path);
    return await new Inspect(flags, output, ports).run(file);
  } catch (error) {
    output.complain(`aerie inspect: ${(error as Error).message}`);
    return FAILED;
  } finally {
    await file?.close();
  }
}

class Inspect {
  readonly #flags: InspectFlags;
  readonly #output: InspectOutput;
  readonly #ports: Ports;
  readonly #summary: InspectSummary;
  readonly #lines: InspectedBlock[] = [];
  #blockSizeBytes = 1;
  readonly #sequences = new Map<number, number>();
  #recordsLeft: number;

  constructor(flags: InspectFlags, output: InspectOutput, ports: Ports) {
    this.#flags = flags;
    this.#output = output;
    this.#ports = ports;
    this.#recordsLeft = flags.limit === 0 ? Infinity : flags.limit;
    this.#summary = {
      blockCount: 0,
      usedBlockCount: 0,
      recordCount: 0,
      recordBytes: 0,
      faultCount: flags.verify ? 0 : undefined,
      tornCount: flags.verify ? 0 : undefined,
    };
  }

  async run(file: DiskFile): Promise<number> {
    const { path, keySource, json, verify, records } = this.#flags;
    const { compute } = this.#ports;
    const key = keySource === undefined ? undefined : await readKey("--key-file", keySource, this.#ports);
    const device = await DeviceInspection.open(file, { path, compute, key });
    const wanted = this.#flags.blocks.filter((block) => block >= device.blockCount);
    if (wanted.length > 0) {
      throw new ConfigError(
        `there is no block ${wanted[0]}; "${path}" has ${device.blockCount} blocks, from 0`,
      );
    }
    this.#blockSizeBytes = device.header.blockSizeBytes;
    this.#tell(headText(path, device), headJson(path, device));
    if (verify) {
      for (const fault of device.headFaults) this.#fault(fault);
      await device.findTornBlocks();
    }
    if (records && !device.canShowRecords) {
      throw new ConfigError("the records are encrypted; give --key-file to look into them");
    }
    for (const block of this.#blocksOf(device)) {
      // What is asked for was shown.
      if (records && !verify && this.#recordsLeft === 0) break;
      await this.#block(device, block);
    }
    this.#flushLines();
    this.#tell(`\n${summaryText(this.#summary)}`, { type: "summary", ...this.#summary });
    if (!json && verify && !device.canShowRecords) {
      this.#output.print("The records are encrypted: their checksums were checked, their contents were not.");
    }
    return (this.#summary.faultCount ?? 0) === 0 ? FINE : FAILED;
  }

  *#blocksOf({ blockCount }: DeviceInspection): Generator<number> {
    const { blocks } = this.#flags;
    if (blocks.length > 0) yield* blocks;
    else for (let block = 0; block < blockCount; block++) yield block;
  }

  async #block(device: DeviceInspection, block: number): Promise<void> {
    const summary = this.#summary;
    summary.blockCount++;
    let checked: CheckedBlock;
    try {
      checked = await this.#read(device, block);
    } catch (error) {
      summary.faultCount ??= 0;
      const offsetBytes = 1024 * 1024 + block * device.header.blockSizeBytes;
      return this.#fault({
        offsetBytes,
        expected: "a block that can be read",
        found: (error as Error).message,
      });
    }
    const { info, faults } = checked;
    if (info !== undefined) {
      summary.usedBlockCount += info.sequence === 0 ? 0 : 1;
      summary.recordCount += info.recordCount;
      summary.recordBytes += info.recordBytes;
      if (!this.#flags.records) this.#line(info);
      this.#checkSequence(info);
    }
    for (const fault of faults) this.#fault(fault);
    if (this.#flags.records) this.#records(device, checked);
  }

  /** Reads a block; again, when it has faults and a node may be writing to it. */
  async #read(device: DeviceInspection, block: number): Promise<CheckedBlock> {
    const checks = this.#flags.verify;
    let checked = await device.readBlock(block, { checks });
    for (let count = 1; checked.faults.length > 0 && count < READS_MAX; count++) {
      await new Promise<void>((resolve) => void this.#ports.clock.after(READ_AGAIN_MS, resolve));
      const again = await device.readBlock(block, { checks });
      const isSame = again.bytes.every((byte, at) => byte === checked.bytes[at]);
      checked = again;
      if (isSame) break;
    }
    return checked;
  }

  /** Each life of a block has a number of its own. */
  #checkSequence({ block, sequence, offsetBytes }: InspectedBlock): void {
    if (!this.#flags.verify || sequence === 0) return;
    const other = this.#sequences.get(sequence);
    this.#sequences.set(sequence, block);
    if (other === undefined) return;
    this.#fault({
      offsetBytes,
      expected: "a sequence of its own",
      found: `${sequence}, which block ${other} has, too`,
    });
  }

  #records(device: DeviceInspection, checked: CheckedBlock): void {
    const { digest } = this.#flags;
    device.visitRecords(checked, (record) => {
      if (this.#recordsLeft === 0) return false;
      if (digest !== "" && !record.hasDigest(digest)) return true;
      this.#tell(recordText(record), recordJson(record));
      if (--this.#recordsLeft > 0) return true;
      const more = "--limit is reached: there may be more records";
      this.#tell(more, { type: "limit", message: more });
      return false;
    });
  }

  #line(info: InspectedBlock): void {
    if (this.#flags.json) return this.#tell("", { type: "block", ...info });
    this.#lines.push(info);
    if (this.#lines.length >= BLOCK_LINES) this.#flushLines();
  }

  #flushLines(): void {
    if (this.#lines.length === 0) return;
    this.#output.print(["", ...blocksText(this.#lines.splice(0), this.#blockSizeBytes)].join("\n"));
  }

  #fault({ isTorn, ...fault }: InspectedFault): void {
    this.#flushLines();
    const summary = this.#summary;
    if (isTorn && summary.tornCount !== undefined) summary.tornCount++;
    else if (summary.faultCount !== undefined) summary.faultCount++;
    const { path } = this.#flags;
    const word = isTorn ? "torn " : "FAULT";
    this.#tell(`${word} ${faultText(path, fault)}`, { type: isTorn ? "torn" : "fault", path, ...fault });
  }

  #tell(text: string, json: unknown): void {
    this.#output.print(this.#flags.json ? JSON.stringify(json) : text);
  }
}

/** The flags, or what is wrong with them. */
function parseFlags(args: string[]): InspectFlags | string {
  const unknown: string[] = [];
  const parsed = parseArgs(args, {
    boolean: ["verify", "records", "json"],
    string: ["_", "digest", "block", "limit", "key-file"],
    collect: ["block"],
    unknown: (word, name) => {
      if (name !== undefined) unknown.push(word);
      return name === undefined;
    },
  });
  if (unknown.length > 0) return `unknown flag ${unknown[0]}`;
  const paths = parsed._.map(String);
  if (paths.length !== 1) return paths.length === 0 ? "give a FILE" : `give one FILE, not ${paths.length}`;
  const digest = parsed.digest ?? "";
  if (!/^([0-9a-fA-F]{2}){0,20}$/.test(digest)) {
    return `--digest is "${digest}", not an even number of up to 40 hexadecimal digits`;
  }
  const blocks = (parsed.block as string[]).map(Number);
  if (blocks.some((block) => !Number.isSafeInteger(block) || block < 0)) {
    return "--block must be a number from 0";
  }
  const limit = Number(parsed.limit ?? LIMIT_DEFAULT);
  if (!Number.isSafeInteger(limit) || limit < 0) return `--limit is "${parsed.limit}", not a number from 0`;
  return {
    path: paths[0],
    verify: parsed.verify,
    records: parsed.records || digest !== "",
    digest,
    blocks,
    limit,
    keySource: parsed["key-file"],
    json: parsed.json,
  };
}
