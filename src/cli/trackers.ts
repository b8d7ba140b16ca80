import { join } from "node:path";
import { mlflow, type OpenSink, tensorboard } from "../tracking/index.js";
import { expected, UsageError, unknownName } from "../util/index.js";

const NAMES = ["tensorboard", "mlflow"] as const;

/** What `--log` says in the help of every command that has it. */
export const LOG_OPTION = [
  "--log <tracker>",
  "also to tensorboard (in each run folder), mlflow (MLFLOW_TRACKING_URI) or mlflow=ADDRESS; may be repeated",
] as const;

type Environment = Readonly<Record<string, string | undefined>>;

/** As MLflow's own clients take them. */
function authorizationOf(env: Environment): string | undefined {
  if (env.MLFLOW_TRACKING_TOKEN) return `Bearer ${env.MLFLOW_TRACKING_TOKEN}`;
  const { MLFLOW_TRACKING_USERNAME: user, MLFLOW_TRACKING_PASSWORD: password = "" } = env;
  return user ? `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}` : undefined;
}

/** Opens runs on an MLflow server; `later` says what becomes of numbers that do not arrive. */
export function toMlflow(address: string, env: Environment = process.env, later?: string): OpenSink {
  const options = { authorization: authorizationOf(env), experiment: env.MLFLOW_EXPERIMENT_NAME || undefined, later };
  const open: OpenSink = (source, warn) => mlflow(address, source, { ...options, warn });
  return open;
}

/** The trackers that `--log` names. UsageError for an unknown one, or an MLflow without an address. */
export function trackersOf(names: readonly string[], env: Environment = process.env): OpenSink[] {
  return names.map((text): OpenSink => {
    const [name = "", ...rest] = text.split("=");
    if (name === "tensorboard" && rest.length === 0) return ({ folder }) => tensorboard(join(folder, "tensorboard"));
    if (name !== "mlflow") throw unknownName("--log", "tracker", text, NAMES);
    const address = rest.join("=") || env.MLFLOW_TRACKING_URI || "";
    if (/^https?:\/\//.test(address)) return toMlflow(address, env);
    const what = "the address of an MLflow server, as mlflow=http://127.0.0.1:5000 or in MLFLOW_TRACKING_URI";
    throw new UsageError(expected("--log", what, address === "" ? undefined : address), { code: "usage/mlflow" });
  });
}
