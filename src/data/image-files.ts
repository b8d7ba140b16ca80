// The files of an image folder: `part/CLASS/any/depth/NAME.jpg`, also .jpeg and .png in any case. Links are followed; hidden files and
// folders (a name with a dot in front) are passed over. Names are sorted by the bytes of their UTF-8, so that no locale has a say.
import { type Dirent, readdirSync, realpathSync, statSync } from "node:fs";
import { join } from "node:path";
import { DataError, diskError, expected, sha256 } from "../util/index.js";

const IMAGE = /\.(jpe?g|png)$/i;

/** An image file of a part. */
export interface FoundImage {
  /** From the folder that holds the parts, with `/`. */
  readonly name: string;
  readonly path: string;
  /** Position of its folder among the classes. */
  readonly label: number;
  /** In bytes; -1 where a link leads nowhere. */
  readonly bytes: number;
}

/** What lies in `train`, `val` or `test`. */
export interface FoundPart {
  /** Names of its folders, sorted. */
  readonly classes: readonly string[];
  /** By class, then by name. */
  readonly images: readonly FoundImage[];
  /** Files that are no images by their names, or lie in no class. */
  readonly others: number;
}

const byBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));

function entries(folder: string): Dirent[] {
  try {
    const found = readdirSync(folder, { withFileTypes: true });
    return found.filter(({ name }) => !name.startsWith(".")).sort((a, b) => byBytes(a.name, b.name));
  } catch (error) {
    throw diskError(folder, error, "read");
  }
}

/** Links count as what they lead to. */
function kindOf(path: string, entry: Dirent): { readonly isFolder: boolean; readonly bytes: number } {
  if (entry.isDirectory()) return { isFolder: true, bytes: 0 };
  const found = statSync(path, { throwIfNoEntry: false });
  return { isFolder: found?.isDirectory() === true, bytes: found?.size ?? -1 };
}

interface Found {
  readonly name: string;
  readonly path: string;
  readonly bytes: number;
}

/** All files below a folder; `above` are the real paths that lead here, which a link must not lead back to. */
function filesBelow(folder: string, name: string, above: readonly string[] = []): Found[] {
  const real = realpathSync(folder);
  if (above.includes(real)) {
    throw new DataError(`${expected(folder, "no link to a folder that holds it", real)}; remove the link`, {
      code: "data/image-folder",
    });
  }
  return entries(folder).flatMap((entry) => {
    const path = join(folder, entry.name);
    const inside = `${name}/${entry.name}`;
    const { isFolder, bytes } = kindOf(path, entry);
    return isFolder ? filesBelow(path, inside, [...above, real]) : [{ name: inside, path, bytes }];
  });
}

/** Classes and images of one part; DataError for a part without classes and a class without images. */
export function findImages(root: string, part: string): FoundPart {
  const folder = join(root, part);
  const inside = entries(folder).map((entry) => ({ entry, ...kindOf(join(folder, entry.name), entry) }));
  const classes = inside.filter(({ isFolder }) => isFolder).map(({ entry }) => entry.name);
  if (classes.length === 0) {
    throw new DataError(expected(folder, "a folder for each class, with images in it", "no folders"), {
      code: "data/image-folder",
    });
  }
  let others = inside.length - classes.length;
  const images = classes.flatMap((name, label) => {
    const files = filesBelow(join(folder, name), `${part}/${name}`);
    const found = files.filter((file) => IMAGE.test(file.name));
    others += files.length - found.length;
    if (found.length > 0) return found.map((file) => ({ ...file, label }));
    const what = "at least one .jpg, .jpeg or .png file";
    throw new DataError(`${expected(join(folder, name), what, "none")}; fill the folder, or remove it`, {
      code: "data/image-folder",
    });
  });
  return { classes, images, others };
}

/** A hash of what is there without reading it: names from the folder on and sizes, in order. */
export function hashOfNames(parts: readonly FoundPart[]): string {
  const lines = parts.flatMap(({ images }) => images.map(({ name, bytes }) => `${name}\0${bytes}\n`));
  return sha256(Buffer.from(lines.join("")));
}
