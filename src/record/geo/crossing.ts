/**
 * Whether a ring on the sphere is a good one: no vertex twice, no edge crossing another. Edges are sorted by where they
 * begin along one axis, so that most pairs are never looked at; at worst all are, which the limit of vertices bounds.
 *
 * @module
 */

import type { Ring } from "./geojson.ts";

/** Coordinates of a vertex: three numbers each in one array. */
function pointsOf(ring: Ring): Float64Array {
  const points = new Float64Array(ring.length * 3);
  ring.forEach(([longitude, latitude], index) => {
    const theta = (longitude * Math.PI) / 180;
    const phi = (latitude * Math.PI) / 180;
    points[index * 3] = Math.cos(theta) * Math.cos(phi);
    points[index * 3 + 1] = Math.sin(theta) * Math.cos(phi);
    points[index * 3 + 2] = Math.sin(phi);
  });
  return points;
}

/**
 * Which side of an edge's great circle a vertex is on: the sign of their determinant.
 *
 * @param normals cross products of the edges' ends
 */
function side(normals: Float64Array, edge: number, points: Float64Array, vertex: number): number {
  return normals[edge] * points[vertex] + normals[edge + 1] * points[vertex + 1] +
    normals[edge + 2] * points[vertex + 2];
}

/** Cross products of the ends of all edges; an edge goes from its vertex to the next one. */
function normalsOf(points: Float64Array): Float64Array {
  const normals = new Float64Array(points.length);
  for (let a = 0; a < points.length; a += 3) {
    const b = a + 3 < points.length ? a + 3 : 0;
    normals[a] = points[a + 1] * points[b + 2] - points[a + 2] * points[b + 1];
    normals[a + 1] = points[a + 2] * points[b] - points[a] * points[b + 2];
    normals[a + 2] = points[a] * points[b + 1] - points[a + 1] * points[b];
  }
  return normals;
}

/** Whether two edges cross inside of both. */
function doCross(points: Float64Array, normals: Float64Array, edge: number, other: number): boolean {
  const a = edge * 3;
  const c = other * 3;
  const b = a + 3 < points.length ? a + 3 : 0;
  const d = c + 3 < points.length ? c + 3 : 0;
  const acb = -side(normals, a, points, c);
  const bda = side(normals, a, points, d);
  if (acb * bda <= 0) return false;
  const cbd = -side(normals, c, points, b);
  const dac = side(normals, c, points, a);
  return acb * cbd > 0 && acb * dac > 0;
}

/** An arc bulges beyond its chord by at most this share of the chord's square. */
const BULGE = 0.25;

/** Whether a ring of three vertices or more, not closed, has a vertex twice or an edge that crosses another. */
export function crossesItself(ring: Ring): boolean {
  if (new Set(ring.map(([longitude, latitude]) => `${longitude} ${latitude}`)).size < ring.length) {
    return true;
  }
  const points = pointsOf(ring);
  const normals = normalsOf(points);
  const count = ring.length;
  const low = [new Float64Array(count), new Float64Array(count), new Float64Array(count)];
  const high = [new Float64Array(count), new Float64Array(count), new Float64Array(count)];
  for (let edge = 0; edge < count; edge++) {
    const [from, to] = [edge * 3, ((edge + 1) % count) * 3];
    let square = 0;
    for (let axis = 0; axis < 3; axis++) square += (points[to + axis] - points[from + axis]) ** 2;
    for (let axis = 0; axis < 3; axis++) {
      low[axis][edge] = Math.min(points[from + axis], points[to + axis]) - BULGE * square;
      high[axis][edge] = Math.max(points[from + axis], points[to + axis]) + BULGE * square;
    }
  }
  const order = Array.from({ length: count }, (_, edge) => edge).sort((a, b) => low[0][a] - low[0][b]);
  for (let index = 0; index < count; index++) {
    const edge = order[index];
    for (let next = index + 1; next < count && low[0][order[next]] <= high[0][edge]; next++) {
      const other = order[next];
      const distance = Math.abs(other - edge);
      // Neighbours meet in a vertex, and rounding may make a crossing of that.
      if (distance === 1 || distance === count - 1) continue;
      if (low[1][other] > high[1][edge] || low[1][edge] > high[1][other]) continue;
      if (low[2][other] > high[2][edge] || low[2][edge] > high[2][other]) continue;
      if (doCross(points, normals, edge, other)) return true;
    }
  }
  return false;
}
