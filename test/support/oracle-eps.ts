import type { OracleFolder } from "./oracles.js";

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;
const exact = (value: unknown) => (typeof value === "string" ? value : undefined);

/** `eps: { Linf: "4/255" }`, `Linf: { eps: "4/255" }` or `norm: "Linf", eps: "4/255"`, as the files write it. */
function epsIn(content: unknown, norm: string): string | undefined {
  if (!isRecord(content)) return undefined;
  if (isRecord(content.eps)) return exact(content.eps[norm]);
  const own = content[norm];
  return isRecord(own) ? exact(own.eps) : content.norm === norm ? exact(content.eps) : undefined;
}

/** The radius of a folder's attacks in a norm, as an exact expression, from the first of its files that says it. */
export function epsOf(folder: OracleFolder, norm: "Linf" | "L2" | "L1"): string {
  for (const file of folder.files) {
    const eps = file.endsWith(".json") ? epsIn(folder.json(file), norm) : undefined;
    if (eps !== undefined) return eps;
  }
  throw new Error(
    `${folder.path}: expected a JSON file with the eps of ${norm} as text, such as summary.json, got none`,
  );
}
