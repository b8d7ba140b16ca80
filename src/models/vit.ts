// Vision transformers (Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021, arXiv 2010.11929) in the sizes and
// with the names of DeiT (Touvron et al., ICML 2021, arXiv 2012.12877), as in its and timm's state dicts. With x the patches,
// each projected to `width` numbers, behind a class token, and learned positions added, for each of `depth` blocks
//   x += proj(attention(qkv(norm1(x)))),   x += fc2(gelu(fc1(norm2(x)))),
// fc1 to 4 times the width; logits are head(norm(class token)). No dropout and no stochastic depth.
// Linear weights, class token and positions start at N(0, 0.02), biases at 0, the patch projection at PyTorch's default. DeiT
// truncates the normal at +-2, a hundred standard deviations, which never happens.
import { z } from "zod";
import { expected, parseOptions, UsageError } from "../util/index.js";
import type { Model } from "./model.js";
import {
  attention,
  conv,
  firstToken,
  fromSteps,
  gelu,
  imageOptions,
  layerNorm,
  linear,
  residual,
  type Step,
  tokens,
} from "./steps.js";

/** Width and heads; the standard depth is 12. */
const forms = { vit_ti: [192, 3], vit_s: [384, 6], vit_b: [768, 12] } as const;
type Arch = keyof typeof forms;

function optionsOf(arch: Arch) {
  const [width, heads] = forms[arch];
  const count = z.int().min(1);
  return z.strictObject({
    ...imageOptions({ numClasses: 10, imageSize: 32 }),
    patch: count
      .optional()
      .describe(
        "height and width of a patch, a divisor of imageSize; default 4 for images up to 64 pixels, otherwise 16",
      ),
    width: count.default(width).describe(`numbers of a token, a multiple of heads; default ${width}`),
    depth: count.default(12).describe("blocks; default 12"),
    heads: count.default(heads).describe(`of each attention; default ${heads}`),
  });
}
export const vitOptions = { vit_ti: optionsOf("vit_ti"), vit_s: optionsOf("vit_s"), vit_b: optionsOf("vit_b") };
export type VitOptions = z.input<(typeof vitOptions)[Arch]> & {
  /** Of the initial weights; default 0. */ readonly seed?: number;
};

function block(name: string, width: number, heads: number): Step[] {
  const mixTokens = [
    layerNorm(`${name}.norm1`, width),
    linear(`${name}.attn.qkv`, width, 3 * width),
    attention(heads),
    linear(`${name}.attn.proj`, width, width),
  ];
  const mixChannels = [
    layerNorm(`${name}.norm2`, width),
    linear(`${name}.mlp.fc1`, width, 4 * width),
    gelu,
    linear(`${name}.mlp.fc2`, 4 * width, width),
  ];
  return [residual(mixTokens, []), residual(mixChannels, [])];
}

/** `blocks.3.mlp.fc1.weight` is of the group mlp; the patch projection and the head are of none. */
function groupsOf(prunable: readonly string[]): Map<string, string> {
  return new Map(
    prunable.flatMap((name) => {
      const group = /^blocks\.\d+\.(?:attn\.)?(qkv|proj|mlp)\./.exec(name)?.[1];
      return group === undefined ? [] : [[name, group] as const];
    }),
  );
}

function vit(arch: Arch, given: VitOptions): Model {
  const { seed = 0, ...rest } = given;
  const parsed = parseOptions(arch, vitOptions[arch], rest);
  const { imageSize, width, depth, heads, numClasses, patch = imageSize > 64 ? 16 : 4 } = parsed;
  const refuse = (what: string, seen: unknown) => {
    throw new UsageError(expected(arch, what, seen), { code: "usage/option" });
  };
  if (imageSize % patch !== 0) refuse(`imageSize to be a multiple of patch (${patch})`, imageSize);
  if (width % heads !== 0) refuse(`width to be a multiple of heads (${heads})`, width);
  const steps = [
    conv("patch_embed.proj", 3, width, { kernel: patch, stride: patch, padding: 0, bias: true }),
    tokens(1 + (imageSize / patch) ** 2, width),
    ...Array.from({ length: depth }, (_, i) => block(`blocks.${i}`, width, heads)).flat(),
    // The other tokens would not be read.
    firstToken,
    layerNorm("norm", width),
    linear("head", width, numClasses),
  ];
  const options = { ...parsed, patch };
  const model = fromSteps(arch, steps, { options, initial: { linear: () => 0.02, tokens: 0.02 }, seed });
  return { ...model, groups: groupsOf(model.prunable) };
}

/** 5,362,762 parameters for 32 x 32 images and 10 classes. */
export const vitTi = (options: VitOptions = {}): Model => vit("vit_ti", options);
export const vitS = (options: VitOptions = {}): Model => vit("vit_s", options);
export const vitB = (options: VitOptions = {}): Model => vit("vit_b", options);
