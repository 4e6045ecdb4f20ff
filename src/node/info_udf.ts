/**
 * Info commands about modules of user-defined functions. Source: wire-protocol reference, section 9.9, and recorded
 * answers.
 *
 * @module
 */

import { decodeBase64, encodeBase64, UDF_CONTENT_SIZE_MAX, utf8 } from "../base/mod.ts";
import { encodeModule, isModuleName } from "../udf/mod.ts";
import { SMD_MODULE } from "../wire/mod.ts";
import type { PendingAnswer } from "./info_pending.ts";
import { type InfoContext, type InfoRow, OK } from "./info_row.ts";

const BAD_NAME = "error=invalid_filename";

/** The file name that a command names; undefined when there is none that a module may have. */
function fileNameOf(context: InfoContext): string | undefined {
  const fileName = context.get("filename");
  return fileName !== undefined && isModuleName(fileName) ? fileName : undefined;
}

function listModules({ node }: InfoContext): string {
  return node.udf.list().map(({ fileName, hash }) => `filename=${fileName},hash=${hash},type=LUA;`).join("");
}

function getModule(context: InfoContext): string {
  const fileName = fileNameOf(context);
  if (fileName === undefined) return BAD_NAME;
  const module = context.node.udf.find(fileName);
  if (module === undefined) return "error=not_found";
  return module.source.length === 0 ? "error=empty" : `type=LUA;content=${encodeBase64(module.source)};`;
}

function putModule(context: InfoContext): string | PendingAnswer {
  const fileName = fileNameOf(context);
  if (fileName === undefined) return BAD_NAME;
  const contentSize = Number(context.get("content-len") || NaN);
  if (!Number.isSafeInteger(contentSize) || contentSize <= 0) return "error=invalid_content_len";
  const content = context.get("content");
  if (content === undefined || content === "") return "error=invalid_content";
  if (content.length > UDF_CONTENT_SIZE_MAX) return "error=invalid_udf_content_len,>1M";
  if ((context.get("udf-type") ?? "LUA") !== "LUA") return "error=invalid_udf_type";
  const source = decodeBase64(content);
  if (source === undefined) return "error=invalid_base64_content";
  const { node } = context;
  if (!node.udf.hasRoomFor(fileName)) return "error=too_many_modules";
  const fault = node.udf.check(fileName, source);
  if (fault !== undefined) {
    const message = encodeBase64(utf8(fault.message));
    return `error=compile_error;file=${fileName};line=${fault.line};message=${message}`;
  }
  return context.keep(SMD_MODULE.UDF, fileName, encodeModule({ fileName, source }));
}

function removeModule(context: InfoContext): string | PendingAnswer {
  const fileName = fileNameOf(context);
  if (fileName === undefined) return BAD_NAME;
  // A module that is not here may be with another node; alone there is nothing to do.
  if (context.node.udf.find(fileName) === undefined && context.node.cluster.size === 1) return OK;
  return context.keep(SMD_MODULE.UDF, fileName, null);
}

function clearCache({ node }: InfoContext): string {
  node.udf.clearCache();
  return OK;
}

/** See the module's text. */
export const udfCommands: readonly InfoRow[] = [
  {
    name: "udf-list",
    reply: "filename=FILE,hash=SHA1,type=LUA;... | empty",
    doc: "modules of user-defined functions",
    askedBy: "clients, asadm, asbackup",
    answer: listModules,
  },
  {
    name: "udf-get",
    parameters: "filename=FILE",
    reply: "type=LUA;content=BASE64; | error=not_found | error=empty | error=invalid_filename",
    doc: "text of a module",
    askedBy: "asadm, asbackup, aql",
    answer: getModule,
  },
  {
    name: "udf-put",
    parameters: "filename=FILE;content=BASE64;content-len=N;udf-type=LUA",
    reply: "ok | error=... | error=compile_error;file=FILE;line=N;message=BASE64",
    doc: "register a module",
    askedBy: "clients, asadm, asrestore",
    permission: "udf-admin",
    answer: putModule,
  },
  {
    name: "udf-remove",
    parameters: "filename=FILE",
    reply: "ok, also when there is no such module | error=invalid_filename",
    doc: "remove a module",
    askedBy: "clients, asadm",
    permission: "udf-admin",
    answer: removeModule,
  },
  {
    name: "udf-clear-cache",
    reply: "ok",
    doc: "forget the states of modules, and with them their globals",
    askedBy: "operators",
    permission: "udf-admin",
    answer: clearCache,
  },
];
