/**
 * Functions of users in Lua 5.4: the registry of modules, the sandbox they run in, and what they see of records and
 * streams. Leaves out where records come from and what becomes of changes (transaction, query) and how modules get
 * around a cluster (node). Read `modules.ts`, then `engine.ts` for the limits and `script.ts` for a call; what scripts
 * can call is in the files `prelude_*.ts`, written in Lua, on top of `host_functions.ts`.
 *
 * @module
 */
export * from "./modules.ts";
export * from "./record.ts";
export { Script, type ScriptEnd, type ScriptHost, type UdfValue } from "./script.ts";
