import { wilson } from "../util/index.js";
import { leftTheBall, squareTooGood, zeroGradients } from "./checks.js";
import type { Description } from "./description.js";
import type { Break, Ledger } from "./ledger.js";
import { type Line, type UnitLine, WARM_START } from "./lines.js";
import { BLOCK } from "./list.js";
import type { AttackOutcome, Check, ImageRecord, Robustness } from "./robustness.js";

type Passes = Robustness["passes"];

/** The images whose clean pass is known, and what broke each in the order of the list. */
interface Known {
  readonly positions: readonly number[];
  readonly correct: number;
  /** Names in order, the warm start first. */
  readonly names: readonly string[];
}

function addPasses(lines: readonly { readonly passes: readonly number[] }[]): Passes {
  const total = (at: 0 | 1) => lines.reduce((sum, { passes }) => sum + (passes[at] ?? 0), 0);
  return { forward: total(0), backward: total(1) };
}

/** Images whose points lie outside ball or box, of the attacks that have any. */
function outsideOf(lines: readonly UnitLine[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { attack, outside = [] } of lines) {
    if (outside.length > 0) counts.set(attack, (counts.get(attack) ?? 0) + outside.length);
  }
  return counts;
}

/** The first of the list that broke an image. */
function firstBreak(ledger: Ledger, names: readonly string[], at: number): readonly [string, Break] | undefined {
  for (const name of names) {
    const found = ledger.broken.get(name)?.get(at);
    if (found !== undefined) return [name, found];
  }
  return undefined;
}

function imageRecord(ledger: Ledger, names: readonly string[], index: number, at: number): ImageRecord {
  const base = { index, label: ledger.labels[at] as number, clean: ledger.clean[at] as number };
  if (!ledger.isCorrect(at)) {
    return { ...base, adversarial: base.clean, brokenBy: "clean", run: "", step: null, norm: null };
  }
  const [name, found] = firstBreak(ledger, names, at) ?? [];
  if (name === undefined || found === undefined) {
    return { ...base, adversarial: null, brokenBy: null, run: "", step: null, norm: null };
  }
  return { ...base, adversarial: found.class, brokenBy: name, run: found.run, step: found.step, norm: found.norm };
}

/** Images that some run of an attack was tried on. */
function triedBy(lines: readonly UnitLine[]): number {
  const byRun = new Map<string, number>();
  for (const { run, tried } of lines) byRun.set(run, (byRun.get(run) ?? 0) + tried);
  return Math.max(0, ...byRun.values());
}

function outcomes(description: Description, ledger: Ledger, lines: readonly UnitLine[], known: Known): AttackOutcome[] {
  const examples = known.positions.length;
  const broken = new Set<number>();
  const options = new Map(description.attacks.map((each) => [each.name, each.options]));
  return known.names.map((attack) => {
    const mine = lines.filter((line) => line.attack === attack);
    const own = ledger.broken.get(attack) ?? new Map<number, Break>();
    const before = broken.size;
    for (const at of own.keys()) broken.add(at);
    const robust = known.correct - broken.size;
    return {
      attack,
      ...(options.has(attack) && { options: options.get(attack) }),
      ...(mine.length === 0 && { skipped: true as const }),
      tried: triedBy(mine),
      broken: description.individual ? own.size : broken.size - before,
      robustAccuracy: robust / examples,
      interval: wilson(robust, examples),
      ...(description.individual && { alone: (known.correct - own.size) / examples }),
      passes: addPasses(mine),
      seconds: mine.reduce((sum, { seconds }) => sum + seconds, 0),
    };
  });
}

/** Lines of parts that came twice (two processes on one block) count once. */
function onceEach(lines: readonly Line[]): Line[] {
  const seen = new Set<string>();
  return lines.filter((line) => {
    if (line.kind === "checks") return true;
    const key = JSON.stringify(line.kind === "clean" ? [line.block] : [line.attack, line.run, line.block, line.part]);
    return seen.size < seen.add(key).size;
  });
}

/** A result from a journal's lines; of the images whose clean pass is in it. */
export function assemble(
  description: Description,
  indices: Int32Array,
  ledger: Ledger,
  all: readonly Line[],
  verdict?: Robustness["verdict"],
): Robustness {
  const lines = onceEach(all);
  const positions = [...ledger.clean.keys()].filter((at) => ledger.clean[at] !== -1);
  const correct = positions.filter((at) => ledger.isCorrect(at)).length;
  const list = description.attacks.map(({ name }) => name);
  const names = description.warmStart === null ? list : [WARM_START, ...list];
  const units = lines.filter((line) => line.kind === "unit");
  const attacks = outcomes(description, ledger, units, { positions, correct, names });
  const examples = positions.length;
  const robust = correct - new Set(names.flatMap((name) => [...(ledger.broken.get(name)?.keys() ?? [])])).size;
  const raised = lines.flatMap((line) => (line.kind === "checks" ? line.checks : [])) as Check[];
  const found = [...zeroGradients(units, indices), ...leftTheBall(outsideOf(units))];
  const checks = [...raised, ...found, ...squareTooGood(description, attacks)];
  const warm = attacks.find(({ attack }) => attack === WARM_START);
  return {
    preset: description.preset,
    norm: description.norm,
    eps: description.eps,
    seed: description.seed,
    search: description.model.search,
    leave: description.leave,
    examples,
    cleanAccuracy: correct / examples,
    cleanInterval: wilson(correct, examples),
    robustAccuracy: robust / examples,
    interval: wilson(robust, examples),
    after: Object.fromEntries([["clean", correct / examples], ...attacks.map((a) => [a.attack, a.robustAccuracy])]),
    attacks,
    images: positions.map((at) => imageRecord(ledger, names, indices[at] as number, at)),
    checks,
    ...(warm && {
      warmStart: { source: description.warmStart?.source ?? "", tried: warm.tried, spared: warm.broken },
    }),
    ...(verdict && { verdict }),
    passes: addPasses(lines),
    seconds: ledger.seconds,
  };
}

/** A result without the attacks that have not begun: of them it would say that they break nothing. */
export function soFar(result: Robustness, lines: readonly Line[]): Robustness {
  const begun = new Set(lines.flatMap((line) => (line.kind === "unit" ? [line.attack] : [])));
  const after = Object.entries(result.after).filter(([name]) => name === "clean" || begun.has(name));
  return {
    ...result,
    attacks: result.attacks.filter(({ attack }) => begun.has(attack)),
    after: Object.fromEntries(after),
  };
}

/** Blocks, runs of attacks and the warm start that a journal must have to be complete: how many are missing. */
export function missingUnits(description: Description, ledger: Ledger, mine: (block: number) => boolean): number {
  const blocks = Array.from({ length: Math.ceil(description.data.examples / BLOCK) }, (_, b) => b).filter(mine);
  const units = description.attacks.flatMap(({ name, runs }) => runs.map((run) => [name, run] as const));
  if (description.warmStart !== null) units.push([WARM_START, ""]);
  return blocks.reduce((missing, block) => {
    const undone = units.filter(([name, run]) => !ledger.isFinished(name, run, block)).length;
    return missing + undone + (ledger.hasClean(block) ? 0 : 1);
  }, 0);
}
