/**
 * GeoJSON: which texts the database understands, the cells that a value lies in, and regions that are asked whether they
 * contain a point. Knows nothing of bins and indexes. Read `geojson.ts`, then `particle.ts`; `geometry.ts` says why the
 * geometry library is loaded late.
 *
 * @module
 */
export * from "./contains.ts";
export * from "./cover.ts";
export * from "./geojson.ts";
export { hasGeometry, isGeometryLoaded, loadGeometry } from "./geometry.ts";
export * from "./particle.ts";
export * from "./query_cells.ts";
export { pointAt, type Region, regionOf } from "./region.ts";
