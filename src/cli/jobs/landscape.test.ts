import { expect, test } from "vitest";
import { job, type LandscapeJobOptions } from "./landscape.js";

test("a plane needs two directions, before anything is read", async () => {
  const options: LandscapeJobOptions = {
    ...{ run: "nowhere", epoch: "end", x: "eigen1", y: "eigen1", split: "selection", images: 8 },
    ...{ loss: "robust", dtype: "float32", seed: 0, lanczosSteps: 2 },
  };
  await expect(job(options, undefined as never)).rejects.toThrow(
    /expected two directions for --x and --y .*got "?eigen1/,
  );
  await expect(job({ ...options, x: "random", y: "random" }, undefined as never)).rejects.toThrow(/nowhere/);
});
