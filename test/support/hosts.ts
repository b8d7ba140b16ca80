// Every method that searches, with every structure it takes, from the registry: a new row is tried without further edits.
import { type Model, withState } from "../../src/models/index.js";
import { disposeParams, type Params } from "../../src/nn/index.js";
import { type Method, type MethodState, methods } from "../../src/pruning/index.js";
import { rng } from "../../src/util/index.js";

/** Options of methods that want others than a keep ratio. */
const needed: Readonly<Record<string, object>> = {};
const keepRatio = 0.2;
const structures: readonly object[] = [
  {},
  ...["rows", "kernels", "filters", "channels"].map((structure) => ({ structure, keepRatio: 0.5 })),
  { structure: "n:m", pattern: "2:4", keepRatio: undefined },
];

export interface HostMethod {
  readonly label: string;
  /** Whether single weights are pruned, as the method does unless told otherwise. */
  readonly usual: boolean;
  readonly method: Method;
}

/** Methods that search, one a structure; what a method's options refuse is no structure of its. */
export function hostMethods(): HostMethod[] {
  return methods.entries().flatMap(([name, { options: schema, create }]) =>
    structures.flatMap((structure) => {
      const wanted = { keepRatio, ...needed[name], ...structure };
      const given = Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== undefined));
      const parsed = schema.safeParse(given);
      if (!parsed.success) return [];
      const method = create(parsed.data as never, {}) as Method;
      const usual = Object.keys(structure).length === 0;
      return method.searches ? [{ label: `${name} ${JSON.stringify(given)}`, usual, method }] : [];
    }),
  );
}

export interface Host extends HostMethod {
  /** With the weights that the method begins with. */
  readonly model: Model;
  readonly state: MethodState;
  /** Gives back what is the host's own. */
  free(): void;
}

/** A method at the start of its search of a model. */
export function hostOn(at: HostMethod, model: Model): Host {
  const redrawn: Params = at.method.initWeights?.(model, rng(1, "weights")) ?? new Map();
  const start = withState(model, { params: new Map([...model.params, ...redrawn]) });
  const state = at.method.init(start, rng(1));
  return {
    ...at,
    model: start,
    state,
    free: () => disposeParams(redrawn, state.scores, state.trained ?? new Map()),
  };
}
