// Pretrain, search a mask with HYDRA and S2AP, finetune, attack: the whole API on generated images, in seconds.
import { evaluate, finetune, linf, openRun, pgd, pgdAt, pretrain, resnet18, search, sgd, synthetic } from "s2ap";
import { oneCycle } from "s2ap/optim";
import { hydra, measureSparsity } from "s2ap/pruning";
import { s2ap } from "s2ap/sharpness";

const images = { batchSize: 16, augment: false, examples: 256, selection: 32, testExamples: 128, size: 16 };
const { train, selection, test } = synthetic(images); // or: await cifar10({ selection: 1000 })
const threat = linf({ eps: "8/255" });
const loss = pgdAt(pgd(threat, { steps: 2, stepSize: "6/255" })); // or: trades(pgd(threat), { beta: 6 })
const optimizer = sgd({ lr: 0.1, momentum: 0.9, weightDecay: 5e-4, schedule: oneCycle() });
const run = openRun("runs/example", { seed: 1234 }); // stopped or killed, it goes on from here the next time
const common = { train, selection, loss, optimizer, run };

const model = resnet18({ numClasses: 10, width: 8, imageSize: 16 });
const dense = await pretrain(model, { ...common, epochs: 3 });
const searched = await search(dense, {
  ...common,
  epochs: 3,
  method: hydra({ keepRatio: 0.1 }), // keep 10 %, that is 90 % sparsity
  gradient: s2ap({ gamma: 0.01 }), // with plain() it is HYDRA by itself
});
const pruned = await finetune(searched.model, { ...common, masks: searched.masks, epochs: 1 });
run.update({ status: "done" });
run.close();

const swapped = searched.history.at(-1)?.swapFraction ?? 0;
console.log(`search: S2AP's perturbation swaps ${(100 * swapped).toFixed(1)} % of the kept weights`);
for (const [name, network] of Object.entries({ dense, pruned })) {
  const { cleanAccuracy, robustAccuracy } = evaluate(network, test, pgd(threat, { steps: 10 }));
  const sparsity = measureSparsity(network.params, network.prunable).total;
  const shown = Object.entries({ sparsity, clean: cleanAccuracy, robust: robustAccuracy });
  console.log(`${name}: ${shown.map(([what, share]) => `${what} ${(100 * share).toFixed(1)} %`).join(", ")}`);
}
