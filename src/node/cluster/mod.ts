/**
 * A node's part in its cluster: the protocols of `src/cluster/` on the ports of the process, and what follows for the
 * namespaces. Leaves out replicas (`transaction/`) and migrations (`partition/migration/`), which register their
 * messages and listen here. Read `runtime.ts`, then `membership.ts`.
 *
 * @module
 */
export {
  type ClusterListener,
  ClusterRuntime,
  type ClusterRuntimeOptions,
  type PeerMessageHandler,
} from "./runtime.ts";
