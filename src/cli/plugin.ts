import { pathToFileURL } from "node:url";
import { z } from "zod";
import { registries } from "../recipe/registries.js";
import { expected, UsageError } from "../util/index.js";

/** What a plugin's default export is called with. */
export interface PluginContext {
  /** Everything that has a name; add to it with `register(name, { summary, options, create })`. */
  readonly registries: typeof registries;
  /** The library that option schemas are made with. */
  readonly z: typeof z;
}

export type Plugin = (context: PluginContext) => void | Promise<void>;

/** Runs the user's own modules: `--plugin` names them, since they are code. */
export async function loadPlugins(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    const plugin = await importPlugin(path);
    await plugin({ registries, z });
  }
}

async function importPlugin(path: string): Promise<Plugin> {
  let module: { readonly default?: unknown };
  try {
    module = (await import(pathToFileURL(path).href)) as typeof module;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new UsageError(`--plugin ${path}: expected a module, got an error: ${why}`, { code: "usage/plugin", cause });
  }
  if (typeof module.default === "function") return module.default as Plugin;
  const what = "a default export that is a function of { registries, z }";
  throw new UsageError(expected(`--plugin ${path}`, what, module.default), { code: "usage/plugin" });
}
