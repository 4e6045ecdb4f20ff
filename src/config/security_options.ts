/**
 * Options of the `mod-lua` and `security` contexts.
 *
 * @module
 */
import { bool, defineNames, defineOptions, int, list, type OptionTable, seconds, text } from "./option.ts";

/** Settings of user-defined functions. */
export interface ModLuaSettings {
  /** Keep Lua states. */
  cacheEnabled: boolean;
  /** UDF directory. */
  userPath: string;
}

/** Rows of the `mod-lua` context. */
export const modLuaOptions: OptionTable = defineOptions<ModLuaSettings>({
  cacheEnabled: bool(true, { doc: "keep Lua states" }),
  userPath: text("/opt/aerospike/usr/udf/lua", { status: "accepted", quiet: true, doc: "UDF directory" }),
});

/** Rows of the `security` context. */
export const securityOptions: OptionTable = defineNames({
  defaultPasswordFile: text("", {
    secret: true,
    status: "unsupported",
    doc: "initial admin password source (since 7.1)",
  }),
  enableQuotas: bool(false, { status: "unsupported", doc: "read/write quotas" }),
  privilegeRefreshPeriod: seconds(300, {
    status: "unsupported",
    dynamic: true,
    range: [10, 86400],
    doc: "re-check of socket privileges",
  }),
  sessionTtl: seconds(86400, {
    status: "unsupported",
    dynamic: true,
    range: [120, 864_000],
    doc: "token life",
  }),
  tpsWeight: int(2, {
    status: "unsupported",
    dynamic: true,
    range: [2, 20],
    doc: "smoothing of measured rates",
  }),
});

/** Rows of `security.ldap`. */
export const ldapOptions: OptionTable = defineNames({
  disableTls: bool(false, { status: "unsupported", doc: "plain LDAP" }),
  loginThreads: int(8, { status: "unsupported", range: [1, 64], doc: "login threads" }),
  pollingPeriod: seconds(300, {
    status: "unsupported",
    dynamic: true,
    range: [0, 86400],
    doc: "role refresh, 0 = never",
  }),
  queryBaseDn: text("", { status: "unsupported", doc: "base DN" }),
  queryUserDn: text("", { status: "unsupported", doc: "bind DN for queries" }),
  queryUserPasswordFile: text("", { secret: true, status: "unsupported", doc: "bind password" }),
  roleQueryBaseDn: text("", { status: "unsupported", doc: "role base DN" }),
  roleQueryPatterns: list({ name: "role-query-pattern", status: "unsupported", doc: "role search filter" }),
  roleQuerySearchOu: bool(false, { status: "unsupported", doc: "search OUs" }),
  server: text("", { status: "unsupported", doc: "LDAP URL" }),
  tlsCaFile: text("", { status: "unsupported", doc: "CA file" }),
  tokenHashMethod: text("sha-256", { status: "unsupported", doc: "sha-256 or sha-512" }),
  userDnPattern: text("", { status: "unsupported", doc: "DN template" }),
  userQueryPattern: text("", { status: "unsupported", doc: "user search filter" }),
});

/** Rows of `security.log`. */
export const securityLogOptions: OptionTable = defineNames({
  reportAuthentication: bool(false, { status: "unsupported", dynamic: true, doc: "log logins" }),
  reportDataOps: list({
    name: "report-data-op",
    status: "unsupported",
    dynamic: true,
    wordsMax: 2,
    doc: "namespace [set] whose data operations are logged",
  }),
  reportDataOpRoles: list({
    name: "report-data-op-role",
    status: "unsupported",
    dynamic: true,
    doc: "role to log",
  }),
  reportDataOpUsers: list({
    name: "report-data-op-user",
    status: "unsupported",
    dynamic: true,
    doc: "user to log",
  }),
  reportSysAdmin: bool(false, { status: "unsupported", dynamic: true, doc: "log system administration" }),
  reportUserAdmin: bool(false, { status: "unsupported", dynamic: true, doc: "log user administration" }),
  reportViolation: bool(false, { status: "unsupported", dynamic: true, doc: "log denied requests" }),
});
