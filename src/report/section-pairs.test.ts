import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { experimentFixture, removeFolders } from "../../test/support/experiment-fixture.js";
import { explainedFixture } from "../../test/support/explained-fixture.js";
import { cellText } from "./blocks.js";
import { collect } from "./collect.js";
import { pairsOf, pairsSection } from "./section-pairs.js";
import { summarySection } from "./section-summary.js";

afterAll(removeFolders);

/** One plain search and one with S2AP for each gamma, as a grid leaves them. */
function gammas(...values: readonly number[]): string {
  const folder = experimentFixture({ results: false });
  for (const gamma of values) {
    const own = join(folder, `hydra-${gamma}`);
    cpSync(join(folder, "hydra-s2ap"), own, { recursive: true });
    const run = JSON.parse(readFileSync(join(own, "run.json"), "utf8"));
    run.recipe.stages.search.gradient.gamma = gamma;
    writeFileSync(join(own, "run.json"), JSON.stringify(run));
  }
  return folder;
}

const names = (dirs: readonly string[]) =>
  pairsOf(collect(dirs)).map(({ plain, s2ap }) => [plain.row.name, s2ap.row.name]);

describe("pairs with and without S2AP", () => {
  test("are as many as there are runs with S2AP, though one plain run is all they have", () => {
    expect(names([gammas(0.003, 0.03)])).toEqual([
      ["hydra", "hydra-0.003"],
      ["hydra", "hydra-0.03"],
      ["hydra", "hydra-s2ap"],
    ]);
  });

  test("that nothing tells apart go together in their order", () => {
    expect(names([experimentFixture(), experimentFixture()])).toEqual([
      ["quickstart 1/hydra", "quickstart 1/hydra-s2ap"],
      ["quickstart 2/hydra", "quickstart 2/hydra-s2ap"],
    ]);
  });

  test("say what they differ in, and only then", () => {
    const data = collect([gammas(0.003, 0.03)]);
    const [block] = pairsSection(data).blocks;
    const table = block?.kind === "table" ? block.table : undefined;
    const at = table?.columns.findIndex(({ head }) => head === "gamma") ?? -1;
    expect(table?.rows.map((row) => cellText(row[at] ?? ""))).toEqual(["0.003", "0.03", "–"]);
    expect(JSON.stringify(summarySection(data))).toContain("without and with S2AP (gamma 0.03)");
    const one = collect([experimentFixture()]);
    expect(JSON.stringify([pairsSection(one), summarySection(one)])).not.toContain("gamma");
  });

  test("have one seed where others of another gamma have another one", () => {
    const folder = explainedFixture();
    for (const name of ["hydra", "hydra-s2ap"]) {
      const own = join(folder, `${name}-2`);
      cpSync(join(folder, name), own, { recursive: true });
      const run = JSON.parse(readFileSync(join(own, "run.json"), "utf8"));
      run.seed = run.recipe.seed = 2;
      writeFileSync(join(own, "run.json"), JSON.stringify(run));
    }
    rmSync(join(folder, "results.json"));
    const said = () => JSON.stringify(summarySection(collect([folder]))).match(/There is one seed/g)?.length ?? 0;
    expect(said()).toBe(0);
    const path = join(folder, "hydra-s2ap-2", "run.json");
    const run = JSON.parse(readFileSync(path, "utf8"));
    run.recipe.stages.search.gradient.gamma = 0.1;
    writeFileSync(path, JSON.stringify(run));
    expect(said()).toBe(2);
  });

  test("tell the worst rise beside the eigenvalue, also where it points the other way, and that one seed is one", () => {
    const folder = explainedFixture();
    const said = () => JSON.stringify(summarySection(collect([folder])));
    const values =
      "the largest eigenvalue is 22.5 as it was, 8.75 with S2AP; the worst rise of the loss in the ball is 2.35 as it was";
    expect(said()).toContain(`${values}, 0.975 with S2AP. There is one seed`);
    const path = join(folder, "hydra-s2ap", "sharpness.json");
    const record = JSON.parse(readFileSync(path, "utf8"));
    record.epochs[1].worst.total.rise = 6.89;
    writeFileSync(path, JSON.stringify(record));
    expect(said()).toContain(`${values}, 6.89 with S2AP, which points the other way.`);
  });
});
