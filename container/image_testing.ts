/**
 * Reads the Dockerfile and carries its instructions out below a folder, so that what the image would run can be run
 * without a container engine.
 *
 * @module
 */

const root = new URL("..", import.meta.url).pathname.replace(/\/$/, "");

/** One instruction of a Dockerfile. */
export interface Instruction {
  /** In capital letters. */
  name: string;
  /** The rest of the line, continuation lines joined. */
  text: string;
}

/** The instructions of a Dockerfile, without comments. */
export function readDockerfile(text: string): Instruction[] {
  return text.replaceAll(/^\s*#.*\n/gm, "").replaceAll(/\\\n\s*/g, " ").split("\n").filter((line) =>
    line.trim() !== ""
  )
    .map((line) => {
      const match = /^([A-Z]+)\s+(.*)$/.exec(line);
      if (match === null) throw new SyntaxError(`not an instruction: "${line}"`);
      return { name: match[1]!, text: match[2]! };
    });
}

/** The values of all instructions of one name. */
export function textsOf(instructions: readonly Instruction[], name: string): string[] {
  return instructions.filter((instruction) => instruction.name === name).map(({ text }) => text);
}

/** An image's file system below a folder. */
export interface ImageRoot {
  /** The folder. */
  folder: string;
  /** The command line of a container: the entrypoint with arguments, as the image's ENTRYPOINT and CMD say. */
  command(args: readonly string[]): string[];
  /** The environment of a container that is given these names. */
  env(given?: Readonly<Record<string, string>>): Record<string, string>;
}

/**
 * Builds the image below a folder: COPY and RUN as they stand, with the folder before each absolute path.
 *
 * @param folder an empty folder
 * @param executable the script or program that takes the place of the built executable
 */
export async function buildImage(folder: string, executable: string): Promise<ImageRoot> {
  const instructions = readDockerfile(await Deno.readTextFile(`${root}/Dockerfile`));
  for (const { name, text } of instructions) {
    if (name === "COPY") {
      const [from, to] = text.split(/\s+/) as [string, string];
      await copy(from === "${EXECUTABLE}" ? executable : `${root}/${from}`, `${folder}${to}`);
    } else if (name === "RUN") {
      const { success, stderr } = await new Deno.Command("bash", { args: ["-euc", prefixed(text, folder)] })
        .output();
      if (!success) throw new Error(`RUN ${text}: ${new TextDecoder().decode(stderr)}`);
    }
  }
  const [entrypoint] = JSON.parse(textsOf(instructions, "ENTRYPOINT")[0]!) as string[];
  const defaults = JSON.parse(textsOf(instructions, "CMD")[0]!) as string[];
  return {
    folder,
    command: (args) => [`${folder}${entrypoint}`, ...(args.length > 0 ? args : defaults)],
    env: (given = {}) => ({
      PATH: `${folder}/usr/bin:/usr/local/bin:/usr/bin:/bin`,
      NETLINK: "none",
      AERIE_PREFIX: folder,
      ...given,
    }),
  };
}

/** Puts the folder before each absolute path of a command. */
function prefixed(command: string, folder: string): string {
  return command.replaceAll(/(^|\s)\/(?=\S)/g, `$1${folder}/`);
}

async function copy(from: string, to: string): Promise<void> {
  await Deno.mkdir(to.slice(0, to.lastIndexOf("/")), { recursive: true });
  await Deno.copyFile(from, to);
}
