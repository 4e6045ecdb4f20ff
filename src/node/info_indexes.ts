/**
 * Info commands about secondary indexes and UDF modules. There are none yet: lists are empty, looking for one says that
 * it is not there, removing one that is absent is fine as on the stock server, and creating one is refused. Source:
 * wire-protocol reference, sections 9.8 and 9.9.
 *
 * @module
 */

import { type InfoContext, type InfoRow, OK } from "./info_row.ts";

const NO_INDEX = "ERROR:201:no index";
const INDEX_NAME_SIZE_MAX = 63;

/** `sindex-list:[namespace=NS]`, `sindex`, `sindex/NS` list; `sindex/NS/INDEX` asks for one. */
function listIndexes(context: InfoContext): string {
  if (context.words.length > 0) {
    context.usedDeprecatedForm = true;
    if (context.node.namespace(context.words[0]) === undefined) return "ERROR:20:namespace not found on node";
    return context.words.length > 1 ? NO_INDEX : "";
  }
  if (context.get("namespace") === undefined && context.get("ns") === undefined) return "";
  return context.namespace().error ?? "";
}

/** Checks the parameters that name an index; an error, or undefined. */
function indexFault(context: InfoContext): string | undefined {
  return context.namespace().error ??
    context.need("indexname", { sizeMaxBytes: INDEX_NAME_SIZE_MAX }).error;
}

/** See the module's text. */
export const indexCommands: readonly InfoRow[] = [
  {
    name: "sindex-list",
    parameters: "[namespace=NS][;b64=true|false]",
    reply: "empty",
    doc: "secondary indexes",
    askedBy: "asadm, exporter, asbackup",
    answer: listIndexes,
  },
  {
    name: "sindex",
    parameters: "[/NS[/INDEX]]",
    reply: "empty | ERROR:201:no index",
    doc: "secondary indexes, or one of them",
    askedBy: "clients",
    answer: listIndexes,
  },
  {
    name: "sindex-stat",
    parameters: "namespace=NS;indexname=INDEX",
    reply: "ERROR:201:no index",
    doc: "what an index counts",
    askedBy: "clients, asadm, exporter",
    answer: (context) => indexFault(context) ?? NO_INDEX,
  },
  {
    name: "sindex-exists",
    parameters: "namespace=NS;indexname=INDEX",
    reply: "true | false",
    doc: "whether there is an index of that name",
    askedBy: "clients",
    answer: (context) => indexFault(context) ?? "false",
  },
  {
    name: "sindex-create",
    parameters:
      "namespace=NS[;set=SET];indexname=INDEX[;indextype=TYPE][;context=BASE64];bin=BIN|exp=BASE64;type=TYPE",
    reply: "ERROR:16:...",
    doc: "create an index: not supported yet",
    askedBy: "clients, asadm, asrestore",
    permission: "sindex-admin",
    answer: (context) => indexFault(context) ?? "ERROR:16:secondary indexes are not supported yet",
  },
  {
    name: "sindex-delete",
    parameters: "namespace=NS[;set=SET];indexname=INDEX",
    reply: "ok, also when there is no such index",
    doc: "remove an index",
    askedBy: "clients, asadm",
    permission: "sindex-admin",
    answer: (context) => indexFault(context) ?? OK,
  },
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
