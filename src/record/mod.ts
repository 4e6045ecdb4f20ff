/**
 * What operations mean: bins, particles, and a request's operations applied to them. Knows nothing of where records
 * are kept (storage) or of who asks (transaction). Read `bin_table.ts`, then `apply.ts`.
 *
 * @module
 */
export * from "./apply.ts";
export * from "./bin_table.ts";
export * from "./exp/mod.ts";
export {
  cellsOf,
  type CoverOptions,
  coverRegion,
  GEOJSON_HEADER_SIZE,
  type GeoShape,
  geoTextAt,
  hasGeometry,
  isGeometryLoaded,
  loadGeometry,
  parseGeoJson,
  pointAt,
  type QueryCells,
  queryCells,
  type Region,
  regionOf,
} from "./geo/mod.ts";
export {
  appendPlain,
  appendReindexed,
  type IndexedRange,
  isIndexContext,
  isPersisted,
  isSoundIndex,
  sortContent,
} from "./cdt/mod.ts";
export * from "./elements.ts";
export * from "./particle.ts";
