/**
 * Info commands about secondary indexes (`info_sindex.ts`) and UDF modules. There are no modules yet: lists are empty,
 * removing one that is absent is fine as on the stock server, and registering one is refused. Source: wire-protocol
 * reference, sections 9.8 and 9.9.
 *
 * @module
 */

import { type InfoRow, OK } from "./info_row.ts";
import { sindexCommands } from "./info_sindex.ts";

/** See the module's text. */
export const indexCommands: readonly InfoRow[] = [
  ...sindexCommands,
  {
    name: "udf-list",
    reply: "empty",
    doc: "modules of user-defined functions",
    askedBy: "clients, asadm, asbackup",
    answer: () => "",
  },
  {
    name: "udf-get",
    parameters: "filename=FILE",
    reply: "error=not_found | error=invalid_filename",
    doc: "text of a module",
    askedBy: "asadm, asbackup, aql",
    answer: (context) => context.get("filename") ? "error=not_found" : "error=invalid_filename",
  },
  {
    name: "udf-put",
    parameters: "filename=FILE;content=BASE64;content-len=N;udf-type=LUA",
    reply: "ERROR:16:...",
    doc: "register a module: not supported yet",
    askedBy: "clients, asadm, asrestore",
    permission: "udf-admin",
    answer: () => "ERROR:16:user-defined functions are not supported yet",
  },
  {
    name: "udf-remove",
    parameters: "filename=FILE",
    reply: "ok, also when there is no such module | error=invalid_filename",
    doc: "remove a module",
    askedBy: "clients, asadm",
    permission: "udf-admin",
    answer: (context) => context.get("filename") ? OK : "error=invalid_filename",
  },
  {
    name: "udf-clear-cache",
    reply: "ok",
    doc: "forget compiled modules, of which there are none",
    askedBy: "operators",
    permission: "udf-admin",
    answer: () => OK,
  },
];
