/**
 * Migrations: moving partitions to where the balance wants them, record by record, while clients go on. Knows nothing of
 * how a cluster is formed or of requests. Read `migrator.ts`, then `emigration.ts` and `immigrations.ts`; which copy of a
 * record wins is in `src/storage/replace.ts` and `../lineage.ts`, what a partition's version becomes in `../table.ts`.
 *
 * @module
 */
export { Migrator } from "./migrator.ts";
export {
  type MigrationFabric,
  type MigrationNamespace,
  type MigrationSettings,
  MigrationStatistics,
  type MigrationView,
  type MigratorOptions,
  type PartitionOf,
} from "./types.ts";
