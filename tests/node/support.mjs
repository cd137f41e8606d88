// Starts the real executables, and ends them with the tests. A missing binary is an error, never a skip.

import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const ROOT = resolve(fileURLToPath(import.meta.url), "../../..");
// How long a process may take to say that it is ready: a debug build on a busy machine.
const READY_MS = 60_000;

export const KEY = "ym-tester";

/** The path of one of our executables; the environment variable `override` wins. */
function binary(name, override) {
  const target = process.env.CARGO_TARGET_DIR ?? "target";
  const path = process.env[override] ?? resolve(ROOT, target, "debug", name);
  if (!existsSync(path)) throw new Error(`${path} is missing: run cargo build --workspace, or set ${override}`);
  return path;
}

/** A child that has printed a line like `pattern`; what the pattern caught. */
function start(path, args, pattern) {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/_proxy$/i.test(name)));
  const child = spawn(path, args, { env, stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  child.stderr.on("data", (data) => (said = (said + data).slice(-4000)));
  const ready = new Promise((good, bad) => {
    const late = setTimeout(() => bad(new Error(`no line like ${pattern}: ${said}`)), READY_MS);
    createInterface({ input: child.stdout }).on("line", (line) => {
      const found = line.match(pattern);
      if (found) {
        clearTimeout(late);
        good(found);
      }
    });
    child.once("exit", (code) => bad(new Error(`${path} ended with ${code}: ${said}`)));
  });
  return { child, ready };
}

function end(child) {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  const ended = new Promise((good) => child.once("exit", good));
  child.kill("SIGKILL");
  return ended;
}

/** A simulator, and a gateway before it. `configure` makes the config from the simulator's URL. */
export async function gateway(configure) {
  const folder = mkdtempSync(join(tmpdir(), "yumen-node-"));
  const children = [];
  const close = async () => {
    await Promise.all(children.map(end));
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const sim = start(binary("yumen-sim", "SIM_BIN"), [], /^ready (\S+)$/);
    children.push(sim.child);
    const [, simUrl] = await sim.ready;
    const config = {
      listen: "127.0.0.1:0",
      admin: { listen: "127.0.0.1:0" },
      audit: { dir: join(folder, "audit") },
      ...configure(simUrl),
    };
    const path = join(folder, "yumen.yaml");
    writeFileSync(path, JSON.stringify(config, null, 1));
    const yumen = start(binary("yumen", "YUMEN_BIN"), ["serve", "-c", path], /^ready listen=(\S+) admin=(\S+)$/);
    children.push(yumen.child);
    const [, url] = await yumen.ready;
    return { url, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** `sha256:…` of a key, as the config wants it. */
export function hashOf(key) {
  return `sha256:${createHash("sha256").update(key).digest("hex")}`;
}
