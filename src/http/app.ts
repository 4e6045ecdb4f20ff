/**
 * The paths of the HTTP listener.
 *
 * @module
 */

import { Hono } from "hono";
import type { AerieNode } from "../node/mod.ts";
import { checkText, livezChecks, readyzChecks } from "./health.ts";
import { metricsText } from "./metrics.ts";
import { statusOf } from "./status.ts";

const INDEX = `aerie

/livez     the process answers
/readyz    the node serves clients; ?verbose lists the checks
/metrics   for Prometheus
/status    JSON for people and scripts
`;

/** Content type of the Prometheus text format. */
const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/**
 * The application of a node.
 *
 * @param node whose state is told
 */
export function createApp(node: AerieNode): Hono {
  const app = new Hono();
  app.get("/", (context) => context.text(INDEX));
  for (const [path, checks] of [["/livez", livezChecks], ["/readyz", readyzChecks]] as const) {
    app.get(path, (context) => {
      const results = checks(node);
      const passed = results.every(({ problem }) => problem === undefined);
      const verbose = context.req.query("verbose") !== undefined;
      return context.text(checkText(path.slice(1), results, verbose), passed ? 200 : 503);
    });
  }
  app.get("/metrics", async (context) => {
    const text = await metricsText(node);
    return context.body(text, 200, { "content-type": METRICS_TYPE });
  });
  app.get("/status", (context) =>
    context.body(
      `${JSON.stringify(statusOf(node), undefined, 2)}\n`,
      200,
      { "content-type": "application/json" },
    ));
  app.notFound((context) =>
    context.text(`There is no ${context.req.method} ${context.req.path}\n\n${INDEX}`, 404)
  );
  return app;
}
