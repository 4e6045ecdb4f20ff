/**
 * The HTTP listener: health for machines, metrics for Prometheus, status for people. It only reads; there is nothing to
 * write yet. It stands on what `node/` tells and knows no protocol of clients. Read `app.ts`, then `metrics.ts`.
 *
 * @module
 */
export { createApp } from "./app.ts";
export { type HttpServer, startHttp } from "./server.ts";
export { metricsText } from "./metrics.ts";
