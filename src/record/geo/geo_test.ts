import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import fc from "fast-check";
import { ByteBuffer, GEO_VERTEX_COUNT_MAX, readU16, toHex, utf8 } from "../../base/mod.ts";
import { isWithin } from "./contains.ts";
import { coverRegion } from "./cover.ts";
import { crossesItself } from "./crossing.ts";
import { type GeoShape, parseGeoJson, type Position } from "./geojson.ts";
import { geometry, hasGeometry, loadGeometry } from "./geometry.ts";
import { appendGeoParticle, cellsOf } from "./particle.ts";
import { pointAt, regionOf } from "./region.ts";

function parse(value: unknown): GeoShape | undefined {
  const text = utf8(typeof value === "string" ? value : JSON.stringify(value));
  const bytes = new Uint8Array([0x7b, ...text, 0x7d]);
  return parseGeoJson(bytes, 1, text.length);
}

function geo(type: string, coordinates: unknown): GeoShape {
  const shape = parse({ type, coordinates });
  assert(shape !== undefined, JSON.stringify(coordinates));
  return shape;
}

function cellsText(shape: GeoShape): string {
  return cellsOf(shape).map((cell) => cell.toString(16).padStart(16, "0")).join(" ");
}

const SQUARE = [[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]];
const HOLE = [[4, 4], [6, 4], [6, 6], [4, 6], [4, 4]];

describe("hasGeometry()", () => {
  it("is true once the library has been loaded, and wakes who asked before", async () => {
    let wokenCount = 0;
    const waiter = { wake: () => void wokenCount++ };
    const before = hasGeometry(waiter);
    await loadGeometry();
    assertEquals(wokenCount, before ? 0 : 1);
    assertEquals(hasGeometry(waiter), true);
  });
});

describe("parseGeoJson()", () => {
  it("takes points, polygons, circles and features of them", () => {
    const good = [
      { type: "Point", coordinates: [180, -90] },
      { coordinates: [1.5, 2], extra: { a: [] }, type: "Point" },
      { type: "Polygon", coordinates: [SQUARE, HOLE] },
      { type: "Polygon", coordinates: [[...SQUARE].reverse()] },
      { type: "MultiPolygon", coordinates: [[SQUARE], [HOLE]] },
      { type: "AeroCircle", coordinates: [[1, 2], 0] },
      { type: "AeroCircle", coordinates: [[1, 2], -1] },
      { type: "Feature", geometry: { type: "Point", coordinates: [1, 2] }, properties: null },
    ];
    for (const value of good) assert(parse(value) !== undefined, JSON.stringify(value));
  });

  it("refuses what the database does not understand", () => {
    const bad: unknown[] = [
      "",
      "{",
      "[]",
      "null",
      "7",
      { type: "Point" },
      { coordinates: [1, 2] },
      { type: "Point", coordinates: [1] },
      { type: "Point", coordinates: [1, 2, 3] },
      { type: "Point", coordinates: ["1", 2] },
      { type: "Point", coordinates: [180.5, 2] },
      { type: "Point", coordinates: [1, -90.5] },
      { type: "LineString", coordinates: [[1, 2], [3, 4]] },
      { type: "MultiPoint", coordinates: [[1, 2]] },
      { type: "GeometryCollection", geometries: [] },
      { type: "FeatureCollection", features: [] },
      { type: "Feature", geometry: null },
      { type: "Feature", geometry: { type: "Feature", geometry: {} } },
      { type: "Polygon", coordinates: [] },
      { type: "Polygon", coordinates: [[]] },
      { type: "Polygon", coordinates: [[[0, 0], [1, 1], [0, 0]]] },
      { type: "Polygon", coordinates: [[[0, 0], [1, 0], [1, 1], [0, 1]]] },
      { type: "Polygon", coordinates: [[[0, 0], [10, 10], [10, 0], [0, 10], [0, 0]]] },
      { type: "Polygon", coordinates: [[[0, 0], [1, 0], [1, 1], [1, 0], [0, 0]]] },
      { type: "MultiPolygon", coordinates: [] },
      { type: "MultiPolygon", coordinates: [SQUARE] },
      { type: "AeroCircle", coordinates: [[1, 2]] },
      { type: "AeroCircle", coordinates: [[1, 2], "5"] },
      { type: "AeroCircle", coordinates: [1, 2] },
    ];
    for (const value of bad) assertEquals(parse(value), undefined, JSON.stringify(value));
  });

  it("refuses more vertices than the limit, and takes as many as the limit", () => {
    const ring = (count: number): Position[] => {
      const open = Array.from({ length: count - 1 }, (_, index): Position => {
        const angle = (index / (count - 1)) * 2 * Math.PI;
        return [20 * Math.cos(angle), 20 * Math.sin(angle)];
      });
      return [...open, open[0]];
    };
    assertEquals(parse({ type: "Polygon", coordinates: [ring(GEO_VERTEX_COUNT_MAX + 1)] }), undefined);
    assert(parse({ type: "Polygon", coordinates: [ring(GEO_VERTEX_COUNT_MAX)] }) !== undefined);
  });

  it("ends, whatever the text", () => {
    const seeds = [
      { type: "Polygon", coordinates: [SQUARE, HOLE] },
      { type: "AeroCircle", coordinates: [[1, 2], 5] },
    ];
    const property = fc.property(
      fc.constantFrom(...seeds),
      fc.nat(),
      fc.string({ maxLength: 3 }),
      (seed, at, put) => {
        const text = JSON.stringify(seed);
        const cut = at % text.length;
        const shape = parse(text.slice(0, cut) + put + text.slice(cut + put.length));
        assert(shape === undefined || shape.kind !== undefined);
      },
    );
    fc.assert(property, { numRuns: 2000 });
    assertEquals(parse("[".repeat(500_000)), undefined);
    assertEquals(
      parse(`{"type":"Point","coordinates":${"[".repeat(200_000)}${"]".repeat(200_000)}}`),
      undefined,
    );
  });
});

describe("crossesItself()", () => {
  it("finds what looking at every pair of edges in the plane finds, for small rings", () => {
    const position = fc.tuple(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 40 }))
      .map(([x, y]): Position => [x / 1000 + y / 1e6, y / 1000 + x / 7e6]);
    const turn = (a: Position, b: Position, c: Position) => {
      if (c === a || c === b) return 0;
      const area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
      // Vertices almost on one line may lie on either side once they are on a sphere.
      fc.pre(Math.abs(area) > 1e-7);
      return Math.sign(area);
    };
    const property = fc.property(
      fc.uniqueArray(position, { minLength: 3, maxLength: 12, selector: String }),
      (ring) => {
        const edges = ring.map((from, index) => [from, ring[(index + 1) % ring.length]]);
        const crosses = edges.some(([a, b], left) =>
          edges.slice(left + 1).some(([c, d]) =>
            turn(a, b, c) * turn(a, b, d) < 0 && turn(c, d, a) * turn(c, d, b) < 0
          )
        );
        assertEquals(crossesItself(ring), crosses);
      },
    );
    fc.assert(property, { numRuns: 1000 });
  });
});

describe("cellsOf()", () => {
  it("gives the stock server's cells", async () => {
    await loadGeometry();
    const cases: [string, unknown, string][] = [
      ["Point", [0, 0], "1000000000000001"],
      ["Point", [1, 2], "10036e17ca9fb709"],
      ["Point", [-122.0, 37.5], "808fb8a247954393"],
      ["Point", [180, 90], "5000000000000001"],
      ["Point", [103.9139, 1.303], "31da1875fc7a9d2d"],
      [
        "AeroCircle",
        [[-122.0, 37.5], 1000],
        "808fb890b0000000 808fb89700000000 808fb89c00000000 808fb8a400000000 808fb8a8b0000000 808fb8af00000000 " +
        "808fb8b100000000 808fb8bc00000000 808fc758c0000000 808fc75f00000000 808fc76100000000 808fc76300000000",
      ],
      [
        "Polygon",
        [[[-122.5, 37.0], [-121.0, 37.0], [-121.0, 38.08], [-122.5, 38.08], [-122.5, 37.0]]],
        "8085500000000000 8085700000000000 8085900000000000 8085a40000000000 808e400000000000 808ef00000000000 " +
        "808f100000000000 808f700000000000 808fc00000000000 8090400000000000 8091c00000000000 809ab00000000000",
      ],
      [
        "Polygon",
        [[[102.913, 0.308], [102.913, 2.308], [104.913, 2.308], [104.913, 0.308], [102.913, 0.308]]],
        "31d0400000000000 31d0c00000000000 31d7400000000000 31d7c00000000000 31d9000000000000 31db000000000000",
      ],
      [
        "Polygon",
        [[[-121.101, 36.421], [-121.101, 38.421], [-123.101, 38.421], [-123.101, 36.421], [
          -121.101,
          36.421,
        ]]],
        "8085000000000000 8086400000000000 8086900000000000 8088c00000000000 8089400000000000 808c400000000000 " +
        "808dc00000000000 808f000000000000 8090400000000000 8091c00000000000 8092400000000000 809ac00000000000",
      ],
      ["AeroCircle", [[1, 2], 0], "10036e17ca9fb709"],
      ["AeroCircle", [[1, 2], -5], ""],
    ];
    for (const [type, coordinates, cells] of cases) {
      assertEquals(cellsText(geo(type, coordinates)), cells, JSON.stringify(coordinates));
    }
  });
});

describe("coverRegion()", () => {
  it("covers each point of a region, with ascending cells of the wanted levels", async () => {
    await loadGeometry();
    const { cellid } = geometry();
    const circle = fc.record({
      longitude: fc.double({ min: -180, max: 180, noNaN: true }),
      latitude: fc.double({ min: -90, max: 90, noNaN: true }),
      radiusM: fc.double({ min: 0.1, max: 1e7, noNaN: true }),
      angle: fc.double({ min: 0, max: 6.2, noNaN: true }),
      minLevel: fc.integer({ min: 0, max: 5 }),
      levels: fc.integer({ min: 0, max: 20 }),
      levelMod: fc.integer({ min: 1, max: 3 }),
      maxCells: fc.integer({ min: 4, max: 30 }),
    });
    const property = fc.property(circle, ({ longitude, latitude, radiusM, angle, ...options }) => {
      const { minLevel, levels, levelMod, maxCells } = options;
      // Very large regions with a fine least level need very many cells.
      const least = radiusM > 1e6 ? Math.min(minLevel, 2) : minLevel;
      const region = regionOf({ kind: "circle", center: [longitude, latitude], radiusM });
      const cells = coverRegion(region, { minLevel: least, maxLevel: least + levels, levelMod, maxCells });
      assert(cells.every((cell, index) => index === 0 || cells[index - 1] < cell));
      const reach = ((radiusM * 0.99) / 6_371_000) * (180 / Math.PI);
      for (const share of [0, 0.5, 1]) {
        const there: Position = [
          longitude + (Math.abs(latitude) < 60 ? reach * share * Math.cos(angle) : 0),
          latitude + reach * share * Math.sin(angle),
        ];
        const point = pointAt(there);
        if (!region.containsPoint(point)) continue;
        const leaf = cellid.fromPoint(point);
        assert(cells.some((cell) => cellid.contains(cell, leaf)), "a point of the region is outside");
      }
    });
    fc.assert(property, { numRuns: 200 });
  });
});

describe("appendGeoParticle()", () => {
  it("puts flags, cells and the text as it was sent one after the other", async () => {
    await loadGeometry();
    const out = new ByteBuffer(16);
    const text = utf8('{ "type":"Point", "coordinates":[1,2] }');
    const size = appendGeoParticle(out, text, 0, text.length);
    assertEquals(toHex(out.view()), `00000110036e17ca9fb709${toHex(text)}`);
    assertEquals(size, out.length);
    assertEquals(appendGeoParticle(out, text, 1, text.length - 1), 0);
    assertEquals(size, out.length);
    out.length = 0;
    const circle = utf8('{"type":"AeroCircle","coordinates":[[1,2],500]}');
    appendGeoParticle(out, circle, 0, circle.length);
    assertEquals([out.bytes[0], readU16(out.bytes, 1) <= 12], [1, true]);
  });
});

describe("isWithin()", () => {
  it("finds points in regions, in either order, outside of holes", async () => {
    await loadGeometry();
    const holed = geo("Polygon", [SQUARE, HOLE]);
    const both = geo("MultiPolygon", [[SQUARE], [[[20, 20], [21, 20], [21, 21], [20, 20]]]]);
    const circle = geo("AeroCircle", [[5, 5], 50_000]);
    const point = (longitude: number, latitude: number) => geo("Point", [longitude, latitude]);
    const cases: [GeoShape, GeoShape, boolean][] = [
      [holed, point(2, 2), true],
      [holed, point(5, 5), false],
      [holed, point(11, 5), false],
      [both, point(20.8, 20.2), true],
      [both, point(15, 15), false],
      [circle, point(5.1, 5.1), true],
      [circle, point(6, 6), false],
      [circle, holed, false],
      [point(5, 5), point(5, 5), false],
    ];
    for (const [left, right, expected] of cases) {
      assertEquals(isWithin(left, right), expected);
      assertEquals(isWithin(right, left), expected);
    }
  });
});
