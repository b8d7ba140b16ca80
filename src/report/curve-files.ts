// A picture of security curves as files.
import { join } from "node:path";
import { makeFolder, writeFileAtomic } from "../util/index.js";
import { onWhite, svgToPng } from "./figure-files.js";
import { type CurveChartOptions, type NamedCurve, securityCurveChart } from "./security-curve.js";

/** Writes `curve.svg` and `curve.png` into a folder; the same curves give the same bytes. */
export async function writeCurves(
  folder: string,
  curves: readonly NamedCurve[],
  options: CurveChartOptions = {},
): Promise<{ readonly svg: string; readonly png: string }> {
  const [svg, png] = [join(folder, "curve.svg"), join(folder, "curve.png")];
  const drawn = onWhite(securityCurveChart("curve", curves, options));
  const pixels = await svgToPng(drawn);
  makeFolder(folder);
  writeFileAtomic(svg, drawn);
  writeFileAtomic(png, pixels);
  return { svg, png };
}
