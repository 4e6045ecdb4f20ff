/**
 * Errors that are thrown. Refusals on the request path are result codes, not errors.
 *
 * @module
 */

/** A setting or argument that a person gave is wrong; the message says which, why, and what to do. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** Where stored bytes did not have the content that was written. */
export interface CorruptionSite {
  /** Device or file name. */
  device: string;
  /** Offset in bytes. */
  offsetBytes: number;
  /** What should be there. */
  expected: string;
  /** What is there. */
  found: string;
}

/** Stored bytes are damaged. Never reported as "not found". */
export class CorruptionError extends Error {
  override readonly name = "CorruptionError";
  /** Where and what. */
  readonly site: CorruptionSite;

  /** @param site where the damage is, what was expected, what was found */
  constructor(site: CorruptionSite) {
    super(
      `Corrupt data on "${site.device}" at byte ${site.offsetBytes}: found ${site.found}, expected ${site.expected}`,
    );
    this.site = site;
  }
}

/** Bytes from a peer do not have the announced form. */
export class WireError extends Error {
  override readonly name = "WireError";
}
