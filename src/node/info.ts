/**
 * Info commands: one table of name, parameters, who asks and how it is answered; `help` and the reference page come
 * from it. Source: wire-protocol reference, section 9.
 *
 * @module
 */

import { utf8Decode } from "../base/mod.ts";
import { appendInfoAnswer, type InfoCommand, parseInfoLine } from "../wire/mod.ts";
import { infoCommands } from "./info_commands.ts";
import type { AerieNode } from "./node.ts";
import type { Session } from "./session.ts";

/** Commands that an empty request asks for. */
const SUMMARY = [
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
];

/** Answers a binary info request: every command in order, appended to the session's output. */
export function answerInfo(node: AerieNode, session: Session, commands: readonly InfoCommand[]): void {
  if (commands.length === 0) {
    for (const name of SUMMARY) {
      const line = new TextEncoder().encode(name);
      appendInfoAnswer(session.out, line, answerCommand(node, session, parseInfoLine(line)));
    }
    return;
  }
  for (const command of commands) {
    appendInfoAnswer(session.out, command.line, answerCommand(node, session, command));
  }
}

/** Answers one line of the plain info port: the value alone, as `nc` would show it. */
export function answerPlainLine(node: AerieNode, session: Session, line: Uint8Array): void {
  const end = line.length > 0 && line[line.length - 1] === 0x0d ? line.length - 1 : line.length;
  const command = parseInfoLine(line.subarray(0, end));
  session.out.appendText(answerCommand(node, session, command) + "\n");
}

function answerCommand(node: AerieNode, session: Session, command: InfoCommand): string {
  const startMs = node.ports.clock.monotonicMs();
  const row = infoCommands.get(command.name);
  const answer = row === undefined ? "ERROR:4:unrecognized command" : row.answer({ node, session, command });
  node.stats.infoComplete++;
  if (node.settings.service.enableHistInfo) {
    node.stats.infoHistogram.add((node.ports.clock.monotonicMs() - startMs) * node.latencyScale);
  }
  if (node.ports.log.enabled("detail", "info-command")) {
    node.ports.log.write("detail", "info-command", `answered "${utf8Decode(command.line).slice(0, 200)}"`);
  }
  return answer;
}
