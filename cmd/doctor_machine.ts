/**
 * What `aerie doctor` looks at in the machine: memory, open files, clock, work directory.
 *
 * @module
 */

import type { DoctorInput, Finding } from "./doctor_checks.ts";

/** Memory of the machine, or of the group of processes that limits it, against what the settings allow. */
export function checkMemory({ settings, ports }: DoctorInput): Finding[] {
  const { systemTotalBytes, systemFreeBytes } = ports.host.memory();
  const dataBytes = settings.namespaces.reduce((sum, { storage }) => sum + storage.dataSize, 0);
  const figures =
    `data-size of all namespaces ${mib(dataBytes)}, machine or container ${mib(systemTotalBytes)}, ` +
    `free now ${mib(systemFreeBytes)}`;
  const topic = "memory";
  if (dataBytes > systemTotalBytes) {
    return [{
      level: "problem",
      topic,
      text: `${figures}: the records may grow larger than the memory, and the node would be killed`,
      advice: `set data-size (or --data-size) so that the sum is at most ${mib(systemTotalBytes * 0.75)}; ` +
        "each record needs 64 bytes for the index besides",
    }];
  }
  if (dataBytes > systemTotalBytes * 0.85) {
    return [{
      level: "note",
      topic,
      text: `${figures}: little is left for the index (64 bytes per record) and for others`,
    }];
  }
  return [{ level: "fine", topic, text: figures }];
}

function mib(sizeBytes: number): string {
  return `${Math.round(sizeBytes / 2 ** 20)} MiB`;
}

/** Sockets of peers, listeners and files, besides the connections of clients. */
const OTHER_FILE_COUNT = 200;

/** How many files the process may open against how many connections it may be asked to keep. */
export function checkFiles({ settings, facts }: DoctorInput): Finding[] {
  const { protoFdMax } = settings.service;
  const topic = "files";
  if (facts.fileCountMax === undefined) {
    return [{ level: "note", topic, text: "the limit of open files can't be read on this system" }];
  }
  const needed = protoFdMax + OTHER_FILE_COUNT;
  const figures = `this process may open ${facts.fileCountMax} files; service.proto-fd-max is ${protoFdMax}`;
  if (facts.fileCountMax >= needed) return [{ level: "fine", topic, text: figures }];
  return [{
    level: "problem",
    topic,
    text: `${figures}: connections would fail before the node's own limit refuses them`,
    advice:
      `raise the limit to ${needed} (ulimit -n, LimitNOFILE= of systemd, --ulimit nofile= of containers), ` +
      `or set service.proto-fd-max to at most ${Math.max(0, facts.fileCountMax - OTHER_FILE_COUNT)}`,
  }];
}

/** No node was ever built before: a clock that says so is wrong. */
const EARLIEST_PLAUSIBLE_MS = 1_762_300_800_000;

/** The wall clock: last-update times and time-to-live depend on it. */
export function checkClock({ ports, facts }: DoctorInput): Finding[] {
  const nowMs = ports.clock.wallMs();
  const topic = "clock";
  const text = `the clock says ${new Date(nowMs).toISOString()}`;
  const advice =
    "keep the clock right with a time service (chrony, systemd-timesyncd): conflicts between copies are " +
    "settled by time, and nodes whose clocks differ too much refuse writes";
  if (nowMs < EARLIEST_PLAUSIBLE_MS) {
    return [{ level: "problem", topic, text: `${text}, which can't be right`, advice }];
  }
  if (facts.clockSynchronized === true) {
    return [{ level: "fine", topic, text: `${text}, and a time service keeps it right` }];
  }
  return [{
    level: "note",
    topic,
    text: `${text}; no time service was found to ask whether that is right`,
    advice,
  }];
}

const PROBE_FILE = ".doctor-probe";

/** Whether the node can keep its id and the cluster's metadata over a restart. */
export async function checkWorkDirectory({ settings, ports }: DoctorInput): Promise<Finding[]> {
  const path = settings.service.workDirectory;
  const topic = "work directory";
  try {
    await ports.disk.list(path);
  } catch {
    return [{
      level: "note",
      topic,
      text: `${path} does not exist yet; the first start makes it, if it may`,
    }];
  }
  try {
    await ports.disk.replaceFile(`${path}/${PROBE_FILE}`, new Uint8Array(1));
    await ports.disk.remove(`${path}/${PROBE_FILE}`);
    return [{ level: "fine", topic, text: `${path} can be written` }];
  } catch (error) {
    return [{
      level: "problem",
      topic,
      text: `${(error as Error).message}: the node's id and truncations would be forgotten at a restart`,
      advice: "set service.work-directory to a folder that this user can write",
    }];
  }
}
