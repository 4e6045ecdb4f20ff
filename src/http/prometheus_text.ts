/**
 * The Prometheus text format, version 0.0.4: all samples of a metric stand together, under its help and type.
 *
 * @module
 */

/** Labels of a sample, by name. */
export type Labels = Readonly<Record<string, string>>;

/** One sample. */
export interface Sample {
  /** Name of the metric: letters, digits and underscores. */
  name: string;
  /** Kind of the metric; that of its first sample counts. */
  type: "gauge" | "counter";
  /** Labels. */
  labels: Labels;
  /** Value. */
  value: number;
}

/** Lines of one part of the text. */
const LINES_PER_PART = 256;

/** Metrics with their samples, in the order in which they were first added. */
export class Families {
  readonly #families = new Map<string, { type: Sample["type"]; samples: Map<string, number> }>();
  // Many samples in a row have the same labels.
  #labels: Labels = {};
  #labelText = "{}";

  /** Adds a sample; one whose name and labels are there already is left out, for a page may not repeat them. */
  add({ name, type, labels, value }: Sample): void {
    let family = this.#families.get(name);
    if (family === undefined) this.#families.set(name, family = { type, samples: new Map() });
    if (labels !== this.#labels) {
      this.#labels = labels;
      this.#labelText = labelText(labels);
    }
    const text = this.#labelText;
    if (!family.samples.has(text)) family.samples.set(text, value);
  }

  /** The text, in parts of whole lines. */
  *text(): Generator<string> {
    for (const [name, { type, samples }] of this.#families) {
      let part = `# HELP ${name} ${helpText(name)}\n# TYPE ${name} ${type}\n`;
      let lineCount = 0;
      for (const [labels, value] of samples) {
        part += `${name}${labels} ${value}\n`;
        if (++lineCount % LINES_PER_PART !== 0) continue;
        yield part;
        part = "";
      }
      yield part;
    }
  }
}

/** The name's own words: what each means stands in the reference of metrics. */
function helpText(name: string): string {
  return name.replace(/^aerospike_(node_stats|namespace|sets|latencies)_/, "").replaceAll("_", " ");
}

function labelText(labels: Labels): string {
  const items = Object.keys(labels).sort().map((name) => `${name}="${escapeLabel(labels[name])}"`);
  return `{${items.join(",")}}`;
}

function escapeLabel(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
