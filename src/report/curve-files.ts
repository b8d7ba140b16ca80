// A picture of security curves as files.
import { join } from "node:path";
import sharp from "sharp";
import { makeFolder, writeFileAtomic } from "../util/index.js";
import { type CurveChartOptions, type NamedCurve, securityCurveChart } from "./security-curve.js";

/** Dots an inch of the PNG: three for each unit of the SVG, enough for print in a column. */
const DENSITY = 216;

/** Writes `curve.svg` and `curve.png` into a folder; the same curves give the same bytes. */
export async function writeCurves(
  folder: string,
  curves: readonly NamedCurve[],
  options: CurveChartOptions = {},
): Promise<{ readonly svg: string; readonly png: string }> {
  const [svg, png] = [join(folder, "curve.svg"), join(folder, "curve.png")];
  const drawn = securityCurveChart("curve", curves, options);
  const pixels = await sharp(Buffer.from(drawn), { density: DENSITY }).flatten({ background: "#ffffff" }).png();
  makeFolder(folder);
  writeFileAtomic(svg, drawn);
  writeFileAtomic(png, await pixels.toBuffer());
  return { svg, png };
}
