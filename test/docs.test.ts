import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { encodeSafetensors } from "../src/nn/checkpoint/safetensors.js";
import { writeFileAtomic } from "../src/util/index.js";

const root = fileURLToPath(new URL("..", import.meta.url));
const pages = [
  ...readdirSync(root).filter((name) => name.endsWith(".md")),
  ...readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => join("docs", name)),
];

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
    else if (anchor !== undefined && !anchors(readFileSync(join(root, file), "utf8")).has(anchor)) broken.push(target);
  }
  return broken;
}

test.each(pages)("%s has no broken links", (page) => {
  expect(brokenLinks(page, readFileSync(join(root, page), "utf8"))).toEqual([]);
});

test("a broken link or anchor is seen", () => {
  const text = "[a](LICENSE) [b](nowhere.md) [c](README.md#two-commands) [d](README.md#three) [e](https://example.org)";
  expect(brokenLinks("README.md", text)).toEqual(["nowhere.md", "README.md#three"]);
});

test("the README's lines of Python read our safetensors", (context) => {
  const python = ["/usr/bin/python3", "python3"].find((name) => spawnSync(name, ["-c", "import numpy"]).status === 0);
  if (python === undefined) return context.skip("no Python with numpy");
  const program = /```python\n([\s\S]*?)```/.exec(readFileSync(join(root, "README.md"), "utf8"))?.[1] ?? "";
  expect(program.trim().split("\n")).toHaveLength(5);

  const folder = mkdtempSync(join(tmpdir(), "s2ap-python-"));
  try {
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
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
