import { useState } from "preact/hooks";
import { count } from "../../report/format.js";
import type { CardDetail } from "../api.js";
import type { ImageShown } from "../card-schema.js";
import { shown } from "./line-option.js";

const PART = 24;

/** How an image's fate is called in the filter. */
function fateOf({ brokenBy }: ImageShown): string {
  if (brokenBy === null) return "stands";
  return brokenBy === "clean" ? "wrong without an attack" : `broken by ${brokenBy}`;
}

interface PictureProps {
  readonly address: string;
  readonly words: string;
  readonly there: boolean;
  readonly caption: string;
  /** What stands in its place where it is not there. */
  readonly blank?: string;
}

function Picture({ address, words, there, caption, blank = "not at hand" }: PictureProps) {
  return (
    <div class="picture">
      {there ? (
        <img src={address} alt={words} loading="lazy" width="96" height="96" />
      ) : (
        <span class="blank">{blank}</span>
      )}
      <span class="note">{caption}</span>
    </div>
  );
}

function ImageCard({ detail, image }: { readonly detail: CardDetail; readonly image: ImageShown }) {
  const { pictures, classNames, summary } = detail;
  const name = (label: number | null) => (label === null ? "–" : classNames[label] || `class ${label}`);
  const address = (kind: string) => `/api/cards/${summary.id}/${image.index}/${kind}`;
  // A point is kept of images that an attack broke.
  const broken = image.brokenBy !== null && image.brokenBy !== "clean";
  const moved = pictures.adversarial && broken;
  const blank = broken ? "not at hand" : "none";
  const how = [image.run, image.step === null ? "" : `step ${image.step}`].filter((each) => each !== "").join(", ");
  return (
    <li class="image">
      <h3>
        {image.index}: {name(image.label)}
      </h3>
      <div class="triple">
        <Picture
          address={address("clean")}
          there={pictures.clean}
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
          there={moved && pictures.clean}
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

/** The images of a record by what became of them, a part at a time. */
export function ImageBrowser({ detail }: { readonly detail: CardDetail }) {
  const [fate, setFate] = useState("");
  const [most, setMost] = useState(PART);
  const counts = new Map<string, number>();
  for (const image of detail.images) counts.set(fateOf(image), (counts.get(fateOf(image)) ?? 0) + 1);
  const wanted = detail.images.filter((image) => fate === "" || fateOf(image) === fate);
  const onFate = (value: string) => {
    setFate(value);
    setMost(PART);
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
      {detail.pictures.clean ? null : (
        <p class="note">
          The clean images are shown where the data set is in the cache of s2ap on this machine; so far, CIFAR-10.
        </p>
      )}
      <ul class="images">
        {wanted.slice(0, most).map((image) => (
          <ImageCard key={image.index} detail={detail} image={image} />
        ))}
      </ul>
      {wanted.length > most ? (
        <button type="button" onClick={() => setMost(most + 2 * PART)}>
          Show more images
        </button>
      ) : null}
    </section>
  );
}
