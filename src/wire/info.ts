/**
 * The info protocol (proto type 1): lines in, `line TAB value LF` out. Lines are bytes: clients have been seen to send
 * ill-formed text, which is echoed as it came. Source: wire-protocol reference, section 9.1.
 *
 * @module
 */

import { type ByteBuffer, utf8Decode } from "../base/mod.ts";

const LF = 0x0a;
const TAB = 0x09;
/** Longest name of an info command. */
const INFO_NAME_SIZE_MAX = 31;

/** One command of an info request. */
export interface InfoCommand {
  /** The line as received, without the line feed; a view. */
  line: Uint8Array;
  /** Name: up to the first `/`, `:` or `;`. Longer than any known name when the line is garbage. */
  name: string;
  /** What follows the name's separator. */
  parameters: string;
}

/**
 * Cuts an info body into commands, one at a time: there may be as many as there are bytes. Text after the last line feed
 * is ignored, as the stock server does.
 *
 * @param body the request's body, kept by reference
 */
export function* parseInfo(body: Uint8Array): Generator<InfoCommand, void, void> {
  let start = 0;
  for (;;) {
    const end = body.indexOf(LF, start);
    if (end < 0) return;
    yield parseInfoLine(body.subarray(start, end));
    start = end + 1;
  }
}

/** Splits one line into name and parameters. */
export function parseInfoLine(line: Uint8Array): InfoCommand {
  const text = utf8Decode(line);
  const cut = text.search(/[/:;]/);
  return {
    line,
    name: cut < 0
      ? text.slice(0, INFO_NAME_SIZE_MAX + 1)
      : text.slice(0, Math.min(cut, INFO_NAME_SIZE_MAX + 1)),
    parameters: cut < 0 ? "" : text.slice(cut + 1),
  };
}

/**
 * Value of a `key=value` parameter; the first of a name wins.
 *
 * @param parameters text after the command's name
 * @returns the value, possibly empty, or undefined when the key is missing
 */
export function infoParameter(parameters: string, key: string): string | undefined {
  for (const part of parameters.split(";")) {
    const equals = part.indexOf("=");
    if (equals >= 0 && part.slice(0, equals) === key) return part.slice(equals + 1);
  }
  return undefined;
}

/** A text that clients chose, without what separates items and lines of an answer. */
export function safeText(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/[\u0000-\u001f\u007f;:]/g, "?");
}

/** Appends the answer to one command to a reply body. */
export function appendInfoAnswer(out: ByteBuffer, line: Uint8Array, value: string): void {
  out.append(line);
  out.appendU8(TAB);
  out.appendText(value);
  out.appendU8(LF);
}
