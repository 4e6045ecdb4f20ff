/**
 * The official Node client and its test suite: installed from the package registry with pinned versions into a
 * directory that git ignores, and compiled with the suite's own settings.
 *
 * @module
 */

/** The suite, ready to run. */
export interface Suite {
  /** Directory of the client's package; tests run there. */
  directory: string;
  /** Path of mocha's program. */
  mocha: string;
  /** The command that runs a version of Node for which the client has a prebuilt addon. */
  node: readonly string[];
}

/** The client whose suite is run. */
export const CLIENT_VERSION = "6.7.1";

/** The client and what its suite needs. */
const PACKAGES: Readonly<Record<string, string>> = {
  "aerospike": CLIENT_VERSION,
  "mocha": "11.7.5",
  "chai": "6.2.0",
  "chai-as-promised": "8.0.2",
  "choma": "1.2.1",
  "dockerode": "4.0.9",
  "p-throttle": "8.1.0",
  "tmp": "0.2.4",
  "typescript": "5.9.3",
  "@types/chai": "5.2.3",
  "@types/chai-as-promised": "8.0.2",
  "@types/dockerode": "4.0.1",
  "@types/jest": "30.0.0",
  "@types/mocha": "10.0.10",
  "@types/node": "25.0.3",
  "@types/semver": "7.7.1",
  "@types/tmp": "0.2.6",
  "@types/yargs": "17.0.35",
};

const CACHE = new URL("../../.aerie/conformance/", import.meta.url).pathname;

/**
 * Installs and compiles what is not there yet.
 *
 * @throws {Error} with the program's output when npm or the compiler fails
 */
export async function prepareSuite(): Promise<Suite> {
  const directory = `${CACHE}node_modules/aerospike`;
  const manifest = JSON.stringify({ name: "conformance", private: true, dependencies: PACKAGES }, null, 2);
  const stamp = `${CACHE}compiled.json`;
  if (await textOf(stamp) !== manifest) {
    await Deno.mkdir(CACHE, { recursive: true });
    await Deno.writeTextFile(`${CACHE}package.json`, manifest);
    await command(["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund"], CACHE);
    const compiler = `${CACHE}node_modules/typescript/bin/tsc`;
    await command(["node", compiler, "-p", "."], `${directory}/test`);
    await Deno.writeTextFile(stamp, manifest);
  }
  return { directory, mocha: `${CACHE}node_modules/mocha/bin/mocha.js`, node: await nodeFor(directory) };
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(path);
  } catch {
    return undefined;
  }
}

/** The addon is prebuilt for some versions of Node; another one is fetched when the installed one is not among them. */
async function nodeFor(directory: string): Promise<readonly string[]> {
  const abi = (await command(["node", "-p", "process.versions.modules"], directory)).trim();
  for await (const entry of Deno.readDir(`${directory}/lib/binding`)) {
    if (entry.name.startsWith(`node-v${abi}-`)) return ["node"];
  }
  return ["npx", "-y", "-p", "node@22", "node"];
}

async function command(words: readonly string[], cwd: string): Promise<string> {
  const [program, ...args] = words;
  const { success, stdout, stderr } = await new Deno.Command(program, { args, cwd }).output();
  const text = new TextDecoder().decode(stdout);
  if (success) return text;
  throw new Error(`"${words.join(" ")}" failed in ${cwd}:\n${text}${new TextDecoder().decode(stderr)}`);
}
