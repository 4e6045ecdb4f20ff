import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { createServer, type Server, type Socket } from "node:net";
import { runInfo } from "./info.ts";

interface Outcome {
  code: number;
  printed: string[];
  complaints: string[];
}

async function run(...args: string[]): Promise<Outcome> {
  const printed: string[] = [];
  const complaints: string[] = [];
  const code = await runInfo(args, {
    print: (text) => void printed.push(text),
    complain: (text) => void complaints.push(text),
  });
  return { code, printed, complaints };
}

/** A server that answers each command with its own name in capitals, and notes what it was asked. */
async function withServer(use: (port: number, asked: string[]) => Promise<void>): Promise<void> {
  const asked: string[] = [];
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on("data", (bytes) => {
      const request = bytes.subarray(8).toString();
      asked.push(request);
      const lines = request === "" ? ["node", "build"] : request.split("\n").slice(0, -1);
      const reply = lines.map((line) =>
        `${line}\t${line === "bad" ? "ERROR:4:no" : line.toUpperCase() + ";X"}\n`
      ).join("");
      const header = new Uint8Array([2, 1, 0, 0, 0, 0, 0, reply.length]);
      socket.write(header);
      socket.write(reply);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    await use((server.address() as { port: number }).port, asked);
  } finally {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  }
}

Deno.test("runInfo() sends commands unchanged and prints the values alone", async () => {
  await withServer(async (port, asked) => {
    const tip = "tip:host=10.0.0.3;port=3002";
    assertEquals(await run("-h", `127.0.0.1:${port}`, "-v", tip, "-v", "node"), {
      code: 0,
      printed: [`${tip.toUpperCase()};X`, "NODE;X"],
      complaints: [],
    });
    assertEquals(asked, [`${tip}\nnode\n`]);
  });
});

Deno.test("runInfo() takes flags with their values attached, and -l", async () => {
  await withServer(async (port) => {
    assertEquals((await run(`-p${port}`, "-vnode", "-l", "-t2")).printed, ["NODE\nX"]);
    assertEquals((await run("--host=127.0.0.1", `--port=${port}`, "--value=node")).printed, ["NODE;X"]);
  });
});

Deno.test("runInfo() prints names and values of the summary when there is no command", async () => {
  await withServer(async (port, asked) => {
    assertEquals((await run("-p", String(port))).printed, ["node\tNODE;X", "build\tBUILD;X"]);
    assertEquals(asked, [""]);
  });
});

Deno.test("runInfo() returns 1 for an error answer and prints it", async () => {
  await withServer(async (port) => {
    assertEquals(await run("-p", String(port), "-v", "bad"), {
      code: 1,
      printed: ["ERROR:4:no"],
      complaints: [],
    });
  });
});

Deno.test("runInfo() returns 1 and says why when nobody answers", async () => {
  let freePort = 0;
  await withServer((port) => Promise.resolve(void (freePort = port)));
  const { code, complaints } = await run("-p", String(freePort), "-v", "node");
  assertEquals(code, 1);
  assertStringIncludes(complaints[0], `127.0.0.1:${freePort}`);
});

Deno.test("runInfo() returns 1 when asked to log in", async () => {
  for (const args of [["-U", "admin"], ["-Uadmin", "-Psecret"], ["-P"], ["--user=x"]]) {
    const { code, complaints } = await run(...args, "-v", "node");
    assertEquals(code, 1);
    assertStringIncludes(complaints[0], "not supported yet");
  }
});

Deno.test("runInfo() returns 2 for wrong usage and names the mistake", async () => {
  const cases: [string[], string][] = [
    [["-x"], '"-x"'],
    [["node"], '"node"'],
    [["-p", "70000"], "1 to 65535"],
    [["-t", "0"], "seconds"],
    [["-h", "a:b:c"], "HOST:PORT"],
    [["-v", "a\nb"], "line feed"],
  ];
  for (const [args, text] of cases) {
    const { code, complaints } = await run(...args);
    assertEquals(code, 2, args.join(" "));
    assertStringIncludes(complaints[0], text);
  }
});

Deno.test("runInfo() prints its help with an example", async () => {
  const { code, printed } = await run("--help");
  assertEquals(code, 0);
  assert(printed[0].includes("asinfo -v 'tip:host="));
});
