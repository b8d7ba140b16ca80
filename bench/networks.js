// The reference networks: described in JSON, with weights and images.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const local = (path) => fileURLToPath(new URL(path, import.meta.url));
const FILES = ["arch.json", "weights.safetensors", "inputs.safetensors", "summary.json"];

/** Folders of networks: the committed one, and the reference folders beside the checkout. */
export function folders() {
  const beside = local("../../shared/oracles");
  const found = existsSync(beside) ? readdirSync(beside).map((name) => ({ name, path: join(beside, name) })) : [];
  return [{ name: "network", path: local("../test/golden/data/network") }, ...found].filter(({ path }) =>
    FILES.every((file) => existsSync(join(path, file))),
  );
}

/** What `s2ap eval` needs to know of such a folder: network, images, and the radius of its claim. */
export function evaluationArguments(folder) {
  const file = (name) => join(folder, name);
  const { eps } = JSON.parse(readFileSync(file("summary.json"), "utf8"));
  const network = ["--arch", file("arch.json"), "--weights", file("weights.safetensors")];
  return [...network, "--images", file("inputs.safetensors"), "--norm", "linf", "--eps", String(eps.Linf)];
}

/** The same of a run, whose network is of CIFAR-10. */
export function runArguments(run) {
  return [run, "--data", "cifar10", "--norm", "linf", "--eps", "8/255"];
}
