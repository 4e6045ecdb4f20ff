/**
 * Answers info requests from the table of commands. Source: wire-protocol reference, section 9.
 *
 * @module
 */

import { INFO_REPLY_SIZE_MAX, utf8, utf8Decode } from "../base/mod.ts";
import { appendInfoAnswer, type InfoCommand, parseInfoLine } from "../wire/mod.ts";
import { infoCommands } from "./info_commands.ts";
import { type PendingAnswer, PendingReply } from "./info_pending.ts";
import { InfoContext, UNRECOGNIZED } from "./info_row.ts";
import type { AerieNode } from "./node.ts";
import type { Session } from "./session.ts";

/** Commands that an empty request asks for. */
const SUMMARY: readonly InfoCommand[] = [
  "features",
  "node",
  "compatibility-id",
  "edition",
  "build_ee_sha",
  "build_sha",
  "build_arch",
  "build_time",
  "build_os",
  "build",
  "version",
  "statistics",
  "services-alumni",
  "services",
  "partition-generation",
].map((name) => parseInfoLine(utf8(name)));

/** What a request gets in place of all answers when they take too long. */
const TIMEOUT_LINE = "ERROR:9:timeout\n";
/** What it gets when they are too long together. */
const TOO_LONG_LINE = "ERROR:4:answer too long, ask for less in one request\n";

/** Characters of a command that a log line shows. */
const LOGGED_SIZE_MAX = 200;

/**
 * Answers a binary info request: every command in order, appended to the session's output; a summary for none.
 *
 * @returns what is left of the reply when some answers have to wait; nothing was appended then
 */
export function answerInfo(
  node: AerieNode,
  session: Session,
  commands: Iterable<InfoCommand>,
): PendingReply | undefined {
  const { clock } = node.ports;
  const { out } = session;
  const start = out.length;
  const startMs = clock.monotonicMs();
  const deadlineMs = startMs + node.settings.service.infoMaxMs;
  let isSummary = true;
  let pending: PendingReply | undefined;
  for (const command of commands) {
    isSummary = false;
    const answer = answerCommand(node, session, command);
    if (typeof answer !== "string" && pending === undefined) {
      pending = new PendingReply(out.bytes.subarray(start, out.length), () => session.out);
      out.length = start;
    }
    if (pending !== undefined) pending.add(command.line, answer);
    else appendInfoAnswer(out, command.line, answer as string);
    const isLate = clock.monotonicMs() > deadlineMs;
    if (!isLate && out.length - start <= INFO_REPLY_SIZE_MAX) continue;
    out.length = start;
    out.appendText(isLate ? TIMEOUT_LINE : TOO_LONG_LINE);
    if (isLate) node.stats.infoTimeout++;
    return undefined;
  }
  if (isSummary) return answerInfo(node, session, SUMMARY);
  node.stats.infoComplete++;
  if (node.settings.service.enableHistInfo) {
    node.stats.infoHistogram.add((clock.monotonicMs() - startMs) * node.latencyScale);
  }
  return pending;
}

/** Answers one line of the plain info port: the value alone, as `nc` would show it. */
export function answerPlainLine(node: AerieNode, session: Session, line: Uint8Array): void {
  const end = line.length > 0 && line[line.length - 1] === 0x0d ? line.length - 1 : line.length;
  const command = parseInfoLine(line.subarray(0, end));
  const answer = answerCommand(node, session, command);
  node.stats.infoComplete++;
  if (typeof answer === "string") session.out.appendText(answer + "\n");
  else {
    answer.whenSettled(() => {
      session.out.appendText(answer.text! + "\n");
      session.flush();
    });
  }
}

function answerCommand(node: AerieNode, session: Session, command: InfoCommand): string | PendingAnswer {
  const { log } = node.ports;
  const row = infoCommands.get(command.name);
  const context = new InfoContext({ node, session, command });
  const answer = row === undefined ? UNRECOGNIZED : row.answer(context);
  if (row?.deprecated !== undefined || context.usedDeprecatedForm) {
    node.stats.deprecatedRequests++;
    if (log.enabled("detail", "deprecation")) {
      log.write("detail", "deprecation", `"${shown(command)}" is deprecated`);
    }
  }
  if (log.enabled("detail", "info-command")) {
    log.write("detail", "info-command", `answered "${shown(command)}"`);
  }
  return answer;
}

function shown(command: InfoCommand): string {
  return utf8Decode(command.line).slice(0, LOGGED_SIZE_MAX);
}
