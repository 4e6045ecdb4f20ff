/**
 * What kind of request a record message is.
 *
 * @module
 */

import { FIELD, INFO1 } from "../../src/wire/mod.ts";
import { fieldOf, type Message } from "./message.ts";

/** Whether a record message is a scan or query: it names no record and is no batch. */
export function isQuery(message: Message): boolean {
  return (message.info1 & INFO1.BATCH) === 0 && fieldOf(message, FIELD.DIGEST) === undefined;
}

/** Whether a record message is a batch. */
export function isBatch(message: Message): boolean {
  return (message.info1 & INFO1.BATCH) !== 0;
}
