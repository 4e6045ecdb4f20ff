import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { parse } from "yaml";
import { freePorts } from "../tools/node_process.ts";
import { connect } from "../client.ts";
import { startServer } from "../tools/smoke/server.ts";
import { buildImage, type ImageRoot, readDockerfile, textsOf } from "./image_testing.ts";

const root = new URL("..", import.meta.url).pathname.replace(/\/$/, "");
const dockerfile = readDockerfile(await Deno.readTextFile(`${root}/Dockerfile`));

/** Stands for the executable: prints the name it was called by and its arguments. */
const RECORDER = `#!/bin/bash\nprintf '%s\\n' "\${0##*/}" "$@"\n`;

/** Stands for the executable: the sources, under the name by which they are called. */
const SOURCES = `#!/bin/bash
${["HOME", "DENO_DIR"].map((name) => `export ${name}='${Deno.env.get(name) ?? ""}'`).join("\n")}
[ -n "$DENO_DIR" ] || unset DENO_DIR
name=\${0##*/}
[ "$name" = aerie ] || set -- "$name" "$@"
exec '${Deno.execPath()}' run -A --config '${root}/deno.json' '${root}/cmd/main.ts' "$@"
`;

interface Service {
  build: { context: string };
  image: string;
  hostname: string;
  command: string[];
  environment: Record<string, string>;
  ports: string[];
  volumes: string[];
}

/** Builds an image with a stand-in executable, and removes it afterwards. */
async function withImage(script: string, use: (image: ImageRoot) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "aerie-image-" });
  try {
    const executable = `${folder}/executable`;
    await Deno.writeTextFile(executable, script);
    await use(await buildImage(`${folder}/root`, executable));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Runs a container to its end. */
async function run(image: ImageRoot, args: string[], env: Record<string, string> = {}) {
  const [program, ...rest] = image.command(args);
  const command = new Deno.Command(program!, {
    args: rest,
    cwd: image.folder,
    env: image.env(env),
    clearEnv: true,
    stdin: "null",
  });
  const { code, stdout, stderr } = await command.output();
  const decoder = new TextDecoder();
  return { code, words: decoder.decode(stdout).trimEnd().split("\n"), errors: decoder.decode(stderr) };
}

async function madeConfig(image: ImageRoot): Promise<string> {
  return (await Deno.readTextFile(`${image.folder}/etc/aerospike/aerospike.conf`)).replaceAll(/\s+/g, " ");
}

Deno.test("Dockerfile declares the stock image's ports, volumes, entrypoint and default command", () => {
  assertEquals(textsOf(dockerfile, "EXPOSE"), ["3000 3001 3002 3003 8081"]);
  assertEquals(JSON.parse(textsOf(dockerfile, "VOLUME")[0]!), ["/opt/aerospike/etc", "/opt/aerospike/data"]);
  assertEquals(JSON.parse(textsOf(dockerfile, "ENTRYPOINT")[0]!), ["/entrypoint.sh"]);
  assertEquals(JSON.parse(textsOf(dockerfile, "CMD")[0]!), ["asd"]);
  assertMatch(textsOf(dockerfile, "FROM")[0]!, /^debian:\w+-slim$/);
});

Deno.test("Dockerfile makes asd and asinfo names of the executable, and the volumes' folders", async () => {
  await withImage(RECORDER, async (image) => {
    for (const name of ["asd", "asinfo"]) {
      assertEquals(await Deno.readLink(`${image.folder}/usr/bin/${name}`), "aerie");
    }
    for (
      const { isDirectory } of [
        await Deno.stat(`${image.folder}/opt/aerospike/etc`),
        await Deno.stat(`${image.folder}/opt/aerospike/data`),
      ]
    ) {
      assert(isDirectory);
    }
  });
});

Deno.test("entrypoint starts asd in the foreground when it is given nothing, asd, or flags", async () => {
  await withImage(RECORDER, async (image) => {
    assertEquals((await run(image, [])).words, ["asd", "--fgdaemon"]);
    assertEquals((await run(image, ["asd"])).words, ["asd", "--fgdaemon"]);
    const flags = ["--foreground", "--config-file", "/opt/aerospike/etc/aerospike.conf"];
    assertEquals((await run(image, flags)).words, ["asd", ...flags, "--fgdaemon"]);
    assertEquals((await run(image, ["asd", ...flags])).words, ["asd", ...flags, "--fgdaemon"]);
  });
});

Deno.test("entrypoint runs any other command as it stands", async () => {
  await withImage(RECORDER, async (image) => {
    assertEquals((await run(image, ["asinfo", "-v", "status"])).words, ["asinfo", "-v", "status"]);
    assertEquals(await run(image, ["sh", "-c", "echo two words; exit 3"]), {
      code: 3,
      words: ["two words"],
      errors: "",
    });
  });
});

Deno.test("entrypoint makes the configuration from the template once, with the stock image's defaults", async () => {
  await withImage(RECORDER, async (image) => {
    await run(image, []);
    const config = await madeConfig(image);
    for (
      const part of [
        "cluster-name docker",
        `work-directory ${image.folder}/opt/aerospike/data`,
        "service { address any port 3000",
        "namespace test {",
        "nsup-period 120",
        "storage-engine memory { data-size 4G }",
      ]
    ) {
      assertStringIncludes(config, part);
    }
    assert(!config.includes("${") && !config.includes("default-ttl") && !/[{}] file /.test(config), config);
    await run(image, [], { NAMESPACE: "other" });
    assertStringIncludes(await madeConfig(image), "namespace test {");
  });
});

Deno.test("entrypoint puts the environment's values into the configuration", async () => {
  await withImage(RECORDER, async (image) => {
    const env = {
      SERVICE_ADDRESS: "eth1",
      SERVICE_PORT: "3100",
      NAMESPACE: "edge",
      DEFAULT_TTL: "30D",
      NSUP_PERIOD: "0",
      STORAGE_GB: "2",
      DATA_IN_MEMORY: "false",
      LOGFILE: "/var/log/aerospike/aerospike.log",
    };
    await run(image, [], env);
    const config = await madeConfig(image);
    for (
      const part of [
        "service { address eth1 port 3100",
        "namespace edge {",
        "default-ttl 30D",
        `storage-engine device { file ${image.folder}/opt/aerospike/data/edge.dat filesize 2G }`,
        "file /var/log/aerospike/aerospike.log { context any info }",
      ]
    ) {
      assertStringIncludes(config, part);
    }
    assert(!config.includes("nsup-period"), config);
  });
});

Deno.test("entrypoint refuses values that would break the configuration", async () => {
  for (
    const [name, value, expected] of [
      ["NAMESPACE", "a {\n}", "must be one word"],
      ["SERVICE_PORT", "many", "must be a whole number"],
      ["DATA_IN_MEMORY", "perhaps", "must be true or false"],
    ] as const
  ) {
    await withImage(RECORDER, async (image) => {
      const { code, errors } = await run(image, [], { [name]: value });
      assertEquals(code, 2);
      assertStringIncludes(errors, `${name} is "${value}"; it ${expected}`);
    });
  }
});

Deno.test("compose.yaml has three nodes of this image with their own ports, data and address for clients", async () => {
  const compose = parse(await Deno.readTextFile(`${root}/container/compose.yaml`), { merge: true }) as {
    services: Record<string, Service>;
    volumes: Record<string, null>;
  };
  const services = Object.values(compose.services);
  assertEquals(Object.keys(compose.services), ["aerie-1", "aerie-2", "aerie-3"]);
  assertEquals(new Set(services.flatMap(({ ports }) => ports.map((port) => port.split(":")[0]))).size, 6);
  const config = await Deno.readTextFile(`${root}/container/cluster.conf`);
  for (const [name, service] of Object.entries(compose.services)) {
    assertEquals(service.build.context, "..");
    assertEquals(service.command.slice(0, 3), ["asd", "--foreground", "--config-file"]);
    const [mounted, target, mode] = service.volumes[0]!.split(":");
    assertEquals([target, mode], [service.command[3], "ro"]);
    assert((await Deno.stat(`${root}/container/${mounted}`)).isFile);
    const [volume, folder] = service.volumes[1]!.split(":");
    assert(volume! in compose.volumes);
    assertEquals(folder, "/opt/aerospike/data");
    assertEquals(service.hostname, name);
    assertStringIncludes(config, `mesh-seed-address-port ${name} 3002`);
    const accessPort = service.environment["AERIE_NETWORK__SERVICE__ACCESS_PORT"];
    assert(service.ports.includes(`${accessPort}:3000`));
  }
  assertEquals(new Set(services.map(({ volumes }) => volumes[1])).size, 3);
});

/** Free ports for every listener, as a container's environment. */
function portsEnv(): { env: Record<string, string>; port: string } {
  const names = ["SERVICE", "FABRIC", "HEARTBEAT", "INFO", "HTTP"];
  const ports = freePorts(names.length);
  const env = Object.fromEntries(names.map((name, i) => [`AERIE_NETWORK__${name}__PORT`, String(ports[i])]));
  return { env, port: String(ports[0]) };
}

/** Starts a container, asks its node through the image's own `asinfo`, stops it, and returns the answer. */
async function askContainer(
  image: ImageRoot,
  args: string[],
  options: { env: Record<string, string>; port: string; ask: string },
) {
  const server = await startServer(image.command(args), { cwd: image.folder, env: image.env(options.env) });
  try {
    const { code, words, errors } = await run(image, [
      "asinfo",
      "-h",
      "127.0.0.1",
      "-p",
      options.port,
      "-v",
      options.ask,
    ]);
    assertEquals(code, 0, errors);
    assertEquals((await server.stop()).code, 0);
    return words.join("\n");
  } finally {
    server.kill();
  }
}

Deno.test("asd --foreground --config-file serves a mounted configuration and tells clients the access-address", async () => {
  await withImage(SOURCES, async (image) => {
    const etc = `${image.folder}/opt/aerospike/etc/aerospike.conf`;
    const config = (await Deno.readTextFile(`${root}/container/cluster.conf`))
      .replace("/opt/aerospike/data", `${image.folder}/opt/aerospike/data`)
      .replace("port 3000", "port 3000\n\t\taccess-address 203.0.113.7");
    await Deno.writeTextFile(etc, config);
    const args = ["asd", "--foreground", "--config-file", etc];
    const ports = portsEnv();
    const reply = await askContainer(image, args, { ...ports, ask: "service-clear-std" });
    assertEquals(reply, `203.0.113.7:${ports.port}`);
  });
});

Deno.test("a container with flags alone serves the configuration of the template, and keeps its node id when made anew", async () => {
  await withImage(SOURCES, async (image) => {
    const args = ["--config-file", `${image.folder}/etc/aerospike/aerospike.conf`];
    const ids: string[] = [];
    for (let start = 0; start < 2; start++) {
      ids.push(await askContainer(image, args, { ...portsEnv(), ask: "node" }));
    }
    assertMatch(ids[0]!, /^[0-9A-F]{1,16}$/);
    assertEquals(ids[1], ids[0]);
    assert((await Array.fromAsync(Deno.readDir(`${image.folder}/opt/aerospike/data`))).length > 0);
  });
});

Deno.test("a container that is made anew with the volume of another has its records and its node id", async () => {
  const volume = await Deno.makeTempDir({ prefix: "aerie-volume-" });
  try {
    const found: unknown[] = [];
    for (let life = 0; life < 2; life++) {
      await withImage(SOURCES, async (image) => {
        const data = `${image.folder}/opt/aerospike/data`;
        await Deno.remove(data);
        await Deno.symlink(volume, data);
        const { env, port } = portsEnv();
        const args = ["--config-file", `${image.folder}/etc/aerospike/aerospike.conf`];
        const given = { ...env, DATA_IN_MEMORY: "false", STORAGE_GB: "1", SERVICE_ADDRESS: "127.0.0.1" };
        const server = await startServer(image.command(args), { cwd: image.folder, env: image.env(given) });
        try {
          const client = await connect({ hosts: [`127.0.0.1:${port}`] });
          const key = { namespace: "test", set: "birds", key: "owl" };
          found.push((await client.get(key))?.bins.wings);
          await client.put(key, { wings: 2 });
          client.close();
          assertEquals((await server.stop()).code, 0);
        } finally {
          server.kill();
        }
      });
    }
    assertEquals(found, [undefined, 2]);
  } finally {
    await Deno.remove(volume, { recursive: true });
  }
});
