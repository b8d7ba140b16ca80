import { type Model, withState } from "../../src/models/index.js";
import { mapParams, type Params } from "../../src/nn/index.js";
import { manualSeed, ops } from "../../src/torch/index.js";
import { rng } from "../../src/util/index.js";

/** In float64, with batch norms that do something: statistics, gains and shifts are random. */
export function exercised(model: Model): Model {
  manualSeed(rng(7, "fold"));
  const double = (values: Params) => mapParams(values, (value) => ops.asType(value, { dtype: "float64" }));
  const [params, buffers] = [double(model.params), double(model.buffers)];
  for (const [name, value] of [...params, ...buffers]) {
    if (/running_mean$|\.bias$/.test(name)) ops.normal_(value);
    else if (/running_var$/.test(name) || value.shape.length === 1) ops.uniform_(value, { low: 0.5, to: 2 });
  }
  return withState(model, { params, buffers });
}
