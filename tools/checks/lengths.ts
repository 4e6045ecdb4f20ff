/**
 * A file is one concept, a function fits a screen. Tests are exempt: a suite is one function that holds many.
 *
 * @module
 */
import ts from "typescript";
import { lineOfNode, parseTree } from "./syntax.ts";
import { type Check, type Finding, isTestFile, sourcePaths, type Tree } from "./tree.ts";

/** Lines of a file that are reported, and that fail. */
const FILE_LINES_WARN = 500;
const FILE_LINES_MAX = 800;

/** Lines of a function that are reported, and that fail. */
const FUNCTION_LINES_WARN = 70;
const FUNCTION_LINES_MAX = 100;

/** See the module's text. */
export const lengths: Check = {
  name: "lengths",
  run(tree: Tree): Finding[] {
    const { files } = parseTree(tree);
    return sourcePaths(tree).filter((path) => !isTestFile(path)).flatMap((path) => [
      ...fileLength(path, tree.get(path)!),
      ...functionLengths(path, files.get(path)!),
    ]);
  },
};

function fileLength(path: string, text: string): Finding[] {
  const lines = text.split("\n").length - 1;
  if (lines <= FILE_LINES_WARN) return [];
  const advice =
    `${lines} lines; a file is one concept of at most ${FILE_LINES_WARN}, ${FILE_LINES_MAX} at the outside`;
  return [{ path, text: advice, warning: lines <= FILE_LINES_MAX }];
}

function functionLengths(path: string, file: ts.SourceFile): Finding[] {
  const findings: Finding[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionLike(node) && "body" in node && node.body !== undefined) {
      const first = lineOfNode(file, node);
      const last = file.getLineAndCharacterOfPosition(node.getEnd()).line + 1;
      const lines = last - first + 1;
      if (lines > FUNCTION_LINES_WARN) {
        const text =
          `function of ${lines} lines; it should fit a screen (${FUNCTION_LINES_WARN}, at most ${FUNCTION_LINES_MAX})`;
        findings.push({ path, line: first, text, warning: lines <= FUNCTION_LINES_MAX });
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return findings;
}
