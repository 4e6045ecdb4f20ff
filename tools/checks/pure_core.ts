/**
 * The pure core reaches time, randomness, files and sockets through ports alone, or the simulator could not repeat a
 * run. So in it every global name is on an allow-list, and so is every package.
 *
 * Outside the core, and not looked at: `platform/`, `http/`, `cmd/`, `tools/`, `bench/`, tests, and the simulator's
 * runner, which measures real time and reads seeds from files.
 *
 * @module
 */
import ts from "typescript";
import { importsOf, lineOfNode, parseTree } from "./syntax.ts";
import { type Check, type Finding, isTestFile, sourcePaths, type Tree } from "./tree.ts";

const OUTSIDE = /^(src\/platform|src\/http|cmd|tools|bench)\//;

/** The simulator's runner: the files of `src/sim/` that meet the real world. */
const RUNNER = /^src\/sim\/(runner|main)(_[a-z_]+)?\.ts$/;

/** Globals that depend on nothing but their arguments. */
const GLOBALS: ReadonlySet<string> = new Set(
  ("undefined arguments NaN Infinity isNaN isFinite parseInt parseFloat " +
    "Object Array String Number Boolean Symbol BigInt Math JSON RegExp Map Set WeakMap WeakSet Promise Proxy Reflect " +
    "WebAssembly Iterator Error TypeError RangeError SyntaxError EvalError URIError AggregateError SuppressedError " +
    "DisposableStack AsyncDisposableStack " +
    "ArrayBuffer DataView Int8Array Uint8Array Uint8ClampedArray Int16Array Uint16Array Int32Array Uint32Array " +
    "Float32Array Float64Array BigInt64Array BigUint64Array TextEncoder TextDecoder " +
    "encodeURIComponent decodeURIComponent").split(" "),
);

/** Members whose result depends on more than their arguments. */
const DENIED_MEMBERS: ReadonlySet<string> = new Set(["Math.random"]);
const LOCALE_MEMBERS: ReadonlySet<string> = new Set([
  "localeCompare",
  "toLocaleString",
  "toLocaleLowerCase",
  "toLocaleUpperCase",
]);

/** Types that would bring a runtime into the core. */
const DENIED_TYPES: ReadonlySet<string> = new Set(["Deno", "NodeJS", "Buffer", "Date", "Worker", "WeakRef"]);

/** Packages of pure computation. */
const PACKAGES: ReadonlySet<string> = new Set(["hash-wasm", "cbor-x/encode", "re2js", "s2js", "yaml"]);

/** True for a file whose globals are restricted. */
export function isPure(path: string): boolean {
  return (path === "mod.ts" || path.startsWith("src/")) && !OUTSIDE.test(path) && !RUNNER.test(path) &&
    !isTestFile(path);
}

/** See the module's text. */
export const pureCore: Check = {
  name: "pure core",
  run(tree: Tree): Finding[] {
    const { files, checker } = parseTree(tree);
    return sourcePaths(tree).filter(isPure).flatMap((path) => {
      const file = files.get(path)!;
      return [...importFaults(path, file), ...globalFaults(path, file, checker)];
    });
  },
};

function importFaults(path: string, file: ts.SourceFile): Finding[] {
  return importsOf(file).flatMap(({ specifier, line }) => {
    if (specifier === undefined) {
      return [{ path, line, text: "import(…) takes a literal, or a bundle can't hold the file" }];
    }
    if (specifier.startsWith(".") || PACKAGES.has(specifier)) return [];
    return [{ path, line, text: `the pure core may not import "${specifier}"; reach it through a port` }];
  });
}

function globalFaults(path: string, file: ts.SourceFile, checker: ts.TypeChecker): Finding[] {
  const findings: Finding[] = [];
  const visit = (node: ts.Node): void => {
    const text = fault(node, checker);
    if (text !== undefined) findings.push({ path, line: lineOfNode(file, node), text });
    ts.forEachChild(node, visit);
  };
  visit(file);
  return findings;
}

function fault(node: ts.Node, checker: ts.TypeChecker): string | undefined {
  if (ts.isMetaProperty(node) && node.keywordToken === ts.SyntaxKind.ImportKeyword) {
    return "the pure core may not use import.meta: it depends on where the file lies";
  }
  if (declaresGlobal(node)) return "the pure core may not declare names that it does not define";
  if (ts.isPropertyAccessExpression(node) && LOCALE_MEMBERS.has(node.name.text)) {
    return `the pure core may not call ${node.name.text}: its result depends on the machine's locale`;
  }
  if (!ts.isIdentifier(node) || !isReference(node) || isDeclared(node, checker)) return undefined;
  const name = node.text;
  if (isType(node)) {
    return DENIED_TYPES.has(name)
      ? `the pure core may not name the type ${name}; use a port's type`
      : undefined;
  }
  if (!GLOBALS.has(name)) {
    return `the pure core may not use the global "${name}"; reach it through a port (allow-list in tools/checks/pure_core.ts)`;
  }
  return deniedMember(node);
}

/** True within a type; of `A.B` the whole decides. */
function isType(node: ts.Node): boolean {
  let whole = node;
  while (ts.isQualifiedName(whole.parent)) whole = whole.parent;
  return ts.isPartOfTypeNode(whole);
}

/** `declare const x` and `declare global` would hide a global from the check. */
function declaresGlobal(node: ts.Node): boolean {
  if (ts.isModuleDeclaration(node)) return true;
  return (ts.isVariableStatement(node) || ts.isFunctionDeclaration(node) || ts.isClassDeclaration(node)) &&
    (node.modifiers?.some((modifier) => modifier.kind === ts.SyntaxKind.DeclareKeyword) ?? false);
}

/** A global of which some members are denied may only stand before a dot and an allowed member. */
function deniedMember(node: ts.Identifier): string | undefined {
  const restricted = [...DENIED_MEMBERS].filter((member) => member.startsWith(`${node.text}.`));
  if (restricted.length === 0) return undefined;
  const access = node.parent;
  if (!ts.isPropertyAccessExpression(access) || access.expression !== node) {
    return `the pure core may use ${node.text} only as ${node.text}.member, so that ${restricted} can be seen`;
  }
  const member = `${node.text}.${access.name.text}`;
  return DENIED_MEMBERS.has(member) ? `the pure core may not use ${member}; use a port` : undefined;
}

/** True when the identifier stands for a name in scope, not for a property, a label or part of an import or export. */
function isReference(node: ts.Identifier): boolean {
  const parent = node.parent;
  if (ts.isShorthandPropertyAssignment(parent)) return true;
  if ("name" in parent && parent.name === node) return false;
  if (ts.isPropertyAccessExpression(parent)) return parent.expression === node;
  if (ts.isQualifiedName(parent)) return parent.left === node;
  if (ts.isBindingElement(parent)) return parent.propertyName !== node;
  if (ts.isImportSpecifier(parent) || ts.isImportClause(parent) || ts.isNamespaceImport(parent)) return false;
  if (ts.isExportSpecifier(parent) || ts.isNamespaceExport(parent) || ts.isMetaProperty(parent)) return false;
  if (ts.isLabeledStatement(parent) || ts.isBreakOrContinueStatement(parent)) return false;
  if (ts.isTypePredicateNode(parent) || ts.isNamedTupleMember(parent)) return false;
  return !(ts.isImportAttribute(parent) || ts.isImportTypeNode(parent));
}

/**
 * Looks a name up in the scopes around it, and nothing more: the public ways of the compiler compute types, which a tree
 * without libraries does not have.
 */
interface ScopeLookup {
  resolveName(
    name: string,
    at: ts.Node,
    meaning: ts.SymbolFlags,
    excludeGlobals: boolean,
  ): ts.Symbol | undefined;
}

function isDeclared(node: ts.Identifier, checker: ts.TypeChecker): boolean {
  const kind = isType(node) ? ts.SymbolFlags.Type | ts.SymbolFlags.Namespace : ts.SymbolFlags.Value;
  const lookup = checker as unknown as ScopeLookup;
  const symbol = lookup.resolveName(node.text, node, kind | ts.SymbolFlags.Alias, false);
  return symbol !== undefined && symbol.declarations !== undefined && symbol.declarations.length > 0;
}
