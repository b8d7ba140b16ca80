import { readdirSync } from "node:fs";
import { join } from "node:path";
import { notGot, type OnProgress, runClient, withTemporary } from "./fetch.js";

export interface DebOptions {
  /** A folder on the disk where the package may lie for a while. */
  readonly folder: string;
  readonly onProgress?: OnProgress | undefined;
  /** The clients to run. Default `apt-get` and `dpkg-deb`. */
  readonly aptGet?: string | undefined;
  readonly dpkgDeb?: string | undefined;
}

/**
 * Gets a package of Debian or Ubuntu with apt's own client, which checks the distribution's signature, unpacks it without installing it
 * (so nobody need be root), hands the folder to `use`, and removes it. DataError when it cannot be had.
 */
export function withDebContents<T>(name: string, options: DebOptions, use: (folder: string) => Promise<T>): Promise<T> {
  const { folder, onProgress, aptGet, dpkgDeb } = options;
  return withTemporary(folder, async (temporary) => {
    const common = { cwd: temporary, onProgress };
    await runClient("apt-get", name, { ...common, command: aptGet, args: ["download", "-q", name] });
    const file = readdirSync(temporary).find((found) => found.endsWith(".deb"));
    if (file === undefined) throw notGot("apt-get", name, "no package");
    const contents = join(temporary, "contents");
    await runClient("dpkg-deb", name, { ...common, command: dpkgDeb, args: ["--extract", file, contents] });
    return use(contents);
  });
}
