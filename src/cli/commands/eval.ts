import { InvalidArgumentError, Option } from "@commander-js/extra-typings";
import type { Divisible, EvalAnswer, EvalOptions } from "../jobs/eval-options.js";
import type { Report } from "../jobs.js";
import { showProgress } from "../progress.js";
import { SIGNAL_CODES, type StopSignal, watchSignals } from "../signals.js";
import { type Cli, collect, command, positive, printJson, whole } from "./context.js";
import { isTold } from "./eval-joined.js";
import { affordable, runShards } from "./eval-shards.js";
import { answerText } from "./eval-text.js";

const NORMS = ["linf", "l2", "l1"] as const;

/** `s2ap eval`: attacks a finished network. */
export function evalCommand(cli: Cli) {
  return options().action(
    async (model, { plugin = [], json, threads, shards, attack: attacks = [], shard, ...rest }) => {
      const asked: EvalOptions = { model, attacks, ...rest, ...(shard !== undefined && { shard: shardOf(shard) }) };
      const answer = await evalJob(cli, asked, { plugins: plugin, threads, shards, quiet: json === true });
      if (answer.kind === "verified" && !answer.holds) cli.exitCode = 3;
      if (json === true) printJson(cli.terminal, answer);
      else cli.terminal.out(answerText(answer));
    },
  );
}

/** What is evaluated, and by what. */
function options() {
  return command("eval", "Measure a network on the test set: clean accuracy, and accuracy under attacks.", [
    "s2ap eval runs/quickstart/hydra-s2ap",
    "s2ap eval runs/quickstart/dense --attack pgd --eps 8/255 --examples 1000 --json",
    "s2ap eval runs/quickstart/dense --preset aa-standard --examples 1000 --out evals/dense",
    "s2ap eval --weights w.safetensors --arch arch.json --images inputs.safetensors --preset aa-standard --eps 4/255",
    "s2ap eval runs/quickstart/dense --verify evals/dense",
    "s2ap eval --compare evals/dense evals/hydra",
    "s2ap eval --curves evals/dense evals/hydra --out evals/curves",
  ])
    .argument("[model]", "a run folder, or a safetensors file")
    .option("--weights <file>", "a safetensors file, in place of the argument")
    .option("--arch <file>", "description of the network in JSON, for safetensors that do not say what they are")
    .option("--data <name>", "data set, or YAML with its options; default the run's, else cifar10")
    .option(
      "--images <file>",
      "safetensors with `images` (uint8, or floats in [0,1]) and `labels`, in place of a data set",
    )
    .option("--examples <n>", "test images, from the front; default all", positive)
    .option("--preset <name>", "a list of attacks: quick, apgd, aa-standard, aa-plus, aa-rand, ap-benchmark, curve")
    .option(
      "--attack <name>",
      "an attack, or YAML with its options; repeated: each on what those before it left; default as in the run's recipe",
      collect,
    )
    .option("--steps <n>", "steps of each attack, queries of Square; default the attack's own", positive)
    .addOption(new Option("--norm <norm>", "of the radius; default the run's, else linf").choices(NORMS))
    .option("--eps <ratio>", "radius in pixel scale, e.g. 8/255; default the run's")
    .option("--sparsity <share>", "claimed share of zero weights, e.g. 0.9, to be checked; default the run's", share)
    .option("--seed <n>", "of the attacks' noise; default the run's, else 0", whole)
    .option("--out <folder>", "keep a record that can be resumed (by the same command), verified and compared")
    .option(
      "--shards <n>",
      "processes that share the images, by blocks of 128; changes no result; default one a processor",
      positive,
    )
    .addOption(new Option("--shard <i/n>", "one of these processes").hideHelp())
    .option("--until <question>", 'stop once it is answered, e.g. "robust < 0.40"')
    .option("--warm-start <record>", "try this record's adversarial examples first")
    .option("--individual", "each attack on all images, not only on what is left")
    .option("--faithful", "as the reference does it: nothing leaves early, the network as it is in float32")
    .addOption(
      new Option(
        "--precision <type>",
        "arithmetic that lists of attacks search in; default bfloat16 where the CPU has it. What counts is float32",
      )
        .choices(["float32", "bfloat16"] as const)
        .conflicts("faithful"),
    )
    .option("--verify <record>", "check every adversarial example of a record, in one pass")
    .option("--compare <records...>", "two records, image by image")
    .option(
      "--curves <records...>",
      "security curves of records with distances (presets curve, ap-benchmark) in one picture",
    )
    .option("--start <file:key>", "one run of one attack from these points: writes trace.safetensors to --out")
    .addOption(new Option("--dtype <type>", "arithmetic of such a run").choices(["float32", "float64"] as const))
    .addOption(new Option("--loss <loss>", "of such a run").choices(["ce", "dlr", "dlr-targeted"] as const))
    .option("--target-rank <r>", "its target: the class of this rank among the clean logits", positive)
    .option("--batch-size <n>", "images at a time; changes last bits at most; a record keeps its own", positive)
    .option("--threads <n>", "threads of libtorch, in all processes together; default one a processor", positive);
}

/** A share in [0, 1]. */
function share(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !(value >= 0 && value <= 1)) throw new InvalidArgumentError("Expected a share in [0, 1].");
  return value;
}

function shardOf(text: string): { index: number; of: number } {
  const [index, of] = text.split("/").map(Number);
  return { index: (index ?? Number.NaN) - 1, of: of ?? Number.NaN };
}

interface How {
  readonly plugins: readonly string[];
  readonly threads: number | undefined;
  readonly shards: number | undefined;
  readonly quiet: boolean;
}

/** One process of several: the one that started it shows what all of them do. */
function tellParent(told: Report): void {
  if (process.connected && isTold(told)) process.send?.(told, undefined, undefined, () => {});
}

async function evalJob(cli: Cli, options: EvalOptions, { quiet, shards, ...how }: How): Promise<EvalAnswer> {
  const progress = showProgress(cli.terminal);
  let stopShards = (_signal: StopSignal) => {};
  using stopper = watchSignals({
    onStop: (reason) => {
      progress.say("stopping; once more to leave at once");
      if (reason !== "time") stopShards(reason);
    },
    onLeave: progress.close,
  });
  try {
    // Results come all together at the end: on the way only the live line and warnings are of use.
    const show = quiet ? () => {} : (told: Report) => told.kind !== "event" && progress.update(told);
    const onReport = options.shard === undefined ? show : tellParent;
    const ask = (given: EvalOptions) => cli.work("eval", given, { ...how, flag: stopper.flag, onReport });
    const work = (given: EvalOptions) => ask(given) as Promise<EvalAnswer>;
    const split = (processes: number) =>
      runShards(options, {
        ...{ shards: processes, ...how, say: progress.say, show, work },
        onStart: (stop) => (stopShards = stop),
      });
    const undivided = async () => {
      const most = shards === undefined && options.shard === undefined ? affordable(how.threads) : 1;
      const answer = (await ask({ ...options, ...(most > 1 && { divisible: true }) })) as EvalAnswer | Divisible;
      return answer.kind === "divisible" ? split(Math.min(most, answer.blocks)) : answer;
    };
    const answer = await (shards === undefined || shards === 1 ? undivided() : split(shards));
    const { reason } = stopper;
    if (answer.kind === "evaluation" && answer.status === "stopped" && reason !== undefined && reason !== "time") {
      cli.exitCode = SIGNAL_CODES[reason];
    }
    return answer;
  } finally {
    progress.close();
  }
}
