/**
 * Golden transcripts of info commands, in `testdata/info/`. A line that begins with
 *
 * - `> ` asks a command; the answer follows in one line
 * - `>> ` asks a command; the answer follows with one item per line
 * - `! ` does something: `start JSON` begins a node with these settings, `put SET COUNT [TTL]` stores records,
 *   `get SET NUMBER` shows a result code, `advance MS` moves the clock, `connect KIND` changes the connection,
 *   `cpu PROCESS-MS USER-MS KERNEL-MS IDLE-MS` lets the machine work, `log` shows the lines since the last time
 * - `#` is for the reader
 *
 * Rewrite them with: deno test -A src/node/info_transcripts_test.ts -- --update
 */
import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import type { SettingsOverrides } from "../config/mod.ts";
import type { SessionKind } from "./session.ts";
import { type TestConnection, TestNode } from "./testing.ts";

const FOLDER = new URL("../../testdata/info/", import.meta.url);
const isUpdate = process.argv.includes("--update");

/** Plays one transcript anew. */
class Player {
  readonly #out: string[] = [];
  #test!: TestNode;
  #connection!: TestConnection;
  #loggedCount = 0;

  async play(text: string): Promise<string> {
    await this.#start("{}");
    for (const line of text.split("\n")) {
      if (!/^(#|>|>>|!)( |$)/.test(line) && line !== "") continue;
      // Answers are never empty lines, so these only part the groups of the transcript.
      this.#out.push(line);
      if (line.startsWith("> ")) this.#out.push(`  ${(await this.#ask(line.slice(2))) || "(empty)"}`);
      else if (line.startsWith(">> ")) await this.#askForItems(line.slice(3));
      else if (line.startsWith("! ")) await this.#act(line.slice(2).split(" "));
    }
    return this.#out.join("\n");
  }

  async #start(json: string): Promise<void> {
    this.#test = await TestNode.start(JSON.parse(json) as SettingsOverrides);
    this.#connection = this.#test.connect();
    this.#loggedCount = this.#test.logLines.length;
  }

  #ask(command: string): Promise<string> {
    return this.#connection.askAndWait(command);
  }

  async #askForItems(command: string): Promise<void> {
    for (const item of (await this.#ask(command)).split(";")) this.#out.push(`  ${item}`);
  }

  async #act([action, ...words]: string[]): Promise<void> {
    const test = this.#test;
    switch (action) {
      case "start":
        return await this.#start(words.join(" "));
      case "put":
        return test.put(words[0], Number(words[1]), words[2] === undefined ? {} : { ttlS: Number(words[2]) });
      case "get":
        return void this.#out.push(`  result ${test.get(words[0], Number(words[1]))}`);
      case "advance":
        return test.clock.advance(Number(words[0]));
      case "connect":
        return void (this.#connection = test.connect(words[0] as SessionKind));
      case "cpu":
        return this.#work(words.map((word) => Number(word) * 1000));
      case "log":
        return this.#showLog();
      default:
        throw new Error(`Unknown action "${action}" in a transcript`);
    }
  }

  #work([processUs, userUs, systemUs, idleUs]: number[]): void {
    const { machine } = this.#test;
    machine.processUs += processUs;
    machine.machineCpu.userUs += userUs;
    machine.machineCpu.systemUs += systemUs;
    machine.machineCpu.idleUs += idleUs;
  }

  #showLog(): void {
    const lines = this.#test.logLines;
    for (const line of lines.slice(this.#loggedCount)) this.#out.push(`  ${line}`);
    this.#loggedCount = lines.length;
  }
}

describe("info commands", () => {
  for (const name of readdirSync(FOLDER).filter((file) => file.endsWith(".txt")).sort()) {
    it(`answer as testdata/info/${name} has it`, async () => {
      const path = new URL(name, FOLDER);
      const text = readFileSync(path, "utf8");
      const played = await new Player().play(text);
      if (isUpdate) writeFileSync(path, played);
      else assertEquals(played, text);
    });
  }
});
