/**
 * What names the machine to other members: nodes of one machine have the same name, so that copies can avoid sharing it.
 * A host name alone is not enough, because machines made from one image share it; so a hardware address comes first.
 *
 * @module
 */

import type { Host } from "../../port/mod.ts";
import { chooseMac } from "../identity.ts";

/** Longest name that the exchange carries, in bytes. */
const NAME_SIZE_MAX = 64;

/** Name of the machine, ASCII. */
export function hostIdentity(host: Pick<Host, "interfaces" | "hostname">): string {
  const mac = chooseMac(host.interfaces(), "");
  const name = host.hostname().replace(/[^\x21-\x7e]/g, "?");
  return [...(mac === undefined ? [] : [mac]), name].join("/").slice(0, NAME_SIZE_MAX);
}
