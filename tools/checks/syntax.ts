/**
 * Parsed source files. The TypeScript compiler reads the whole tree once, without libraries and without following
 * imports, so that a name that no file declares is a global and nothing else.
 *
 * @module
 */
import ts from "typescript";
import { sourcePaths, type Tree } from "./tree.ts";

/** A tree's syntax. */
export interface Syntax {
  /** Parsed files by path. */
  files: ReadonlyMap<string, ts.SourceFile>;
  /** Resolves names to their declarations. */
  checker: ts.TypeChecker;
}

const parsed = new WeakMap<Tree, Syntax>();

/** Parses a tree; the second call for the same tree returns the first one's result. */
export function parseTree(tree: Tree): Syntax {
  let syntax = parsed.get(tree);
  if (syntax === undefined) {
    syntax = parse(tree);
    parsed.set(tree, syntax);
  }
  return syntax;
}

function parse(tree: Tree): Syntax {
  const paths = sourcePaths(tree);
  const files = new Map<string, ts.SourceFile>();
  for (const path of paths) {
    files.set(path, ts.createSourceFile(path, tree.get(path)!, ts.ScriptTarget.ESNext, true));
  }
  const host: ts.CompilerHost = {
    getSourceFile: (path) => files.get(path),
    getDefaultLibFileName: () => "lib.d.ts",
    writeFile: () => {},
    getCurrentDirectory: () => "",
    getCanonicalFileName: (path) => path,
    useCaseSensitiveFileNames: () => true,
    getNewLine: () => "\n",
    fileExists: (path) => files.has(path),
    readFile: (path) => tree.get(path),
  };
  const program = ts.createProgram({
    rootNames: paths,
    options: {
      noLib: true,
      noResolve: true,
      types: [],
      target: ts.ScriptTarget.ESNext,
      moduleDetection: ts.ModuleDetectionKind.Force,
    },
    host,
  });
  return { files, checker: program.getTypeChecker() };
}

/** One import, export-from or dynamic import of a file. */
export interface ImportedModule {
  /** The text between the quotes; undefined when it is computed. */
  specifier: string | undefined;
  /** Line, from 1. */
  line: number;
}

/** What a file imports, in order. */
export function importsOf(file: ts.SourceFile): ImportedModule[] {
  const imports: ImportedModule[] = [];
  const visit = (node: ts.Node): void => {
    const named = (ts.isImportDeclaration(node) || ts.isExportDeclaration(node))
      ? node.moduleSpecifier
      : undefined;
    if (named !== undefined && ts.isStringLiteral(named)) {
      imports.push({ specifier: named.text, line: lineOfNode(file, node) });
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      const argument = node.arguments[0];
      const specifier = argument !== undefined && ts.isStringLiteralLike(argument)
        ? argument.text
        : undefined;
      imports.push({ specifier, line: lineOfNode(file, node) });
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      const literal = node.argument.literal;
      if (ts.isStringLiteral(literal)) {
        imports.push({ specifier: literal.text, line: lineOfNode(file, node) });
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return imports;
}

/** The line, from 1, on which a node's own text starts. */
export function lineOfNode(file: ts.SourceFile, node: ts.Node): number {
  return file.getLineAndCharacterOfPosition(node.getStart(file)).line + 1;
}
