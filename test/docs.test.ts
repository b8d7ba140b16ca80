import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { encodeSafetensors } from "../src/nn/checkpoint/safetensors.js";
import { parseRecipe, recipeJsonSchema } from "../src/recipe/index.js";
import { registries } from "../src/recipe/registries.js";
import { s2apOptions } from "../src/sharpness/s2ap.js";
import { writeFileAtomic } from "../src/util/index.js";
import { kinds, optionsPage } from "./support/options-page.js";

const root = fileURLToPath(new URL("..", import.meta.url));
const pages = [
  ...readdirSync(root).filter((name) => name.endsWith(".md")),
  ...readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => join("docs", name)),
];

const read = (page: string) => readFileSync(join(root, page), "utf8");

/** The blocks of a page that are marked as of this language. */
function blocks(page: string, language: string): string[] {
  return [...read(page).matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, "gm"))].map(
    ([, text = ""]) => text,
  );
}

/** Runs `fn` with a folder that is removed afterwards. */
function inFolder<T>(fn: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), "s2ap-docs-"));
  try {
    return fn(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A JavaScript file of the project run as users run it, on the build. */
function node(cwd: string, file: string, ...argv: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, file), ...argv], {
    cwd,
    encoding: "utf8",
  });
  return { status, lines: stdout.trimEnd().split("\n"), stderr };
}

/** Headings as the anchors that Markdown renderers give them. */
function anchors(text: string): Set<string> {
  const headings = [...text.matchAll(/^#+ (.+)$/gm)].map((match) => match[1] ?? "");
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replace(/[^\w\- ]/g, "")
        .replaceAll(" ", "-"),
    ),
  );
}

/** Links inside the project that lead nowhere. */
function brokenLinks(page: string, text: string): string[] {
  const broken: string[] = [];
  for (const [, target = ""] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^[a-z]+:/.test(target)) continue;
    const [path = "", anchor] = target.split("#");
    const file = path === "" ? page : join(dirname(page), path);
    if (!existsSync(join(root, file))) broken.push(target);
    else if (anchor !== undefined && !anchors(read(file)).has(anchor)) broken.push(target);
  }
  return broken;
}

test.each(pages)("%s has no broken links", (page) => {
  expect(brokenLinks(page, read(page))).toEqual([]);
});

test("a broken link or anchor is seen", () => {
  const text = "[a](LICENSE) [b](nowhere.md) [c](README.md#two-commands) [d](README.md#three) [e](https://example.org)";
  expect(brokenLinks("README.md", text)).toEqual(["nowhere.md", "README.md#three"]);
});

test("the README's lines of Python read our safetensors", (context) => {
  const python = ["/usr/bin/python3", "python3"].find((name) => spawnSync(name, ["-c", "import numpy"]).status === 0);
  if (python === undefined) return context.skip("no Python with numpy");
  const [program = ""] = blocks("README.md", "python");
  expect(program.trim().split("\n")).toHaveLength(5);

  inFolder((folder) => {
    const bytes = (values: Float32Array | BigInt64Array | Uint8Array) => new Uint8Array(values.buffer.slice(0));
    const model = new Map([
      ["conv1.weight", { dtype: "float32", shape: [2, 1, 1, 2], data: bytes(Float32Array.of(0.5, -1, 2, 0)) }],
      ["bn1.num_batches_tracked", { dtype: "int64", shape: [], data: bytes(BigInt64Array.of(7n)) }],
    ] as const);
    const masks = new Map([
      ["conv1.weight", { dtype: "uint8", shape: [2, 1, 1, 2], data: Uint8Array.of(1, 0, 1, 0) }],
    ] as const);
    writeFileAtomic(
      join(folder, "model.safetensors"),
      encodeSafetensors({ tensors: model, metadata: { format: "pt" } }),
    );
    writeFileAtomic(join(folder, "masks.safetensors"), encodeSafetensors({ tensors: masks }));
    const check =
      "print((weights['conv1.weight'] * masks['conv1.weight']).tolist(), weights['bn1.num_batches_tracked'])";
    const { stdout, stderr } = spawnSync(python, ["-c", program + check], { cwd: folder, encoding: "utf8" });
    expect(stderr).toBe("");
    expect(stdout.trim()).toBe("[[[[0.5, -0.0]]], [[[2.0, 0.0]]]] 7");
  });
});

const TINY = `
data: { name: synthetic, batchSize: 16, augment: false, examples: 128, selection: 16, testExamples: 64, numClasses: 4, size: 16 }
model: { arch: resnet18, numClasses: 4, width: 8, imageSize: 16 }
threat: { norm: linf, eps: 8/255 }
loss: { name: pgd-at, attack: { name: fgsm } }
optimizer: { name: sgd, lr: 0.05, momentum: 0.9 }
stages: { pretrain: { epochs: 2 } }`;

describe("examples", () => {
  test("prune.js prunes a network, and has nothing left to train the second time", () => {
    inFolder((folder) => {
      const { status, lines, stderr } = node(folder, "examples/prune.js");
      expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
      const [search = "", dense = "", pruned = "", ...rest] = lines;
      expect(rest).toEqual([]);
      const [, swapped] = /^search: S2AP's perturbation swaps ([\d.]+) % of the kept weights$/.exec(search) ?? [];
      expect(Number(swapped)).toBeGreaterThan(0);
      const share = (line: string, what: string) => Number(new RegExp(`${what} ([\\d.]+) %`).exec(line)?.[1]);
      expect(share(dense, "sparsity")).toBe(0);
      expect(share(pruned, "sparsity")).toBe(90);
      // Ten classes: well above chance.
      expect(share(dense, "robust")).toBeGreaterThan(30);
      expect(share(pruned, "robust")).toBeGreaterThan(30);
      const logged = readFileSync(join(folder, "runs/example/events.jsonl"), "utf8");
      expect(node(folder, "examples/prune.js").lines).toEqual(lines);
      expect(readFileSync(join(folder, "runs/example/events.jsonl"), "utf8")).toBe(logged);
    });
  });

  test("plugin.js brings an attack that recipes can name", () => {
    inFolder((folder) => {
      writeFileAtomic(join(folder, "tiny.yaml"), `${TINY}\nevaluation: [{ name: mi-fgsm, steps: 3 }]\n`);
      const plugin = ["--plugin", join(root, "examples/plugin.js")];
      const without = node(folder, "bin/s2ap.js", "recipe", "check", "tiny.yaml");
      expect(without.status).toBe(2);
      expect(without.stderr).toMatch(
        /expected evaluation\[0\]\.name to be one of clean, autoattack, fgsm, pgd.*got "mi-fgsm"/,
      );
      expect(node(folder, "bin/s2ap.js", "list", "attacks", ...plugin).lines.join()).toContain("mi-fgsm");
      expect(node(folder, "bin/s2ap.js", "run", "tiny.yaml", "--out", "out", ...plugin).status).toBe(0);
      const { rows } = JSON.parse(readFileSync(join(folder, "out/results.json"), "utf8"));
      expect(rows).toMatchObject([{ attack: "mi-fgsm", examples: 64, eps: "8/255" }]);
      expect(rows[0].robustAccuracy).toBeLessThan(rows[0].cleanAccuracy);
    });
  });
});

describe("pages tell what the code says", () => {
  test("the README shows examples/prune.js", () => {
    expect(blocks("README.md", "js")).toEqual([read("examples/prune.js")]);
  });

  test("getting-started.md shows examples/plugin.js", () => {
    expect(blocks("docs/getting-started.md", "js")).toEqual([read("examples/plugin.js")]);
  });

  test("docs/options.md lists every name with its options", async () => {
    await expect(optionsPage()).toMatchFileSnapshot(join(root, "docs/options.md"));
  });

  test("docs/recipes.md explains every key, and every name that a recipe can hold", () => {
    const page = read("docs/recipes.md");
    const { properties } = recipeJsonSchema(registries) as { properties: Record<string, { properties?: object }> };
    const stages = properties.stages?.properties as Record<string, { properties: object }>;
    const keys = [
      ...Object.keys(properties),
      ...Object.values(stages).flatMap((stage) => Object.keys(stage.properties)),
    ];
    expect(keys).toContain("freezeBatchNorm");
    const names = Object.values(kinds).flatMap((rows) => rows.names());
    expect([...keys, ...names].filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
  });

  test("docs/methods/s2ap.md has a row with the default of each option", () => {
    const page = read("docs/methods/s2ap.md");
    const defaults = { warmupEpochs: undefined, ...s2apOptions.parse({}) };
    const row = (name: string, value: unknown) =>
      value === undefined ? `| \`${name}\` | – |` : `| \`${name}\` | \`${value}\` |`;
    expect(Object.keys(defaults).sort()).toEqual(Object.keys(s2apOptions.shape).sort());
    const rows = Object.entries(defaults).map(([name, value]) => row(name, value));
    expect(rows.filter((text) => !page.includes(text))).toEqual([]);
  });

  test.each(["README.md", "docs/recipes.md"])("recipes in %s are good", (page) => {
    const recipes = blocks(page, "yaml").filter((text) => /^stages:/m.test(text));
    expect(recipes.length).toBeGreaterThan(0);
    for (const text of recipes) expect(() => parseRecipe(text, page, { registries })).not.toThrow();
  });
});
