/**
 * Compression of requests. Source: wire-protocol reference, section 1.4.
 *
 * @module
 */

import type { Compute } from "../port/mod.ts";
import { encodeCompressedRequest } from "../wire/mod.ts";
import type { BasePolicy } from "./policy.ts";

/** Requests up to this size are not worth compressing. */
const COMPRESS_SIZE_MIN_BYTES = 128;

/**
 * Compresses a request when the policy asks for it and the request is long enough.
 *
 * @param request the whole message with its proto header
 * @throws {TypeError} when the policy asks for it and there is nothing to compress with
 */
export function compressRequest(
  request: Uint8Array,
  policy: BasePolicy,
  compute: Compute | undefined,
): Uint8Array {
  if (!policy.compress) return request;
  if (compute === undefined) {
    throw new TypeError("Cannot compress: connect() was called without the port `compute`");
  }
  if (request.length <= COMPRESS_SIZE_MIN_BYTES) return request;
  return encodeCompressedRequest(request.length, compute.deflate(request));
}
