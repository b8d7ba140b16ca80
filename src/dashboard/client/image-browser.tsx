import { useMemo, useRef, useState } from "preact/hooks";
import { count } from "../../report/format.js";
import type { CardDetail } from "../api.js";
import type { ImageShown } from "../card-schema.js";
import { shown } from "./line-option.js";
import { Picture } from "./picture.js";

const PART = 24;

/** How an image's fate is called in the filter. */
function fateOf({ brokenBy }: ImageShown): string {
  if (brokenBy === null) return "stands";
  return brokenBy === "clean" ? "wrong without an attack" : `broken by ${brokenBy}`;
}

/** Which images there are pictures of. */
interface AtHand {
  readonly clean: ReadonlySet<number>;
  readonly adversarial: ReadonlySet<number>;
}

interface ImageCardProps {
  readonly detail: CardDetail;
  readonly image: ImageShown;
  readonly atHand: AtHand;
}

function ImageCard({ detail, image, atHand }: ImageCardProps) {
  const { classNames, summary } = detail;
  const name = (label: number | null) => (label === null ? "–" : classNames[label] || `class ${label}`);
  const address = (kind: string) => `/api/cards/${summary.id}/${image.index}/${kind}`;
  // A point is kept of images that an attack broke.
  const broken = image.brokenBy !== null && image.brokenBy !== "clean";
  const clean = atHand.clean.has(image.index);
  const moved = broken && atHand.adversarial.has(image.index);
  const blank = broken ? "not at hand" : "none";
  const how = [image.run, image.step === null ? "" : `step ${image.step}`].filter((each) => each !== "").join(", ");
  return (
    <li class="image" tabIndex={-1}>
      <h3>
        {image.index}: {name(image.label)}
      </h3>
      <div class="triple">
        <Picture
          address={address("clean")}
          there={clean}
          words={`image ${image.index}`}
          caption={`clean: ${name(image.clean)}`}
        />
        <Picture
          address={address("adversarial")}
          there={moved}
          words={`adversarial image ${image.index}`}
          caption={broken ? `adversarial: ${name(image.adversarial)}` : "adversarial"}
          blank={blank}
        />
        <Picture
          address={address("difference")}
          there={moved && clean}
          words={`difference of image ${image.index}`}
          blank={blank}
          caption={image.norm === null ? "difference" : `difference: ${shown(image.norm)}`}
        />
      </div>
      <p class="note">
        {fateOf(image)}
        {how === "" ? "" : ` (${how})`}
      </p>
    </li>
  );
}

/** Why clean images are missing, and how to get them. */
function Missing({ kept, of }: { readonly kept: number; readonly of: number }) {
  if (kept >= of) return null;
  return (
    <p class="note">
      {kept > 0
        ? `Clean images are kept of the first ${count(kept)} images: a record keeps up to 128 MiB of them.`
        : "This record has no clean images; those of earlier versions have none. Give the command that made it once more: it adds them, and attacks nothing again."}
    </p>
  );
}

/** The images of a record by what became of them, a part at a time. */
export function ImageBrowser({ detail }: { readonly detail: CardDetail }) {
  const [fate, setFate] = useState("");
  const [most, setMost] = useState(PART);
  const list = useRef<HTMLUListElement>(null);
  const { clean, adversarial } = detail.pictures;
  const atHand = useMemo(() => ({ clean: new Set(clean), adversarial: new Set(adversarial) }), [detail]);
  const counts = new Map<string, number>();
  for (const image of detail.images) counts.set(fateOf(image), (counts.get(fateOf(image)) ?? 0) + 1);
  const wanted = detail.images.filter((image) => fate === "" || fateOf(image) === fate);
  const onFate = (value: string) => {
    setFate(value);
    setMost(PART);
  };
  // The button may be gone then: who came by keyboard goes on at the first new image.
  const onMore = () => {
    setMost(most + 2 * PART);
    requestAnimationFrame(() => (list.current?.children[most] as HTMLElement | undefined)?.focus());
  };
  return (
    <section>
      <h2>Images</h2>
      <form class="filters" onSubmit={(event) => event.preventDefault()}>
        <label>
          Show{" "}
          <select value={fate} onChange={(event) => onFate(event.currentTarget.value)}>
            <option value="">all ({count(detail.images.length)})</option>
            {[...counts].map(([each, n]) => (
              <option key={each} value={each}>
                {each} ({count(n)})
              </option>
            ))}
          </select>
        </label>
        <output>
          {count(Math.min(most, wanted.length))} of {count(wanted.length)} images
        </output>
      </form>
      <Missing kept={detail.images.filter(({ index }) => atHand.clean.has(index)).length} of={detail.images.length} />
      <ul class="images" ref={list}>
        {wanted.slice(0, most).map((image) => (
          <ImageCard key={image.index} detail={detail} image={image} atHand={atHand} />
        ))}
      </ul>
      {wanted.length > most ? (
        <button type="button" onClick={onMore}>
          Show more images
        </button>
      ) : null}
    </section>
  );
}
