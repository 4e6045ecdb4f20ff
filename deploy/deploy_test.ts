import { assert, assertEquals } from "@std/assert";
import { parse } from "yaml";
import { loadSettings } from "../src/config/mod.ts";

const folder = new URL(".", import.meta.url);
const read = (name: string) => Deno.readTextFile(new URL(name, folder));

/** Sections of a unit file: the values of each name, in order. */
function sections(text: string): Record<string, Record<string, string[]>> {
  const found: Record<string, Record<string, string[]>> = {};
  let section: Record<string, string[]> = {};
  for (const line of text.split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const [, title] = /^\[(\w+)\]$/.exec(line) ?? [];
    if (title !== undefined) {
      found[title] = section = {};
      continue;
    }
    const at = line.indexOf("=");
    assert(at > 0, `neither a section nor a setting: ${line}`);
    (section[line.slice(0, at)] ??= []).push(line.slice(at + 1));
  }
  return found;
}

/** The paths of folders that systemd makes and gives to the service. */
async function foldersOfService(): Promise<string[]> {
  const { Service } = sections(await read("aerie.service"));
  return [`/var/lib/${Service!.StateDirectory}`, `/var/log/${Service!.LogsDirectory}`];
}

Deno.test("aerospike.conf is accepted without a remark, and all that it writes to is the service's", async () => {
  const { ok, settings, diagnostics } = loadSettings({ fileText: await read("aerospike.conf"), env: {} });
  assertEquals({ ok, diagnostics }, { ok: true, diagnostics: [] });
  const [namespace] = settings.namespaces;
  const paths = [
    settings.service.workDirectory,
    ...namespace!.storage.files,
    ...settings.logging.flatMap(({ path }) => path === "" ? [] : [path]),
  ];
  assertEquals(paths.length, 3);
  const folders = await foldersOfService();
  for (const path of paths) assert(folders.some((own) => `${path}/`.startsWith(`${own}/`)), path);
});

Deno.test("aerie.service starts the verb with that file, and gives a stop in order its time", async () => {
  const { Unit, Service, Install } = sections(await read("aerie.service"));
  assertEquals(Service!.ExecStart, ["/usr/bin/aerie serve --quiet --config-file /etc/aerie/aerospike.conf"]);
  assertEquals([Service!.KillSignal, Service!.KillMode, Service!.Restart], [["SIGTERM"], ["mixed"], [
    "on-failure",
  ]]);
  assert(Number(Service!.TimeoutStopSec) > 30);
  // Machine code is made at run time; this setting would end the process at once.
  assertEquals(Service!.MemoryDenyWriteExecute, undefined);
  assert("StartLimitBurst" in Unit!);
  assertEquals(Install!.WantedBy, ["multi-user.target"]);
});

Deno.test("cloud-init.yaml carries the unit and the configuration as they are, and spares a disk with data", async () => {
  const text = await read("cloud-init.yaml");
  assert(text.startsWith("#cloud-config\n"));
  const config = parse(text) as {
    fs_setup: { device: string; overwrite: boolean }[];
    mounts: string[][];
    write_files: { path: string; content: string }[];
    runcmd: (string | string[])[];
  };
  const files = new Map(config.write_files.map(({ path, content }) => [path, content.trimEnd()]));
  assertEquals(files.get("/etc/aerie/aerospike.conf"), (await read("aerospike.conf")).trimEnd());
  assertEquals(files.get("/etc/systemd/system/aerie.service"), (await read("aerie.service")).trimEnd());
  assertEquals(config.fs_setup[0]!.overwrite, false);
  assertEquals(config.mounts[0]!.slice(0, 2), [config.fs_setup[0]!.device, "/var/lib/private/aerie"]);
  const words = config.runcmd.flat().join(" ");
  for (const name of ["AERIE_URL", "AERIE_SHA256", "sha256sum --check", "systemctl enable --now aerie"]) {
    assert(words.includes(name), name);
  }
});
