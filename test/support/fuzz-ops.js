// Calls every operator with random arguments, most of them of the right kind. Run as a process of its own, so that the
// test sees whether it died: node fuzz-ops.js SEED CALLS_AN_OPERATOR [OPERATOR,...]
// Each call is announced on standard output before it is made: the last line names the culprit.
import { readFileSync, writeSync } from "node:fs";
import fc from "fast-check";
import { grad, noGrad, ops, scope, Tensor, tensor } from "../../dist/torch/index.js";
import { S2apError } from "../../dist/util/index.js";

const [seed = "1", calls = "20", only] = process.argv.slice(2);
const SMALL = 4096;

/** Positional and optional arguments of each operator, `[name, type]`, as the generated file declares them. */
function signatures() {
  const text = readFileSync(new URL("../../src/torch/ops.gen.ts", import.meta.url), "utf8");
  const found = text.matchAll(/^export function (\w+)\((.*?)(?:, )?(?:options: \{(.*)\} = \{\})?\): [^{]*\{$/gm);
  const fields = (list, separator) =>
    (list ?? "")
      .split(separator)
      .map((field) => field.trim().split(/\??: /))
      .filter(([name]) => name !== "")
      .map(([name, type]) => [name, type.replace(" | undefined", "").replace("(Tensor)[]", "maybe[]")]);
  return Array.from(found, ([, name, positional, options]) => ({
    name,
    positional: fields(positional, /, (?=\w+: )/),
    options: fields(options, ";"),
  }));
}

/** Shapes that belong together, by position among a call's tensors. */
const bundles = [
  [[2, 3, 4, 4], [4, 3, 3, 3], [4], [4], [4]],
  [[2, 4, 4, 4], [4, 1, 2, 2], [4], [4], [4]],
  [[2, 3, 4, 4], [3], [3], [3], [3]],
  [[5, 3], [4, 3], [4], [4]],
  [
    [2, 3],
    [3, 4],
    [2, 4],
  ],
  [
    [2, 4],
    [2, 3],
    [3, 4],
  ],
  [
    [2, 2, 3],
    [2, 3, 2],
    [2, 2, 2],
  ],
  [[4, 3], [4], [3]],
  [[6], [6], [6]],
  [
    [2, 3],
    [2, 3],
    [2, 3],
    [2, 3],
  ],
  [[], [], []],
  [[0, 3], [3], [3]],
];
const shape = fc.array(fc.constantFrom(0, 1, 1, 2, 3, 4), { maxLength: 5 });
const small = fc.integer({ min: -3, max: 6 });
const extreme = fc.constantFrom(
  0.5,
  -1.5,
  Number.NaN,
  Infinity,
  -Infinity,
  1e30,
  127,
  -128,
  2 ** 40,
  2 ** 62,
  -(2 ** 63),
);
/** A tensor's description: tensors themselves live only within one call. */
const described = fc.record({
  shape: fc.option(shape, { nil: undefined, freq: 4 }),
  dtype: fc.constantFrom(
    ...Array(6).fill("float32"),
    "float64",
    "float64",
    "uint8",
    "int8",
    "int16",
    "int32",
    "int64",
    "int64",
    "bool",
  ),
  values: fc.array(
    fc.oneof({ weight: 30, arbitrary: fc.integer({ min: 0, max: 2 }) }, { weight: 10, arbitrary: small }, extreme),
    {
      minLength: 1,
      maxLength: 5,
    },
  ),
  layout: fc.constantFrom("plain", "plain", "leaf", "leaf", "channels_last", "transposed", "expanded", "bfloat16"),
});
const isTensor = Symbol("tensor");
const aTensor = described.map((description) => ({ [isTensor]: true, ...description }));
/** Calls that are right, for operators that chance would seldom please; each argument is replaced now and then. */
const t = (shape, dtype = "float32", values = [1, 0, 2], layout = "leaf") => ({
  [isTensor]: true,
  shape,
  dtype,
  values,
  layout,
});
const labels = t([4], "int64", [0, 2, 1]);
const right = {
  conv2d: [t([2, 4, 4, 4]), t([4, 2, 3, 3]), { bias: t([4]), stride: [1, 1], padding: 1, dilation: 1, groups: 2 }],
  linear: [t([2, 3]), t([4, 3]), { bias: t([4]) }],
  mm: [t([2, 3]), t([3, 4])],
  bmm: [t([2, 2, 3]), t([2, 3, 2])],
  addmm: [t([2, 4]), t([2, 3]), t([3, 4]), { beta: 1, alpha: 2 }],
  dot: [t([3]), t([3])],
  indexPut_: [t([4, 3], "float32", [1], "plain"), [labels], t([3]), { accumulate: true }],
  indexCopy_: [t([4, 3], "float32", [1], "plain"), 0, t([2], "int64", [1, 3]), t([2, 3], "float32", [5], "plain")],
  indexSelect: [t([4, 3]), 0, t([2], "int64", [1, 3])],
  gather: [t([4, 3]), 1, t([4, 1], "int64", [1, 2])],
  take: [t([4, 3]), labels],
  kthvalue: [t([6]), 2, { dim: 0, keepdim: false }],
  topk: [t([6]), 2, { dim: 0, largest: true, sorted: true }],
  searchsorted: [t([4], "float32", [1, 2, 3, 4], "plain"), t([3])],
  oneHot: [labels, { numClasses: 3 }],
  batchNorm: [
    t([2, 3, 4, 4]),
    t([3]),
    t([3]),
    t([3], "float32", [1], "plain"),
    t([3], "float32", [1], "plain"),
    true,
    0.1,
    1e-5,
    false,
  ],
  nativeLayerNorm: [t([2, 4]), [4], t([4]), t([4]), 1e-5],
  crossEntropyLoss: [
    t([4, 3]),
    labels,
    { weight: t([3], "float32", [1], "plain"), reduction: 1, ignoreIndex: -100, labelSmoothing: 0.1 },
  ],
  nllLoss: [t([4, 3]), labels, { weight: t([3], "float32", [1], "plain"), reduction: 0, ignoreIndex: -100 }],
  maxPool2d: [t([2, 3, 4, 4]), 2, { stride: 2, padding: 0, dilation: 1, ceilMode: false }],
  avgPool2d: [
    t([2, 3, 4, 4]),
    2,
    { stride: 2, padding: 0, ceilMode: false, countIncludePad: true, divisorOverride: 3 },
  ],
  adaptiveAvgPool2d: [t([2, 3, 4, 4]), [2, 2]],
  split: [t([4, 3]), 2, { dim: 0 }],
  cat: [[t([2, 3]), t([1, 3])], { dim: 0 }],
  foreachAdd_: [[t([3], "float32", [1], "plain")], [t([3])], { alpha: 2 }],
};
const odd = fc.constantFrom(
  ...[
    undefined,
    null,
    Number.NaN,
    Infinity,
    -Infinity,
    2 ** 53,
    -(2 ** 53),
    2 ** 40,
    -(2 ** 40),
    1.5,
    -0,
    "x",
    "",
    true,
  ],
  ...[
    {},
    [],
    [undefined],
    [Number.NaN],
    [1.5],
    [-1],
    [2 ** 40],
    [2 ** 52, 2 ** 52],
    [2 ** 53, 0],
    [true],
    [[1]],
    () => 1,
    10n,
  ],
  ...[
    { float: "x" },
    { float: 2 },
    new Float32Array(3),
    Symbol.iterator,
    "cpu",
    "cuda",
    "meta",
    "mkldnn",
    "toString",
    "sparse",
  ],
);
const sizes = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 });
const integer = fc.oneof({ weight: 8, arbitrary: fc.integer({ min: -1, max: 3 }) }, small);
const number = fc.oneof({ weight: 5, arbitrary: integer }, fc.constantFrom(0.5, -0.5, 1e-5, 100, 1e300));
const arbitraries = {
  Tensor: aTensor,
  "Tensor | Scalar": fc.oneof({ weight: 2, arbitrary: aTensor }, number),
  "readonly Tensor[]": fc.array(aTensor, { maxLength: 3 }),
  "readonly maybe[]": fc.array(fc.option(aTensor, { nil: undefined }), { maxLength: 3 }),
  Scalar: fc.oneof(number, fc.boolean(), fc.constant({ float: 2 })),
  number,
  "readonly number[]": fc.oneof(sizes, fc.array(integer, { maxLength: 4 })),
  "number | readonly number[]": fc.oneof(integer, fc.array(integer, { minLength: 1, maxLength: 2 })),
  boolean: fc.boolean(),
  DType: fc.constantFrom(
    "float32",
    "float64",
    "uint8",
    "int8",
    "int16",
    "int32",
    "int64",
    "bool",
    "bfloat16",
    "float16",
  ),
  MemoryFormat: fc.constantFrom("contiguous", "preserve", "channels_last"),
  string: fc.constantFrom("cpu", "meta", "cuda", "linear"),
};
const argument = (type) => {
  const right = arbitraries[type];
  if (right === undefined) throw new Error(`fuzz-ops: no arbitrary for an argument of type ${type}`);
  return fc.oneof({ weight: 40, arbitrary: right }, { weight: 1, arbitrary: odd });
};

/** Random arguments, or right ones of which about one in four is replaced. */
function argumentsOf({ name, positional, options }) {
  const free = fc.tuple(
    fc.tuple(...positional.map(([, type]) => argument(type))),
    fc.record(Object.fromEntries(options.map(([key, type]) => [key, argument(type)])), { requiredKeys: [] }),
  );
  const base = right[name];
  if (base === undefined) return free;
  const usual = base.slice(0, positional.length);
  const chosen = base[positional.length] ?? {};
  const often = (value, type) =>
    fc.oneof({ weight: 3, arbitrary: fc.constant(value) }, { weight: 1, arbitrary: argument(type) });
  const near = fc.tuple(
    fc.tuple(...positional.map(([, type], i) => often(usual[i], type))),
    fc.record(Object.fromEntries(options.map(([key, type]) => [key, often(chosen[key], type)])), { requiredKeys: [] }),
  );
  return fc.oneof({ weight: 4, arbitrary: near }, { weight: 1, arbitrary: free });
}

function build({ shape: own, dtype, values, layout }, usual) {
  const extents = own ?? usual;
  const clean = dtype.startsWith("float") ? values : values.map((v) => (Number.isFinite(v) ? Math.trunc(v) : 0));
  const count = extents.reduce((a, b) => a * b, 1);
  const made = tensor(
    Array.from({ length: count }, (_, i) => clean[i % clean.length]),
    extents,
    { dtype },
  );
  if (layout === "channels_last" && extents.length === 4)
    return ops.contiguous(made, { memoryFormat: "channels_last" });
  if (layout === "transposed" && extents.length > 1)
    return ops.transpose(ops.contiguous(ops.transpose(made, 0, -1)), 0, -1);
  if (layout === "expanded" && extents.length > 0)
    return ops.expand(ops.narrow(made, 0, 0, Math.min(1, extents[0])), extents);
  if (layout === "leaf" && dtype.startsWith("float")) return made.setRequiresGrad(true);
  return layout === "bfloat16" && dtype === "float32" ? ops.to(made, "bfloat16") : made;
}

/** The values of a call, with tensors in place of their descriptions. */
function materialiser(bundle) {
  let at = 0;
  const one = (value) => {
    if (Array.isArray(value)) return value.map(one);
    return value?.[isTensor] ? build(value, bundle[at++ % bundle.length]) : value;
  };
  return one;
}

const show = (value) =>
  JSON.stringify(value, (_key, v) => (["object", "string"].includes(typeof v) ? v : String(v))) ?? "undefined";

/** Reads what came out, where it is small, and differentiates it. */
function use(result, leaves) {
  const results = [result].flat().filter((one) => one instanceof Tensor && one.numel <= SMALL);
  for (const one of results) if (one.device === "cpu") one.toArray();
  const output = results.find((one) => one.requiresGrad && !leaves.includes(one));
  if (output && leaves.length > 0) for (const one of grad(ops.sum(output), leaves)) one.toArray();
}

function attempt(fn, { positional, options }, [bundle, [values, chosen], recording]) {
  const one = materialiser(bundle);
  const given = values.map(one);
  const named = Object.fromEntries(Object.entries(chosen).map(([name, value]) => [name, one(value)]));
  const call = () => fn(...given, ...(options.length > 0 ? [named] : []));
  const leaves = [...given, ...Object.values(named)].flat().filter((t) => t instanceof Tensor && t.requiresGrad);
  use(recording ? call() : noGrad(call), positional.length > 0 ? leaves : []);
}

let done = 0;
let refused = 0;
for (const signature of signatures()) {
  const { name } = signature;
  if (only && !only.split(",").includes(name)) continue;
  let fine = 0;
  const all = fc.tuple(fc.constantFrom(...bundles), argumentsOf(signature), fc.boolean());
  const property = fc.property(all, (drawn) => {
    writeSync(1, `${name}${show(drawn)}\n`);
    done += 1;
    try {
      scope(() => attempt(ops[name], signature, drawn));
      fine += 1;
    } catch (error) {
      if (!(error instanceof S2apError)) throw error;
      refused += 1;
    }
  });
  fc.assert(property, { seed: Number(seed), numRuns: Number(calls), endOnFailure: true });
  if (fine === 0) writeSync(1, `never: ${name}\n`);
}
writeSync(1, `done: ${done} calls, ${refused} refused\n`);
