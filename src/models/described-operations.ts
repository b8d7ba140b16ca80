// What a network's description is made of.
import { z } from "zod";

const channels = z.array(z.number()).min(1);
const name = z.string();
export const count = z.int().min(1);
/** One operation of a network, on a current tensor. */
export const operation = z.discriminatedUnion("op", [
  z.strictObject({ op: z.literal("normalize"), mean: channels, std: channels }),
  z.strictObject({
    op: z.literal("conv2d"),
    name,
    in: count,
    out: count,
    kernel: count,
    stride: count.default(1),
    padding: z.int().min(0).default(0),
    bias: z.boolean().default(true),
  }),
  z.strictObject({ op: z.literal("batchnorm2d"), name, channels: count, eps: z.number().gt(0).default(1e-5) }),
  z.strictObject({ op: z.literal("relu") }),
  z.strictObject({
    op: z.literal("maxpool2d"),
    kernel: count,
    stride: count,
    padding: z.int().min(0).default(0),
  }),
  z.strictObject({ op: z.literal("avgpool_global") }),
  z.strictObject({ op: z.literal("avgpool_to"), size: count }),
  z.strictObject({ op: z.literal("flatten") }),
  z.strictObject({ op: z.literal("linear"), name, in: count, out: count, bias: z.boolean().default(true) }),
  z.strictObject({ op: z.literal("gelu") }),
  z.strictObject({ op: z.literal("layernorm"), name, size: count, eps: z.number().gt(0).default(1e-5) }),
  // [N,size,H,W] to `count` = 1 + HW tokens; the names are those of whole parameters.
  z.strictObject({ op: z.literal("tokens"), classToken: name, positions: name, count, size: count }),
  z.strictObject({ op: z.literal("attention"), heads: count }),
  z.strictObject({ op: z.literal("first_token") }),
  z.strictObject({ op: z.literal("store"), id: z.string() }),
  z.strictObject({ op: z.literal("load"), id: z.string() }),
  z.strictObject({ op: z.literal("add"), id: z.string() }),
]);
export type Operation = z.output<typeof operation>;
