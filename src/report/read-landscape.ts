// `landscape.json`: the loss on a grid of two directions in score space.
//   { axes: [{ name, values }, { name, values }], loss: [[...], ...] }   a row of `loss` for each value of the second axis
import { join } from "node:path";
import { z } from "zod";
import type { LandscapeData } from "./data.js";
import { readJson, shortPath, text } from "./json.js";
import { pointer, read } from "./origin.js";

const axis = z.object({ name: z.string(), values: z.array(z.number()).min(2) });
const record = z.object({
  plane: text,
  axes: z.tuple([axis, axis]),
  loss: z.array(z.array(z.number().nullable().catch(null))),
});

const ascending = (values: readonly number[]) =>
  values.every((value, i) => i === 0 || value > (values[i - 1] as number));

/** The landscape in a run folder; `null` where there is none of two directions. */
export function readLandscape(folder: string, problems: string[]): LandscapeData | null {
  const path = join(folder, "landscape.json");
  const json = readJson(path, problems);
  if (json === undefined) return null;
  const found = record.safeParse(json);
  const [x, y] = found.success ? found.data.axes : [];
  const whole =
    found.success &&
    x &&
    y &&
    found.data.loss.length === y.values.length &&
    found.data.loss.every((row) => row.length === x.values.length);
  if (!found.success || !whole || !ascending(x.values) || !ascending(y.values)) {
    problems.push(`${shortPath(path)} holds no landscape of two directions.`);
    return null;
  }
  return {
    plane: found.data.plane,
    x: { name: x.name, at: x.values },
    y: { name: y.name, at: y.values },
    loss: found.data.loss,
    origin: read({ file: path, at: pointer("loss") }),
  };
}
