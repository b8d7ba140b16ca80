#!/usr/bin/env node
// Writes src/torch/ops.gen.ts: one typed function for each row of ops.allow.txt, from the schemas of the linked libtorch.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const native = createRequire(import.meta.url)(`${root}build/Release/s2ap.node`);
const SKIPPED = /^(Generator|Layout)\??$/;

const rows = readFileSync(`${root}src/torch/ops.allow.txt`, "utf8")
  .split("\n")
  .map((line) => line.replace(/#.*/, "").trim())
  .filter(Boolean)
  .map((line) => line.split(/\s+/));

const camel = (name) => (name === "from" ? "low" : name.replace(/_+([a-z0-9])/g, (_, letter) => letter.toUpperCase()));

/** "Tensor self, int[2] stride=[1, 1], *, bool? x=None" -> its top-level parts. */
function splitTop(text) {
  const parts = [];
  let depth = 0;
  let part = "";
  for (const c of text) {
    if ("([".includes(c)) depth++;
    if (")]".includes(c)) depth--;
    if (c === "," && depth === 0) {
      parts.push(part.trim());
      part = "";
    } else part += c;
  }
  if (part.trim()) parts.push(part.trim());
  return parts;
}

function tsType(type) {
  const optional = type.endsWith("?");
  const bare = type.replace(/\?$/, "").replace(/\([^)]*\)/, "");
  const types = [
    [/^Tensor\?\[\]$/, "readonly (Tensor | undefined)[]"],
    [/^Tensor\[\d*\]$/, "readonly Tensor[]"],
    [/^Tensor$/, "Tensor"],
    [/^(Sym)?[iI]nt\[\d+\]$/, "number | readonly number[]"],
    [/^((Sym)?[iI]nt|float)\[\]$/, "readonly number[]"],
    [/^bool\[\d*\]$/, "readonly boolean[]"],
    [/^((Sym)?[iI]nt|float)$/, "number"],
    [/^bool$/, "boolean"],
    [/^Scalar$/, "Scalar"],
    [/^ScalarType$/, "DType"],
    [/^MemoryFormat$/, "MemoryFormat"],
    [/^(str|Device)$/, "string"],
  ];
  const found = types.find(([pattern]) => pattern.test(bare));
  if (!found) throw new Error(`no TypeScript type for '${type}'`);
  return { type: found[1], bare, optional };
}

function parse(full) {
  const text = native.schema(`aten::${full}`);
  const match = /^[^(]+\((.*)\) -> (.*)$/.exec(text);
  let keywordOnly = false;
  const parameters = [];
  for (const part of splitTop(match[1])) {
    if (part === "*") {
      keywordOnly = true;
      continue;
    }
    const [, type, name, fallback] = /^(.*?) (\w+)(?:=(.*))?$/.exec(part);
    const plain = type.replace(/\([^)]*\)/, "");
    const skipped = SKIPPED.test(plain) || name === "pin_memory";
    const kind = skipped ? undefined : tsType(plain);
    const required = !keywordOnly && fallback === undefined && !skipped;
    parameters.push({ name: camel(name), kind, skipped, required, fallback, written: type.includes("!") });
  }
  const results = match[2].startsWith("(") ? splitTop(match[2].slice(1, -1)) : [match[2]];
  return { full, text, parameters, results };
}

function convert(parameter, variable) {
  const { bare } = parameter.kind;
  if (bare === "Tensor") return parameter.required && !parameter.kind.optional ? `h(${variable})` : `ho(${variable})`;
  if (/^Tensor\[/.test(bare)) return `hs(${variable})`;
  if (/^Tensor\?\[\]$/.test(bare)) return `hos(${variable})`;
  if (bare === "ScalarType") return `dt(${variable})`;
  if (bare === "MemoryFormat") return `mf(${variable})`;
  return variable;
}

function body({ full, parameters, results }, index) {
  const values = parameters.map((p) =>
    p.skipped ? "undefined" : convert(p, p.required ? p.name : `options.${p.name}`),
  );
  while (values.at(-1) === "undefined") values.pop();
  const invoke = `call(op(${index}), ${values.join(", ")})`;
  const written = parameters.find((p) => p.written);
  if (written)
    return {
      type: written.kind.bare === "Tensor" ? "Tensor" : "void",
      code: written.kind.bare === "Tensor" ? `${invoke};\n  return ${written.name};` : `${invoke};`,
    };
  const kinds = results.map((r) => r.replace(/\([^)]*\)/, "").replace(/ \w+$/, ""));
  if (kinds.length > 1)
    return {
      type: `[${kinds.map(() => "Tensor").join(", ")}]`,
      code: `return many(${invoke}) as [${kinds.map(() => "Tensor").join(", ")}];`,
    };
  if (kinds[0] === "Tensor") return { type: "Tensor", code: `return one(${invoke});` };
  if (kinds[0] === "Tensor[]") return { type: "Tensor[]", code: `return many(${invoke});` };
  if (kinds[0] === "bool") return { type: "boolean", code: `return ${invoke} as boolean;` };
  throw new Error(`${full}: no TypeScript form for result '${kinds[0]}'`);
}

const names = [];
const numberOf = (full) => names.push(`aten::${full}`) - 1;

function emit([name, full, forNumbers]) {
  const main = parse(full);
  const other = forNumbers === undefined ? undefined : parse(forNumbers);
  const required = main.parameters.filter((p) => p.required);
  const optional = main.parameters.filter((p) => !p.required && !p.skipped);
  const choice =
    other &&
    required.find(
      (p) => p.kind.bare === "Tensor" && other.parameters.find((q) => q.name === p.name)?.kind?.bare === "Scalar",
    );
  const positional = required.map((p) => {
    const type = p === choice ? "Tensor | Scalar" : p.kind.type;
    return `${p.name}: ${type}${p.kind.optional ? " | undefined" : ""}`;
  });
  const fields = optional.map((p) => `${p.name}?: ${p.kind.type} | undefined`);
  const parameters = [...positional, ...(fields.length ? [`options: { ${fields.join("; ")} } = {}`] : [])].join(", ");
  const first = body(main, numberOf(full));
  const lines = [`/** \`${main.text}\` */`, `export function ${name}(${parameters}): ${first.type} {`];
  if (choice) {
    const second = body(
      {
        ...other,
        parameters: other.parameters.map((p) => ({
          ...p,
          required: p.required || required.some((q) => q.name === p.name),
        })),
      },
      numberOf(forNumbers),
    );
    lines.push(`  if (!(${choice.name} instanceof Tensor)) {`, `    ${second.code.replace("\n", "\n  ")}`, "  }");
  }
  lines.push(`  ${first.code}`, "}", "");
  return lines.join("\n");
}

const functions = rows.map(emit).join("\n");
const header = `// Generated by scripts/gen-ops.js from ops.allow.txt and the schemas of libtorch ${native.version().replace(/^(\d+\.\d+).*/, "$1")}. Do not edit.
import { call, dt, h, ho, hos, hs, many, mf, one, plans } from "./dispatch.js";
import { type DType, type MemoryFormat, type Scalar, Tensor } from "./tensor.js";

const op = plans([
${names.map((n) => `  "${n}",`).join("\n")}
]);

`;
writeFileSync(`${root}src/torch/ops.gen.ts`, header + functions);
console.log(`ops.gen.ts: ${rows.length} functions`);
