/**
 * The reference page of all options, as Markdown, from the one table.
 *
 * @module
 */
import { allContexts, type ContextSpec } from "./contexts.ts";
import { IMAGE_ENVIRONMENT_NAMES } from "./image_environment.ts";
import { obsoleteNames } from "./obsolete.ts";
import { type Option, pluralName } from "./option.ts";
import { describeAllowed, sizeText } from "./value.ts";

/** The page, ending in a line feed. */
export function referencePage(): string {
  const contexts = allContexts();
  return [intro, ...contexts.map(contextSection), obsoleteSection()].join("\n") + "\n";
}

const intro = `# Configuration reference

Generated from the table of options by \`deno run -A tools/generate_config_reference.ts\`; do not edit.

Every option has one name in four places:

| Place | Example |
|---|---|
| \`aerospike.conf\` | \`default-ttl 30D\` inside \`namespace test {\` |
| YAML | \`namespaces: { test: { default-ttl: 30D } }\` |
| flag | \`--namespace.test.default-ttl 30D\` |
| environment | \`AERIE_NAMESPACE__TEST__DEFAULT_TTL=30D\` |

Precedence, the later wins:

1. the default in the tables below; without a file: namespace \`test\` in memory (\`data-size\` 1G, \`replication-factor\` 1,
   \`nsup-period\` 120), everything on 127.0.0.1, info on port 3003, HTTP on port 8081, log to the console at level info
2. the names that the stock container image takes, only when no file is given: ${
  IMAGE_ENVIRONMENT_NAMES.map((name) => `\`${name}\``).join(", ")
}
3. the configuration file
4. the environment, \`AERIE_<CONTEXT>__<NAME>\`: dots become two underscores, dashes one
5. command-line flags; a list takes its entries separated by commas, or the flag several times

A file replaces the default namespace, and its \`network\` block the default listeners: the info and HTTP listeners then
exist only when the block opens \`info {\` or \`http {\`. A block without \`address\` listens on every interface (info and
HTTP: on loopback); a listener that the file does not name stays on loopback.

\`aerie config check FILE\` lists everything that is wrong with a file. \`aerie config print\` shows every value and where
it came from.

**Status.** *active*: works. *accepted*: is read and reported, and has no effect. *not yet*: the name is known; any value
but the default is an error. **Change** *live*: \`set-config\` changes it while the node runs. Sizes take the suffixes
K, M, G, T, P (powers of 1024), times S, M, H, D.
`;

function contextSection(context: ContextSpec): string {
  const lines = [`## ${context.path}`, "", context.doc];
  if (context.unsupported !== undefined) lines.push("", `Not yet: the block ${context.unsupported}.`);
  if (context.lineKeyword !== undefined) {
    const names = context.table.rows.map((row) => `\`${row.name}\``).join(", ");
    lines.push(
      "",
      `Lines \`${context.lineKeyword} NAME LEVEL\`; LEVEL is one of ${
        levels(context)
      }. NAME is one of ${names}.`,
      "",
    );
    return lines.join("\n");
  }
  if (context.table.rows.length > 0) {
    lines.push("", "| Name | Default | Allowed | Change | Status | Meaning |", "|---|---|---|---|---|---|");
    lines.push(...context.table.rows.map((row) => optionRow(row, context)));
  }
  return lines.join("\n") + "\n";
}

function levels(context: ContextSpec): string {
  return describeAllowed(context.table.rows[0]);
}

function optionRow(option: Option, context: ContextSpec): string {
  const name = option.type === "list"
    ? `\`${option.name}\` (repeat; YAML \`${pluralName(option.name)}\`)`
    : `\`${option.name}\``;
  const unit = option.unit === undefined || option.type === "seconds" || option.type === "size"
    ? ""
    : ` ${option.unit}`;
  const cells = [
    name,
    defaultText(option),
    describeAllowed(option) + unit,
    option.dynamic ? "live" : "restart",
    context.unsupported === undefined ? statusText[option.status] : statusText.unsupported,
    option.doc,
  ];
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|").replaceAll("<", "&lt;")).join(" | ")} |`;
}

const statusText = { active: "active", accepted: "accepted", unsupported: "not yet" } as const;

function defaultText(option: Option): string {
  const value = option.default;
  if (typeof value === "object" || value === "") return "none";
  if (option.type === "size" && typeof value === "number") return sizeText(value);
  return String(value);
}

function obsoleteSection(): string {
  const rows = [...obsoleteNames].sort(([left], [right]) => left < right ? -1 : 1);
  return [
    "## Names of earlier releases",
    "",
    "These are errors that say what to do.",
    "",
    "| Name | Advice |",
    "|---|---|",
    ...rows.map(([name, advice]) => `| \`${name}\` | ${advice} |`),
  ].join("\n");
}
