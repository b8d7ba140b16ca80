import sharp from "sharp";

export const PICTURES = ["clean", "adversarial", "difference"] as const;
export type PictureKind = (typeof PICTURES)[number];

/** An image: floats in [0, 1], in [C,H,W]. */
export interface Pixels {
  readonly shape: readonly [channels: number, height: number, width: number];
  readonly values: Float32Array;
}

/** A PNG of an image of one or three channels; each pixel is one pixel. */
export async function png({ shape: [channels, height, width], values }: Pixels): Promise<Uint8Array> {
  const bytes = new Uint8Array(values.length);
  const plane = height * width;
  for (let c = 0; c < channels; c++) {
    for (let at = 0; at < plane; at++) {
      bytes[at * channels + c] = Math.round(255 * Math.min(1, Math.max(0, values[c * plane + at] ?? 0)));
    }
  }
  return sharp(bytes, { raw: { width, height, channels: channels as 1 | 3 } })
    .png()
    .toBuffer();
}

/** 0.5 + delta / (2 max |delta|): grey where nothing changed, black and white where most did. */
export function difference(clean: Pixels, adversarial: Pixels): Pixels {
  const delta = adversarial.values.map((value, at) => value - (clean.values[at] ?? 0));
  const most = delta.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  return { shape: clean.shape, values: delta.map((value) => 0.5 + (most === 0 ? 0 : value / (2 * most))) };
}
