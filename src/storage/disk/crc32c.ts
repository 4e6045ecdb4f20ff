/**
 * CRC-32C (Castagnoli), the checksum of everything in a data file. Eight bytes per step, from eight tables.
 * Source: RFC 3720, appendix B.4; Kounavis and Berry, "A systematic approach to building high performance CRC generators".
 *
 * @module
 */

const POLYNOMIAL = 0x82f63b78;

function makeTables(): Int32Array[] {
  const tables = Array.from({ length: 8 }, () => new Int32Array(256));
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) !== 0 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    tables[0][byte] = crc;
  }
  for (let table = 1; table < 8; table++) {
    for (let byte = 0; byte < 256; byte++) {
      const crc = tables[table - 1][byte];
      tables[table][byte] = (crc >>> 8) ^ tables[0][crc & 0xff];
    }
  }
  return tables;
}

const [t0, t1, t2, t3, t4, t5, t6, t7] = makeTables();

/**
 * Checksum of a range of bytes.
 *
 * @param start offset of the first byte
 * @param end offset after the last byte
 * @param seed checksum of what comes before; 0 for nothing
 * @returns unsigned 32-bit number
 */
export function crc32c(bytes: Uint8Array, start = 0, end: number = bytes.length, seed = 0): number {
  let crc = ~seed;
  let at = start;
  for (const fastEnd = end - 7; at < fastEnd; at += 8) {
    const low = crc ^ (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24));
    crc = t7[low & 0xff] ^ t6[(low >>> 8) & 0xff] ^ t5[(low >>> 16) & 0xff] ^ t4[low >>> 24] ^
      t3[bytes[at + 4]] ^ t2[bytes[at + 5]] ^ t1[bytes[at + 6]] ^ t0[bytes[at + 7]];
  }
  for (; at < end; at++) crc = (crc >>> 8) ^ t0[(crc ^ bytes[at]) & 0xff];
  return ~crc >>> 0;
}
