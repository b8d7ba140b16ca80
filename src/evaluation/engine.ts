// A list of attacks on a network, each on the images that those before it left standing. The unit of work is a block of
// 128 consecutive images and one run of one attack; all blocks of a run come before the next run. Random numbers are keyed
// by (seed, attack, run, image), so results depend neither on the batch nor on which process does a block.
import { projector, rankedClasses, type Victim } from "../attacks/index.js";
import type { Split } from "../data/index.js";
import { bindNetwork, type Model } from "../models/index.js";
import { countPasses } from "../nn/index.js";
import { keep, noGrad, ops, scope, type Tensor } from "../torch/index.js";
import { DataError, type Rng, rng, wilson } from "../util/index.js";
import { assemble, missingUnits, soFar } from "./assemble.js";
import { type BlockImages, blockImages } from "./block-images.js";
import { checkWeights, firstChecks } from "./checks.js";
import { saveCleanImages } from "./clean-images.js";
import { type Confirmed, confirm, rowsOf } from "./confirm.js";
import { type Description, describe, modelDtype } from "./description.js";
import { mergeRecord } from "./finish.js";
import { addSpent, type Journal, memoryJournal } from "./journal.js";
import { Ledger } from "./ledger.js";
import { type Line, type UnitLine, WARM_START } from "./lines.js";
import {
  ALL,
  type AttackListOptions,
  checkOptions,
  checkWarmStart,
  type ListProgress,
  type WarmStart,
} from "./list.js";
import { type Pace, paceOf } from "./pace.js";
import { openRecord, withRecordedRuns } from "./record.js";
import type { Robustness } from "./robustness.js";
import { type Bench, cleanLogits, type PlannedRun, plannedRuns, runUnit, unitImages } from "./unit.js";
import { answer, parseUntil, type Question } from "./until.js";
import { Workload } from "./work.js";

/** Runs the evaluation; after each unit of work it yields what is known, and at the end it returns the result. */
export function* evaluation(
  model: Model,
  split: Split,
  options: AttackListOptions,
): Generator<ListProgress, Robustness> {
  checkOptions(options);
  const question = options.until === undefined ? undefined : parseUntil(options.until);
  checkWeights(model);
  const dtype = modelDtype(model);
  const { examples, indices, record, shard = ALL } = options;
  const images = blockImages(split, { examples, indices, dtype, classes: model.numClasses });
  if (options.warmStart) checkWarmStart(options.warmStart, model, split);
  const described = describe(model, split, images, options);
  const description = record ? withRecordedRuns(described, record.folder) : described;
  const warn = options.onWarning ?? (() => undefined);
  const journal = record
    ? openRecord(record.folder, description, { ...record, shard: shard.index, warn })
    : memoryJournal();
  const session = new Session(model, images, options, description, journal, question);
  const known = (verdict?: Robustness["verdict"]) =>
    assemble(description, images.indices, session.ledger, journal.lines, verdict);
  try {
    yield* session.run();
    const verdict = session.verdict();
    const whole = missingUnits(description, session.ledger, () => true) === 0;
    if (record && (whole || (verdict && shard.of === 1))) {
      const result = mergeRecord(record.folder, { verdict });
      saveCleanImages(record.folder, split.dataset, result.images);
      return result;
    }
    return known(verdict);
  } catch (error) {
    if (journal.lines.some(({ kind }) => kind === "clean")) options.onInterrupted?.(soFar(known(), journal.lines));
    throw error;
  } finally {
    session.dispose();
    journal.close();
  }
}

class Session {
  readonly ledger: Ledger;
  readonly #model: Model;
  readonly #images: BlockImages;
  readonly #options: AttackListOptions;
  readonly #description: Description;
  readonly #journal: Journal;
  readonly #question: Question | undefined;
  readonly #pace: Pace | undefined;
  readonly #bench: Omit<Bench, "meter">;
  readonly #batchSize: number;
  readonly #blocks: readonly number[];
  /** Classes by rank of each block's clean logits [B,K], where searches have targets. */
  readonly #ranked = new Map<number, Tensor>();
  #at = { attack: "clean", run: "" };
  readonly #total: number;
  readonly #runs: readonly PlannedRun[];
  readonly #work: Workload;
  #told = performance.now();

  constructor(
    model: Model,
    images: BlockImages,
    options: AttackListOptions,
    description: Description,
    journal: Journal,
    question: Question | undefined,
  ) {
    const { shard = ALL, threat, shouldStop, pace = true } = options;
    this.#pace = pace ? paceOf(model) : undefined;
    const paced = (victim: Victim) => this.#pace?.paced(victim) ?? victim;
    const judge = paced(bindNetwork(model, model, { passes: countPasses() }).victim);
    this.#model = model;
    this.#images = images;
    this.#options = options;
    this.#description = description;
    this.#journal = journal;
    this.#question = question;
    this.#batchSize = description.batchSize;
    this.#blocks = Array.from({ length: images.blocks }, (_, b) => b).filter((b) => b % shard.of === shard.index);
    this.#bench = {
      threat,
      judge,
      classes: model.numClasses,
      victim: options.victim ? paced(options.victim) : judge,
      leave: description.leave,
      journal,
      poll: shouldStop,
      onShare: (share) => this.#tellShare(share),
    };
    this.#runs = options.attacks.flatMap((attack, i) => plannedRuns(attack, description.attacks[i]?.runs ?? []));
    const { leave, individual } = description;
    const { range } = images;
    this.#work = new Workload({
      runs: this.#runs,
      classes: model.numClasses,
      blocks: this.#blocks,
      range,
      leave,
      individual,
    });
    this.ledger = new Ledger(images.count);
    for (const line of journal.lines) this.#note(line);
    const empty = new Ledger(images.count);
    this.#total = missingUnits(description, empty, (block) => this.#blocks.includes(block));
  }

  *run(): Generator<ListProgress, void> {
    for (const block of this.#blocks) {
      this.#cleanPass(block);
      yield this.#progress();
    }
    this.#firstChecks();
    if (this.#isDecided()) return;
    if (this.#options.warmStart) yield* this.#warmStart();
    for (const run of this.#runs) {
      this.#at = { attack: run.attack.name, run: run.name };
      for (const block of this.#blocks) {
        if (this.#isDecided()) return;
        if (this.ledger.isFinished(run.attack.name, run.name, block)) continue;
        this.#block(run, block);
        yield this.#progress();
      }
    }
  }

  /** Passes of searching and deciding network so far. */
  #passes(): [forward: number, backward: number] {
    const { judge, victim } = this.#bench;
    const counts = [...new Set([judge.passes, victim.passes])];
    const sum = (name: "forward" | "backward") => counts.reduce((total, passes) => total + passes[name], 0);
    return [sum("forward"), sum("backward")];
  }

  /** A meter of what is done from now on. */
  #meter(): () => { passes: [number, number]; seconds: number } {
    const [[forward, backward], started] = [this.#passes(), performance.now()];
    return () => {
      const now = this.#passes();
      return { passes: [now[0] - forward, now[1] - backward], seconds: (performance.now() - started) / 1000 };
    };
  }

  #measure<T>(work: () => T): { readonly value: T; readonly passes: [number, number]; readonly seconds: number } {
    const meter = this.#meter();
    return { value: work(), ...meter() };
  }

  #note(line: Line): void {
    this.ledger.apply(line);
    this.#work.apply(line);
  }

  #write(line: Line): void {
    this.#journal.append(line);
    this.#note(line);
  }

  #cleanPass(block: number): void {
    if (this.ledger.hasClean(block)) return;
    this.#bench.poll?.();
    const { judge } = this.#bench;
    scope(() => {
      const batch = this.#images.load(block);
      const { value: logits, passes, seconds } = this.#measure(() => cleanLogits(judge, batch, this.#batchSize));
      if (!ops.all(ops.isfinite(logits)).item()) {
        throw new DataError("evaluation: expected finite logits, got NaN or infinity; check the weights", {
          code: "data/not-finite",
        });
      }
      if (this.#runs.some((run) => run.search?.rank !== undefined)) this.#rank(block, logits);
      const predictions = ops.argmax(logits, { dim: 1 }).toNumbers();
      this.#write({ kind: "clean", block, labels: batch.y.toNumbers(), predictions, passes, seconds });
    });
  }

  #rank(block: number, logits: Tensor): Tensor {
    const ranked = keep(rankedClasses(logits), { forever: true });
    this.#ranked.set(block, ranked);
    return ranked;
  }

  /** From the clean pass. Where an earlier process made it, it is made again, but counted once: a resumed result is the same. */
  #rankedOf(block: number): Tensor {
    const known = this.#ranked.get(block);
    if (known !== undefined) return known;
    const { judge } = this.#bench;
    const counted = { ...judge.passes };
    const ranked = scope(() => this.#rank(block, cleanLogits(judge, this.#images.load(block), this.#batchSize)));
    Object.assign(judge.passes, counted);
    return ranked;
  }

  /** Made once for a record, by the process that has the first block. */
  #firstChecks(): void {
    if (!this.#blocks.includes(0) || this.#journal.lines.some(({ kind }) => kind === "checks")) return;
    const { threat, judge, poll } = this.#bench;
    const { attacks, sparsity, checks: passes = true, onCheck } = this.#options;
    scope(() => {
      const { x, y, size } = this.#images.load(0);
      const correct = Array.from({ length: size }, (_, i) => i).filter((i) => this.ledger.isCorrect(i));
      const at = { model: this.#model, attacks, sparsity, passes };
      const made = this.#measure(() => firstChecks({ judge, threat, x, y, correct, poll }, at));
      for (const check of made.value) onCheck?.(check);
      this.#write({ kind: "checks", checks: made.value, passes: made.passes });
    });
  }

  *#warmStart(): Generator<ListProgress, void> {
    this.#at = { attack: WARM_START, run: "" };
    for (const block of this.#blocks) {
      if (this.ledger.isFinished(WARM_START, "", block)) continue;
      this.#bench.poll?.();
      scope(() => this.#tryPoints(block));
      yield this.#progress();
    }
  }

  /** Tries the given points, moved into this threat's ball, on the block's images that have one. */
  #tryPoints(block: number): void {
    const { points, indices } = this.#options.warmStart as WarmStart;
    const { threat, judge } = this.#bench;
    const rowOf = new Map(Array.from(indices, (index, row) => [index, row]));
    const [first, end] = this.#images.range(block);
    const standing = this.ledger.standing([first, end], WARM_START, "", false);
    const tried = standing.filter((at) => rowOf.has(this.#images.indices[at] as number));
    const { value, passes, seconds } = this.#measure((): Confirmed => {
      if (tried.length === 0) return { rows: [], classes: [], norms: [], points: undefined };
      return noGrad(() =>
        scope(() => {
          const batch = this.#images.load(block);
          const rows = tried.map((at) => at - first);
          const [x, y] = [rowsOf(batch.x, rows), rowsOf(batch.y, rows)];
          const given = rowsOf(
            points,
            tried.map((at) => rowOf.get(this.#images.indices[at] as number) as number),
          );
          return confirm(judge, threat, x, y, projector(threat, x)(ops.to(given, x.dtype)));
        }),
      );
    });
    this.#writeUnit(
      { attack: WARM_START, run: "", block, part: 0, last: true, zeroGradient: [], passes, seconds },
      { confirmed: value, steps: value.rows.map(() => null), positions: tried },
    );
  }

  #writeUnit(
    line: Omit<UnitLine, "kind" | "points" | "broken" | "tried">,
    found: {
      readonly confirmed: Confirmed;
      readonly steps: readonly (number | null)[];
      readonly positions: readonly number[];
    },
  ): void {
    const { confirmed, steps, positions } = found;
    const broken = confirmed.rows.map((row, i) => ({
      at: positions[row] as number,
      step: steps[i] ?? null,
      norm: confirmed.norms[i] as number,
      class: confirmed.classes[i] as number,
    }));
    const whole = { kind: "unit" as const, ...line, tried: positions.length, broken };
    this.#note(this.#journal.appendUnit(whole, confirmed.points));
  }

  /** One run on one block, batch by batch. */
  #block(run: PlannedRun, block: number): void {
    const { individual, seed } = this.#description;
    const name = run.attack.name;
    const standing = this.ledger.standing(this.#images.range(block), name, run.name, individual);
    const parts = Math.max(1, Math.ceil(standing.length / this.#batchSize));
    for (let part = 0; part < parts; part++) {
      if (this.ledger.hasPart(name, run.name, block, part)) continue;
      const positions = standing.slice(part * this.#batchSize, (part + 1) * this.#batchSize);
      const place = { attack: name, run: run.name, block, part };
      this.#part(run, positions, rng(seed, "evaluation", name), { ...place, last: part === parts - 1 });
    }
  }

  #part(
    run: PlannedRun,
    positions: readonly number[],
    key: Rng,
    at: Pick<UnitLine, "attack" | "run" | "block" | "part" | "last">,
  ): void {
    const [first] = this.#images.range(at.block);
    const { last: _, ...place } = at;
    this.#work.begin(run, positions.length);
    scope(() => {
      const meter = this.#meter();
      const found = () => {
        const rank = run.search?.rank;
        const target = { rank, ranked: rank === undefined ? undefined : this.#rankedOf(at.block) };
        const batch = this.#images.load(at.block);
        const images = unitImages(batch, first, positions, this.#images.indices, target);
        return images && runUnit({ ...this.#bench, meter }, run, images, key, place);
      };
      const value = positions.length === 0 ? undefined : found();
      const nothing = {
        confirmed: { rows: [], classes: [], norms: [], points: undefined },
        steps: [],
        zeroGradient: [],
        outside: [],
      };
      const { confirmed, steps, zeroGradient, outside } = value ?? nothing;
      const spent = value === undefined ? meter() : addSpent(value.before, meter());
      const marked = { zeroGradient: [...zeroGradient], ...(outside.length > 0 && { outside: [...outside] }) };
      const line = { ...at, ...marked, ...spent };
      this.#writeUnit(line, { confirmed, steps, positions: value === undefined ? [] : positions });
    });
  }

  get #bound(): number {
    return this.ledger.unbroken / this.#images.count;
  }

  #isDecided(): boolean {
    return this.#question !== undefined && answer(this.#question, this.#bound, false) !== undefined;
  }

  verdict(): Robustness["verdict"] {
    if (this.#question === undefined) return undefined;
    const bound = this.#bound;
    const ended = missingUnits(this.#description, this.ledger, () => true) === 0;
    const known = answer(this.#question, bound, ended);
    if (known === undefined) return undefined;
    return { question: this.#question.text, answer: known, bound, ...(!ended && { early: true as const }) };
  }

  /** A long search tells where it is, once a second. */
  #tellShare(share: number): void {
    if (performance.now() - this.#told >= 1000) this.#progress(share);
  }

  #progress(within = 0): ListProgress {
    this.#told = performance.now();
    const { ledger } = this;
    const standing = ledger.unbroken;
    const missing = missingUnits(this.#description, ledger, (block) => this.#blocks.includes(block));
    const ownBroken = this.#blocks.reduce((sum, block) => {
      const [first, end] = this.#images.range(block);
      return sum + end - first - ledger.unbrokenIn([first, end]);
    }, 0);
    const progress = {
      ...this.#at,
      done: this.#total - missing,
      of: this.#total,
      work: this.#work.now(ledger, within),
      standing,
      examples: this.#images.count,
      ownBroken,
      bound: this.#bound,
      interval: wilson(standing, this.#images.count),
      seconds: ledger.seconds,
    };
    this.#options.onProgress?.(progress);
    return progress;
  }

  dispose(): void {
    this.#pace?.restore();
    for (const ranked of this.#ranked.values()) ranked.dispose();
  }
}
