import { afterEach, expect, test } from "vitest";
import { bindNetwork, multiplications, resnet18 } from "../models/index.js";
import { ops, scope, setThreads, threads } from "../torch/index.js";
import { paceOf } from "./pace.js";

const before = threads();
afterEach(() => setThreads(before));

test("small passes run on one thread, large ones on all there are, and later work gets them back", () => {
  setThreads(2);
  const model = resnet18({ width: 8 });
  const pace = paceOf(model);
  const victim = pace.paced(bindNetwork(model, model).victim);
  const used = (images: number) =>
    scope(() => {
      victim.logits(ops.zeros([images, 3, 32, 32]));
      return threads();
    });
  const images = Math.ceil(1e9 / multiplications(model));
  expect([used(1), used(images), used(images - 1), used(2 * images)]).toEqual([1, 2, 1, 2]);
  used(1);
  pace.restore();
  expect(threads()).toBe(2);
});

test("with one thread there is nothing to choose", () => {
  setThreads(1);
  const model = resnet18({ width: 2 });
  const { victim } = bindNetwork(model, model);
  expect(paceOf(model).paced(victim)).toBe(victim);
});
