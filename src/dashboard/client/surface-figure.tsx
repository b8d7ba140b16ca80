import { signal } from "@preact/signals";
import { drawSurface, firstView, type Surface, surfaceSize, turnedRoom, type View } from "../../report/surface.js";
import { DrawingPicture } from "./drawing-picture.js";

/** Where all surfaces are seen from: they turn together, so that they can be compared. */
const view = signal<View>(firstView);

const MOST_TILT = 1.5;

function turn(by: number, up: number): void {
  const { turn, tilt } = view.value;
  view.value = { turn: turn + by, tilt: Math.min(MOST_TILT, Math.max(0, tilt + up)) };
}

/** Radians a press. */
const keys: Readonly<Record<string, readonly [by: number, up: number]>> = {
  ArrowLeft: [-0.1, 0],
  ArrowRight: [0.1, 0],
  ArrowUp: [0, 0.1],
  ArrowDown: [0, -0.1],
};
/** Radians a pixel. */
const DRAG = 0.01;

function onKeyDown(event: KeyboardEvent): void {
  const step = keys[event.key];
  if (step === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  turn(...step);
}

function onPointerMove({ buttons, movementX, movementY, pointerType }: PointerEvent): void {
  // A finger that moves up or down scrolls the page.
  if (buttons === 1) turn(movementX * DRAG, pointerType === "touch" ? 0 : movementY * DRAG);
}

const { width, height } = surfaceSize;
const viewBox = `${-turnedRoom} ${-turnedRoom} ${width + 2 * turnedRoom} ${height + 2 * turnedRoom}`;

interface SurfaceFigureProps {
  readonly title: string;
  readonly told: string;
  readonly surface: Surface;
}

/** A surface that is turned by dragging or with the arrow keys. */
export function SurfaceFigure({ title, told, surface }: SurfaceFigureProps) {
  return (
    <figure>
      <figcaption>{title}</figcaption>
      <DrawingPicture
        class="drawing turns"
        drawing={drawSurface(surface, view.value)}
        viewBox={viewBox}
        told={`${told} Arrow keys turn it.`}
        // In lower case: names of attributes of SVG are kept as they are written.
        tabindex={0}
        onKeyDown={onKeyDown}
        onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
        onPointerMove={onPointerMove}
      />
    </figure>
  );
}
