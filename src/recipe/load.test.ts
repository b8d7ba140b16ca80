import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fakeRegistries } from "../../test/support/fake-registries.js";
import { UsageError } from "../util/index.js";
import { parseRecipe, placeText, RecipeError, showRecipe } from "./index.js";

const registries = fakeRegistries();

const text = `
name: tiny
seed: 7
data: { name: cifar10, batchSize: 32 }
model: { arch: resnet18, width: 16 }
threat: { norm: linf, eps: 8/255 }
loss: { name: trades, beta: 6, attack: { name: pgd, steps: 2 } }
optimizer: { name: sgd, lr: 0.1, schedule: cosine, momentum: 0.9 }
stages:
  pretrain: { epochs: 3 }
  search:
    epochs: 4
    method: { name: hydra, keepRatio: 0.1 }
    gradient: { name: s2ap, gamma: 0.05 }
    optimizer: { momentum: 0.5 }
  finetune:
    epochs: 2
    loss: { name: pgd-at, attack: { name: pgd, steps: 1 } }
    optimizer: { lr: 0.01, schedule: { name: cosine, cycles: 2 } }
evaluation: [{ name: clean }, { name: pgd, steps: 20, examples: 100 }]
`;

function parse(source: string, set: readonly string[] = [], profile?: string) {
  return parseRecipe(source, "r.yaml", { registries, set, profile });
}

/** The text of the error, a line for each problem. */
function problems(source: string, set: readonly string[] = [], profile?: string): string {
  try {
    parse(source, set, profile);
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
  return "none";
}

const trades = { name: "trades", beta: 6, attack: { name: "pgd", steps: 2 } };
const cosine = { name: "cosine", cycles: 1 };

describe("a recipe", () => {
  test("is resolved with every default, and stages are laid over what is common", () => {
    expect(parse(text)).toEqual({
      name: "tiny",
      seed: 7,
      precision: "float32",
      selectOn: "selection",
      data: { name: "cifar10", batchSize: 32, augment: true },
      model: { arch: "resnet18", numClasses: 10, width: 16 },
      threat: { norm: "linf", eps: "8/255" },
      stages: {
        pretrain: {
          epochs: 3,
          choose: "best",
          loss: trades,
          optimizer: { name: "sgd", lr: 0.1, momentum: 0.9, schedule: cosine },
        },
        search: {
          epochs: 4,
          choose: "best",
          freezeBatchNorm: false,
          recalibrate: 0,
          method: { name: "hydra", keepRatio: 0.1 },
          gradient: { name: "s2ap", gamma: 0.05, warmupFraction: 0.25 },
          loss: trades,
          optimizer: { name: "sgd", lr: 0.1, momentum: 0.5, schedule: cosine },
        },
        finetune: {
          weights: "inherit",
          epochs: 2,
          choose: "best",
          loss: { name: "pgd-at", attack: { name: "pgd", steps: 1 } },
          optimizer: { name: "sgd", lr: 0.01, momentum: 0.9, schedule: { name: "cosine", cycles: 2 } },
        },
      },
      evaluation: [{ name: "clean" }, { name: "pgd", steps: 20, examples: 100 }],
    });
  });

  test("is called as its file is when it says no name, and stages may leave out gradient and schedule", () => {
    const source = text
      .replace("name: tiny\n", "")
      .replace(", schedule: cosine", "")
      .replace(/ +gradient: .*\n/, "");
    const recipe = parse(source);
    expect(recipe.name).toBe("r");
    expect(recipe.stages.search?.gradient).toEqual({ name: "plain" });
    expect(recipe.stages.pretrain?.optimizer.schedule).toEqual({ name: "constant" });
  });

  test.each([
    ["0.0310", "0.0310"],
    ["3.1e-2", "3.1e-2"],
    [".031", ".031"],
    ["8/255", "8/255"],
    ['"8/255"', "8/255"],
    ["0", "0"],
    ["0x0", "0"],
  ])("keeps eps %s as written", (written, kept) => {
    expect(parse(text.replace("8/255", written)).threat.eps).toBe(kept);
  });

  test("shown and read again, it is the same", () => {
    const recipe = parse(text);
    expect(parse(showRecipe(recipe))).toEqual(recipe);
    expect(showRecipe(recipe).startsWith("name: tiny\nseed: 7\n")).toBe(true);
  });
});

describe("errors", () => {
  test.each([
    [
      "a key that is not known",
      ["keepRatio: 0.1", "keepRation: 0.1"],
      "r.yaml:13:5: expected stages.search.method.keepRatio to be a number, got nothing\n" +
        'r.yaml:13:28: expected a known option of stages.search.method (keepRatio, name; nearest: keepRatio), got "keepRation"\n' +
        "2 problems",
    ],
    [
      "a value out of range",
      ["keepRatio: 0.1", "keepRatio: 1.5"],
      "r.yaml:13:39: expected stages.search.method.keepRatio in (0, 1], got 1.5",
    ],
    [
      "pixel scale missed",
      ["eps: 8/255", "eps: 8"],
      'r.yaml:6:28: expected threat.eps in [0, 1] (pixels are scaled to [0, 1]; 8 of 255 levels is written "8/255"), got 8',
    ],
    [
      "an unknown name",
      ["name: trades", "name: trade"],
      'r.yaml:7:15: expected loss.name to be one of pgd-at, trades (nearest: trades), got "trade"',
    ],
    [
      "a wrong type",
      ["epochs: 3", "epochs: many"],
      'r.yaml:10:23: expected stages.pretrain.epochs to be a whole number, got "many"',
    ],
    ["a missing key", ["arch: resnet18, ", ""], "r.yaml:5:1: expected model.arch to be resnet18, got nothing"],
    [
      "a missing stage option",
      ["epochs: 4\n", "\n"],
      "r.yaml:11:3: expected stages.search.epochs >= 1, which hydra needs, got nothing",
    ],
    [
      "a wrong top-level key",
      ["seed: 7", "sead: 7"],
      'r.yaml:3:1: expected a known option (name, seed, precision, selectOn, data, model, threat, stages, evaluation, loss, optimizer, variants, profiles; nearest: seed), got "sead"',
    ],
    [
      "an error in what stages share, told once",
      ["beta: 6", "beta: -6"],
      "r.yaml:7:29: expected loss.beta >= 0, got -6",
    ],
    [
      "a wrong list item",
      ["name: clean", "name: clear"],
      'r.yaml:20:22: expected evaluation[0].name to be one of clean, autoattack, fgsm, pgd (nearest: clean), got "clear"',
    ],
    [
      "an unknown schedule",
      ["schedule: cosine,", "schedule: cosin,"],
      'r.yaml:8:44: expected optimizer.schedule to be one of constant, cosine (nearest: cosine), got "cosin"',
    ],
    [
      "an option of a schedule",
      ["cycles: 2", "cycle: 2"],
      'r.yaml:19:54: expected a known option of stages.finetune.optimizer.schedule (cycles, name; nearest: cycles), got "cycle"',
    ],
    [
      "a warm-up as long as the search",
      ["gamma: 0.05", "warmupFraction: 1"],
      "r.yaml:14:45: expected warmupFraction to end before the search of 4 epochs does, got 1",
    ],
    [
      "finetune without a search",
      [/ {2}search:[\s\S]*momentum: 0.5 }\n/, ""],
      'r.yaml:12:5: expected stages.finetune to come after a search, got "no search"',
    ],
    [
      "epochs for a method without a search",
      ["name: hydra", "name: magnitude"],
      "r.yaml:12:13: expected stages.search.epochs to be 0, as magnitude has no search, got 4",
    ],
  ] as const)("%s", (_name, [from, to], message) => {
    expect(problems(text.replace(from, to))).toBe(message);
  });

  test("all are listed, in the order of the file, with what --set brought last", () => {
    const source = text.replace("eps: 8/255", "eps: 8").replace("epochs: 3", "epochs: 0").replace("cifar10", "cifar");
    const lines = problems(source, ["stages.search.method.keepRatio=0"]).split("\n");
    expect(lines.map((line) => line.split(": expected")[0])).toEqual([
      "r.yaml:4:15",
      "r.yaml:6:28",
      "r.yaml:10:23",
      "--set stages.search.method.keepRatio=0",
      "4 problems",
    ]);
    try {
      parse(source);
    } catch (error) {
      expect(error).toBeInstanceOf(RecipeError);
      expect((error as RecipeError).problems.map(({ place }) => placeText(place))).toHaveLength(3);
    }
  });

  test.each([
    ["", "r.yaml:1:1: expected a map of options, got null"],
    ["- a\n", "r.yaml:1:1: expected a map of options, got 1"],
    ["a: [1", "r.yaml:1:6: expected YAML, got a syntax error"],
    ["a: 1\na: 2", "r.yaml:2:1: expected YAML, got a syntax error: Map keys must be unique"],
    ["? [a]\n: 1\n", "r.yaml:1:3: expected a plain name before the colon"],
    ["a: *b", "r.yaml:1:4: expected an anchor &b before its alias, got none"],
    ["a: &a [*a]", "expected at most 20000 values, 40 deep, got more"],
    ["profiles: 1", "r.yaml:1:11: expected profiles to be a map of names to changes, got 1"],
  ])("no recipe at all: %j", (source, message) => {
    expect(problems(source)).toContain(message);
  });

  test("a bomb of aliases is refused", () => {
    const levels = Array.from({ length: 12 }, (_, i) => `k${i + 1}: &k${i + 1} [${`*k${i}, `.repeat(9)}*k${i}]`);
    expect(problems(`k0: &k0 [x, x]\n${levels.join("\n")}\n`)).toContain("expected at most 20000 values");
  });

  test("whatever the text, the answer is a recipe or our error", () => {
    const pieces = fc.array(
      fc.constantFrom(...text.split(/(?<=[\s,{}[\]:])/), "null", "- ", "&a ", "*a", "? ", "!!set ", '"'),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          pieces.map((p) => p.join("")),
        ),
        (source) => {
          expect(typeof problems(source)).toBe("string");
        },
      ),
      { numRuns: 100 },
    );
  });

  test("whatever is set, the answer is a recipe or our error", () => {
    const paths = [
      "seed",
      "loss",
      "stages.search",
      "stages.search.method.name",
      "evaluation[1]",
      "evaluation",
      "threat.eps",
      "x.y",
    ];
    fc.assert(
      fc.property(fc.constantFrom(...paths), fc.oneof(fc.string(), fc.json()), (path, value) => {
        expect(typeof problems(text, [`${path}=${value}`])).toBe("string");
      }),
      { numRuns: 100 },
    );
  });
});

describe("--set", () => {
  test("replaces, adds and reaches into lists; later ones win", () => {
    const recipe = parse(text, [
      "seed=1",
      "seed=2",
      "precision=auto",
      "evaluation[1].steps=50",
      "stages.search.optimizer.lr=0.2",
      "loss={name: pgd-at, attack: {name: fgsm}}",
    ]);
    expect(recipe.seed).toBe(2);
    expect(recipe.precision).toBe("auto");
    expect(recipe.evaluation[1]).toEqual({ name: "pgd", steps: 50, examples: 100 });
    expect(recipe.stages.search?.optimizer).toMatchObject({ lr: 0.2, momentum: 0.5 });
    expect(recipe.stages.pretrain?.loss).toEqual({ name: "pgd-at", attack: { name: "fgsm" } });
    expect(parse(text, ["threat.eps=0.0310"]).threat.eps).toBe("0.0310");
  });

  test.each([
    [["nonsense"], '--set: expected path=value, e.g. seed=2, got "nonsense"'],
    [["=1"], '--set: expected path=value, e.g. seed=2, got "=1"'],
    [["a..b=1"], '--set: expected path=value, e.g. seed=2, got "a..b=1"'],
    [["evaluation[2].steps=1"], '--set: expected an item that the list has, got "evaluation[2]"'],
    [
      ["stages.serach.epochs=1"],
      '--set stages.serach.epochs=1: expected a known option of stages (pretrain, search, finetune; nearest: search), got "serach"',
    ],
    [["seed=[1"], "--set seed=[1: expected YAML, got a syntax error"],
    [["model.width=wide"], '--set model.width=wide: expected model.width to be a whole number, got "wide"'],
  ])("%j", (set, message) => {
    expect(problems(text, set)).toContain(message);
  });
});

const experiment = `${text}
variants:
  hydra: { stages: { search: { gradient: null } } }
  hydra-s2ap: {}
  magnitude: { stages: { search: { epochs: 0, gradient: null, method: { name: magnitude, keepRatio: 0.1 } } } }
profiles:
  tiny:
    data: { name: synthetic }
    stages: { pretrain: { epochs: 1 }, search: { epochs: 2 }, finetune: null }
    evaluation: [{ name: fgsm }]
`;

describe("variants", () => {
  test("are whole recipes that share the pretrain stage", () => {
    const { variants = {}, ...dense } = parse(experiment);
    expect(Object.keys(dense.stages)).toEqual(["pretrain"]);
    expect(Object.keys(variants)).toEqual(["hydra", "hydra-s2ap", "magnitude"]);
    expect(variants.hydra?.stages.search?.gradient).toEqual({ name: "plain" });
    expect(variants["hydra-s2ap"]).toEqual(parse(text));
    expect(variants.magnitude?.stages.search).toMatchObject({ epochs: 0, method: { name: "magnitude" } });
    for (const variant of Object.values(variants)) expect(variant.stages.pretrain).toEqual(dense.stages.pretrain);
  });

  test("shown and read again, they are the same", () => {
    const recipe = parse(experiment);
    expect(parse(showRecipe(recipe))).toEqual(recipe);
    const tiny = parse(experiment, [], "tiny");
    expect(parse(showRecipe(tiny))).toEqual(tiny);
  });

  test.each([
    [
      "a change to what is shared",
      "hydra-s2ap: { seed: 8 }",
      "r.yaml:24:23: expected variants.hydra-s2ap.seed to be 7, as the variants share the pretrained network, got 8",
    ],
    [
      "a change to the shared stage",
      "hydra-s2ap: { loss: { beta: 1 } }",
      "r.yaml:24:31: expected variants.hydra-s2ap.loss.beta to be 6, as the variants share the pretrained network, got 1",
    ],
    [
      "a wrong option",
      "hydra-s2ap: { stages: { search: { method: { keepRatio: 2 } } } }",
      "r.yaml:24:58: expected variants.hydra-s2ap.stages.search.method.keepRatio in (0, 1], got 2",
    ],
    ["a name that is no folder", '"../x": {}', "r.yaml:24:3: expected a variant's name to be letters"],
    ["the name of the shared run", "dense: {}", 'and not "dense", got "dense"'],
    ["no map", "hydra-s2ap: 1", "r.yaml:24:15: expected variants.hydra-s2ap to be a map of options, got 1"],
  ])("%s is an error", (_name, variant, message) => {
    expect(problems(experiment.replace("hydra-s2ap: {}", variant))).toContain(message);
  });

  test("an error in the common part is told once", () => {
    expect(problems(experiment.replace("keepRatio: 0.1 }\n    gradient", "keepRatio: 2 }\n    gradient"))).toBe(
      "r.yaml:13:39: expected stages.search.method.keepRatio in (0, 1], got 2",
    );
  });
});

describe("profiles", () => {
  test("are laid over the recipe before --set", () => {
    const recipe = parse(experiment, ["stages.pretrain.epochs=9"], "tiny");
    expect(recipe.data).toEqual({ name: "synthetic", batchSize: 128 });
    expect(recipe.stages.pretrain?.epochs).toBe(9);
    expect(recipe.variants?.hydra?.stages.search?.epochs).toBe(2);
    expect(recipe.variants?.hydra?.stages.finetune).toBeUndefined();
    expect(recipe.evaluation).toEqual([{ name: "fgsm" }]);
  });

  test("an unknown one is an error that lists them", () => {
    expect(problems(experiment, [], "tinny")).toBe(
      'recipe: expected a known profile (tiny; nearest: tiny), got "tinny"',
    );
    expect(problems(text, [], "tiny")).toBe('recipe: expected a known profile (there are none), got "tiny"');
  });
});
